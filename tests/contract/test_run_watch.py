"""`run --watch`: started again on a change of what programs are made of, and of nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from life_world import LifeWorld, store_image

from private_engines import wait_until
from shipway.core.errors import ToolError
from shipway.host.watch import Watcher
from shipway.verbs.watch_run import watch_and_run

pytestmark = pytest.mark.needs_userns


@pytest.fixture
def world(tmp_path):
    store_image(tmp_path / "layout", str(tmp_path / "store"))
    made = LifeWorld(tmp_path, "native", str(tmp_path / "store"), {})
    (made.project / "shipway.toml").write_text('name = "watched"\n[files]\nignore = ["generated"]\n')
    return made


def begin(world, *options, script="cat /work/main.py; exec sleep 1000"):
    (world.project / "main.py").write_text("one\n")
    words = world.words("run", "--image", "life:1", *options, "--", "sh", "-c", script)
    with (
        (world.project.parent / "out").open("wb") as out,
        (world.project.parent / "notes").open("wb") as notes,
    ):
        return subprocess.Popen(words, env=world.environ, stdout=out, stderr=notes, stdin=subprocess.DEVNULL)


def said(world):
    return (world.project.parent / "out").read_text()


def notes(world):
    return (world.project.parent / "notes").read_text()


def test_a_change_starts_it_again(world):
    process = begin(world, "--watch")
    wait_until(lambda: said(world) == "one\n")
    (world.project / "generated").mkdir()
    (world.project / "generated" / "made.py").write_text("x\n")
    (world.project / "results.csv").write_text("x\n")
    (world.project / "main.py").write_text("two\n")
    wait_until(lambda: said(world) == "one\ntwo\n")
    (world.project / "package").mkdir()
    (world.project / "package" / "new.py").write_text("x\n")
    wait_until(lambda: said(world) == "one\ntwo\ntwo\n")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 128 + signal.SIGTERM
    assert "started again, for `main.py` changed" in notes(world)
    assert "`package/new.py`" in notes(world)
    assert "generated" not in notes(world)
    assert "results.csv" not in notes(world)


def test_patterns_and_a_command_that_is_over(world):
    process = begin(world, "--watch-files", "*.csv", script="echo ran; exit 3")
    wait_until(lambda: notes(world).count("ended with 3") == 1)
    (world.project / "main.py").write_text("two\n")
    (world.project / "data.csv").write_text("x\n")
    wait_until(lambda: notes(world).count("ended with 3") == 2)
    assert said(world) == "ran\nran\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 3


def test_what_cannot_be_watched_is_told(world, tmp_path):
    done = world.call("run", "--watch", "--name", "x", "--image", "life:1", "--", "true", code=None)
    assert "`--watch` belongs to a command that is waited for" in done.stderr
    from shipway.verbs.context import Task

    with pytest.raises(ToolError, match="pattern"):
        watch_and_run(lambda: 0, ["[a"], Task(str(world.project)))


def test_the_watcher_tells_of_files_in_new_and_moved_folders(tmp_path):
    os.makedirs(tmp_path / "skip")
    with Watcher(str(tmp_path), lambda folder: folder == "skip") as watcher:
        assert watcher.wait(0) == set()
        (tmp_path / "a").write_text("x")
        assert watcher.wait(5) == {"a"}
        (tmp_path / "skip" / "b").write_text("x")
        os.makedirs(tmp_path / "new/inner")
        (tmp_path / "new/inner/c").write_text("x")
        found = set()
        while "new/inner/c" not in found:
            found |= watcher.wait(5)
        assert not any(path.startswith("skip") for path in found)
        (tmp_path / "a").unlink()
        found = watcher.wait(5)
        assert "a" in found
