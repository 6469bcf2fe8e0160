"""Which engine runs when nobody said: our own, and when this host refuses it the first other one that answers, never in silence."""

import os

import pytest
from test_engines_command import request
from test_engines_program import portable

from shipway.core.errors import EngineError, ExitCode
from shipway.core.events import Note
from shipway.run import choice
from shipway.run.choice import run_instead
from shipway.run.model import Mount
from shipway.run.native import HostRefuses, run_native
from shipway.run.oci.podman import podman_for
from shipway.run.oci.program import require_program
from shipway.sandbox import modes
from shipway.sandbox.model import SandboxFailure

REFUSAL = HostRefuses("the container could not be started: no namespaces", hints=("allow them",))


@pytest.fixture
def engines(tmp_path, monkeypatch):
    """Install programs that answer as one engine would whose service is up, or down."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr("shipway.host.proc.DEFAULT_PATH", str(folder))
    monkeypatch.setenv("PATH", str(folder))

    def install(**up):
        identity = portable().image.config_digest
        for name, answers in up.items():
            cases = f"--version) echo 1.4.5;; run|--silent) echo {name} >> {tmp_path}/ran;; image) echo {identity};;"
            script = f'case "$1" in {cases} esac'
            (folder / name).write_text(f"#!/bin/sh\n{script if answers else 'exit 1'}\n")
            (folder / name).chmod(0o755)

    return install


def instead(tmp_path, *, asked=False):
    events = []
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    wanted = request(cwd="/home/ada", mounts=(Mount(str(home), "/home/ada"),), notes=("said before",))
    outcome = run_instead(
        REFUSAL,
        wanted,
        asked=asked,
        state=str(tmp_path / "state"),
        emit=events.append,
        image=portable,
        merge=lambda lowers, target: None,
    )
    return outcome, [event.text for event in events if isinstance(event, Note)]


@pytest.mark.parametrize(
    ("up", "name"),
    [
        ({"docker": True, "podman": True}, "docker"),
        ({"docker": False, "podman": True}, "podman"),
        ({"podman": True}, "podman"),
        ({"apptainer": True, "podman": True}, "podman"),
        ({"apptainer": True, "podman": False}, "apptainer"),
    ],
)
def test_the_first_that_answers_runs_it_and_that_is_said(engines, tmp_path, up, name):
    engines(**up)
    outcome, notes = instead(tmp_path)
    assert (outcome.code, outcome.isolation) == (0, name)
    assert (tmp_path / "ran").read_text() == f"{name}\n"
    assert notes == [f"{REFUSAL.message}; {name.title()}, which is here, runs it instead"]


def test_without_any_the_refusal_says_what_to_install(engines, tmp_path):
    engines(docker=False)
    with pytest.raises(EngineError, match="no namespaces") as caught:
        instead(tmp_path)
    assert caught.value.code is ExitCode.ENGINE
    assert caught.value.hints[0] == "allow them"
    assert "podman" in caught.value.hints[-1]


def test_our_own_asked_for_by_name_is_never_replaced(engines, tmp_path):
    engines(podman=True)
    with pytest.raises(EngineError) as caught:
        instead(tmp_path, asked=True)
    assert "--engine podman" in caught.value.hints[-1]
    assert not (tmp_path / "ran").exists()


def test_a_missing_engine_names_one_that_is_here(engines):
    engines(docker=True)
    with pytest.raises(EngineError, match="Podman is not installed here") as caught:
        require_program(podman_for(0))
    assert "`--engine docker`" in caught.value.hints[-1]


@pytest.mark.parametrize(("step", "kind"), [("namespaces", HostRefuses), ("bind /x at /y", EngineError)])
def test_only_a_hosts_refusal_is_one(tmp_path, monkeypatch, step, kind):
    """What is wrong with the request would be wrong with another engine too."""

    def refuse(request):
        raise SandboxFailure("no", step=step)

    monkeypatch.setattr(modes, "plan_modes", refuse)
    (tmp_path / "state").mkdir()
    with pytest.raises(EngineError) as caught:
        run_native(request(mounts=()), state=str(tmp_path / "state"), runtime="")
    assert type(caught.value) is kind
    assert os.listdir(tmp_path / "state/runs") == []


def test_every_engine_of_choice_is_one():
    assert choice.ENGINES.keys() >= {"docker", "podman", "apptainer"}
