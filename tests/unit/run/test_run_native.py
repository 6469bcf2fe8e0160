import contextlib
import errno
import os

import pytest
from run_values import ENVIRONMENT, HOST, TRUE

from shipway.core.errors import EngineError, ExitCode
from shipway.core.events import Note
from shipway.run import native
from shipway.run.engines import ENGINES
from shipway.run.limits import Enforcer
from shipway.run.model import Limits, Mount, Network, RunOptions
from shipway.run.mounting import require_mount_points
from shipway.run.native import describe_native, plan_sandbox, run_native
from shipway.run.request import plan_run
from shipway.run.top.names import TopFolders
from shipway.sandbox.model import (
    Bind,
    Dev,
    Overlay,
    Proc,
    Request,
    Result,
    SandboxFailure,
    Tmpfs,
    WriteFile,
)

FOLDERS = TopFolders("/s/runs/1", "/s/runs/1/upper", "/s/runs/1/work")


def plan(environment=ENVIRONMENT, asked=TRUE):
    return plan_run(environment, asked, HOST, home="/s/home", bytecode="/bytecode")


def sandbox(request, folders=FOLDERS):
    return plan_sandbox(request, folders)


def test_a_plain_run_is_exactly_this_sandbox():
    request = plan()
    assert sandbox(request) == Request(
        (
            Overlay(("/store/b", "/store/a"), "/s/runs/1/upper", "/s/runs/1/work", volatile=True),
            *(WriteFile("/" + file.path, file.data) for file in request.files),
            Proc(),
            Dev(shm_size=8 << 30),
            Bind("/sys", "/sys", read_only=True, optional=True),
            Bind("/s/runs/1/scratch", "/tmp"),
            Bind("/home/ada/my_project", "/work"),
            Bind("/s/home", "/home/ada"),
            Bind("/bytecode", "/var/cache/shipway/bytecode"),
        ),
        ("true",),
        env=dict(request.env),
        cwd="/work",
        host_uid_as="self",
        network="host",
        hostname="my-project-cpu",
        tty=False,
    )


def test_the_workload_has_no_rights_and_nothing_of_ours():
    planned = sandbox(plan())
    assert planned.no_new_privs
    assert planned.drop_caps
    assert planned.pid_namespace
    assert planned.ipc
    assert planned.uts
    assert planned.keep_fds == ()
    assert not planned.suppress_chown


def test_what_is_kept_is_not_volatile():
    overlay = sandbox(plan(asked=TRUE._replace(keep="a"))).ops[0]
    assert overlay == Overlay(("/store/b", "/store/a"), FOLDERS.upper, FOLDERS.work, volatile=False)


def test_a_read_only_run_has_no_top_but_memory_for_programs():
    ops = sandbox(plan(asked=TRUE._replace(read_only=True)), TopFolders("/s/runs/1")).ops
    assert ops[0] == Overlay(("/store/b", "/store/a"), upper=None)
    assert Tmpfs("/run") in ops
    assert Tmpfs("/var/tmp") in ops


def test_without_a_disk_that_can_hold_a_top_it_is_memory():
    assert sandbox(plan(), TopFolders("/s/runs/1")).ops[0] == Overlay(("/store/b", "/store/a"))


def test_trees_of_others_get_a_lower_of_ours_above_them():
    facts = ENVIRONMENT.facts._replace(foreign=True)
    overlay = sandbox(plan(ENVIRONMENT._replace(facts=facts))).ops[0]
    assert overlay.lowers == ("/s/runs/1/over", "/store/b", "/store/a")


def test_mounts_terminal_and_network_are_passed_on():
    options = RunOptions(mounts=(Mount("/data", "/data", read_only=True),), network=Network.NONE)
    planned = sandbox(plan(ENVIRONMENT._replace(options=options), TRUE._replace(tty=True)))
    assert Bind("/data", "/data", read_only=True) in planned.ops
    assert planned.network == "none"
    assert planned.tty


def test_the_description_names_every_step_and_touches_nothing():
    lines = describe_native(plan())
    assert lines[0] == "overlay /: 2 lowers, upper RUN/upper"
    assert "bind /home/ada/my_project -> /work" in lines
    assert lines[-1] == "exec true in /work"
    assert ENGINES["native"].describe(plan(), lambda: pytest.fail("no image is needed")) == lines


def test_a_mount_inside_the_project_needs_its_place_there(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    project = tmp_path / "project"
    project.mkdir()
    mounts = (Mount(str(project), "/work"), Mount(str(data), "/work/data/set"))
    with pytest.raises(EngineError, match="lies inside another mount"):
        require_mount_points(mounts)
    assert list(project.iterdir()) == []
    (project / "data" / "set").mkdir(parents=True)
    require_mount_points(mounts)


def test_a_mount_inside_the_home_volume_gets_its_place(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    mounts = (Mount(str(home), "/root", owned=True), Mount(str(tmp_path), "/root/data"))
    require_mount_points(mounts)
    assert (home / "data").is_dir()


class Launched:
    """A stand-in for the sandbox that records what it was asked and answers what it was told."""

    def __init__(self, monkeypatch, answer):
        self.plans = []
        self.answer = answer
        monkeypatch.setattr(native, "_run", self)

    def __call__(self, plan, door=None, on_start=None):
        self.plans.append(plan)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def environment(tmp_path):
    for name in ("project", "lower"):
        (tmp_path / name).mkdir()
    return ENVIRONMENT._replace(project=str(tmp_path / "project"), lowers=(str(tmp_path / "lower"),))


def launch(environment, tmp_path, asked=TRUE, events=None):
    state = str(tmp_path / "state")
    request = plan_run(environment, asked, HOST, home=f"{state}/homes/x/home", bytecode=f"{state}/b/1")
    return run_native(request, state=state, runtime="", emit=(events if events is not None else []).append)


def test_the_childs_code_is_ours_and_nothing_is_left(environment, tmp_path, monkeypatch):
    launched = Launched(monkeypatch, Result(7))
    assert launch(environment, tmp_path).code == 7
    upper = launched.plans[0].ops[0].upper
    assert upper.startswith(str(tmp_path / "state" / "runs"))
    assert list((tmp_path / "state" / "runs").iterdir()) == []
    assert list((tmp_path / "project").iterdir()) == []


def test_a_missing_source_is_named_before_anything_starts(environment, tmp_path, monkeypatch):
    launched = Launched(monkeypatch, Result(0))
    asked = TRUE._replace(mounts=(Mount("/no/such/folder", "/data"),))
    with pytest.raises(EngineError, match="`/no/such/folder`, to be mounted at `/data`, does not exist"):
        launch(environment, tmp_path, asked)
    assert launched.plans == []


@pytest.mark.parametrize(
    ("code", "text"), [(127, "not in the environment"), (126, "cannot be executed: no x")]
)
def test_a_command_that_cannot_start_has_its_own_code(environment, tmp_path, monkeypatch, code, text):
    Launched(monkeypatch, Result(code, message="no x"))
    with pytest.raises(EngineError, match=text) as caught:
        launch(environment, tmp_path)
    assert caught.value.code == code
    assert caught.value.hints


def test_a_child_may_exit_with_127_itself(environment, tmp_path, monkeypatch):
    Launched(monkeypatch, Result(127))
    assert launch(environment, tmp_path).code == 127


def test_what_was_not_isolated_is_said(environment, tmp_path, monkeypatch):
    Launched(monkeypatch, Result(0, note="no pid namespace"))
    events = []
    launch(environment, tmp_path, events=events)
    assert events == [Note("no pid namespace", "warning")]


def test_a_refused_sandbox_is_an_engine_error_and_leaves_nothing(environment, tmp_path, monkeypatch):
    from shipway.sandbox import launch as sandbox_launch

    def refuse(*_args, **_more):
        raise SandboxFailure("mount /: Operation not permitted", step="mount", errno=1)

    monkeypatch.setattr(sandbox_launch, "run", refuse)
    with pytest.raises(EngineError, match="Operation not permitted") as caught:
        launch(environment, tmp_path)
    assert caught.value.code == ExitCode.ENGINE
    assert "doctor" in caught.value.hints[0]
    assert list((tmp_path / "state" / "runs").iterdir()) == []


def test_limits_are_never_dropped_in_silence(environment, tmp_path, monkeypatch):
    from shipway.run import limits as room

    seen = []

    @contextlib.contextmanager
    def enforced(limits, **_more):
        seen.append(limits)
        yield Enforcer()

    Launched(monkeypatch, Result(0))
    monkeypatch.setattr(room, "enforced_limits", enforced)
    launch(environment, tmp_path, TRUE._replace(limits=Limits(memory=1 << 30)))
    assert seen == [Limits(memory=1 << 30)]


class Refusing(Launched):
    """A host without namespaces: only a plan with a merged tree runs."""

    def __call__(self, plan, door=None, on_start=None):
        self.plans.append(plan)
        if plan.merged_root is None:
            raise SandboxFailure("refused", step=self.answer)
        assert os.listdir(plan.merged_root) == ["merged"]
        return Result(0, mode="proot", note="files are not isolated")


def merge(lowers, target):
    assert lowers
    os.mkdir(f"{target}/merged")


@pytest.mark.parametrize("step", ["namespaces", "mounts", "overlay"])
def test_where_namespaces_are_refused_a_merged_tree_is_made_for_this_run(
    environment, tmp_path, monkeypatch, step
):
    refusing = Refusing(monkeypatch, step)
    events = []
    request = plan_run(
        environment, TRUE._replace(read_only=True), HOST, home=f"{tmp_path}/h", bytecode=f"{tmp_path}/b/1"
    )
    outcome = run_native(request, state=f"{tmp_path}/state", runtime="", emit=events.append, merge=merge)
    assert outcome.isolation == "proot"
    assert [event.level for event in events] == ["warning", "warning"]
    assert "read-only" in events[0].text
    assert not os.path.exists(refusing.plans[1].merged_root)


def test_a_kept_merged_tree_is_made_once(environment, tmp_path, monkeypatch):
    Refusing(monkeypatch, "namespaces")
    request = plan_run(
        environment, TRUE._replace(keep="a"), HOST, home=f"{tmp_path}/h", bytecode=f"{tmp_path}/b/1"
    )
    made = []

    def counted(lowers, target):
        made.append(target)
        merge(lowers, target)

    for _ in range(2):
        run_native(request, state=f"{tmp_path}/state", runtime="", merge=counted)
    assert len(made) == 1


def test_other_failures_are_not_tried_again(environment, tmp_path, monkeypatch):
    refusing = Refusing(monkeypatch, "bind /work")
    request = plan_run(environment, TRUE, HOST, home=f"{tmp_path}/h", bytecode=f"{tmp_path}/b/1")
    with pytest.raises(EngineError, match="refused"):
        run_native(request, state=f"{tmp_path}/state", runtime="", merge=merge)
    assert len(refusing.plans) == 1


def test_a_full_disk_is_no_refusal_of_the_host():
    failure = SandboxFailure("write /etc/hosts: No space left on device", step="write", errno=errno.ENOSPC)
    hints = native.not_set_up(failure).hints
    assert "free space" in hints[0]
    assert "shipway doctor" not in " ".join(hints)
