"""A run as Apptainer's command line, and the folder that it runs in."""

import csv
import os
import shlex
import threading

import pytest
from test_engines_command import ADA, request

from shipway.core.errors import EngineError, LimitError
from shipway.core.events import Note, silent
from shipway.host.lock import FileLock
from shipway.run.apptainer import render_environ, render_exec, render_holding
from shipway.run.apptainer_engine import describe_apptainer, require_apptainer, run_apptainer
from shipway.run.model import Limits, Mount, Network, Top
from shipway.run.places import root_folder, roots_folder
from shipway.run.top.merged import collect_roots, opened_root


def test_the_whole_line():
    assert render_exec(request(), root="/state/roots/x", folder="/r") == (
        "--silent", "exec", "--containall", "--cleanenv", "--no-eval", "--no-umask", "--no-privs", "--no-mount=bind-paths",
        "--hostname=proj-gpu", "--overlay=/r/top", "--home=/home/ada/x:/home/ada",
        "--mount=type=bind,source=/r/scratch,destination=/tmp",
        "--mount=type=bind,source=/r/vartmp,destination=/var/tmp",
        "--mount=type=bind,source=/r/run,destination=/run",
        "--mount=type=bind,source=/r/files/etc/passwd,destination=/etc/passwd,ro",
        "--mount=type=bind,source=/data/proj,destination=/work",
        "--pwd=/work", "/state/roots/x", "python", "train.py", "--lr", "0.1 x",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"tty": True}, set()),
        ({"network": Network.NONE}, {"--net", "--network=none"}),
        (
            {"limits": Limits(memory=5, cpus=1.5, pids=9)},
            {"--memory=5", "--memory-swap=5", "--cpus=1.5", "--pids-limit=9"},
        ),
        (
            {"account": ADA._replace(uid=0)},
            {
                "--mount=type=bind,source=/sys,destination=/sys,ro",
                "--mount=type=bind,source=/proc/sys,destination=/proc/sys,ro",
            },
        ),
    ],
)
def test_each_wish_adds_just_its_words(more, words):
    assert set(render_exec(request(**more))) - set(render_exec(request())) == words


def test_a_read_only_environment_has_no_overlay():
    assert set(render_exec(request())) - set(render_exec(request(top=Top.READ_ONLY))) == {"--overlay=RUN/top"}


def test_a_container_that_stays_holds_nothing_but_a_program_that_waits():
    """Its top is in its own folder; limits and variables come with what enters, and so may be any."""
    env = (("TOKEN", "hunter2"), ("UID", "5"))
    stays = request(top=Top.KEPT, limits=Limits(memory=5), env=env)
    words = render_holding(stays, root="/root", folder="/state/c", program="WAIT")
    foreground = render_exec(request(), root="/root", folder="/state/c")
    assert words[:4] == ("--silent", "exec", "--no-init", "--userns")
    assert words[-3:] == ("--pwd=/", "/root", "/run/WAIT")
    assert set(words[4:-3]) ^ set(foreground[2:-6]) == {
        "--overlay=/state/c", "--overlay=/state/c/top", "--pwd=/work", "/root",
    } - set(foreground[-6:])  # fmt: skip
    as_root = render_holding(
        stays._replace(account=ADA._replace(uid=0)), root="/root", folder="/c", program="WAIT"
    )
    assert "--userns" not in as_root, "root may enter without"
    line, *told = describe_apptainer(stays, lasting=True)
    assert (line.endswith("ROOT /run/WAIT"), "enter that container and start python train.py" in told[1]) == (
        True, True,
    )  # fmt: skip
    with pytest.raises(EngineError, match="another user"):
        render_holding(stays._replace(user="x"), root="/root", folder="/c", program="WAIT")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"top": Top.KEPT, "keep": "x"}, "keeps nothing"),
        ({"shm_asked": True}, "size of `/dev/shm`"),
        ({"env": (("not-a-name", "1"), ("UID", "0"))}, "`not-a-name`, `UID`"),
        ({"env": (("PREPEND_PATH", "/x"),)}, "`PREPEND_PATH`"),
        ({"env": (("PATH", ""),)}, "`PATH`"),
        ({"env": (("HOME", "/elsewhere"),)}, "`HOME`"),
        ({"mounts": (Mount("/home/a:b", "/home/ada", owned=True),)}, "`/home/a:b`"),
    ],
)
def test_what_apptainer_cannot_do_is_refused_by_name(more, named):
    with pytest.raises(EngineError, match=named) as caught:
        render_exec(request(**more))
    assert any("--engine native" in hint for hint in caught.value.hints)


def test_a_comma_in_a_path_divides_nothing():
    mounts = (Mount("/home/ada/x", "/home/ada", owned=True), Mount('/a,ro"b', "/work", read_only=True))
    (word,) = [word for word in render_exec(request(mounts=mounts)) if "destination=/work" in word]
    assert next(csv.reader([word.removeprefix("--mount=")])) == [
        "type=bind", 'source=/a,ro"b', "destination=/work", "ro",
    ]  # fmt: skip


def test_values_of_variables_are_not_on_the_line():
    secret = request(env=(("HOME", "/home/ada"), ("TEXT", "a\nhunter2"), ("TOKEN", "hunter2")))
    assert not any("hunter2" in word for word in render_exec(secret))
    assert not any("hunter2" in line for line in describe_apptainer(secret))
    assert render_environ(secret, {}) == {"APPTAINERENV_TOKEN": "hunter2", "APPTAINERENV_TEXT": "a\nhunter2"}


def test_the_callers_own_settings_change_no_container():
    caller = {"PATH": "/bin", "APPTAINER_BIND": "/", "APPTAINERENV_A": "x", "SINGULARITY_NV": "1"}
    places = {"APPTAINER_TMPDIR": "/t", "APPTAINER_CACHEDIR": "/c"}
    assert render_environ(request(env=()), {**caller, **places}) == {"PATH": "/bin", **places}


def test_what_is_shown_is_one_line_for_a_shell():
    first = describe_apptainer(request())[0]
    assert shlex.split(first) == ["apptainer", *render_exec(request())]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "not installed"),
        ("echo apptainer version 1.0.3", "1.0.3 is too old; 1.1"),
        ("echo no >&2; exit 1", "does not say its version"),
    ],
)
def test_a_program_that_will_not_do_is_told_with_a_remedy(tmp_path, monkeypatch, script, said):
    if script:
        (tmp_path / "apptainer").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "apptainer").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if script else str(tmp_path))
    with pytest.raises(EngineError, match=said) as caught:
        require_apptainer()
    assert caught.value.hints
    (tmp_path / "apptainer").write_text("#!/bin/sh\necho apptainer version 1.4.5-2\n")
    (tmp_path / "apptainer").chmod(0o755)
    assert require_apptainer() == f"{tmp_path}/apptainer"


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Run a container in an Apptainer that is a script; the outcome, and the folders that were made."""

    def start(script, **more):
        program = tmp_path / "bin" / "apptainer"
        program.parent.mkdir(exist_ok=True)
        version = 'if [ "$1" = --version ]; then echo apptainer version 1.4.5; exit; fi'
        program.write_text(f"#!/bin/sh\n{version}\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        lower = tmp_path / "lower/bin"
        lower.mkdir(parents=True, exist_ok=True)
        (lower / "tool").touch(0o755)
        wanted = request(
            lowers=(str(lower.parent),), argv=("/bin/tool",), mounts=request().mounts[:1], **more
        )
        state = str(tmp_path / "state")
        try:
            return run_apptainer(wanted, state=state, emit=silent, merge=lambda lowers, target: None).code
        finally:
            assert os.listdir(f"{state}/runs") == []

    return start


FAILS = "echo 'FATAL: container creation failed: while applying cgroups config: no' >&2; exit 255"


def test_the_commands_own_255_is_no_failure_of_apptainer(started):
    assert started("exit 255") == 255
    assert started("exit 7") == 7


def test_a_container_that_cannot_be_made_is_an_error_with_apptainers_words(started):
    with pytest.raises(EngineError, match="could not make the container") as caught:
        started(FAILS)
    assert caught.value.code == 125
    assert "applying cgroups config" in caught.value.detail


def test_a_limit_that_apptainer_cannot_set_is_refused_before_the_command_starts(started, tmp_path):
    script = f'case "$*" in *tool) touch {tmp_path}/ran;; esac\n{FAILS}'
    with pytest.raises(LimitError, match="a limit of 9 processes"):
        started(script, limits=Limits(pids=9))
    with pytest.raises(LimitError, match="a limit of memory, pids"):
        started(script, limits=Limits(pids=9, memory=1 << 20))
    assert not (tmp_path / "ran").exists()


def test_variables_and_folders_are_there_when_the_container_starts(started, tmp_path):
    script = f"""
        for word in "$@"; do
            case $word in --overlay=*) ls -ld "${{word#--overlay=}}" > {tmp_path}/said;; esac
        done
        env | grep APPTAINER >> {tmp_path}/said; exit 0"""
    assert started(script, env=(("A", "b c"),)) == 0
    mode, variable = (tmp_path / "said").read_text().splitlines()
    assert mode.startswith("drwxr-xr-x")
    assert variable == "APPTAINERENV_A=b c"


def merged(state, lowers, made=None):
    """Open and leave the root of `lowers`; what merging it was asked."""
    calls = [] if made is None else made

    def merge(found, target):
        calls.append(found)
        with open(f"{target}/file", "w") as file:
            file.write(" ".join(found))

    with opened_root(request(lowers=lowers), str(state), merge, silent) as root, open(f"{root}/file") as file:
        assert file.read() == " ".join(lowers)
    return calls


def test_an_environment_is_merged_once(tmp_path):
    made = merged(tmp_path, ("/b", "/a"))
    assert merged(tmp_path, ("/b", "/a"), made) == [("/b", "/a")]


def test_half_a_merge_is_never_seen(tmp_path):
    def broken(found, target):
        with open(f"{target}/half", "w"):
            raise EngineError("stopped", hints=("again",))

    with pytest.raises(EngineError, match="stopped"), opened_root(request(), str(tmp_path), broken, silent):
        raise AssertionError
    merged(tmp_path, ("/store/a",))
    made = os.listdir(root_folder(str(tmp_path), "/data/proj", ("/store/a",)))
    assert sorted(made) == ["dev", "file", "proc", "sys"], "places of mounts that every container has"


def test_the_last_two_environments_stay_and_those_in_use(tmp_path):
    base = roots_folder(str(tmp_path), "/data/proj")

    def there():
        return {name for name in os.listdir(base) if "." not in name}

    def name(*lowers):
        return os.path.basename(root_folder(str(tmp_path), "/data/proj", lowers))

    merged(tmp_path, ("/1",))
    os.utime(f"{base}/{name('/1')}", (1, 1))
    with FileLock(f"{base}/{name('/1')}.lock", shared=True):
        merged(tmp_path, ("/2",))
        os.utime(f"{base}/{name('/2')}", (2, 2))
        merged(tmp_path, ("/3",))
        os.utime(f"{base}/{name('/3')}", (3, 3))
        assert there() == {name("/1"), name("/2"), name("/3")}
    merged(tmp_path, ("/4",))
    assert there() == {name("/3"), name("/4")}
    assert {one for one in os.listdir(base) if one.endswith(".lock")} == {
        f"{name(one)}.lock" for one in ("/3", "/4")
    }


def test_what_was_not_used_lately_is_collected_unless_a_container_uses_it(tmp_path):
    for number in (1, 2):
        merged(tmp_path, (f"/{number}",))
    old, new = (root_folder(str(tmp_path), "/data/proj", (f"/{number}",)) for number in (1, 2))
    os.utime(old, (5, 5))
    assert collect_roots(str(tmp_path / "none"), before=10) == ()
    assert [root.size for root in collect_roots(str(tmp_path), before=10, dry_run=True)] == [2]
    with FileLock(f"{old}.lock", shared=True):
        assert collect_roots(str(tmp_path), before=10) == ()
    assert os.path.exists(old)
    (gone,) = collect_roots(str(tmp_path), before=10)
    assert old.endswith(gone.name)
    assert (os.path.exists(old), os.path.exists(new)) == (False, True)


def test_two_starts_at_once_merge_once(tmp_path):
    calls = []
    both = [threading.Thread(target=merged, args=(tmp_path, ("/a",), calls)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert calls == [("/a",)]


def test_a_start_during_a_merge_does_not_wait_for_the_end_of_the_run_that_merged(tmp_path):
    inside, waiting = threading.Barrier(2, timeout=20), threading.Semaphore(0)

    def told(event):
        if isinstance(event, Note):
            waiting.release()

    def run():
        with opened_root(request(), str(tmp_path), lambda found, target: None, told):
            inside.wait()

    folder = root_folder(str(tmp_path), request().project, request().lowers)
    os.makedirs(os.path.dirname(folder))
    both = [threading.Thread(target=run) for _ in range(2)]
    with FileLock(f"{folder}.lock", shared=True):
        for one in both:
            one.start()
        assert [waiting.acquire(timeout=20) for _ in both] == [True, True], "both want to make it"
    for one in both:
        one.join()
    assert not inside.broken
