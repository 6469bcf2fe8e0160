"""Options of a `RunRequest` in the words of Docker and Podman: spaces, memory, GPUs, and which mounts they get (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.run.caches import CACHE
from shipway.run.environ import BYTECODE
from shipway.run.model import Network
from shipway.run.option_words import gpu_devices

if TYPE_CHECKING:
    from shipway.run.model import HostFile, Mount, Port, RunRequest
    from shipway.run.oci.command import Dialect

_TMPFS = "exec,mode=1777"
_TMP = "/tmp"  # noqa: S108 - inside
_IN_MEMORY = ("/run", "/var/tmp")  # noqa: S108 - inside
_KEEP_ID = "--userns=keep-id"
_NETWORK_FILES = frozenset({"etc/hosts", "etc/resolv.conf"})


def namespaces(request: RunRequest, dialect: Dialect) -> tuple[str, ...]:
    """The engine's own words.

    Root inside is the caller of a Podman without root only where nobody else is mapped to them. Beside another container ids are
    mapped as they are there, for what belongs to one user namespace cannot be joined from another (user_namespaces(7)).
    """
    if _KEEP_ID not in dialect.always:
        return dialect.always
    others = tuple(word for word in dialect.always if word != _KEEP_ID)
    spaces = (f"container:{request.beside}" if request.beside else "", request.pid_space, request.ipc_space)
    joined = next((space for space in spaces if space.startswith("container:")), "")
    if joined:
        return (*others, f"--userns={joined}")
    return others if request.user and request.account.uid == 0 else dialect.always


def spaces(request: RunRequest, dialect: Dialect) -> tuple[str, ...]:
    """Network, processes and shared memory, and the groups in force."""
    network = {
        Network.HOST: ("--network=host",),
        Network.NONE: ("--network=none",),
        Network.BRIDGE: dialect.bridge,
    }[request.network]
    return (
        *((f"--network=container:{request.beside}",) if request.beside else network),
        *(f"--publish={publish_text(port)}" for port in request.ports),
        *((f"--pid={request.pid_space}",) if request.pid_space else ()),
        f"--ipc={request.ipc_space}" if request.ipc_space else f"--shm-size={request.shm_size}b",
        *(f"--group-add={group}" for group in request.groups),
    )


def publish_text(port: Port) -> str:
    """A port as `--publish` takes it."""
    address = f"[{port.address}]" if ":" in port.address else port.address
    return f"{address}:{port.host or ''}:{port.container}/{port.protocol}"


def memory_folders(request: RunRequest) -> tuple[str, ...]:
    """What lies in memory: what always does, and what was asked for."""
    asked = {one.target for one in request.tmpfs} | {one.target for one in request.mounts}
    return (
        *(f"--tmpfs={target}:{_TMPFS}" for target in _IN_MEMORY if target not in asked),
        *(
            f"--tmpfs={one.target}:exec,mode={one.mode:o}"
            + (f",size={one.size}" if one.size is not None else "")
            for one in request.tmpfs
        ),
    )


def scratches(request: RunRequest) -> tuple[tuple[str, str], ...]:
    """Folders of the run, and what they are inside."""
    taken = {one.target for one in request.tmpfs} | {one.target for one in request.mounts}
    return () if _TMP in taken else (("scratch", _TMP),)


def laid_files(request: RunRequest) -> tuple[HostFile, ...]:
    """The files of the run, unless the caller mounts others; those about the network are the engine's where the network is."""
    mounted = {mount.target[1:] for mount in request.mounts}
    theirs = mounted | _NETWORK_FILES if request.network is Network.BRIDGE else mounted
    return tuple(file for file in request.files if file.path not in theirs)


def shown_mounts(request: RunRequest, dialect: Dialect) -> tuple[Mount, ...]:
    """The mounts; our own folders are not for another user, to whom files in them would belong afterwards."""
    if not is_other(request, dialect):
        return request.mounts
    ours = (request.account.home, BYTECODE, CACHE)
    return tuple(mount for mount in request.mounts if not (mount.owned and mount.target in ours))


def is_other(request: RunRequest, dialect: Dialect) -> bool:
    """Whether somebody else than the caller runs inside, seen from the host."""
    if not request.user:
        return False
    return not (request.account.uid == 0 and _KEEP_ID in dialect.always)


def gpus(request: RunRequest, dialect: Dialect) -> tuple[str, ...]:
    """The GPUs that are handed out.

    Raises:
        ToolError: they are asked for in a way that this engine has not.
    """
    if not request.gpus:
        return ()
    if dialect.devices:
        return tuple(f"--device=nvidia.com/gpu={name}" for name in gpu_devices(request.gpus))
    return (f"--gpus={request.gpus}",)
