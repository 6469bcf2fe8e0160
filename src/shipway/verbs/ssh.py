"""`ssh`: a container as a host of OpenSSH, without a port, a daemon or root: the server talks by the streams of an exec."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError, ToolError
from shipway.core.text import shown
from shipway.host.dirs import home_dir, state_dir
from shipway.host.files import make_directory, remove_tree, write_atomic
from shipway.run.facts import find_user
from shipway.run.life import client
from shipway.run.life.model import TOOLS
from shipway.run.life.records import list_records
from shipway.run.ssh_config import (
    HostEntry,
    include_line,
    render_entry,
    render_far_entry,
    render_included,
    render_known,
    render_server_config,
    server_words,
)
from shipway.verbs.lasting import require_engine_of
from shipway.verbs.run import RunWords
from shipway.verbs.ssh_server import FOR_ROOT, PROGRAMS, SFTP, provide_server, server_argv
from shipway.verbs.tool_folders import tools_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.life.model import Container
    from shipway.verbs.context import Task

_HOSTS = "ssh-hosts"
_INSIDE = ("/bin/sh", "-c", "id -u; id -un; env -0")


class Entry(NamedTuple):
    """A container as a host of ssh."""

    container: Container
    host: str
    config: str
    """The client's file that knows it."""
    include: str
    """The line that `~/.ssh/config` needs for other programs to know it."""
    far: str
    """The block for another computer's `~/.ssh/config`."""
    installed: bool = False
    """`~/.ssh/config` was changed."""


class _Inside(NamedTuple):
    uid: int
    user: str
    env: tuple[tuple[str, str], ...]


def run_proxy(name: str, task: Task) -> int:
    """Serve one connection by our own streams, in the container `name`; the server's exit code.

    Raises:
        ToolError: there is no such container, it does not run, or the server could not be made.
    """
    container = find_running(name)
    require_engine_of(container)
    found = _look_inside(container)
    _prepare(container, found)
    provide_server(task)
    argv = server_argv(f"{_seen(container)}/sshd_config", root=found.uid == 0)
    return client.exec_in(container, argv) or 0


def run_ssh(container: Container, argv: Sequence[str], task: Task, *, tty: bool) -> int:
    """Connect by the host's ssh client, for a shell or a command; its exit code. `tty`: a command gets a terminal.

    Raises:
        ToolError: the host has no client, or the entry could not be made.
    """
    from shipway.host.attached import run_attached

    program = require_program("ssh")
    entry = write_entry(container, task)
    import shlex

    terminal = ("-t",) if argv and tty else ()
    line = (f"cd {shlex.quote(container.environment.workdir)} && {shlex.join(argv)}",) if argv else ()
    return run_attached((program, "-F", entry.config, *terminal, entry.host, *line), os.environ)


def choose(
    words: Sequence[str], task: Task, engine: str, *, plain: bool = False
) -> tuple[Container, tuple[str, ...]]:
    """The container that the first word names, and the words behind it; else the project's own, which is started if need be.

    `engine`: what runs it then; empty: as the spec says. `plain`: no word names a container, for all stand behind `--`.

    Raises:
        ToolError: it is not there, does not run, or could not be started.
    """
    from shipway.verbs.containers import choose_words
    from shipway.verbs.starting import run_up

    if words and not plain:
        container, argv = choose_words(words, task)
        client.require_running(container)
        return container, argv
    found = run_up(RunWords(engine=engine), task, recreate=False, dry_run=False).container
    return client.find_container(state_dir(), found.id if found else ""), tuple(words)


def find_running(name: str) -> Container:
    """The container called `name`, which must run.

    Raises:
        ToolError: it is not there, or does not run.
    """
    container = client.find_container(state_dir(), name)
    client.require_running(container)
    return container


def write_entry(container: Container, task: Task, *, install: bool = False) -> Entry:
    """Make the container known to the host's ssh client; with `install` to every program that reads `~/.ssh/config`.

    Raises:
        ToolError: keys could not be made, or the server could not.
    """
    require_engine_of(container)
    provide_server(task)
    found = _look_inside(container)
    folder = _client_folder()
    key = _prepare(container, found)
    host = f"{container.name}.shipway"
    known, config = f"{folder}/known_hosts", f"{folder}/config"
    write_atomic(known, render_known(_read(known), host, key).encode(), 0o600)
    entry = HostEntry(host, found.user, _proxy(container.name), f"{folder}/id_ed25519", known)
    write_atomic(f"{folder}/hosts/{container.name}.conf", render_entry(entry).encode(), 0o600)
    write_atomic(config, f'Include "{folder}/hosts/*.conf"\n'.encode(), 0o600)
    _forget_gone(folder)
    far = render_far_entry(entry, server_here())
    return Entry(container, host, config, include_line(config), far, install and _install(config))


def server_here() -> tuple[str, ...]:
    """What the caller's own computer types behind `ssh` to reach this one."""
    return server_words(os.environ, os.uname().nodename, find_user(os.getuid(), os.environ)[0])


def _forget_gone(folder: str) -> None:
    """Remove the entries and keys of containers that are no longer there."""
    there = [record for record, _ in list_records(state_dir())]
    keys = os.path.join(tools_folder(), _HOSTS)
    for name in set(os.listdir(keys)) - {one.id for one in there}:
        remove_tree(os.path.join(keys, name))
    for name in set(os.listdir(f"{folder}/hosts")) - {f"{one.name}.conf" for one in there}:
        if name.endswith(".conf"):
            os.unlink(f"{folder}/hosts/{name}")


def is_installed(config: str) -> bool:
    """Whether every program that reads `~/.ssh/config` is led to the file `config`."""
    before = _read(os.path.join(home_dir(), ".ssh", "config"))
    return render_included(before, config) == before


def _install(config: str) -> bool:
    file = os.path.realpath(os.path.join(home_dir(), ".ssh", "config"))
    before = _read(file)
    after = render_included(before, config)
    if after == before:
        return False
    write_atomic(file, after.encode("utf-8", "surrogateescape"), 0o600)
    return True


def _client_folder() -> str:
    ssh = os.path.join(home_dir(), ".ssh")
    folder = os.path.join(ssh, "shipway")
    for path in (ssh, folder, f"{folder}/hosts"):
        make_directory(path)
    _make_key(f"{folder}/id_ed25519", "shipway")
    return folder


def _prepare(container: Container, found: _Inside) -> str:
    """The server's folder, as the container sees it, with keys and settings; the public half of its own key."""
    folder = os.path.join(tools_folder(), _HOSTS, container.id)
    make_directory(os.path.dirname(folder))
    make_directory(folder)
    _make_key(f"{folder}/host_key", container.name)
    own = os.path.join(home_dir(), ".ssh")
    keys = _read(f"{own}/shipway/id_ed25519.pub") + _read(f"{own}/authorized_keys")
    write_atomic(f"{folder}/authorized_keys", keys.encode("utf-8", "surrogateescape"), 0o600)
    workdir = container.environment.workdir
    config = render_server_config(_seen(container), found.env, SFTP, PROGRAMS, workdir)
    write_atomic(f"{folder}/sshd_config", config.encode("utf-8", "surrogateescape"), 0o600)
    if found.uid == 0:
        done = client.exec_captured(container, FOR_ROOT)
        if done.code:
            said = shown(done.stderr.decode("utf-8", "replace").strip())
            raise EngineError(
                f"`{container.name}` has no place for what the ssh server of root needs: {said}"
            )
    return _read(f"{folder}/host_key.pub")


def _seen(container: Container) -> str:
    return f"{TOOLS}/{_HOSTS}/{container.id}"


def _look_inside(container: Container) -> _Inside:
    done = client.exec_captured(container, _INSIDE)
    lines = done.stdout.decode("utf-8", "surrogateescape").split("\n", 2)
    if done.code or len(lines) < 3:  # noqa: PLR2004 - id, name, the variables
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EngineError(
            f"ssh cannot serve `{container.name}`, for its user has no name inside, or it lacks a shell",
            hints=tuple(shown(line) for line in said[-1:]),
        )
    pairs = (entry.partition("=") for entry in lines[2].split("\0") if "=" in entry)
    return _Inside(int(lines[0]), lines[1], tuple((name, value) for name, _, value in pairs))


def _proxy(name: str) -> tuple[str, ...]:
    """The command of a connection; the folders that this call was told of are told to it."""
    told = [
        f"{key}={value}"
        for key in ("XDG_STATE_HOME", "XDG_DATA_HOME", "SHIPWAY_STORE")
        if (value := os.environ.get(key))
    ]
    return (*(("env", *told) if told else ()), sys.executable, "-m", "shipway", "ssh-proxy", name)


def _make_key(path: str, comment: str) -> None:
    if os.path.exists(path) and os.path.exists(f"{path}.pub"):
        return
    from shipway.host.proc import Command, run_checked

    if os.path.exists(path):
        os.unlink(path)
    run_checked(
        Command(
            argv=(require_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
        )
    )


def require_program(name: str) -> str:
    """Where a program of OpenSSH's client is.

    Raises:
        ToolError: this machine has none.
    """
    from shipway.host.proc import find_tool

    found = find_tool(name)
    if found is None:
        raise ToolError(
            f"this machine has no `{name}`", hints=("install OpenSSH's client: package `openssh-client`",)
        )
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""
