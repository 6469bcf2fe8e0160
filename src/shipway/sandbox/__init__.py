"""A process in a world of its own: namespaces, mounts, recorded ownership, filters, and the ways out where a host refuses them.

Owns everything between "here is a request" and "this is how it ended". It knows no store, no lock and no image, imports nothing of
ours and only the standard library, so that its folder can be copied anywhere and started alone:

    python -I -S sandbox/sandbox.py request.json

It is a few files rather than one so that each can be read in a sitting; they import each other by relative names, and the start as
a file (or from a zip) puts the folder's parent on the path first. No `dataclasses`, `enum`, `typing`, `signal` or `socket` at run
time: together they cost more than entering the namespaces.

What is and what is not a boundary: docs/architecture/sandbox.md. Read `model.py` first, then `launch.py`.
"""

from __future__ import annotations

from .launch import Captured, Running, run, run_captured, start
from .model import (
    CHROOT,
    MAX_LOWERS,
    MOUNTS,
    NAMESPACES,
    PROOT,
    SCRATCH,
    Attribute,
    Bind,
    Dev,
    Device,
    MakeDir,
    Op,
    Overlay,
    Owner,
    Proc,
    Request,
    Result,
    SandboxFailure,
    Symlink,
    Tmpfs,
    WriteFile,
    parse_op,
    parse_request,
)

__all__ = [
    "CHROOT",
    "MAX_LOWERS",
    "MOUNTS",
    "NAMESPACES",
    "PROOT",
    "SCRATCH",
    "Attribute",
    "Bind",
    "Captured",
    "Dev",
    "Device",
    "MakeDir",
    "Op",
    "Overlay",
    "Owner",
    "Proc",
    "Request",
    "Result",
    "Running",
    "SandboxFailure",
    "Symlink",
    "Tmpfs",
    "WriteFile",
    "parse_op",
    "parse_request",
    "run",
    "run_captured",
    "start",
]
