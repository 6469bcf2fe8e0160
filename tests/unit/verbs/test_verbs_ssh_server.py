"""The C library of the ssh server: what is changed in it, by symbols of a real one."""

import ctypes
import os
import subprocess
import sys

import pytest

from shipway.core.errors import EngineError
from shipway.verbs.ssh_server import server_argv, succeeding, without_groups


def _library():
    """The file of this process's own C library."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return next(
            (line.split()[-1] for line in maps if os.path.basename(line.split()[-1]).startswith("libc.so.6")),
            "",
        )


@pytest.mark.skipif(not _library(), reason="this Python is not linked with the GNU C library")
def test_named_functions_succeed_without_doing_anything(tmp_path):
    with open(_library(), "rb") as file:
        library = file.read()
    changed = tmp_path / "libchanged.so"
    changed.write_bytes(succeeding(library, ("chroot",)))
    assert len(changed.read_bytes()) == len(library)
    script = f"import ctypes; print(ctypes.CDLL({os.fspath(changed)!r}).chroot(b'/nowhere'))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "0\n", done.stderr
    assert ctypes.CDLL(None).chroot(b"/nowhere") == -1


def test_a_library_that_is_not_known_is_refused():
    with pytest.raises(EngineError, match="not the one that is known"):
        without_groups(b"no such path")
    with pytest.raises(EngineError, match="not the one that is known"):
        succeeding(b"\x7fELF" + bytes(60), ("chroot",))


def test_groups_are_read_from_an_empty_file():
    assert without_groups(b"a\0/etc/group\0b") == b"a\0/dev/null\0\0b"


def test_root_has_a_library_of_its_own_in_front():
    assert ":" not in server_argv("/c", root=False)[2]
    assert server_argv("/c", root=True)[2].split(":")[0].endswith("/root")
