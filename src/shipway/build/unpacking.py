"""One artifact -> one directory and its manifest, by the kind of tree. Runs in any process: see `workers.py`."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shipway.build.deb_tree import unpack_deb
from shipway.build.python_tree import unpack_python
from shipway.build.wheel_tree import unpack_wheel
from shipway.core.errors import BuildError
from shipway.core.manifest import Manifest
from shipway.host.files import translating_disk_errors
from shipway.plan.model import TreeKind

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackJob:
    """One artifact to unpack into the empty directory `root`."""

    kind: TreeKind
    path: str
    root: str
    inputs: dict[str, Any]
    """The tree's inputs."""
    name: str
    """The artifact's file name, for messages."""


def unpack(job: UnpackJob) -> Manifest:
    """Unpack one artifact here and now.

    Raises:
        HostileInput: it breaks a rule that honest artifacts keep.
        NoSpace: the disk is full.
    """
    with translating_disk_errors(f"unpack `{job.name}`"):
        match job.kind:
            case TreeKind.DEB:
                with _directory(job.root) as root_fd:
                    return unpack_deb(job.path, root_fd, artifact=job.name, usrmerge=job.inputs["usrmerge"])
            case TreeKind.WHEEL:
                return unpack_wheel(
                    job.path,
                    job.root,
                    python=job.inputs["python"],
                    prefix=job.inputs["prefix"],
                    filename=job.name,
                )
            case TreeKind.PYTHON:
                return unpack_python(job.path, job.root, python=job.inputs["python"], artifact=job.name)
            case _:
                raise BuildError(f"a tree of kind `{job.kind}` is not unpacked from an artifact")


@contextlib.contextmanager
def _directory(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
