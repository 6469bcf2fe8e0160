"""A distribution of one base package, made of this machine's own shell and dpkg, for tests of maintainer scripts."""

import functools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "resolve"))

from archive_samples import make_deb
from host_programs import files_of

from shipway.archive.deb import open_deb
from shipway.build.deb_tree import unpack_deb
from shipway.build.system_tree import SystemSettings, make_part, make_system

PROGRAMS = (
    *(
        "sh",
        "dpkg",
        "dpkg-deb",
        "dpkg-divert",
        "dpkg-query",
        "dpkg-split",
        "dpkg-statoverride",
        "dpkg-trigger",
        "update-alternatives",
    ),
    *(
        "env",
        "mv",
        "rm",
        "mkdir",
        "cat",
        "cp",
        "ln",
        "chown",
        "chmod",
        "touch",
        "ls",
        "tar",
        "diff",
        "ldconfig",
    ),
    *("start-stop-daemon", "grep"),
)
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nmail:x:8:8:mail:/var/mail:/bin/false\n"
GROUP = b"root:x:0:\nmail:x:8:\nshadow:x:42:\n"


@functools.cache
def base_files():
    found = dict(files_of(*PROGRAMS))
    found |= {"etc/passwd": (PASSWD, 0o644), "etc/group": (GROUP, 0o644), "root/.keep": (b"", 0o644)}
    return found


@functools.cache
def base_package(**scripts):
    fields = {"Package": "base", "Version": "1", "Architecture": "amd64", "Essential": "yes"}
    return package(fields, base_files(), **scripts)


def package(fields, files=None, links=None, **scripts):
    """(fields, bytes of the .deb). `scripts`: preinst, postinst, triggers, conffiles."""
    fields = {
        "Version": "1",
        "Architecture": "amd64",
        "Maintainer": "A <a@example.org>",
        "Description": "d",
        **fields,
    }
    return make_deb(fields, files, dict(scripts), links)


def unpack_parts(folder, debs):
    parts = []
    for number, data in enumerate(debs):
        place = folder / f"part{number}"
        place.mkdir()
        path = folder / f"part{number}.deb"
        path.write_bytes(data)
        fd = os.open(place, os.O_RDONLY)
        try:
            manifest = unpack_deb(str(path), fd)
        finally:
            os.close(fd)
        with open(path, "rb") as stream:
            deb = open_deb(stream.fileno(), path.name)
            control = {name: file.content for name, file in deb.control.items()}
            parts.append(make_part(deb.paragraph, deb.fields, control, str(place), manifest))
    return parts


def configure(folder, debs, *, mode="auto", parts=None, emit=lambda event: None):
    """(parts, manifest of the delta, its root)."""
    folder.mkdir(exist_ok=True)
    parts = parts or unpack_parts(folder, debs)
    root = folder / "delta"
    root.mkdir()
    settings = SystemSettings(architecture="amd64", epoch=1_000_000_000)
    return parts, make_system(parts, settings, str(root), str(folder / "work"), mode=mode, emit=emit), root
