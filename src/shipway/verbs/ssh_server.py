"""The ssh server that containers share: Debian's OpenSSH with its libraries and loader, so it needs nothing of theirs."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.host.files import make_directory, write_file
from shipway.verbs.tool_folders import Tool, inside, provide, run_script

if TYPE_CHECKING:
    from shipway.verbs.context import Task

SERVER = Tool("ssh", 'name = "ssh"\nbase = "debian:bookworm"\napt = ["openssh-server"]\n', version="5")
SFTP = f"{inside(SERVER)}/sftp"
"""The server of files, as a session starts it."""
PROGRAMS = f"{inside(SERVER)}/bin"
"""The folder of `scp`, which clients before OpenSSH 9 start by its name."""
FOR_ROOT = (
    "/bin/sh",
    "-c",
    (
        "umask 022; mkdir -p /run/sshd && { cat /etc/passwd; echo sshd:x:0:0::/run/sshd:/bin/false; } >/run/sshd/p"
    ),
)
"""What the server of root asks for: a folder, and an account in a list of its own. That is root's own, for a container's
root may not become another user."""
_COLLECT = (
    "mkdir /out/lib; programs='/usr/sbin/sshd /usr/lib/openssh/sftp-server /usr/bin/scp'; "
    "cp -L $(ldd $programs | grep -o '/[^ ]*\\.so[^ ]*') $programs /out/lib/; "
    "for f in /lib/ld-linux-*.so.* /lib64/ld-linux-*.so.*; do if [ -f $f ]; then cp -L $f /out/lib/ld.so; fi; done"
)
_LIBRARY = "libc.so.6"
_GROUPS = b"/etc/group\0"
_NO_GROUPS = b"/dev/null\0\0"
_ACCOUNTS = b"/etc/passwd\0"
_OWN_ACCOUNTS = b"/run/sshd/p\0"
_SUCCEED = {62: b"\x31\xc0\xc3", 183: b"\x00\x00\x80\x52\xc0\x03\x5f\xd6"}
"""`return 0` by the ELF machine: x86-64, AArch64."""
_OF_ROOT = ("chroot", "initgroups", "setgroups")
_AUDIT = "libaudit.so.1"
_OF_AUDIT = ("audit_log_acct_message",)


def provide_server(task: Task) -> None:
    """Have the server where containers see it.

    Raises:
        ToolError: it could not be made.
    """
    provide(SERVER, task, _fill)


def server_argv(config: str, *, root: bool) -> tuple[str, ...]:
    """The command that serves one connection by its streams. `root`: it is run by a root without capabilities."""
    lib = f"{inside(SERVER)}/lib"
    path = f"{inside(SERVER)}/root:{lib}" if root else lib
    return (f"{lib}/ld.so", "--library-path", path, f"{lib}/sshd", "-i", "-e", "-f", config)


def _fill(folder: str, task: Task) -> None:
    """The server, and two C libraries of its own.

    Both know no groups: those of the container name `tty` as a group that a user namespace has no number for, and the server
    would end when it cannot give that group a terminal. Without it, the terminal is its user's alone. The one for root
    says yes where the server gives up rights that a container's root has not got, and where it writes to the host's audit,
    which it would take for a failure.
    """
    run_script(_COLLECT, folder, task)
    lib = os.path.join(folder, "lib")
    with open(os.path.join(lib, _LIBRARY), "rb") as file:
        library = without_groups(file.read())
    os.unlink(os.path.join(lib, _LIBRARY))
    write_file(os.path.join(lib, _LIBRARY), library, 0o755)
    make_directory(os.path.join(folder, "root"), 0o755)
    write_file(
        os.path.join(folder, "root", _LIBRARY),
        succeeding(library, _OF_ROOT).replace(_ACCOUNTS, _OWN_ACCOUNTS),
        0o755,
    )
    with open(os.path.join(lib, _AUDIT), "rb") as file:
        write_file(os.path.join(folder, "root", _AUDIT), succeeding(file.read(), _OF_AUDIT), 0o755)
    seen = f"{inside(SERVER)}/lib"
    make_directory(os.path.join(folder, "bin"), 0o755)
    for place, program in (("sftp", "sftp-server"), ("bin/scp", "scp")):
        script = f'#!/bin/sh\nexec {seen}/ld.so --library-path {seen} {seen}/{program} "$@"\n'
        write_file(os.path.join(folder, place), script.encode(), 0o755)


def without_groups(library: bytes) -> bytes:
    """The C library with an empty file for that of groups.

    Raises:
        EngineError: it is not the one that is known.
    """
    if library.count(_GROUPS) != 1:
        raise EngineError("the ssh server's C library is not the one that is known", hints=("report this",))
    return library.replace(_GROUPS, _NO_GROUPS)


def succeeding(library: bytes, names: tuple[str, ...]) -> bytes:
    """The library with the functions `names` doing nothing, with success (ELF-64, elf(5)).

    Raises:
        EngineError: it has not got them, or is for another machine.
    """
    code = _SUCCEED.get(struct.unpack_from("<H", library, 18)[0])
    symbols = _symbols(library)
    if code is None or any(name not in symbols for name in names):
        raise EngineError("the ssh server's C library is not the one that is known", hints=("report this",))
    changed = bytearray(library)
    for name in names:
        at = _file_offset(library, symbols[name])
        changed[at : at + len(code)] = code
    return bytes(changed)


def _symbols(library: bytes) -> dict[str, int]:
    """Addresses of the dynamic symbols that the library defines."""
    table, size, count = _table(library, 40, 58)
    found = {}
    for number in range(count):
        kind, _, _, offset, length, link = struct.unpack_from("<IQQQQI", library, table + number * size + 4)
        if kind != 11:  # noqa: PLR2004 - SHT_DYNSYM
            continue
        names = struct.unpack_from("<Q", library, table + link * size + 24)[0]
        for at in range(offset, offset + length, 24):
            name, _, _, section, value = struct.unpack_from("<IBBHQ", library, at)
            if section:
                begin = names + name
                found[library[begin : library.index(b"\0", begin)].decode()] = value
    return found


def _file_offset(library: bytes, address: int) -> int:
    table, size, count = _table(library, 32, 54)
    for number in range(count):
        kind, _, offset, virtual, _, length = struct.unpack_from("<IIQQQQ", library, table + number * size)
        if kind == 1 and virtual <= address < virtual + length:  # PT_LOAD
            return int(offset + address - virtual)
    raise EngineError("the ssh server's C library is not the one that is known", hints=("report this",))


def _table(library: bytes, where: int, sizes: int) -> tuple[int, int, int]:
    """Offset, entry size and number of entries of a header table."""
    return (
        struct.unpack_from("<Q", library, where)[0],
        *struct.unpack_from("<HH", library, sizes),
    )
