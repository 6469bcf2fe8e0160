"""The files of ssh for containers: what the server inside is told, and the client on the host.

Formats: sshd_config(5), ssh_config(5).
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_OWN = frozenset(
    {"HOME", "HOSTNAME", "LOGNAME", "MAIL", "OLDPWD", "PWD", "SHELL", "SHLVL", "TERM", "USER", "_"}
)
"""Variables that a session sets itself."""


class HostEntry(NamedTuple):
    """One container as a host of the ssh client."""

    host: str
    """What is typed: `NAME.shipway`."""
    user: str
    """Inside."""
    proxy: tuple[str, ...]
    """The command whose streams are the connection."""
    identity: str
    """The file of the private key."""
    known_hosts: str


def render_server_config(
    folder: str, env: Iterable[tuple[str, str]], sftp: str, programs: str, workdir: str
) -> str:
    """The server's settings; `folder` is where it sees its keys, `sftp` the server of files, `programs` the folder of `scp`.

    A session gets the variables `env`, as a command by exec does. Only the first `SetEnv` counts, so all are in one line; a
    value with a line break cannot be written and is left out. A shell is none of login, whose profile would forget the
    environment's PATH, and begins in `workdir`.
    """
    pairs = [
        f"{name}={value}"
        for name, value in env
        if name not in _OWN and not name.startswith("SSH_") and "\n" not in value and name.isidentifier()
    ]
    return "\n".join(
        (
            f"HostKey {folder}/host_key",
            f"AuthorizedKeysFile {folder}/authorized_keys",
            "AuthenticationMethods publickey",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "UsePAM no",
            "StrictModes no",
            "PrintMotd no",
            "PrintLastLog no",
            "PidFile none",
            "LogLevel ERROR",
            f"Subsystem sftp {sftp}",
            f"ForceCommand {_session(programs, workdir)}",
            *(("SetEnv " + " ".join(_quoted(pair) for pair in pairs),) if pairs else ()),
            "",
        )
    )


def render_entry(entry: HostEntry) -> str:
    """The client's block for one container."""
    return "\n".join(
        (
            f"Host {entry.host}",
            f"    User {entry.user}",
            f"    ProxyCommand {shlex.join(entry.proxy).replace('%', '%%')}",
            f"    IdentityFile {_quoted(entry.identity)}",
            "    IdentitiesOnly yes",
            f"    UserKnownHostsFile {_quoted(entry.known_hosts)}",
            "    StrictHostKeyChecking yes",
            "",
        )
    )


def render_far_entry(entry: HostEntry, server: Sequence[str]) -> str:
    """The block for another computer, which reaches this one by the words `server` behind `ssh`, with its user's own keys."""
    proxy = shlex.join(("ssh", *server, "--", shlex.join(entry.proxy))).replace("%", "%%")
    return (
        f"Host {entry.host}\n    User {entry.user}\n    ProxyCommand {proxy}\n    HostKeyAlias {entry.host}\n"
    )


def render_known(known: str, host: str, key: str) -> str:
    """The lines of `known` with `key` as that of `host`, and no other."""
    others = [line for line in known.splitlines() if line.split(" ", 1)[0] != host]
    kind, data = key.split()[:2]
    return "".join(f"{line}\n" for line in (*others, f"{host} {kind} {data}"))


def include_line(config: str) -> str:
    """The line of `~/.ssh/config` that makes our hosts known to every ssh."""
    return f"Include {_quoted(config)}"


def render_included(text: str, config: str) -> str:
    """`text` of `~/.ssh/config` with the line that includes `config`, in front, for behind a `Host` it would belong to that."""
    line = include_line(config)
    return (
        text
        if line in (one.strip() for one in text.splitlines())
        else f"{line}\n\n{text}"
        if text
        else f"{line}\n"
    )


def server_words(environ: Mapping[str, str], node: str, user: str) -> tuple[str, ...]:
    """How the user's own computer reaches this one by ssh: as it did for this session, else by the name `node`.

    `user` is who they are here, which may be another name than there; empty: nobody knows.
    """
    login = f"{user}@" if user else ""
    parts = environ.get("SSH_CONNECTION", "").split()
    if len(parts) != 4 or parts[2] == "UNKNOWN":  # noqa: PLR2004 - client, its port, server, its port
        return (login + node,)
    return (login + parts[2],) if parts[3] == "22" else ("-p", parts[3], login + parts[2])


def _session(programs: str, workdir: str) -> str:
    """The shell line of every session: what was asked for, else a shell. Only `scp` is looked for in `programs`, too."""
    copying = f'case "$SSH_ORIGINAL_COMMAND" in "scp "*) PATH="$PATH:{programs}";; esac'
    shell = f'cd {shlex.quote(workdir)}; exec "${{SHELL:-/bin/sh}}"'
    asked = 'exec "${SHELL:-/bin/sh}" -c "$SSH_ORIGINAL_COMMAND"'
    return f'{copying}; if [ -n "$SSH_ORIGINAL_COMMAND" ]; then {asked}; else {shell}; fi'


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
