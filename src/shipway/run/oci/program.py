"""The program of an engine on this host: whether it is there, whether its service answers, and what it can do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError, LimitError
from shipway.host.proc import Command, failure, find_tool, run
from shipway.run.oci.command import parse_version, wanted_limits
from shipway.run.oci.trouble import find_trouble, hide_password

if TYPE_CHECKING:
    from shipway.host.proc import Finished
    from shipway.run.model import RunRequest
    from shipway.run.oci.command import Dialect


class Program(NamedTuple):
    """One engine's program, called with the caller's own environment: it decides by itself which service it talks to."""

    dialect: Dialect
    path: str
    """Absolute."""

    def command(self, *words: str) -> Command:
        """A call."""
        return Command(argv=(self.path, *words), env=os.environ)

    def ask(self, *words: str) -> Finished:
        """The call's end, whatever it is."""
        return run(self.command(*words))

    def require(self, *words: str) -> str:
        """What a call prints that must succeed.

        Raises:
            EngineError: it fails.
        """
        finished = self.ask(*words)
        if finished.code != 0:
            raise self.trouble(finished, *words)
        return finished.text.strip()

    def trouble(self, finished: Finished, *words: str) -> EngineError:
        """Why a call failed, in our words where the cause is known."""
        known = find_trouble(self.dialect, finished.stderr.decode("utf-8", "replace"))
        if known is not None:
            return known
        what = f"`{self.dialect.name} {words[0]}` failed"
        error = failure(self.command(*words), finished, error=EngineError, what=what)
        return EngineError(error.message, hints=error.hints, detail=hide_password(error.detail))

    def find_gone(self, what: str) -> EngineError | None:
        """The error that says so, when the service does not answer any more. `what`: what it did meanwhile."""
        finished = self.ask(*self.dialect.about)
        if finished.code == 0:
            return None
        error = self.trouble(finished, *self.dialect.about)
        title = self.dialect.title
        return EngineError(f"{title} went away while {what}", hints=error.hints, detail=error.detail)

    def endpoint(self) -> str:
        """Where the service is, when that is not this machine; empty for a local one."""
        if self.dialect.name == "docker":  # which knows whether its context or DOCKER_HOST counts
            host = self.require("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
        else:
            host = os.environ.get("CONTAINER_HOST", "") or self._connection()
        return "" if host.startswith("unix:") else hide_password(host)

    def _connection(self) -> str:
        """The place of the connection that Podman was told to use; its name, where it has no such place."""
        wanted = os.environ.get("CONTAINER_CONNECTION", "")
        if not wanted:
            return ""
        listed = self.require("system", "connection", "list", "--format", "{{.Name}} {{.URI}}")
        places = dict(line.split(maxsplit=1) for line in listed.splitlines())
        return places.get(wanted, wanted)


def require_program(dialect: Dialect) -> Program:
    """The engine's program.

    Raises:
        EngineError: it is not installed.
    """
    path = find_tool(dialect.name)
    if path is None:
        others = (name for name in ("docker", "podman") if name != dialect.name and find_tool(name))
        here = (f"`{name}` is installed here: `--engine {name}`" for name in others)
        raise EngineError(f"{dialect.title} is not installed here", hints=(dialect.remedy, *here))
    return Program(dialect, path)


def require_receiver(program: Program, platform: str) -> None:
    """Make sure that the service can run images of `platform`.

    Raises:
        EngineError: it cannot, is too old, or does not answer.
    """
    dialect = program.dialect
    theirs, _, version = program.require(*dialect.about).partition(" ")
    if theirs.split("/")[:2] != platform.split("/")[:2]:
        raise EngineError(
            f"the image is for {platform}, and {dialect.title} runs on {theirs}",
            hints=(f"build for it: `--platform {theirs}`", "use an engine on a machine of that platform"),
        )
    if parse_version(version) < dialect.oldest:
        oldest = ".".join(map(str, dialect.oldest))
        raise EngineError(
            f"{dialect.title} {version} is too old; {oldest} is the oldest that is supported",
            hints=("install a newer one, or use `--engine native`",),
        )


def require_limits(program: Program, request: RunRequest) -> None:
    """Make sure that the limits that are asked for will hold; these engines only warn, and go on without.

    Raises:
        LimitError: they will not.
    """
    wanted = wanted_limits(request)
    if not wanted:
        return
    able = program.require("info", "--format", program.dialect.limits).split()
    missing = [name for name in wanted if name not in able]
    if missing:
        pids = request.limits.pids
        what = f"a limit of {pids} processes" if missing == ["pids"] else f"a limit of {', '.join(missing)}"
        raise LimitError(
            f"{what} cannot be enforced here: {program.dialect.title} has no such control group",
            hints=("run without the limit", "`docker info` and `podman info` list what is missing"),
        )
