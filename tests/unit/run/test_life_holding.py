"""The program that waits in a container: what it is, and that it says one byte, waits, and ends with its input."""

import os
import struct
import subprocess

import pytest

from shipway.core.errors import EngineError
from shipway.run.life import held
from shipway.run.life.holding_program import holding_program


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 62), ("aarch64", 183)])
def test_it_is_a_static_program_of_one_segment(machine, number):
    data = holding_program(machine)
    kind, of_machine, _, entry, headers = struct.unpack_from("<HHIQQ", data, 16)
    assert (data[:6], kind, of_machine, headers) == (b"\x7fELF\2\1", 2, number, 64)
    load, rights, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, 64)
    assert (load, rights, offset, size) == (1, 5, 0, len(data))
    assert data[entry - address :].hex().startswith({"x86_64": "b801000000", "aarch64": "200080d2"}[machine])


def test_it_waits_for_the_end_of_its_input(tmp_path):
    name = held.write_holding_program(str(tmp_path))
    assert (name != held.write_holding_program(str(tmp_path)), name.startswith(".shipway-")) == (True, True)
    with subprocess.Popen(tmp_path / name, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout.read(1) == b"\x01"
        for _ in range(3):
            program.stdin.write(b"x")
            program.stdin.flush()
        assert program.poll() is None
        program.stdin.close()
        assert (program.wait(20), program.stdout.read()) == (0, b"")


def test_a_machine_without_one_is_named(tmp_path, monkeypatch):
    machine = os.uname()
    monkeypatch.setattr(os, "uname", lambda: type(machine)((*machine[:4], "riscv64")))
    with pytest.raises(EngineError, match="riscv64"):
        held.write_holding_program(str(tmp_path))


def test_what_the_root_is_made_of():
    lines = (
        "154 115 0:46 / / rw - overlay overlay rw,lowerdir=/a - b\n173 154 0:51 / /proc rw - proc proc rw\n"
    )
    assert held.find_root_kind(lines) == "overlay"
    over = "160 154 0:60 / / rw,nosuid master:3 - fuse.fuse-overlayfs fuse-overlayfs rw\n"
    assert held.find_root_kind(lines + over) == "fuse.fuse-overlayfs"
    assert held.find_root_kind("") == ""
