"""seccomp programs, assembled here: one block per architecture that the kernel may be entered with.

An x86-64 kernel also takes i386 and x32 calls, an arm64 kernel also 32-bit arm ones: a call that comes by a forgotten door would
be unfiltered. Structure layouts: linux/filter.h, linux/seccomp.h, linux/audit.h. Call numbers: the kernel's syscall tables.
"""

from __future__ import annotations

import errno
import struct

from .syscalls import MACHINE

ALLOW = 0x7FFF0000
NOTIFY = 0x7FC00000
ERRNO = 0x00050000
"""Or-ed with the errno; 0 means: say it was done."""

DONE = ERRNO | 0
REFUSED = ERRNO | errno.EPERM
ABSENT = ERRNO | errno.ENOSYS

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028

_ID_CALLS_32 = {
    "setuid": 23, "setgid": 46, "setreuid": 70, "setregid": 71, "setgroups": 81, "setfsuid": 138, "setfsgid": 139,
    "setresuid": 164, "setresgid": 170, "setreuid32": 203, "setregid32": 204, "setgroups32": 206, "setresuid32": 208,
    "setresgid32": 210, "setuid32": 213, "setgid32": 214, "setfsuid32": 215, "setfsgid32": 216, "capset": 185,
}  # fmt: skip
_WHO_CALLS_32 = {
    "getuid": 24, "getgid": 47, "geteuid": 49, "getegid": 50, "getuid32": 199, "getgid32": 200, "geteuid32": 201,
    "getegid32": 202, "getresuid": 165, "getresgid": 171, "getresuid32": 209, "getresgid32": 211,
}  # fmt: skip
_OWNER_CALLS_32 = {"lchown": 16, "fchown": 95, "chown": 182, "lchown32": 198, "fchown32": 207, "chown32": 212}
_XATTR_CALLS_32 = {"setxattr": 226, "lsetxattr": 227, "fsetxattr": 228, "setxattrat": 463}

_NEW_CALLS = {"clone3": 435, "openat2": 437, "faccessat2": 439, "fchmodat2": 452}
"""One number on all architectures. With `statx` and `renameat2` they are what PRoot may not know (5.1 does not): their paths
would pass as they are and mean the host's files. A C library that is told they are absent asks by an older call."""

CALLS: dict[int, dict[str, int]] = {
    X86_64: {
        **_NEW_CALLS, "statx": 332, "renameat2": 316,
        "ioctl": 16, "msync": 26, "fsync": 74, "fdatasync": 75, "chown": 92, "fchown": 93, "lchown": 94, "setuid": 105,
        "setgid": 106, "setreuid": 113, "setregid": 114, "setgroups": 116, "setresuid": 117, "setresgid": 119, "setfsuid": 122,
        "setfsgid": 123, "capset": 126, "mknod": 133, "sync": 162, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
        "add_key": 248, "request_key": 249, "keyctl": 250, "mknodat": 259, "fchownat": 260, "sync_file_range": 277,
        "syncfs": 306, "setxattrat": 463, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108, "getresuid": 118,
        "getresgid": 120,
    },
    I386: {
        **_NEW_CALLS, "statx": 383, "renameat2": 353,
        **_ID_CALLS_32, **_OWNER_CALLS_32, **_XATTR_CALLS_32, **_WHO_CALLS_32, "ioctl": 54, "msync": 144, "fsync": 118,
        "fdatasync": 148,
        "mknod": 14, "sync": 36, "add_key": 286, "request_key": 287, "keyctl": 288, "mknodat": 297, "fchownat": 298,
        "sync_file_range": 314, "syncfs": 344,
    },
    AARCH64: {
        **_NEW_CALLS, "statx": 291, "renameat2": 276,
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "ioctl": 29, "mknodat": 33, "fchownat": 54, "fchown": 55, "sync": 81,
        "fsync": 82, "fdatasync": 83, "sync_file_range": 84, "capset": 91, "setregid": 143, "setgid": 144, "setreuid": 145,
        "setuid": 146, "setresuid": 147, "setresgid": 149, "setfsuid": 151, "setfsgid": 152, "setgroups": 159, "add_key": 217,
        "request_key": 218, "keyctl": 219, "msync": 227, "syncfs": 267, "setxattrat": 463, "getuid": 174, "geteuid": 175,
        "getgid": 176, "getegid": 177, "getresuid": 148, "getresgid": 150,
    },
    ARM: {
        **_NEW_CALLS, "statx": 397, "renameat2": 382,
        **_ID_CALLS_32, **_OWNER_CALLS_32, **_XATTR_CALLS_32, **_WHO_CALLS_32, "ioctl": 54, "msync": 144, "fsync": 118,
        "fdatasync": 148,
        "mknod": 14, "sync": 36, "add_key": 309, "request_key": 310, "keyctl": 311, "mknodat": 324, "fchownat": 325,
        "sync_file_range": 341, "syncfs": 373,
    },
}  # fmt: skip

DOORS = {"x86_64": (X86_64, I386), "aarch64": (AARCH64, ARM)}
"""The architectures by which each kernel can be entered."""

OWNER_CALLS = frozenset({*_OWNER_CALLS_32, "fchownat"})
XATTR_CALLS = frozenset(_XATTR_CALLS_32)
DEVICE_CALLS = frozenset({"mknod", "mknodat"})
ID_CALLS = frozenset(_ID_CALLS_32)
SYNC_CALLS = frozenset({"fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync"})
WHO_CALLS = frozenset(name for name in _WHO_CALLS_32 if "res" not in name)
WHO_ALL_CALLS = frozenset(_WHO_CALLS_32) - WHO_CALLS
NEW_CALLS = frozenset({*_NEW_CALLS, "statx", "renameat2"})
KEYRING_CALLS = frozenset({"add_key", "request_key", "keyctl"})

TIOCSTI, TIOCLINUX = 0x5412, 0x541C
"""ioctls that type into the terminal one sits at."""

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP, _EQUAL, _AT_LEAST = 0x05, 0x15, 0x35
_NUMBER_AT, _ARCH_AT, _ARGS_AT = 0, 4, 16
_X32_BIT = 0x40000000
_TYPE_BITS, _CHARACTER, _BLOCK = 0o170000, 0o020000, 0o060000

Instruction = tuple[int, int, int, int]


def plan_filter(
    *,
    record: bool,
    suppress_sync: bool,
    terminal: bool,
    keyrings: bool,
    fake_root: bool = False,
    proot: bool = False,
    machine: str = MACHINE,
) -> list[Instruction]:
    """The program as (code, jump if true, jump if false, constant). Empty if nothing is asked for.

    `record`: owners, attributes and devices are notified, changes of own ids answered 0. `fake_root`: who asks for its ids
    is told 0, for builds that are not root of anything. `proot`: calls that PRoot may not know are absent. `terminal`,
    `keyrings`: refused.
    """
    if not (record or suppress_sync or terminal or keyrings or fake_root or proot):
        return []
    answers: tuple[tuple[frozenset[str], int], ...] = (
        (OWNER_CALLS | XATTR_CALLS if record else frozenset(), NOTIFY),
        (ID_CALLS if record else frozenset(), DONE),
        (WHO_CALLS if fake_root else frozenset(), DONE),
        (WHO_ALL_CALLS if fake_root and record else frozenset(), NOTIFY),
        (SYNC_CALLS if suppress_sync else frozenset(), DONE),
        (KEYRING_CALLS if keyrings else frozenset(), REFUSED),
        (NEW_CALLS if proot else frozenset(), ABSENT),
    )
    program: list[Instruction] = [(_LOAD, 0, 0, _ARCH_AT)]
    for arch in DOORS[machine]:
        block = _block(arch, answers, record=record, terminal=terminal)
        # A conditional jump reaches 255 instructions, an unconditional one any number.
        program += [(_EQUAL, 1, 0, arch), (_JUMP, 0, 0, len(block)), *block]
    return [*program, (_RETURN, 0, 0, ABSENT)]


def render_filter(program: list[Instruction]) -> bytes:
    """The program as the kernel reads it (`struct sock_filter`, 8 bytes each)."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _block(
    arch: int, answers: tuple[tuple[frozenset[str], int], ...], *, record: bool, terminal: bool
) -> list[Instruction]:
    calls = CALLS[arch]
    block: list[Instruction] = [(_LOAD, 0, 0, _NUMBER_AT)]
    if arch == X86_64:
        # x32 shares this architecture's word and has numbers of its own; no distribution of ours uses it.
        block += [(_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, ABSENT)]
    for names, answer in answers:
        for name in sorted(names):
            if name in calls:
                block += [(_EQUAL, 0, 1, calls[name]), (_RETURN, 0, 0, answer)]
    if record:
        for name, argument in (("mknod", 1), ("mknodat", 2)):
            if name in calls:
                block += _when(calls[name], _device_check(argument))
    if terminal:
        block += _when(calls["ioctl"], _terminal_check())
    return [*block, (_RETURN, 0, 0, ALLOW)]


def _when(number: int, body: list[Instruction]) -> list[Instruction]:
    return [(_EQUAL, 0, len(body), number), *body]


def _device_check(argument: int) -> list[Instruction]:
    return [
        (_LOAD, 0, 0, _ARGS_AT + 8 * argument),
        (_AND, 0, 0, _TYPE_BITS),
        (_EQUAL, 1, 0, _CHARACTER),
        (_EQUAL, 0, 1, _BLOCK),
        (_RETURN, 0, 0, NOTIFY),
        (_RETURN, 0, 0, ALLOW),
    ]


def _terminal_check() -> list[Instruction]:
    # The kernel looks at the low 32 bits of the command only, and so does this: a high half cannot smuggle it past.
    return [
        (_LOAD, 0, 0, _ARGS_AT + 8),
        (_EQUAL, 1, 0, TIOCSTI),
        (_EQUAL, 0, 1, TIOCLINUX),
        (_RETURN, 0, 0, REFUSED),
        (_RETURN, 0, 0, ALLOW),
    ]


def name_of_call(arch: int, number: int) -> str:
    """The name of call `number` in our tables, '' if it is not there."""
    return _names(arch).get(number, "")


_NAMES: dict[int, dict[int, str]] = {}


def _names(arch: int) -> dict[int, str]:
    if arch not in _NAMES:
        _NAMES[arch] = {number: name for name, number in CALLS.get(arch, {}).items()}
    return _NAMES[arch]
