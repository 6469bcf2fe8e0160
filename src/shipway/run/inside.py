"""What a command is inside, and the errors of one that cannot be started."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError, ExitCode
from shipway.core.text import shown
from shipway.run.environ import PATH
from shipway.run.facts import find_inside

if TYPE_CHECKING:
    from shipway.run.model import RunRequest


_OTHERS = ("add the package that brings it: `shipway add NAME`, or `shipway add apt:NAME` for one of the OS",)
_PIP = ("add packages without it: `shipway add NAME`", "have it inside: `shipway add pip`")
_APT = ("add OS packages without it: `shipway add apt:NAME`", "have it inside: `shipway add apt:apt`")
_ROOT = (
    "add OS packages without it: `shipway add apt:NAME`",
    "be root inside, and nowhere else: `shipway run --user root`",
)
_DRIVER = (
    "it belongs to the host's driver, and is inside where GPUs are: `shipway run --engine docker --gpus all …`",
    "see the host's GPUs beside a container: `shipway debug -- nvidia-smi`",
)
_WAYS = {
    "pip": _PIP,
    "pip3": _PIP,
    "apt": _APT,
    "apt-get": _APT,
    "sudo": _ROOT,
    "su": _ROOT,
    "nvidia-smi": _DRIVER,
}
"""What to do without programs that people expect everywhere."""


def command_missing(command: str) -> EngineError:
    """The error of a command that is not there."""
    return EngineError(
        f"`{shown(command)}` is not in the environment",
        hints=(*_WAYS.get(posixpath.basename(command), _OTHERS), "`shipway shell` lets you look around"),
        code=ExitCode.COMMAND_NOT_FOUND,
    )


def command_unusable(command: str, why: str) -> EngineError:
    """The error of a command that is no program."""
    return EngineError(
        f"`{shown(command)}` cannot be executed: {why}",
        hints=("make the file executable, or name its interpreter: `shipway run -- python FILE`",),
        code=ExitCode.NOT_EXECUTABLE,
    )


def folder_missing(folder: str) -> EngineError:
    """The error of a working directory that is not there."""
    return EngineError(
        f"the folder to work in, `{shown(folder)}`, is not there",
        hints=("choose one that is there: `-w /work`",),
    )


def find_fault(request: RunRequest) -> EngineError | None:
    """Why the command of `request` could not be started; None when there is such a program.

    For engines whose answers 126 and 127 may also be the command's own. With GPUs the engine adds programs of the driver, so that
    nothing can be said.
    """
    if request.gpus:
        return None
    command = request.argv[0]
    folders = [""] if "/" in command else dict(request.env).get("PATH", PATH).split(":")
    files = [
        file
        for folder in folders
        if (file := _find_file(request, posixpath.join(request.cwd, folder, command)))
    ]
    if not files:
        return command_missing(command)
    if not any(os.stat(file).st_mode & 0o111 for file in files):
        return command_unusable(command, "permission denied")
    return None


def find_start_fault(request: RunRequest) -> EngineError | None:
    """Why the command could not start in its folder, for engines that make no folders; None when the folder is there."""
    mounted = [one.target for one in request.mounts] + [one.target for one in request.tmpfs]
    if request.cwd == "/" or any(f"{request.cwd}/".startswith(f"{target}/") for target in mounted):
        return None
    found = find_inside(request.lowers, request.cwd)
    if found is not None and os.path.isdir(found.host):
        return None
    return EngineError(
        f"the folder to start in, `{shown(request.cwd)}`, is not in the environment, and this engine makes none",
        hints=("choose one that is there: `-w /work`", "the native engine and Docker make it"),
    )


def _find_file(request: RunRequest, path: str) -> str:
    """The host's path of the file `path` (absolute inside); empty when there is none."""
    path = posixpath.normpath(path)
    for mount in reversed(request.mounts):
        if path.startswith(mount.target + "/"):
            file = mount.source + path[len(mount.target) :]
            return file if os.path.isfile(file) else ""
    found = find_inside(request.lowers, path)
    return found.host if found and os.path.isfile(found.host) else ""
