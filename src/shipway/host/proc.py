"""The only door to other programs: argument tuples, a stated environment, no shell, and one way to report a failure."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess  # noqa: TID251 - this module is the door
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO, cast

from shipway.core.errors import ExitCode, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ")
_LAST_LINES = 30
_GRACE = 5.0
"""Seconds between the request to end and the kill."""


def base_environment() -> dict[str, str]:
    """What a program gets when nothing else is said: who and where the caller is, and one fixed locale."""
    env = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
    env.setdefault("PATH", DEFAULT_PATH)
    return {**env, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One program to run, as a value that can be compared, shown and pasted."""

    argv: tuple[str, ...]
    env: Mapping[str, str] | None = field(default=None, repr=False)
    """The whole environment; None for `base_environment()`. Never shown: it may hold credentials."""
    cwd: str | None = None
    stdin: bytes | None = None
    """Bytes on standard input; None closes it (`/dev/null`)."""

    def __post_init__(self) -> None:
        if not self.argv:
            raise ValueError("a command needs a program")

    def describe(self) -> str:
        """A line for a shell that does the same, without the environment."""
        line = shlex.join(self.argv)
        return f"cd {shlex.quote(self.cwd)} && {line}" if self.cwd else line


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a program ended."""

    code: int
    """Its exit code, or minus the number of the signal that ended it."""
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are no UTF-8 are kept by `surrogateescape`."""
        return self.stdout.decode("utf-8", "surrogateescape")


def find_tool(name: str, path: str | None = None) -> str | None:
    """The absolute path of program `name` on `path` (default: the caller's PATH, then the system folders)."""
    searched = path if path is not None else f"{os.environ.get('PATH', '')}:{DEFAULT_PATH}"
    # An empty element means the current folder, from which nothing is ever run.
    absolute = ":".join(part for part in searched.split(":") if os.path.isabs(part))
    return shutil.which(name, path=absolute)


def run(
    command: Command, *, timeout: float | None = None, stdout: int | None = None, stderr: int | None = None
) -> Finished:
    """Run `command` to its end and return how it ended, whatever the exit code.

    `timeout`: seconds. `stdout`, `stderr`: descriptors that get the output in place of the result. The program gets a
    process group of its own; when this call is interrupted or times out the whole group is ended.

    Raises:
        ToolError: the program cannot be started, or the time is up.
    """
    process = _start(command, stdout, stderr)
    try:
        out, err = process.communicate(command.stdin, timeout=timeout)
    except subprocess.TimeoutExpired as problem:
        _end_group(process)
        raise ToolError(
            f"`{command.argv[0]}` did not end within {timeout:g} seconds",
            hints=[f"run it by hand: {command.describe()}"],
        ) from problem
    except BaseException:
        _end_group(process)
        raise
    return Finished(code=process.returncode, stdout=out or b"", stderr=err or b"")


def run_fed(command: Command, feed: Callable[[BinaryIO], object]) -> Finished:
    """Run `command` while `feed` writes its standard input, of any length; its output must be small (64 KiB).

    Raises:
        ToolError: the program cannot be started, or whatever `feed` raises; the program is ended then.
    """
    process = _start(replace(command, stdin=b""), None, None)
    try:
        pipe = process.stdin
        if pipe is not None:  # a program that stops reading says why in its own words
            with contextlib.suppress(BrokenPipeError), pipe:
                feed(cast("BinaryIO", pipe))
            process.stdin = None
        out, err = process.communicate()
    except BaseException:
        _end_group(process)
        raise
    return Finished(code=process.returncode, stdout=out or b"", stderr=err or b"")


def run_checked(
    command: Command,
    *,
    timeout: float | None = None,
    error: type[ToolError] = ToolError,
    what: str = "",
) -> Finished:
    """Run `command` and return its result if it exited with 0.

    `what`: what failed, in the user's words; default names the program.

    Raises:
        ToolError: (as `error`) any other end; carries the last lines of output and the line to run it again.
    """
    finished = run(command, timeout=timeout)
    if finished.code != 0:
        raise failure(command, finished, error=error, what=what)
    return finished


def failure(
    command: Command, finished: Finished, *, error: type[ToolError] = ToolError, what: str = ""
) -> ToolError:
    """The one report of a program that failed."""
    message = what or f"`{command.argv[0]}` failed"
    lines = (finished.stderr or finished.stdout).decode("utf-8", "replace").rstrip().splitlines()
    return error(
        f"{message}: {describe_end(finished.code)}",
        hints=[f"run it again by hand: {command.describe()}"],
        detail="\n".join(lines[-_LAST_LINES:]),
    )


def describe_end(code: int) -> str:
    """`exit code 3`, or `ended by SIGKILL` for -9."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


def _start(command: Command, stdout: int | None, stderr: int | None) -> subprocess.Popen[bytes]:
    env = base_environment() if command.env is None else dict(command.env)
    try:
        return subprocess.Popen(
            command.argv,
            env=env,
            cwd=command.cwd,
            stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE if stderr is None else stderr,
            process_group=0,
        )
    except FileNotFoundError as problem:
        missing = command.cwd if command.cwd and not os.path.isdir(command.cwd) else command.argv[0]
        raise ToolError(
            f"cannot start `{command.argv[0]}`: `{missing}` does not exist",
            hints=["install it, or run `shipway doctor` to see what is missing"],
            code=ExitCode.FAILED,
        ) from problem
    except OSError as problem:
        raise ToolError(
            f"cannot start `{command.argv[0]}`: {os.strerror(problem.errno or 0)}",
            hints=[f"run it by hand: {command.describe()}"],
        ) from problem


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to end, then kill what is left; the leader is always reaped."""
    _signal_group(process, signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal_group(process, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the process `parent`, which forked it, ends in any way."""
    from shipway.host import _libc  # noqa: PLC0415 - ctypes costs milliseconds

    _libc.set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
