"""An image of others, run by the native engine: its files, variables and command, and what it may not say."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from shipway.core.events import silent
from shipway.image.load import load_images
from shipway.image.names import put_name
from shipway.store.store import Store
from shipway.verbs.context import host_platform

sys.path.append(str(Path(__file__).parents[1] / "unit" / "image"))
from image_samples import config_of, layer, special, write_layout

pytestmark = pytest.mark.needs_userns


def shell_layer(*more):
    """The host's `sh` and `cat` with their libraries, below `usr` and linked from the root."""
    wanted = set()
    for program in ("/bin/sh", "/bin/cat"):
        found = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        wanted |= {program, *re.findall(r"(/\S+)", found)}
    members = [(path[1:], Path(path).read_bytes()) for path in sorted(wanted)]
    return layer("etc/", "tmp/", *members, *more)


@pytest.fixture
def image(tmp_path):
    """`base:1`: a shell, a file that the second layer hides, and a configuration with everything in it."""
    below = shell_layer(("etc/gone", b"x"), ("etc/kept", b"kept\n"), "srv/", ("srv/old", b"x"))
    above = layer("etc/", ("etc/.wh.gone", b""), "srv/", ("srv/.wh..wh..opq", b""), ("srv/new", b"new\n"))
    os_name, architecture = host_platform().split("/")
    config = config_of(
        below,
        above,
        os=os_name,
        architecture=architecture,
        config={
            "Env": ["PATH=/usr/bin:/bin", "FROM_IMAGE=yes"],
            "Entrypoint": ["/bin/sh"],
            "Cmd": ["-c", "echo own command"],
            "WorkingDir": "/srv",
            "User": "12345",
        },
    )
    write_layout(tmp_path / "layout", below, above, config=config)
    store = Store.open()
    [loaded] = load_images(store, str(tmp_path / "layout"), platform=host_platform(), emit=silent)
    put_name(store, "base:1", loaded.image)
    return "base:1"


def run(folder, *words):
    command = [sys.executable, "-m", "shipway", "-C", str(folder), "run", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ.copy())


def test_an_image_of_others_runs_as_it_is(image, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "mine").write_text("mine\n")
    script = "cat new /etc/kept /work/mine; echo $FROM_IMAGE; pwd; [ -e /etc/gone ] || [ -e old ]; echo $? > /work/out"
    done = run(folder, "--image", image, "--", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["new", "kept", "mine", "yes", "/srv"]
    assert (folder / "out").read_text() == "1\n"
    assert (folder / "out").stat().st_uid == os.getuid()


def test_its_own_command_and_exit_codes(image, tmp_path):
    assert run(tmp_path, "--image", image).stdout == "own command\n"
    assert run(tmp_path, "--image", image, "--", "-c", "exit 7").returncode == 7


def test_an_image_that_is_not_here(tmp_path):
    done = run(tmp_path, "--image", "none:1")
    assert done.returncode == 125
    assert "there is no image `none:1` here" in done.stderr


def test_an_image_of_another_platform(tmp_path):
    body = layer(("a", b"a"))
    write_layout(tmp_path / "layout", body, config=config_of(body, architecture="s390x"))
    store = Store.open()
    [loaded] = load_images(store, str(tmp_path / "layout"), platform="linux/s390x", emit=silent)
    put_name(store, "base:1", loaded.image)
    done = run(tmp_path, "--image", "base:1", "--", "true")
    assert done.returncode == 125
    assert "is for linux/s390x" in done.stderr


def load_and_name(tmp_path, *layers, **inner):
    """`base:1` of `layers` for this machine with `inner` as its configuration."""
    os_name, architecture = host_platform().split("/")
    config = config_of(*layers, os=os_name, architecture=architecture, config=inner)
    write_layout(tmp_path / "layout", *layers, config=config)
    store = Store.open()
    [loaded] = load_images(store, str(tmp_path / "layout"), platform=host_platform(), emit=silent)
    put_name(store, "base:1", loaded.image)
    return "base:1"


def test_the_same_empty_layer_several_times(tmp_path):
    """As builders leave it where a step changed nothing; the kernel takes no folder twice in one overlay."""
    empty = layer()
    image = load_and_name(tmp_path, empty, shell_layer(), empty, empty, Env=["PATH=/usr/bin:/bin"])
    done = run(tmp_path, "--image", image, "--", "sh", "-c", "echo here")
    assert (done.returncode, done.stdout) == (0, "here\n"), done.stderr


def test_a_configuration_steers_nothing_outside(tmp_path):
    """CVE-2026-53488, CVE-2022-23648, CVE-2025-23266: labels, volumes, hooks and variables of an image are data inside it."""
    folder = tmp_path / "here"
    folder.mkdir()
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("of the host")
    image = load_and_name(
        tmp_path,
        shell_layer(),
        Env=[
            "PATH=/usr/bin:/bin",
            f"PYTHONPATH={folder}",
            f"SHIPWAY_STORE={secret}",
            f"HOME={secret}",
            "BASH_ENV=/x",
        ],
        WorkingDir=f"../../../../../..{secret}",
        Volumes={str(secret): {}, f"../../..{secret}": {}},
        Labels={"containerd.io/restart.path": str(folder / "run"), "io.podman.annotations.init": "true"},
        User="0",
        Healthcheck={"Test": ["CMD", "touch", "/work/ran"]},
        OnBuild=["RUN touch /work/ran"],
    )
    (folder / "sitecustomize.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    script = f"cd / && ! [ -e {secret}/key ] && echo $SHIPWAY_STORE"
    done = run(folder, "--image", image, "--workdir", "/", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, f"{secret}\n"), done.stderr
    assert not (folder / "ran").exists()
    assert sorted(os.listdir(secret)) == ["key"]
    made = run(folder, "--image", image, "--", "sh", "-c", "pwd; echo *; echo x > new")
    assert made.stdout == f"{secret}\n*\n", "a folder of this name is made inside, and is empty"
    assert sorted(os.listdir(secret)) == ["key"]


def test_a_layer_whose_folder_was_a_link_copies_nothing_of_the_host(tmp_path):
    """CVE-2022-23648's kind: `etc` links out of the image, a layer above has a folder there; accounts and skeleton come from inside."""
    outside = tmp_path / "outside"
    (outside / "skel").mkdir(parents=True)
    (outside / "skel" / "secret").write_text("of the host")
    link = layer(special("etc", tarfile.SYMTYPE, linkname=str(outside)))
    image = load_and_name(tmp_path, link, shell_layer(), Env=["PATH=/usr/bin:/bin"])
    folder = tmp_path / "here"
    folder.mkdir()
    done = run(folder, "--image", image, "--", "sh", "-c", "echo ~/*")
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout
