import os

import pytest
from run_values import ENVIRONMENT, HOST, TRUE

from shipway.core.errors import EngineError, NotFound
from shipway.host.lock import FileLock
from shipway.run.homes import ensure_bytecode, ensure_home, remove_home
from shipway.run.places import bytecode_folder, project_key
from shipway.run.request import plan_run
from shipway.run.top import names as tops
from shipway.run.top.names import list_kept, opened_top, remove_kept, sweep_runs


def plan(**changes):
    return plan_run(ENVIRONMENT, TRUE._replace(**changes), HOST, home="/h", bytecode="/bytecode")


def test_a_run_has_its_own_folders_and_leaves_none(tmp_path):
    state = str(tmp_path / "state")
    with opened_top(plan(), state) as one, opened_top(plan(), state) as other:
        assert one.upper != other.upper
        for folder in (one.upper, one.work, one.scratch):
            assert os.path.isdir(folder)
        assert os.stat(one.scratch).st_mode & 0o7777 == 0o1777
        assert os.stat(one.upper).st_mode & 0o777 == 0o755
        assert os.stat(one.run).st_mode & 0o777 == 0o700
    assert os.listdir(f"{state}/runs") == []


def test_the_folders_go_when_the_run_fails(tmp_path):
    def fail():
        with opened_top(plan(), str(tmp_path)) as folders:
            os.mkdir(f"{folders.work}/work", 0o000)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert os.listdir(tmp_path / "runs") == []


def test_a_read_only_run_has_no_upper(tmp_path):
    with opened_top(plan(read_only=True), str(tmp_path)) as folders:
        assert folders.upper == ""
        assert os.path.isdir(folders.scratch)


def test_what_is_kept_stays_is_listed_and_is_removed(tmp_path):
    state = str(tmp_path)
    with opened_top(plan(keep="exp"), state) as folders, open(f"{folders.upper}/file", "w") as file:
        file.write("12345")
    with opened_top(plan(keep="exp"), state) as again:
        assert os.listdir(again.upper) == ["file"]
        assert again.run != folders.run
    (kept,) = list_kept(state, ENVIRONMENT.project)
    assert (kept.name, kept.size, kept.target, kept.in_use) == ("exp", 5, "cpu", False)
    assert list_kept(state, "/another/project") == ()
    assert remove_kept(state, ENVIRONMENT.project, "exp") == 5
    assert list_kept(state, ENVIRONMENT.project) == ()


def test_one_kept_top_has_one_container_at_a_time(tmp_path):
    with opened_top(plan(keep="exp"), str(tmp_path)):
        with (
            pytest.raises(EngineError, match="`exp` is in use by process") as caught,
            opened_top(plan(keep="exp"), str(tmp_path)),
        ):
            pass
        with pytest.raises(EngineError, match="in use"):
            remove_kept(str(tmp_path), ENVIRONMENT.project, "exp")
        assert list_kept(str(tmp_path), ENVIRONMENT.project)[0].in_use
        with opened_top(plan(keep="other"), str(tmp_path)):
            pass
    assert caught.value.hints


def test_a_changed_environment_below_a_kept_top_is_said(tmp_path):
    events = []
    with opened_top(plan(keep="exp"), str(tmp_path), events.append):
        pass
    assert events == []
    changed = plan(keep="exp")._replace(lowers=("/store/c",))
    with opened_top(changed, str(tmp_path), events.append):
        pass
    assert "has changed since `exp` was kept" in events[0].text


@pytest.mark.parametrize("name", ["absent", "..", "../x"])
def test_removing_what_is_not_kept_says_what_is(tmp_path, name):
    with opened_top(plan(keep="exp"), str(tmp_path)):
        pass
    with pytest.raises(NotFound) as caught:
        remove_kept(str(tmp_path), ENVIRONMENT.project, name)
    assert "`exp`" in caught.value.hints[0]


def test_leftovers_of_killed_runs_are_swept_and_living_runs_are_not(tmp_path):
    state = str(tmp_path)
    with opened_top(plan(), state) as alive:
        dead = tmp_path / "runs" / "99-dead"
        (dead / "work" / "work").mkdir(parents=True)
        (dead / "work" / "work").chmod(0)
        (tmp_path / "runs" / "99-dead.lock").touch()
        assert sweep_runs(state) == (str(dead),)
        assert not dead.exists()
        assert os.path.isdir(alive.upper)
        assert len(os.listdir(tmp_path / "runs")) == 2, "the living one and its lock"
    assert sweep_runs(str(tmp_path / "nothing")) == ()


def test_a_file_system_that_overlays_cannot_write_to(tmp_path, monkeypatch):
    monkeypatch.setattr(tops, "filesystem_type", lambda _path: "nfs")
    events = []
    with opened_top(plan(), str(tmp_path), events.append) as folders:
        assert folders.upper == ""
    assert "lies on nfs" in events[0].text
    with pytest.raises(EngineError, match="nothing can be kept"), opened_top(plan(keep="a"), str(tmp_path)):
        pass


def test_the_lock_of_a_run_is_taken_before_its_folder_exists(tmp_path, monkeypatch):
    real, seen = os.mkdir, []

    def mkdir(path, mode=0o777, **more):
        if os.path.dirname(path) == str(tmp_path / "runs"):
            seen.append(FileLock(path + ".lock").try_acquire())
        return real(path, mode, **more)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with opened_top(plan(), str(tmp_path)):
        pass
    assert seen == [False]


def test_homes_are_made_once_per_project_and_private(tmp_path):
    skeleton = tmp_path / "skel"
    skeleton.mkdir()
    (skeleton / ".bashrc").write_text("PS1=x")
    (skeleton / "evil").symlink_to("/etc/passwd")
    state = str(tmp_path / "state")
    home = ensure_home(state, "/p/one", str(skeleton))
    assert os.listdir(home) == [".bashrc"]
    assert os.stat(home).st_mode & 0o777 == 0o700
    os.unlink(f"{home}/.bashrc")
    assert ensure_home(state, "/p/one", str(skeleton)) == home
    assert os.listdir(home) == [], "a home that exists is left alone"
    assert ensure_home(state, "/q/one") != home


def test_a_home_is_removed(tmp_path):
    state = str(tmp_path)
    home = ensure_home(state, "/p/one")
    with open(f"{home}/file", "w") as file:
        file.write("123")
    other = ensure_home(state, "/p/two")
    assert remove_home(state, "/p/one", dry_run=True) == 3
    assert os.path.isdir(home)
    assert remove_home(state, "/p/one") == 3
    assert (os.path.exists(home), os.path.exists(other)) == (False, True)
    with pytest.raises(NotFound, match="has no home volume"):
        remove_home(state, "/p/one")


@pytest.mark.parametrize("path", ["/home/ada/My Project", "/", "/x/..hidden", "/x/\udcff", "/x/" + "y" * 300])
def test_keys_of_projects_are_plain_names_that_differ(path):
    key = project_key(path)
    assert key.isascii()
    assert "/" not in key
    assert not key.startswith(".")
    assert len(key) < 60
    assert key != project_key(path + "x")


def test_compiled_modules_are_apart_by_environment_and_old_ones_go(tmp_path):
    folders = [bytecode_folder(str(tmp_path), "/p", (f"/tree{number}",)) for number in range(6)]
    assert len(set(folders)) == 6
    for number, folder in enumerate(folders):
        ensure_bytecode(folder)
        os.utime(folder, (number, number))
    assert sorted(os.listdir(os.path.dirname(folders[0]))) == sorted(map(os.path.basename, folders[2:]))
    ensure_bytecode(folders[2])
    ensure_bytecode(folders[0])
    assert os.path.isdir(folders[2]), "it was used a moment ago"
    assert not os.path.isdir(folders[3])
