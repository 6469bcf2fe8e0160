"""Which folder is the project, and how its files are read."""

from __future__ import annotations

import os

import pytest

from shipway.core.errors import LockFormatError, LockStale, SpecError, ToolError
from shipway.core.events import silent
from shipway.verbs.context import LockMode, Task
from shipway.verbs.find import find_folder
from shipway.verbs.locking import check_lock, ensure_lock
from shipway.verbs.project import read_project, read_text, require_target

SPEC = (
    'name = "x"\nbase = "debian:bookworm"\npip = ["numpy"]\n\n[targets.cpu]\n[targets.gpu]\npip = ["jax"]\n'
)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "shipway.toml").write_text(SPEC + "")
    return folder


def test_the_nearest_spec_upwards(project):
    deep = project / "src" / "deep"
    deep.mkdir(parents=True)
    assert find_folder(str(deep)) == str(project)
    (project / "src" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert find_folder(str(deep)) == str(project), "a pyproject.toml without our table is no spec"
    (project / "src" / "pyproject.toml").write_text("[tool.shipway]\n")
    assert find_folder(str(deep)) == str(project / "src")


def test_a_folder_that_is_gone_is_told(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ToolError, match="does not exist any more"):
        find_folder()


def test_without_a_spec_the_folder_itself(tmp_path, monkeypatch):
    bare = tmp_path / "bare"
    bare.mkdir()
    assert find_folder(str(bare)) == str(bare)
    monkeypatch.chdir(bare)
    assert find_folder() == str(bare)


def test_links_are_resolved(project, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(project)
    assert find_folder(str(link)) == str(project)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ToolError, match="does not exist"):
        find_folder(str(tmp_path / "none"))


def test_a_project_is_read_with_every_file_that_matters(project):
    (project / "shipway.toml").write_text(
        'name = "x"\nrequirements = ["requirements.txt"]\nbase = "debian:bookworm"\n'
    )
    (project / "requirements.txt").write_text("numpy\n-r more.txt\n")
    (project / "more.txt").write_text("jax\n")
    found = read_project(str(project), silent)
    assert {wish.text for wish in found.spec.target().pip} == {"numpy", "jax"}
    names = {os.path.basename(path) for path in found.inputs()}
    assert {"shipway.toml", "pyproject.toml", "requirements.txt", "more.txt", "shipway.lock"} <= names


def test_a_target_that_is_not_there_lists_those_that_are(project):
    spec = read_project(str(project), silent).spec
    with pytest.raises(SpecError, match="`tpu`") as caught:
        require_target(spec, "tpu")
    assert caught.value.hints[0] == "its targets are: cpu, gpu"


def test_files_that_are_no_text_are_named(project):
    (project / "broken.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match=r"`broken\.txt` is no UTF-8"):
        read_text(str(project), "broken.txt")
    assert read_text(str(project), "none.txt") is None
    assert read_text(str(project), "shipway.toml/none") is None


def test_no_lock_is_drift_and_an_error_where_none_may_be_made(project):
    found = read_project(str(project), silent)
    assert check_lock(found).drift == ("there is no `shipway.lock`",)
    for mode in (LockMode.LOCKED, LockMode.FROZEN):
        with pytest.raises(LockStale, match=r"no `shipway\.lock`"):
            ensure_lock(found, Task(mode=mode), store=None)


def test_a_damaged_lock_is_an_error_in_every_mode(project):
    (project / "shipway.lock").write_text("<<<<<<< ours\n")
    found = read_project(str(project), silent)
    for mode in LockMode:
        with pytest.raises(LockFormatError):
            ensure_lock(found, Task(mode=mode), store=None)
