"""The seccomp programs, executed by a small interpreter of classic BPF: every door, every call, every argument check."""

from __future__ import annotations

import errno
import itertools
import os
import re
import struct

import pytest

from shipway.sandbox import filter as filters

EVERYTHING = {"record": True, "suppress_sync": True, "terminal": True, "keyrings": True}
NOTHING = dict.fromkeys(EVERYTHING, False)


def execute(program, arch: int, number: int, *arguments: int) -> int:
    """What the kernel would answer (linux/filter.h, the instructions that are used)."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(list(arguments) + [0] * 6)[:6])
    accumulator = position = 0
    while True:
        code, true, false, constant = program[position]
        position += 1
        match code:
            case 0x20:
                assert constant % 4 == 0
                (accumulator,) = struct.unpack_from("<I", data, constant)
            case 0x54:
                accumulator &= constant
            case 0x05:
                position += constant
            case 0x15:
                position += true if accumulator == constant else false
            case 0x35:
                position += true if accumulator >= constant else false
            case 0x06:
                return constant
            case _:
                raise AssertionError(hex(code))


DOORS = [(machine, arch) for machine, doors in filters.DOORS.items() for arch in doors]


@pytest.fixture(params=DOORS, ids=lambda door: f"{door[0]}-{door[1]:x}")
def door(request):
    return request.param


def answers(machine: str, arch: int, **asked: bool):
    program = filters.plan_filter(**{**NOTHING, **asked}, machine=machine)
    return lambda name, *arguments: execute(program, arch, filters.CALLS[arch][name], *arguments)


def test_nothing_asked_no_program():
    assert filters.plan_filter(**NOTHING) == []


def test_fits_what_the_kernel_takes():
    for machine in filters.DOORS:
        program = filters.plan_filter(**EVERYTHING, fake_root=True, machine=machine)
        assert len(program) < 4096
        assert all(0 <= true < 256 and 0 <= false < 256 for _, true, false, _ in program)
        assert len(filters.render_filter(program)) == 8 * len(program)


def test_owners_attributes_and_ids(door):
    machine, arch = door
    answer = answers(machine, arch, record=True)
    known = filters.CALLS[arch]
    for name in known:
        got = answer(name)
        if name in filters.OWNER_CALLS | filters.XATTR_CALLS:
            assert got == filters.NOTIFY, name
        elif name in filters.ID_CALLS:
            assert got == filters.DONE, name
        else:
            assert got == filters.ALLOW, name
    assert {"fchownat", "fchown", "setxattr", "setresuid", "capset", "setgroups"} <= set(known)


def test_only_devices_are_recorded(door):
    machine, arch = door
    answer = answers(machine, arch, record=True)
    for name, argument in (("mknod", 1), ("mknodat", 2)):
        if name not in filters.CALLS[arch]:
            continue
        for kind, expected in (
            (0o020666, filters.NOTIFY),
            (0o060660, filters.NOTIFY),
            (0o010644, filters.ALLOW),
            (0o100644, filters.ALLOW),
            (0o140600, filters.ALLOW),
            (0, filters.ALLOW),
        ):
            assert answer(name, *[0] * argument, kind) == expected, (name, oct(kind))


def test_terminal_injection_is_refused_whatever_the_high_half(door):
    machine, arch = door
    answer = answers(machine, arch, terminal=True)
    for high, request in itertools.product(
        (0, 1 << 32, 0xFFFFFFFF << 32), (filters.TIOCSTI, filters.TIOCLINUX)
    ):
        assert answer("ioctl", 0, high | request) == filters.ERRNO | errno.EPERM
    assert answer("ioctl", 0, 0x5401) == filters.ALLOW
    assert answer("ioctl", filters.TIOCSTI, 0) == filters.ALLOW, "only the second argument counts"


def test_keyrings_and_syncs(door):
    machine, arch = door
    answer = answers(machine, arch, keyrings=True, suppress_sync=True)
    assert {answer(name) for name in filters.KEYRING_CALLS} == {filters.REFUSED}
    assert {answer(name) for name in filters.SYNC_CALLS} == {filters.DONE}
    assert answer("fchownat") == filters.ALLOW


def test_pretended_root(door):
    machine, arch = door
    answer = answers(machine, arch, record=True, fake_root=True)
    for name in filters.CALLS[arch]:
        if name in filters.WHO_CALLS:
            assert answer(name) == filters.DONE
        if name in filters.WHO_ALL_CALLS:
            assert answer(name) == filters.NOTIFY


def test_what_proot_does_not_know_is_absent(door):
    machine, arch = door
    answer = answers(machine, arch, proot=True)
    assert {answer(name) for name in filters.NEW_CALLS} == {filters.ABSENT}
    assert answer("fchownat") == filters.ALLOW


def test_unknown_doors_are_closed():
    program = filters.plan_filter(**EVERYTHING, machine="x86_64")
    assert execute(program, 0xC0000016, 1) == filters.ABSENT, "another architecture"
    assert execute(program, filters.X86_64, 0x40000000 | 92) == filters.ABSENT, "x32"
    assert execute(program, filters.X86_64, 0) == filters.ALLOW


def test_names_of_calls():
    assert filters.name_of_call(filters.X86_64, 92) == "chown"
    assert filters.name_of_call(filters.I386, 92) == ""
    assert filters.name_of_call(0, 92) == ""


HEADERS = {
    filters.X86_64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    filters.I386: "/usr/include/x86_64-linux-gnu/asm/unistd_32.h",
}


@pytest.mark.parametrize("arch", HEADERS)
def test_numbers_are_the_kernel_headers(arch):
    if not os.path.exists(HEADERS[arch]):
        pytest.skip("no kernel headers here")
    with open(HEADERS[arch]) as file:
        numbers = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", file.read())}
    ours = {name: number for name, number in filters.CALLS[arch].items() if name in numbers}
    assert ours == {name: numbers[name] for name in ours}
    newest = {"setxattrat", "fchmodat2"}
    assert set(filters.CALLS[arch]) - set(ours) <= newest, "newer than the headers"


def test_generic_numbers_are_the_kernel_headers():
    path = "/usr/include/asm-generic/unistd.h"
    if not os.path.exists(path):
        pytest.skip("no kernel headers here")
    with open(path) as file:
        numbers = {
            name: int(number)
            for name, number in re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", file.read())
        }
    ours = {name: number for name, number in filters.CALLS[filters.AARCH64].items() if name in numbers}
    assert ours == {name: numbers[name] for name in ours}
    assert len(ours) > 20
