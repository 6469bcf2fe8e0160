"""A program that waits until its standard input ends: by it a container that another engine made is there as long as we want.

An image need not have a program for that, so it is brought along. It says one byte on its standard output, which tells that the
container is whole and, over a socket, who the program is. When it was told one byte it cannot be looked at any more (prctl(2),
PR_SET_DUMPABLE). As the first process of its namespace it can neither be stopped nor killed from inside, and takes all with it.
"""

from __future__ import annotations

import os
import struct

_X86_64 = (
    "b801000000bf010000004889e6ba010000000f05"  # mov eax, 1 (write); mov edi, 1; mov rsi, rsp; mov edx, 1; syscall
    "31c031ff4889e6ba010000000f05"  # xor eax, eax (read); xor edi, edi; mov rsi, rsp; mov edx, 1; syscall
    "b89d000000bf0400000031f60f05"  # mov eax, 157 (prctl); mov edi, 4 (PR_SET_DUMPABLE); xor esi, esi; syscall
    "31c031ff4889e6ba010000000f0585c07fee"  # again: read as above; test eax, eax; jg again
    "b83c00000031ff0f05"  # mov eax, 60 (exit); xor edi, edi; syscall
)
_AARCH64 = (
    "200080d2e1030091220080d2080880d2010000d4"  # mov x0, 1; mov x1, sp; mov x2, 1; mov x8, 64 (write); svc 0
    "000080d2e1030091220080d2e80780d2010000d4"  # mov x0, 0; mov x1, sp; mov x2, 1; mov x8, 63 (read); svc 0
    "800080d2010080d2e81480d2010000d4"  # mov x0, 4 (PR_SET_DUMPABLE); mov x1, 0; mov x8, 167 (prctl); svc 0
    "000080d2e1030091220080d2e80780d2010000d41f0000f14cffff54"  # again: read as above; cmp x0, 0; b.gt again
    "000080d2a80b80d2010000d4"  # mov x0, 0; mov x8, 93 (exit); svc 0
)
_CODE = {"x86_64": (62, _X86_64), "aarch64": (183, _AARCH64)}
"""The machine's number in ELF, and the instructions."""
_BASE = 0x400000
_HEADERS = 64 + 2 * 56
_LOAD, _STACK = 1, 0x6474E551
_PAGE = 0x10000
"""The largest of any kernel of these machines."""


def holding_program(machine: str = "") -> bytes:
    """The program for `machine` (`uname -m`; default: this one): a static executable (elf(5)).

    Raises:
        KeyError: there is none.
    """
    number, text = _CODE[machine or os.uname().machine]
    code = bytes.fromhex(text)
    size = _HEADERS + len(code)
    head = struct.pack(
        "<4sBBB9xHHIQQQIHHHHHH",
        b"\x7fELF",
        2,
        1,
        1,
        2,
        number,
        1,
        _BASE + _HEADERS,
        64,
        0,
        0,
        64,
        56,
        2,
        0,
        0,
        0,
    )
    loaded = struct.pack("<IIQQQQQQ", _LOAD, 5, 0, _BASE, _BASE, size, size, _PAGE)
    stack = struct.pack("<IIQQQQQQ", _STACK, 6, 0, 0, 0, 0, 0, 16)
    return head + loaded + stack + code
