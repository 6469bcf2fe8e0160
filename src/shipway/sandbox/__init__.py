"""A process in a world of its own: namespaces, mounts, recorded ownership, filters, and the ways out where a host refuses them.

Owns everything between "here is a request" and "this is how it ended". It knows no store, no lock and no image, imports nothing
of ours and only the standard library, so that its folder can be copied anywhere and started alone:

    python -I -S sandbox/sandbox.py request.json

It is a few files rather than one so that each can be read in a sitting; they import each other by relative names, and the start
as a file puts the folder's parent on the path (from a zip, `python -I -S app.zip` finds `sandbox` by itself). No `dataclasses`,
`enum`, `typing`, `signal` or `socket` at run time: together they cost more than entering the namespaces. `probe.py`, which a run
does not need, is imported by its own name.

What is and what is not a boundary: docs/architecture/sandbox.md. Read `model.py` first, then `launch.py`.
"""

from __future__ import annotations

from .causes import Diagnosis, diagnose, read_texts
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
from .modes import Choice, choose_mode

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
    "Choice",
    "Dev",
    "Device",
    "Diagnosis",
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
    "choose_mode",
    "diagnose",
    "parse_op",
    "parse_request",
    "read_texts",
    "run",
    "run_captured",
    "start",
]
