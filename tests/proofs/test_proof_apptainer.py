"""D4: Apptainer runs what we write: SIF, squashfs, OCI layout, and a whole project; and it would have unpacked the same files.

Apptainer is that of Debian's unstable suite (see `apptainer_world`), for Debian 12 has none.
"""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("contract", "unit/image")]
from apptainer_world import private_apptainer
from engine_world import make_root
from image_samples import config_of, layer, special, write_layout

from shipway.core.events import silent
from shipway.core.reference import parse_reference
from shipway.image.apptainer import save_sif, save_squashfs
from shipway.image.encode import Encoding
from shipway.image.load import load_images
from shipway.image.save import pack_image, save_archive, save_layout
from shipway.store.store import Store

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_network,
    pytest.mark.needs_tool("apt-get", "patchelf", "unsquashfs"),
]
INNER = {
    "Env": ["PATH=/usr/bin:/bin", "GREETING=good $(day) 'to' you"],
    "Entrypoint": ["bash", "-c"],
    "Cmd": ['echo "$GREETING"; readlink -f .; cat /opt/tool'],
    "WorkingDir": "/opt",
}
SAID = "good $(day) 'to' you\n/opt\nfrom above\n"
MADE = (".", "dev", "environment", "etc/hosts", "etc/resolv.conf", "home", "root", "singularity")
"""What either side adds for Apptainer's sake."""
SPEC = 'name = "greeter"\nbase = "debian:bookworm"\napt = ["hello"]\ncommand = ["hello"]\n'


@pytest.fixture(scope="module", autouse=True)
def _apptainer(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    with (
        private_apptainer(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as settings,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in settings.items():
            patch.setenv(name, value)
        yield


def apptainer(*words):
    done = subprocess.run(["apptainer", "--silent", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A store, and an image of two layers with everything that layers can do to each other."""
    place = tmp_path_factory.mktemp("image")
    make_root(place / "root")
    (place / "root/opt/old").mkdir()
    (place / "root/opt/old/file").write_text("gone")
    words = ["tar", "-C", place / "root", "--sort=name", "--owner=0", "--group=0", "--mtime=@1600000000"]
    below = subprocess.run([*words, "-cf", "-", "."], check=True, stdout=subprocess.PIPE).stdout
    above = layer(
        (special("opt/tool", b"0", mode=0o644, mtime=1_650_000_000), b"from above\n"),
        (special("opt/set", b"0", mode=0o4755, uid=12, gid=13), b"#!"),
        special("opt/second", b"1", linkname="opt/set"),
        special("opt/link", b"2", linkname="../etc/passwd"),
        ("opt/.wh.old", b""),
    )
    write_layout(str(place / "in"), below, above, config=config_of(below, above, config=INNER))
    store = Store.open(str(place / "store"))
    [one] = load_images(store, str(place / "in"), platform="linux/amd64", emit=silent)
    return store, one.image


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize(("save", "ending"), [(save_sif, "sif"), (save_squashfs, "sqsh")])
def test_apptainer_runs_our_file_as_docker_would_run_the_image(image, tmp_path, save, ending, compression):
    path = f"{tmp_path}/image.{ending}"
    save(path, *image, silent, compression=compression)
    assert apptainer("run", "--no-privs", path) == SAID
    assert apptainer("run", "--no-privs", path, "echo other").strip() == "other"
    assert (
        apptainer("exec", "--no-privs", path, "bash", "-c", "cat /opt/second; stat -c %h /opt/set") == "#!2\n"
    )
    if ending == "sif":
        listed = apptainer("sif", "list", path)
        assert "FS (Squashfs/*System/amd64)" in listed
        assert apptainer("sif", "dump", "1", path).encode() == image[1].config


def files(root):
    """Every path that a container sees and Apptainer does not make: type, mode, owner, content or target."""
    found = {}
    for directory, folders, names in os.walk(root):
        for name in [*folders, *names]:
            full = f"{directory}/{name}"
            info = os.lstat(full)
            content = b""
            if stat.S_ISLNK(info.st_mode):
                content = os.fsencode(os.readlink(full))
            elif stat.S_ISREG(info.st_mode):
                with open(full, "rb") as file:
                    content = hashlib.file_digest(file, "sha256").digest()
            links = info.st_nlink if stat.S_ISREG(info.st_mode) else 0
            found[os.path.relpath(full, root)] = (info.st_mode, info.st_uid, info.st_gid, content, links)
    return {path: value for path, value in found.items() if not path.startswith(MADE)}


def test_our_file_holds_what_apptainer_makes_of_the_oci_layout(image, tmp_path):
    store, stored = image
    packed = pack_image(store, stored, Encoding.GZIP, silent, oci=True)
    save_layout(f"{tmp_path}/layout", parse_reference("x:1"), packed)
    save_archive(f"{tmp_path}/layout.tar", parse_reference("x:1"), packed)
    save_squashfs(f"{tmp_path}/x.sqsh", store, stored, silent, compression="zstd")
    subprocess.run(
        ["unsquashfs", "-d", tmp_path / "ours", tmp_path / "x.sqsh"], check=True, capture_output=True
    )
    for kind, name in (("oci", "layout"), ("oci-archive", "layout.tar")):
        theirs = f"{tmp_path}/{kind}"
        apptainer("build", "--sandbox", theirs, f"{kind}:{tmp_path}/{name}")
        # It gives variables to a shell, and knows no working directory: so only the last line is Docker's.
        assert apptainer("run", "--no-privs", theirs).splitlines()[-1] == "from above"
        assert files(f"{tmp_path}/ours") == files(theirs)


def test_a_project_runs_in_apptainer_and_leaves_as_a_sif(shared_store, tmp_path, monkeypatch):
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    project = tmp_path / "project"
    project.mkdir()
    (project / "shipway.toml").write_text(SPEC)
    (project / "note.txt").write_text("from the project\n")

    def shipway(*words):
        command = [sys.executable, "-m", "shipway", "-q", *words]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)

    first = shipway("run", "--engine", "apptainer")
    assert (first.returncode, first.stdout) == (0, "Hello, world!\n"), first.stderr
    script = 'cat note.txt; echo made > out; [ -n "$APPTAINER_CONTAINER" ]'
    done = shipway("run", "--engine", "apptainer", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, "from the project\n"), done.stderr
    assert (project / "out").read_text() == "made\n"
    made = [shipway("export", "apptainer", "--format", "sif", "-o", f"{tmp_path}/{n}.sif") for n in (1, 2)]
    assert [one.returncode for one in made] == [0, 0], made
    assert (tmp_path / "1.sif").read_bytes() == (tmp_path / "2.sif").read_bytes()
    assert apptainer("run", "--no-privs", f"{tmp_path}/1.sif") == "Hello, world!\n"
    assert apptainer("run", "--no-privs", f"{tmp_path}/1.sif", "cat", "note.txt") == "from the project\n"
