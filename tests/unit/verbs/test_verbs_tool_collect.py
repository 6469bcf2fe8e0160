"""Tools beside environments: which of them go, and that what is used or made stays."""

import os

import pytest

from shipway.core.events import silent
from shipway.host.lock import FileLock
from shipway.verbs.context import Task
from shipway.verbs.tool_collect import collect_tools
from shipway.verbs.tool_folders import MAKING, Tool, provide, tool_project

TOOL = Tool("viewer", 'name = "viewer"\n')


def _fill(folder, _):
    with open(os.path.join(folder, "program"), "w", encoding="utf-8") as file:
        file.write("bytes")


@pytest.fixture
def made(tmp_path):
    return provide(TOOL, Task(directory=str(tmp_path), emit=silent), _fill)


@pytest.fixture
def proc(tmp_path):
    folder = tmp_path / "proc"
    (folder / "7").mkdir(parents=True)
    (folder / "7" / "cmdline").write_bytes(b"sleep\0009\0")
    return folder


def _later():
    return os.stat(tool_project(TOOL)).st_mtime + 100


def test_what_was_used_lately_stays(made, proc):
    assert collect_tools(before=os.stat(tool_project(TOOL)).st_mtime - 1, proc=str(proc)) == ()
    assert os.path.isdir(made)


def test_what_a_process_was_started_from_stays(made, proc):
    (proc / "7" / "cmdline").write_bytes(f"/opt/shipway/{TOOL.key}/lib/ld.so\0-i\0".encode())
    assert collect_tools(before=_later(), proc=str(proc)) == ()
    assert os.path.isdir(made)


def test_what_is_being_made_stays(made, proc):
    with FileLock(os.path.join(tool_project(TOOL), MAKING)):
        assert collect_tools(before=_later(), proc=str(proc)) == ()
    assert os.path.isdir(made)


def test_what_nobody_uses_goes_with_its_project_and_can_be_made_again(made, proc, tmp_path):
    before = _later()
    [would] = collect_tools(before=before, dry_run=True, proc=str(proc))
    assert os.path.isdir(made)
    [gone] = collect_tools(before=before, proc=str(proc))
    assert would == gone
    assert gone.name == TOOL.key
    assert gone.size >= len("bytes") + len(TOOL.spec)
    assert not os.path.exists(made)
    assert collect_tools(before=before, proc=str(proc)) == ()
    assert provide(TOOL, Task(directory=str(tmp_path), emit=silent), _fill) == made
