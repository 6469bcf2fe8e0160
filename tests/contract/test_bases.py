"""Projects that stand on images of others, through the real command line: offline, over a signed archive of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from test_dropped_package import OK, World

from private_engines import private_docker, private_podman
from shipway.testing.registry import FakeRegistry, Trick

pytestmark = [pytest.mark.needs_userns, pytest.mark.needs_tool("apt-get")]

STALE, NOT_FOUND, MISMATCH, HOSTILE, VERIFY, OFFLINE = 11, 14, 16, 19, 24, 26
EMPTY_TAR = bytes(1024)
OS_RELEASE = b"ID=ubuntu\nVERSION_ID=24.04\nVERSION_CODENAME=noble\n"
SPEC = 'name = "over"\nbase = "{base}"\ncommand = ["cat", "/usr/share/greeting", "/usr/share/steady"]\n{more}'
GREETING = 'apt = ["greeting"]\n'


class Yard(World):
    """A world whose first project made the base, and whose second stands on it."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        files = {"etc/os-release": (OS_RELEASE, 0o644), "var/tmp/.keep": (b"", 0o644)}
        self.archive.add("noble", {"Package": "release", "Version": "1", "Essential": "yes"}, files=files)
        self.offer("1.0")
        (self.project / "shipway.toml").write_text(
            'name = "bottom"\nbase = "ubuntu:noble"\napt = ["steady"]\ncommand = ["cat"]\n[env]\nBASE_SAYS = "hello"\n'
        )
        self.bottom = self.project
        self.project = folder / "top"
        self.project.mkdir()

    def at(self, base: str, more: str = GREETING) -> None:
        """The second project's base."""
        (self.project / "shipway.toml").write_text(SPEC.format(base=base, more=more))

    def done(self, *words: str, **env: str) -> str:
        """Standard output of a command that must succeed."""
        finished = self.run(*words, **env)
        assert finished.returncode == OK, finished.stderr
        return finished.stdout

    def below(self, *words: str) -> str:
        """The same in the project that makes the base."""
        top, self.project = self.project, self.bottom
        try:
            return self.done(*words)
        finally:
            self.project = top

    @property
    def lock(self) -> dict:
        return json.loads((self.project / "shipway.lock").read_text())


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A yard with the base as a layout and as an archive beside it; tests work on copies."""
    yard = Yard(tmp_path_factory.mktemp("yard"))
    yard.below("save", f"{yard.folder}/base/")
    yard.below("save", str(yard.folder / "base.tar"), "--format", "docker")
    return yard


@pytest.fixture
def yard(ready, tmp_path):
    shutil.copytree(ready.folder, tmp_path / "yard", symlinks=True)
    made = object.__new__(Yard)
    made.folder = tmp_path / "yard"
    made.archive, made.bottom = ready.archive, made.folder / "project"
    made.project = made.folder / "top"
    return made


@pytest.mark.parametrize("base", ["oci:../base.tar", "docker-archive:../base", "oci:../nothing"])
def test_nothing_lies_there(yard, base):
    yard.at(base)
    refused = yard.run("lock")
    assert (refused.returncode, "relative to the project" in refused.stderr) == (NOT_FOUND, True)


def layers_of(layout: Path) -> list[str]:
    """Diff ids of the only image in an OCI layout."""

    def blob(digest: str) -> dict:
        return json.loads((layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_text())

    manifest = blob(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])
    return blob(manifest["config"]["digest"])["rootfs"]["diff_ids"]


def test_only_what_the_base_lacks_is_locked_and_its_layers_stay(yard):
    yard.at("oci:../base")
    assert yard.done("run") == "hello 1.0\nstill 1\n"
    assert yard.locked() == {"greeting": "1.0"}
    (base,) = yard.lock["bases"]
    assert (base["name"], base["distribution"], base["suite"]) == ("oci:../base", "ubuntu", "noble")
    assert [one["diff-id"] for one in base["layers"]] == layers_of(yard.folder / "base")
    yard.done("save", f"{yard.folder}/out/")
    assert layers_of(yard.folder / "out")[: len(base["layers"])] == layers_of(yard.folder / "base")
    assert "BASE_SAYS=hello" in yard.done("run", "--", "env")
    assert yard.run("verify").returncode == OK


def test_the_same_lock_is_the_same_image(yard):
    yard.at("oci:../base")
    first = yard.done("build")
    yard.forget()
    assert yard.done("build", "--locked") == first


@pytest.mark.parametrize("base", ["docker-archive:../base.tar", "stored:base/one:1"])
def test_other_places(yard, base):
    yard.at(base)
    if base.startswith("stored"):
        yard.below("build", "-t", "base/one:1", ".")  # which names it as `tag` does
    assert yard.done("run") == "hello 1.0\nstill 1\n"
    assert yard.locked() == {"greeting": "1.0"}


PROGRAM = """\
#!/bin/sh
# An engine of one image, as far as `save` goes.
echo "$@" >> {folder}/asked
while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
case $1 in base:1|localhost/base:1) exec cp {folder}/base.tar "$out" ;; esac
echo "Error: {absent}" >&2
exit 1
"""


@pytest.mark.parametrize(
    ("program", "transport", "name", "absent"),
    [
        ("docker", "docker-daemon", "base:1", "No such image: other"),
        ("podman", "containers-storage", "localhost/base:1", "other: image not known"),
    ],
)
def test_an_engine_lends_its_own_image(yard, program, transport, name, absent):
    tools = yard.folder / "tools"
    tools.mkdir()
    (tools / program).write_text(PROGRAM.format(folder=yard.folder, absent=absent))
    (tools / program).chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    yard.at(f"{transport}:{name}")
    assert yard.done("run", PATH=path) == "hello 1.0\nstill 1\n"
    yard.at(f"{transport}:other")
    refused = yard.run("lock", PATH=path)
    assert (refused.returncode, "has no image `other:latest`" in refused.stderr) == (NOT_FOUND, True)
    words = (yard.folder / "asked").read_text().splitlines()[0].split()
    assert (words[0], words[-1]) == ("save", name)


@pytest.mark.needs_root
@pytest.mark.needs_tool("docker", "dockerd", "podman", "runc")
@pytest.mark.parametrize(
    ("engine", "private", "base"),
    [
        ("docker", private_docker, "docker-daemon:bottom:default"),
        ("podman", private_podman, "containers-storage:localhost/bottom:default"),
    ],
)
def test_a_real_engine_lends_its_image_and_runs_what_stands_on_it(yard, engine, private, base):
    name = base.partition(":")[2]
    with private() as settings:
        archive = str(yard.folder / "base.tar")
        subprocess.run(
            [engine, "load", "--input", archive],
            env={**os.environ, **settings},
            check=True,
            capture_output=True,
        )
        yard.at(base)
        assert yard.done("run", "--engine", engine, **settings) == "hello 1.0\nstill 1\n"
        assert yard.lock["bases"][0]["name"] == f"{base.partition(':')[0]}:{name}"


def test_what_the_base_brings_is_told(yard):
    yard.at("oci:../base")
    yard.done("build")
    assert "layer  base: of the base `oci:../base`" in yard.done("why", "steady")
    assert "oci:../base" in yard.done("explain")
    sizes = json.loads(yard.done("size", "--json"))
    of_base = [one["size"] for one in sizes["packages"] if one["kind"] == "base"]
    assert (len(of_base), sum(of_base) > 0) == (len(yard.lock["bases"][0]["layers"]), True)
    refused = yard.run("export", "dockerfile")
    assert "in no registry" in refused.stderr
    sbom = yard.done("export", "sbom")
    assert f"pkg:generic/base-image@{yard.lock['bases'][0]['manifest'].replace(':', '%3A')}" in sbom


def test_a_package_that_is_there_already_is_nothing_to_do(yard):
    yard.at("oci:../base", 'apt = ["steady"]\n')
    yard.done("lock")
    assert "debs" not in yard.lock
    assert "still 1" in yard.run("run", "--", "cat", "/usr/share/steady").stdout


def test_another_image_in_the_place_is_noticed_and_taken(yard):
    yard.at("oci:../base")
    yard.done("lock")
    before = yard.lock["bases"][0]["manifest"]
    spec = yard.bottom / "shipway.toml"
    spec.write_text(spec.read_text().replace("hello", "again"))
    shutil.rmtree(yard.folder / "base")
    yard.below("save", f"{yard.folder}/base/")
    assert yard.run("lock", "--check").returncode == STALE
    assert yard.done("run", "--frozen") == "hello 1.0\nstill 1\n"
    yard.forget()
    refused = yard.run("build", "--frozen")
    assert (refused.returncode, before in refused.stderr) == (STALE, True), refused.stderr
    assert "base oci:../base on linux/" in yard.done("lock")
    assert yard.lock["bases"][0]["manifest"] != before
    assert yard.run("lock", "--check").returncode == OK
    assert "BASE_SAYS=again" in yard.done("run", "--", "env")


def test_from_a_registry_and_back_without_sending_the_base_again(yard):
    with FakeRegistry() as registry:
        name = f"{registry.host}/team/base"
        yard.below("push", f"{name}:1")
        yard.at(f"{name}:1")
        assert yard.done("run") == "hello 1.0\nstill 1\n"
        (base,) = yard.lock["bases"]
        assert base["name"] == f"docker://{name}:1"
        result = json.loads(yard.done("push", f"{registry.host}/team/top:1", "--json"))
        assert result["mounted"] == len(base["layers"])
        pushed = json.loads(registry.repository("team/top").manifests["1"][1])
        assert [one["digest"] for one in pushed["layers"]][: len(base["layers"])] == [
            one["sha256"] for one in base["layers"]
        ]
        # The tag moves; the lock does not, until it is asked to.
        spec = yard.bottom / "shipway.toml"
        spec.write_text(spec.read_text().replace("hello", "again"))
        yard.below("push", f"{name}:1")
        yard.forget()
        first = yard.done("build", "--locked")
        assert yard.lock["bases"][0] == base
        yard.done("lock", "--upgrade", "base")
        assert yard.lock["bases"][0]["manifest"] != base["manifest"]
        assert yard.done("build") != first


@pytest.mark.parametrize(
    ("path", "trick", "code"),
    [
        ("blobs/.*", Trick.WRONG, MISMATCH),
        ("manifests/.*", Trick.GONE, NOT_FOUND),
        ("blobs/.*", Trick.GONE, NOT_FOUND),
    ],
)
def test_a_registry_that_does_not_do_its_part(yard, path, trick, code):
    with FakeRegistry() as registry:
        yard.below("push", f"{registry.host}/team/base:1")
        yard.forget()
        yard.at(f"{registry.host}/team/base:1")
        registry.order("GET", f"/v2/team/base/{path}", *[trick] * 50)
        refused = yard.run("lock")
        assert refused.returncode == code, refused.stderr
        assert not (yard.project / "shipway.lock").exists()
        assert not any((yard.folder / "store").glob("blobs-v1/*"))


def test_the_network_is_not_asked_where_it_is_forbidden(yard):
    with FakeRegistry() as registry:
        yard.below("push", f"{registry.host}/team/base:1")
        yard.at(f"{registry.host}/team/base:1")
        asked = len(registry.asked("GET", ".*"))
        refused = yard.run("lock", "--offline")
        assert (refused.returncode, "switched off" in refused.stderr) == (OFFLINE, True), refused.stderr
        assert len(registry.asked("GET", ".*")) == asked


def test_collected_layers_build_without_the_registry(yard):
    with FakeRegistry() as registry:
        yard.below("push", f"{registry.host}/team/base:1")
        yard.at(f"{registry.host}/team/base:1")
        first = yard.done("build")
        store = list((yard.folder / "store/blobs-v1").iterdir())
        for blob in store:
            blob.unlink()
        would = json.loads(yard.done("vendor", "--dry-run", "--json", str(yard.folder / "vendor")))
        assert "base" in {item["kind"] for item in would["artifacts"]}
        assert list((yard.folder / "store/blobs-v1").iterdir()) == []
        yard.done("vendor", str(yard.folder / "vendor"))
    yard.forget()
    shutil.rmtree(yard.folder / "mirror")
    refused = yard.run("build", "--offline", "--locked")
    assert (refused.returncode, "base layer" in refused.stderr) == (OFFLINE, True), refused.stderr
    assert yard.done("build", "--offline", "--vendor", str(yard.folder / "vendor")) == first


def test_a_base_without_packages_takes_files_only(yard):
    """As Alpine, or an image of one program."""
    bare = yard.folder / "bare"
    rootfs = yard.folder / "rootfs" / "etc"
    rootfs.mkdir(parents=True)
    (rootfs / "os-release").write_text("ID=alpine\nVERSION_ID=3.20\n")
    subprocess.run(["tar", "-C", str(rootfs.parent), "-cf", str(yard.folder / "l.tar"), "etc"], check=True)
    make_layout(bare, (yard.folder / "l.tar").read_bytes())
    yard.at("oci:../bare")
    refused = yard.run("lock")
    assert refused.returncode != OK
    assert "`greeting`" in refused.stderr
    assert "alpine 3.20" in refused.stderr
    yard.at("oci:../bare", "")
    (yard.project / "data").write_text("x")
    yard.done("build")
    assert (len(yard.lock["bases"][0]["layers"]), "debs" in yard.lock) == (1, False)


def make_layout(folder: Path, *layers: bytes, config: dict | None = None) -> None:
    """An OCI layout of one image."""
    import hashlib

    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, kind: str) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {
            "mediaType": f"application/vnd.oci.image.{kind}",
            "digest": f"sha256:{digest}",
            "size": len(data),
        }

    placed = [put(layer, "layer.v1.tar") for layer in layers]
    rootfs = {"type": "layers", "diff_ids": [one["digest"] for one in placed]}
    whole = {"architecture": "amd64", "os": "linux", "config": config or {}, "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(whole).encode(), "config.v1+json"),
        "layers": placed,
    }
    index = {"schemaVersion": 2, "manifests": [put(json.dumps(manifest).encode(), "manifest.v1+json")]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def test_an_image_of_another_platform_is_refused(yard):
    yard.at("oci:../base")
    other = {"x86_64": "linux/arm64", "aarch64": "linux/amd64"}[os.uname().machine]
    refused = yard.run("lock", "--platform", other)
    assert (refused.returncode, other in refused.stderr) == (NOT_FOUND, True), refused.stderr


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"Env": ["A\x1bB=x"]}, "sets a variable"),
        ({"Env": ["=x"]}, "no NAME=VALUE"),
        ({"User": "99999999999"}, "user"),
    ],
)
def test_a_configuration_that_lies_is_refused(yard, config, said):
    make_layout(yard.folder / "bad", EMPTY_TAR, config=config)
    yard.at("oci:../bad", "")
    refused = yard.run("lock")
    assert (refused.returncode, said in refused.stderr) == (HOSTILE, True), refused.stderr
    assert not (yard.project / "shipway.lock").exists()


def test_an_image_without_layers_is_refused(yard):
    make_layout(yard.folder / "bad")
    yard.at("oci:../bad", "")
    refused = yard.run("lock")
    assert (refused.returncode, "no layers" in refused.stderr) == (HOSTILE, True), refused.stderr


def test_damaged_bytes_of_a_base_are_found_and_had_again(yard):
    """Layers that are packed: the stream breaks before the digest can be compared."""
    with FakeRegistry() as registry:
        yard.below("push", f"{registry.host}/team/base:1")
        yard.forget()
        yard.at(f"{registry.host}/team/base:1")
        first = yard.done("build")
        blob = yard.folder / "store/blobs-v1" / yard.lock["bases"][0]["layers"][0]["sha256"].partition(":")[2]
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.chmod(0o644)
        blob.write_bytes(data)
        found = yard.run("verify")
        assert (found.returncode, blob.name[:12] in found.stdout) == (VERIFY, True), found.stderr
        assert yard.done("verify", "--repair")
        assert yard.done("build", "--locked") == first
    assert yard.run("verify").returncode == OK


def test_a_base_inside_the_project_is_told(yard):
    shutil.copytree(yard.folder / "base", yard.project / "base")
    yard.at("oci:base")
    told = yard.run("lock").stderr
    assert "`base` is in the project and would go into its image" in told
    (yard.project / "shipway.lock").unlink()
    yard.at("oci:base", GREETING + '[files]\nignore = ["base"]\n')
    finished = yard.run("lock")
    assert (finished.returncode, "is in the project" in finished.stderr) == (OK, False), finished.stderr


def test_a_layer_that_lies_is_refused(yard):
    blobs = yard.folder / "base" / "blobs" / "sha256"
    largest = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    yard.forget()
    yard.at("oci:../base")
    refused = yard.run("lock")
    assert refused.returncode != OK
    assert "digest" in refused.stderr
    assert not (yard.project / "shipway.lock").exists()
