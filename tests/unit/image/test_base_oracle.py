"""This machine read as if it were an image, against what its own programs say of themselves."""

import json
import os
import platform
import re
import subprocess
import sys

import pytest

from shipway.core.manifest import Entry
from shipway.core.overlay import Placed
from shipway.image.base_facts import read_facts
from shipway.image.base_files import BaseFiles

_ASK = """\
import importlib.metadata, json, platform, re, sys
found = {}
for it in importlib.metadata.distributions():
    if it.metadata["Name"]:
        found.setdefault(re.sub(r"[-_.]+", "-", it.metadata["Name"]).lower(), it.version)
print(json.dumps([platform.python_version(), found]))
"""


def machine(*folders):
    """The files below `folders` of this machine, the ways to them, and nothing else."""
    places = {}

    def add(path):
        entry = None
        if os.path.islink(path):
            entry = Entry(path[1:], "l", 0o777, target=os.readlink(path))
        elif os.path.isdir(path):
            entry = Entry(path[1:], "d", 0o755)
        elif os.path.isfile(path):
            entry = Entry(path[1:], "f", os.stat(path).st_mode & 0o7777)
        if entry is not None and path != "/" and path[1:] not in places:
            places[path[1:]] = Placed(entry, 0)
            add(os.path.dirname(path))
            if os.path.islink(path):
                add(os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path))))

    for top in folders:
        add(top)
        for folder, folders_in, files in os.walk(os.path.realpath(top)):
            for name in (*folders_in, *files):
                add(os.path.join(folder, name))
            folders_in[:] = [name for name in folders_in if name.endswith(("-packages", "-info", ".egg"))]

    def read(place, size):
        with open("/" + place.entry.path, "rb") as file:
            return file.read(size)

    return BaseFiles(places, read)


def library_folders(prefix):
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [f"{prefix}/bin", f"{prefix}/lib/{version}", f"{prefix}/include/{version}"]


def ask(executable):
    done = subprocess.run([executable, "-I", "-c", _ASK], check=True, capture_output=True, text=True)
    version, packages = json.loads(done.stdout)
    return version, tuple(sorted(packages.items()))


def test_the_interpreter_of_this_test():
    """Whether it is a virtual environment or not: what it says of itself is what is read of its files."""
    folders = [*library_folders(sys.prefix), *library_folders(sys.base_prefix)]
    folders += [file for file in (f"{sys.prefix}/pyvenv.cfg",) if os.path.exists(file)]
    held = machine(*folders)
    found = read_facts(held, {"PATH": f"{sys.prefix}/bin"}).pythons[0]
    version, packages = ask(sys.executable)
    assert found.packages == packages
    assert len(packages) > 5
    assert version.startswith(found.version)


@pytest.mark.needs_tool("/usr/bin/python3")
def test_the_interpreter_of_debian():
    minor = os.path.basename(os.path.realpath("/usr/bin/python3"))
    held = machine(
        "/usr/bin", f"/usr/lib/{minor}", "/usr/lib/python3", f"/usr/local/lib/{minor}", "/var/lib/dpkg/status"
    )
    found = read_facts(held, {"PATH": "/usr/bin"}).pythons[0]
    version, packages = ask("/usr/bin/python3")
    assert (found.version, found.packages) == (version, packages)


def test_the_c_library_of_this_machine():
    with open("/proc/self/maps") as maps:
        library = os.path.realpath(
            re.search(r"/\S*/libc(?:\.so\.6|-[0-9.]+\.so)$", maps.read(), re.MULTILINE)[0]
        )
    held = machine(os.path.dirname(library), *(path for path in ("/lib", "/lib64") if os.path.islink(path)))
    facts = read_facts(held, {})
    assert (facts.libc, facts.libc_version) == platform.libc_ver()
    assert facts.origin("libc") == library


@pytest.mark.needs_tool("dpkg-query")
def test_the_packages_of_this_machine():
    asked = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version} ${Architecture}\n"]
    lines = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
    said = sorted(tuple(line.split()[1:]) for line in lines if line.startswith("installed "))
    assert read_facts(machine("/var/lib/dpkg"), {}).debs == tuple(said)
