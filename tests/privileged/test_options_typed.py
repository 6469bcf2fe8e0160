"""Lines in Docker's words, typed at a stored image with the native engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from test_run_image import load_and_name, run, shell_layer

from shipway.image.names import find_name, put_name
from shipway.store.store import Store

pytestmark = pytest.mark.needs_userns


@pytest.fixture
def image(tmp_path):
    """`base:1` and `base:latest`: a shell, and a working directory that the image does not have."""
    name = load_and_name(tmp_path, shell_layer(), Env=["PATH=/usr/bin:/bin"], WorkingDir="/docker-practice")
    store = Store.open()
    put_name(store, "base:latest", find_name(store, name))
    return name


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_line_of_docker_s_is_typed_as_it_is(image, here):
    (here / "file").write_text("seen\n")
    done = run(
        here, "-it", "--rm", "-v", f"{here}:/docker_practice", "--shm-size=8m", "-e", "A=1", image, "sh", "-c",
        "cat /docker_practice/file; echo $A; pwd",
    )  # fmt: skip
    assert done.stdout.split() == ["seen", "1", "/docker-practice"], done.stderr
    assert "one character beside it" in done.stderr
    assert "a terminal was asked for" in done.stderr


def test_a_name_without_a_tag_is_an_image_where_it_is_no_command(image, here):
    done = run(here, "--rm", "base", "sh", "-c", "echo run")
    assert done.stdout == "run\n", done.stderr
    assert "the stored image of this name is run" in done.stderr
    done = run(here, "--", "base", "sh")
    assert done.returncode == 125


def test_the_image_that_is_not_stored_has_next_steps(image, here):
    done = run(here, "--rm", "ubuntu:20.04", "bash")
    assert done.returncode == 125
    assert "shipway pull ubuntu:20.04" in done.stderr


def test_a_lost_folder_is_told(image, here):
    done = run(here, "--rm", "-v", "():/docker_practice", image, "sh")
    assert done.returncode == 125
    assert '"$(pwd)"' in done.stderr


def test_a_volume_lasts_and_its_likeness_is_told(image, here):
    (here / "data").mkdir()
    done = run(here, "-v", "data:/data", image, "sh", "-c", "echo kept > /data/x")
    assert done.returncode == 0, done.stderr
    assert "`./data`" in done.stderr
    (volume,) = Path(os.environ["XDG_STATE_HOME"]).glob("shipway/volumes/data")
    assert (volume / "x").stat().st_uid == os.getuid()
    assert (
        run(here, "-v", "data:/data:ro", image, "sh", "-c", "cat /data/x; echo y > /data/x").stdout
        == "kept\n"
    )
    assert os.listdir(here / "data") == []


def test_a_bus_error_names_its_cause(image, here):
    done = run(here, "--shm-size", "8m", image, "sh", "-c", "kill -BUS $$")
    assert done.returncode == 135
    assert "8.0 MiB" in done.stderr
    assert "--shm-size 8g" in done.stderr


def test_another_s_program_name_asks_for_gpus(image, here):
    command = [sys.executable, "-m", "shipway", "-C", str(here), "nvidia-docker", "run", "--rm", image, "sh"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ.copy())
    assert done.returncode == 125
    assert "`nvidia-docker` is no longer needed" in done.stderr
    assert "no GPUs yet" in done.stderr


def test_more_than_the_caller_may_have_is_refused(image, here):
    script = f"ulimit -l 64; exec {sys.executable} -m shipway -C {here} run --ulimit memlock=-1 {image} true"
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=False, env=os.environ.copy()
    )
    assert done.returncode in (0, 125)
    assert done.returncode == 0 or "memlock=65536` is the most" in done.stderr
