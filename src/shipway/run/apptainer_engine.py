"""The life of a container in Apptainer: its program, the merged environment, one call, its end."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError, LimitError
from shipway.core.events import Note
from shipway.host.attached import run_attached
from shipway.host.files import translating_disk_errors
from shipway.host.proc import Command, find_tool, run
from shipway.run.apptainer import (
    NAME,
    ROOT,
    SCRATCH,
    TOP,
    render_environ,
    render_exec,
    render_holding,
    require_doable,
)
from shipway.run.inside import find_fault
from shipway.run.model import Outcome
from shipway.run.mounting import make_mount_sources
from shipway.run.oci.command import RUN, parse_version, wanted_limits
from shipway.run.run_files import write_run_files
from shipway.run.top.merged import opened_root
from shipway.run.top.names import opened_run

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.run.model import Merge, RunRequest

_OLDEST = (1, 1)
_NOT_STARTED = 255
_NO_PROGRAM = "/"
"""A command that never starts, to see how far Apptainer comes."""
_CREATION = "container creation failed"
_CGROUPS = "cgroup"


def describe_apptainer(request: RunRequest, *, lasting: bool = False) -> tuple[str, ...]:
    """The line that would be run, for a shell, and what it reads from the run's folder. `lasting`: for a container that lives on.

    Raises:
        EngineError: Apptainer cannot do what is asked.
    """
    if lasting:
        return _describe_lasting(request)
    return (
        shlex.join((NAME, *render_exec(request))),
        "",
        "ROOT is a folder with the environment, kept between runs and never written to",
        f"{len(request.env)} variables are handed over in the environment of that line, as APPTAINERENV_NAME",
        "RUN is a folder that lives as long as the container:",
        f"RUN/{TOP} holds what is written outside the mounts",
        *(f"RUN/{name} is what {target} is inside" for name, target in SCRATCH),
        *(f"RUN/files/{file.path} ({len(file.data)} bytes)" for file in request.files),
    )


def _describe_lasting(request: RunRequest) -> tuple[str, ...]:
    return (
        shlex.join((NAME, *render_holding(request, root=ROOT, folder=RUN, program="WAIT"))),
        "",
        f"enter that container and start {shlex.join(request.argv)} in {request.cwd}",
        "",
        "ROOT is a folder with the environment, kept between runs and never written to",
        "RUN is the container's own folder, which stays until it is removed; RUN/upper holds what is written outside the mounts",
        *(f"RUN/{name} is what {target} is inside" for name, target in SCRATCH),
        "RUN/run/WAIT waits until the container is ended; commands enter beside it, with their variables, streams and terminals",
        *(f"RUN/files/{file.path} ({len(file.data)} bytes)" for file in request.files),
    )


def run_apptainer(request: RunRequest, *, state: str, emit: Emit, merge: Merge | None) -> Outcome:
    """Run the container to its end with the caller's terminal and streams.

    Raises:
        EngineError: it could not be started (125), or its command cannot be executed (126) or is not there (127).
        LimitError: a limit cannot be set here.
        NoSpace: the disk is full.
    """
    require_doable(request)  # before anything is made
    assert merge is not None
    path = require_apptainer()
    for note in request.notes:
        emit(Note(note, "warning"))
    make_mount_sources(request, state)
    environ = render_environ(request, os.environ)
    with opened_root(request, state, merge, emit) as root, opened_run(state) as folder:
        with translating_disk_errors(f"write below `{folder}`"):
            for name in (TOP, *(name for name, _ in SCRATCH)):
                os.mkdir(f"{folder}/{name}")
                os.chmod(f"{folder}/{name}", 0o755 if name == TOP else 0o1777)
            write_run_files(folder, request)
        if request.limits.asked:
            _require_limits(path, request, _probe(path, request, environ, root, folder))
        code = run_attached((path, *render_exec(request, root=root, folder=folder)), environ)
        if code == _NOT_STARTED:
            # Also what a command may answer; so we look for what it could have been.
            fault = find_fault(request)
            if fault is not None:
                raise fault
            _require_creation(_probe(path, request, environ, root, folder))
    return Outcome(code, NAME)


def require_apptainer() -> str:
    """Apptainer's program.

    Raises:
        EngineError: it is not installed, too old, or does not answer.
    """
    path = find_tool(NAME)
    if path is None:
        raise EngineError(
            "Apptainer is not installed here",
            hints=(
                "install the package `apptainer`, or load its module on a cluster",
                "use `--engine native`, which needs nothing",
            ),
        )
    finished = run(Command(argv=(path, "--version"), env=os.environ))
    found = re.search(r"\d+\.\d+\S*", finished.text)
    if finished.code != 0 or found is None:
        raise EngineError(
            f"`{path}` does not say its version",
            hints=(f"run `{path} --version` and see why",),
            detail=finished.stderr.decode("utf-8", "replace").strip(),
        )
    if parse_version(found[0]) < _OLDEST:
        raise EngineError(
            f"Apptainer {found[0]} is too old; {'.'.join(map(str, _OLDEST))} is the oldest that is supported",
            hints=("install a newer one, or use `--engine native`",),
        )
    return path


def _probe(path: str, request: RunRequest, environ: dict[str, str], root: str, folder: str) -> str:
    """What Apptainer says when it makes the same container for a command that cannot start."""
    words = render_exec(request._replace(argv=(_NO_PROGRAM,)), root=root, folder=folder)
    return run(Command(argv=(path, *words), env=environ)).stderr.decode("utf-8", "replace").strip()


def _require_limits(path: str, request: RunRequest, said: str) -> None:
    if _CREATION not in said or _CGROUPS not in said:
        return
    wanted = wanted_limits(request)
    pids = request.limits.pids
    what = f"a limit of {pids} processes" if wanted == ("pids",) else f"a limit of {', '.join(wanted)}"
    raise LimitError(
        f"{what} cannot be enforced here: Apptainer may set no control group",
        hints=(
            "run without the limit",
            f"`{path}` needs version 2 of control groups, handed to you by systemd",
        ),
        detail=said,
    )


def _require_creation(said: str) -> None:
    if _CREATION in said:
        raise EngineError(
            "Apptainer could not make the container",
            hints=(
                "its own message stands above",
                "`shipway doctor` checks this host, and `--engine native` needs nothing",
            ),
            detail=said,
        )
