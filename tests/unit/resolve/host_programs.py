"""Programs of this machine with everything they are linked to, as files of a package that a test makes."""

import functools
import os
import re
import shutil
import subprocess


@functools.cache
def files_of(*programs):
    """path -> (content, mode) below a merged /usr, for `programs` and their libraries."""
    found = {}
    for program in programs:
        path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        assert path is not None, program
        _add(found, path)
        with open(path, "rb") as stream:
            if stream.read(4) != b"\x7fELF":
                continue
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            _add(found, library)
    return found


def _add(found, path):
    real = os.path.realpath(path)
    folder = os.path.realpath(os.path.dirname(path))
    name = os.path.join(folder, os.path.basename(path)).lstrip("/")
    with open(real, "rb") as stream:
        found[name] = (stream.read(), 0o755)
