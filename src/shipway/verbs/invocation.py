"""The words of `run` and `shell` as values, with every path made absolute.

A run without options needs no more than the first of these functions; what reads an option is imported where it was given.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.model import Invocation, LifeOptions, Limits, Mount, Network, Port, TmpfsMount, Ulimit
    from shipway.verbs.run import RunWords

_SMALLEST = 6 << 20
"""Bytes in which a container can start, as Docker says."""
_PAGE = 4096


class LifeWords(NamedTuple):
    """The options that say how long a container lives, as they were written."""

    name: str = ""
    detach: bool = False
    interactive: bool = False
    rm: bool = False
    restart: str = ""
    log_driver: str = ""
    log_options: tuple[str, ...] = ()


def read_life(words: LifeWords) -> LifeOptions | None:
    """How long the container lives; None: it goes with its command, and nobody asked for anything else.

    Raises:
        ToolError: a word is wrong, or two contradict each other (USAGE).
    """
    if words == LifeWords(interactive=words.interactive, rm=words.rm):
        return None
    from shipway.core.errors import ExitCode, ToolError
    from shipway.run.life_words import parse_log, parse_restart
    from shipway.run.model import LifeOptions, Restart, RestartKind
    from shipway.run.words import require_container_name

    restart = parse_restart(words.restart) if words.restart else Restart()
    if words.rm and restart.kind is not RestartKind.NO:
        raise ToolError(
            "`--rm` removes the container at its end, and `--restart` starts it again",
            hints=("leave one of them out",),
            code=ExitCode.USAGE,
        )
    return LifeOptions(
        name=require_container_name(words.name) if words.name else "",
        detach=words.detach,
        interactive=words.interactive or not words.detach,
        rm=words.rm,
        restart=restart,
        log=parse_log(words.log_driver, words.log_options),
    )


def read_invocation(words: RunWords) -> Invocation:
    """The words as values.

    Raises:
        ToolError: one of them is wrong (USAGE).
    """
    from shipway.run.model import Invocation
    from shipway.run.words import parse_assignment

    env = [pair for path in words.env_files for pair in read_env_file(path)]
    passed = [text for text in words.env if _is_secret(text)]
    env += [pair for text in words.env if text not in passed and (pair := parse_assignment(text, os.environ))]
    network, beside = _read_network(words.network)
    mounts, tmpfs = _read_mounts(words)
    secrets, files = _read_secrets(words.secrets)
    return Invocation(
        argv=words.argv,
        shell=words.shell,
        env=tuple(env),
        mounts=(*mounts, *files),
        workdir=words.workdir,
        hostname=words.hostname,
        network=network,
        shm_size=_read_shm(words.shm_size),
        limits=_read_limits(words),
        read_only=words.read_only,
        keep=words.keep,
        tty=words.tty,
        ports=_read_ports(words.ports),
        beside=beside,
        pid_space=_read_space(words.pid, "pid"),
        ipc_space=_read_space(words.ipc, "ipc", ("private", "shareable")),
        user=_read_user(words.user),
        groups=words.groups,
        entrypoint=words.entrypoint,
        ulimits=_read_ulimits(words.ulimits),
        tmpfs=tmpfs,
        gpus=_read_gpus(words.gpus),
        built=not words.editable,
        secrets=(*(f"{name}?" for name in passed), *secrets),
        display=words.display,
    )


def _is_secret(text: str) -> bool:
    """Whether the caller passes a token on, whose value then stands in no record."""
    from shipway.core.secrets import looks_secret

    return "=" not in text and text.isidentifier() and looks_secret(text, os.environ.get(text, ""))


def _read_secrets(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[Mount, ...]]:
    """Names of variables, with `?` behind those that may be missing, and mounts of files; in the words of the spec."""
    if not texts:
        return (), ()
    import re

    from shipway.core.errors import ExitCode, ToolError
    from shipway.core.text import shown
    from shipway.run.words import parse_mount

    names, mounts = [], []
    for text in texts:
        kind, colon, rest = text.partition(":")
        if kind == "file" and re.fullmatch(r"[^:]+:/[^:]+", rest):
            mounts.append(parse_mount(f"{rest}:ro", folder=os.getcwd(), home=os.path.expanduser("~")))
        elif not colon and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*\??", text, re.ASCII):
            names.append(text)
        else:
            raise ToolError(
                f"`--secret` cannot be `{shown(text.partition('=')[0])}`",
                hints=(
                    "it is the name of a variable of yours, `NAME?`, or `file:SOURCE:TARGET`; never a value",
                ),
                code=ExitCode.USAGE,
            )
    return tuple(names), tuple(mounts)


def _read_network(text: str) -> tuple[Network | None, str]:
    if not text:
        return None, ""
    from shipway.core.errors import ExitCode, ToolError
    from shipway.core.text import shown
    from shipway.run.model import Network
    from shipway.run.words import require_container_name

    if text.startswith("container:"):
        return None, require_container_name(text.partition(":")[2])
    if text not in tuple(Network):
        raise ToolError(
            f"`--network` cannot be `{shown(text)}`",
            hints=("it is one of: host, none, bridge, container:NAME",),
            code=ExitCode.USAGE,
        )
    return Network(text), ""


def _read_mounts(words: RunWords) -> tuple[tuple[Mount, ...], tuple[TmpfsMount, ...]]:
    if not (words.volumes or words.mounts or words.tmpfs):
        return (), ()
    from shipway.host.dirs import state_dir
    from shipway.run.model import Mount
    from shipway.run.mount_words import Place, parse_any_mount, parse_tmpfs, parse_volume

    place = Place(os.getcwd(), os.path.expanduser("~"), state_dir())
    either = [parse_any_mount(text, place) for text in words.mounts]
    volumes = [parse_volume(text, place) for text in words.volumes]
    memory = [parse_tmpfs(text) for text in words.tmpfs]
    return (
        (*(one for one in either if isinstance(one, Mount)), *volumes),
        (*(one for one in either if not isinstance(one, Mount)), *memory),
    )


def _read_shm(size: int | None) -> int | None:
    if size and size < _PAGE:
        from shipway.core.errors import ExitCode, ToolError

        raise ToolError(
            f"`--shm-size` is less than a page of memory: {size} bytes",
            hints=(f"a number without a unit is bytes; `--shm-size {size}g` is {size} GiB",),
            code=ExitCode.USAGE,
        )
    return size


def _read_limits(words: RunWords) -> Limits:
    from shipway.run.model import Limits

    cpuset = ""
    if words.cpuset:
        from shipway.run.option_words import parse_cpuset

        cpuset = parse_cpuset(words.cpuset)
    if words.memory is not None and words.memory < _SMALLEST:
        from shipway.core.errors import ExitCode, ToolError

        raise ToolError(
            f"`--memory` is less than a container can start in: {words.memory} bytes",
            hints=("6m is the least, and a number without a unit is bytes",),
            code=ExitCode.USAGE,
        )
    return Limits(words.memory, words.cpus, words.pids, cpuset, words.cpu_shares, words.memory_swap)


def _read_ports(texts: tuple[str, ...]) -> tuple[Port, ...]:
    if not texts:
        return ()
    from shipway.run.option_words import parse_ports

    return tuple(port for text in texts for port in parse_ports(text))


def _read_space(text: str, option: str, own: tuple[str, ...] = ()) -> str:
    if not text:
        return ""
    from shipway.run.option_words import parse_space

    return parse_space(text, option, own)


def _read_user(text: str) -> str:
    if not text:
        return ""
    from shipway.run.option_words import parse_user

    return parse_user(text)


def _read_ulimits(texts: tuple[str, ...]) -> tuple[Ulimit, ...]:
    if not texts:
        return ()
    from shipway.run.option_words import parse_ulimit

    return tuple(map(parse_ulimit, texts))


def _read_gpus(text: str) -> str:
    if not text:
        return ""
    from shipway.run.option_words import parse_gpus

    return parse_gpus(text)


def read_env_file(path: str) -> Sequence[tuple[str, str]]:
    """The variables in the file `path`.

    Raises:
        ToolError: it cannot be read, or a line has another form.
    """
    from shipway.core.errors import ExitCode, ToolError
    from shipway.core.text import shown
    from shipway.run.words import parse_env_file

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as problem:
        raise ToolError(
            f"the file of variables `{shown(path)}` cannot be read: {getattr(problem, 'strerror', None) or problem}",
            hints=["correct `--env-file`"],
            code=ExitCode.USAGE,
        ) from problem
    return parse_env_file(text, os.environ, file=path)


def find_lookalikes(mounts: Sequence[Mount]) -> tuple[str, ...]:
    """Sentences about volumes that are called like a folder that is here, which may have been meant."""
    from shipway.host.dirs import state_dir
    from shipway.run.places import volume_folder

    base = volume_folder(state_dir())
    names = [os.path.basename(one.source) for one in mounts if os.path.dirname(one.source) == base]
    return tuple(
        f"`{name}` is a volume, not the folder `{name}` that is here: that is `./{name}`"
        for name in names
        if os.path.isdir(name)
    )
