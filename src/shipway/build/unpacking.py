"""Unpacking in worker processes: Python's own work on thousands of small files does not run on two cores in one process.

Workers are forked before the first thread starts. They get a path and an empty directory, and answer with a manifest.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shipway.build.deb_tree import unpack_deb
from shipway.build.python_tree import unpack_python
from shipway.build.wheel_tree import unpack_wheel
from shipway.core.errors import BuildError
from shipway.core.manifest import Manifest
from shipway.host.files import translating_disk_errors
from shipway.host.proc import die_with_parent
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
                    job.path, job.root, python=job.inputs["python"], prefix=job.inputs["prefix"], filename=job.name
                )
            case TreeKind.PYTHON:
                return unpack_python(job.path, job.root, artifact=job.name)
            case _:
                raise BuildError(f"a tree of kind `{job.kind}` is not unpacked from an artifact")


class Unpackers:
    """Some worker processes. Use as a context manager; make it before any thread."""

    def __init__(self, workers: int | None = None) -> None:
        count = workers or max(1, min(8, len(os.sched_getaffinity(0))))
        self._pool = ProcessPoolExecutor(
            count, mp_context=multiprocessing.get_context("fork"), initializer=_begin_worker, initargs=(os.getpid(),)
        )
        # The first call forks all workers; later ones would fork a process that has threads.
        self._pool.submit(os.getpid).result()

    def __enter__(self) -> Unpackers:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, job: UnpackJob) -> Future[Manifest]:
        """Have `job` unpacked by some worker."""
        try:
            return self._pool.submit(unpack, job)
        except BrokenProcessPool as error:
            raise BuildError(
                "a worker process was killed while unpacking",
                hints=["run the command again: finished packages are kept", "look for `Out of memory` in the kernel's log"],
            ) from error


def _begin_worker(parent: int) -> None:
    """Ctrl-C reaches the whole group, and the parent decides; a parent that is killed takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent)


@contextlib.contextmanager
def _directory(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
