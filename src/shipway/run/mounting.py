"""What has to be there on the host before anything is mounted from it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.host.files import make_directory, translating_disk_errors
from shipway.run.environ import BYTECODE
from shipway.run.homes import ensure_bytecode, ensure_home
from shipway.run.model import Mount
from shipway.run.run_files import write_run_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.run.model import RunRequest


def make_mount_sources(request: RunRequest, state: str) -> None:
    """Make what is ours to make, so that nothing has to be made where it is not.

    Raises:
        EngineError: a folder of the user's is missing, or a mount's place in one.
    """
    for mount in request.mounts:
        if mount.owned and mount.target == request.account.home:
            ensure_home(state, request.project, request.skeleton)
        elif mount.owned and mount.target == BYTECODE:
            ensure_bytecode(mount.source)
        elif mount.owned:
            with translating_disk_errors(f"make the folder `{mount.source}`"):
                make_directory(mount.source)
        elif not os.path.exists(mount.source):
            raise EngineError(
                f"`{shown(mount.source)}`, to be mounted at `{shown(mount.target)}`, does not exist",
                hints=("make it, or correct the mount",),
            )
    inside = (Mount("/", one.target) for one in request.tmpfs)
    require_mount_points(sorted((*request.mounts, *inside), key=lambda mount: mount.target.count("/")))


def private_folder(request: RunRequest) -> str:
    """The folder below `/tmp` with the sockets of the caller's screen, which nobody else may enter; empty: there is none."""
    folder = dict(request.env).get("XDG_RUNTIME_DIR", "") if request.display else ""
    return folder if folder.startswith("/tmp/") else ""  # noqa: S108 - inside


def make_places(request: RunRequest, target: str, folder: str) -> None:
    """Make the places of what is mounted below `target` in `folder`, which is mounted there itself.

    What an engine's service makes there belongs to the service, and the caller could not remove it.

    Raises:
        OSError: they cannot be made.
    """
    private = private_folder(request)
    if private.startswith(f"{target}/"):
        os.mkdir(folder + private[len(target) :], 0o700)
    for mount in request.mounts:
        if not mount.target.startswith(f"{target}/"):
            continue
        place = folder + mount.target[len(target) :]
        if os.path.isdir(mount.source):
            os.makedirs(place, exist_ok=True)
        elif not os.path.exists(place):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            write_run_file(place, b"", 0o600)


def require_mount_points(mounts: Iterable[Mount]) -> None:
    """A mount inside another mount needs its place there: ours is made, a place in the user's own folders never is.

    Raises:
        EngineError: the place is missing.
    """
    above: dict[str, Mount] = {}
    for mount in mounts:
        parent = mount.target
        while parent and parent not in above:
            parent = parent.rpartition("/")[0]
        above[mount.target] = mount
        if not parent:
            continue
        outer = above[parent]
        place = outer.source + mount.target[len(parent) :]
        if os.path.exists(place):
            continue
        if not outer.owned or not os.path.isdir(mount.source):
            raise EngineError(
                f"`{shown(mount.target)}` lies inside another mount, where `{shown(place)}` does not exist",
                hints=(
                    "make it there first, for nothing is created in your folders unasked",
                    "mount at another place",
                ),
            )
        os.makedirs(place, exist_ok=True)
