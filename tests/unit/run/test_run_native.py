import pytest
from run_values import ENVIRONMENT, HOST, TRUE

from shipway.core.errors import EngineError, ExitCode
from shipway.core.events import Note
from shipway.run import native
from shipway.run.engines import ENGINES
from shipway.run.model import Limits, Mount, Network, RunOptions
from shipway.run.native import describe_native, plan_sandbox, require_mount_points, run_native
from shipway.run.request import plan_run
from shipway.run.tops import TopFolders
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
    return plan_run(environment, asked, HOST, home="/s/home")


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
        ),
        ("true",),
        env=dict(request.env),
        cwd="/work",
        host_uid_as="self",
        network="host",
        hostname="my-project",
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
    assert ENGINES["native"].describe(plan()) == lines


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

    def __call__(self, plan, on_start=None):
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
    request = plan_run(environment, asked, HOST, home=f"{state}/homes/x/home")
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
    launched = Launched(monkeypatch, Result(0))
    seen = []

    def limited(request, plan, runtime, emit):
        seen.append(request.limits)
        return launched(plan)

    monkeypatch.setattr(native, "_run_limited", limited)
    launch(environment, tmp_path, TRUE._replace(limits=Limits(memory=1 << 30)))
    assert seen == [Limits(memory=1 << 30)]
