import os

import pytest

from shipway.core.errors import NotFound
from shipway.host.dirs import state_dir
from shipway.run.places import volume_folder
from shipway.verbs.context import Task
from shipway.verbs.data import list_data, remove_volumes
from shipway.verbs.data_access import explain_access
from shipway.verbs.project import read_project
from shipway.verbs.run_options import read_run_options

SPEC = f"""\
name = "x"
[data.own]
folder = "sets"
target = "/data/own"
read-only = true
[data.gone]
folder = "nowhere"
target = "/data/gone"
[data.ck]
volume = "checkpoints"
target = "/ck"
[data.web]
url = "https://h.invalid/x.tar"
sha256 = "{"a" * 64}"
target = "/web"
"""


@pytest.fixture
def task(tmp_path):
    (tmp_path / "p/sets").mkdir(parents=True)
    (tmp_path / "p/sets/one").write_text("12345")
    (tmp_path / "p/shipway.toml").write_text(SPEC)
    return Task(str(tmp_path / "p"))


def make_volume(name, text=""):
    os.makedirs(volume_folder(state_dir(), name))
    with open(f"{volume_folder(state_dir(), name)}/f", "w") as file:
        file.write(text)


def test_list_says_size_and_state_of_each(task):
    make_volume("of-another", "abc")
    found = {item.name: item for item in list_data(task).items}
    assert (found["own"].size, found["own"].state) == (5, "here")
    assert found["gone"].state == "absent"
    assert (found["ck"].state, found["ck"].note) == ("absent", "made on first use")
    assert found["web"].state == "not locked"
    assert (found["of-another"].size, found["of-another"].target) == (3, "")


def test_folders_and_volumes_are_mounts_of_a_run(task):
    project = read_project(task.directory, print)
    mounts = {mount.target: mount for mount in read_run_options(project, "").mounts}
    assert mounts["/data/own"].source == f"{project.folder}/sets"
    assert mounts["/data/own"].read_only
    assert mounts["/ck"].owned
    assert mounts["/ck"].source == volume_folder(state_dir(), "checkpoints")


def test_a_volume_goes_only_when_it_is_meant():
    make_volume("v", "abc")
    assert remove_volumes(["v"], dry_run=True).size == 3
    assert os.path.exists(volume_folder(state_dir(), "v"))
    with pytest.raises(NotFound, match="no volume `w`"):
        remove_volumes(["v", "w"])
    assert os.path.exists(volume_folder(state_dir(), "v"))
    remove_volumes(["v"])
    assert not os.path.exists(volume_folder(state_dir(), "v"))


def test_what_others_own_is_told_with_the_exact_line(tmp_path):
    folder = tmp_path / "shared of all"
    folder.mkdir()
    unreadable = explain_access(str(folder), write=True, access=lambda *_: False)
    unwritable = explain_access(str(folder), write=True, access=lambda _, mode: not mode & os.W_OK)
    assert "cannot be read" in unreadable
    assert f"chmod -R g+rX '{folder}'" in unreadable
    assert f"chmod -R g+rwX '{folder}'" in unwritable
    assert f"find '{folder}' -type d -exec chmod g+s" in unwritable
    assert explain_access(str(folder), write=False, access=lambda _, mode: not mode & os.W_OK) == ""
    assert explain_access(str(tmp_path / "none"), write=True) == ""
