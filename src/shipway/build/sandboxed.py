"""Running something over trees at build time: an overlay where the host has one, else a merged directory. One result."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipway.build.capture import Recorded
from shipway.build.merge import bounded_lowers
from shipway.core.errors import SandboxError
from shipway.core.events import Emit, Note, silent
from shipway.host import files
from shipway.sandbox import Dev, Op, Overlay, Proc, Request, SandboxFailure, choose_mode, run_captured
from shipway.sandbox.model import PROOT
from shipway.sandbox.probe import probe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipway.core.manifest import Manifest
    from shipway.sandbox.launch import Captured


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One process of a build."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    data: bytes = b""
    """Standard input."""
    cwd: str = "/"
    network: bool = False
    ops: tuple[Op, ...] = field(default=())
    """What is mounted besides /proc and /dev."""


@functools.cache
def needs_merged_root() -> bool:
    """Whether this host refuses overlays, so that builds need a merged directory.

    Raises:
        SandboxError: there is no way at all to isolate a build here.
    """
    try:
        return choose_mode(probe()).needs_merged_root
    except SandboxFailure as failure:
        raise _refused(failure) from failure


def run_over(
    trees: Sequence[tuple[str, Manifest]],
    upper: str,
    work: str,
    job: Job,
    *,
    merged: str | None = None,
    mode: str = "auto",
    emit: Emit = silent,
) -> Captured:
    """Run `job` over `trees` (bottom first) with `upper` on top, or in the directory `merged` that stands for both.

    `work` is a directory of its own on the file system of `upper`; its content vanishes.

    Raises:
        SandboxError: the host refuses.
        NoSpace: the disk is full.
    """
    # A volatile overlay marks its work directory, so that none is used twice.
    if os.path.isdir(work):
        files.remove_tree(work)
    os.makedirs(work)
    # A host that cannot stack never looks at the lowers.
    lowers = [root for root, _ in trees] if merged else bounded_lowers(trees, work)
    place = os.path.join(work, "overlay")
    os.makedirs(place)
    request = Request(
        [Overlay(tuple(reversed(lowers)), upper, place, volatile=True), Proc(), Dev(), *job.ops],
        job.argv,
        env=job.env,
        cwd=job.cwd,
        host_uid_as="root",
        network="host" if job.network else "none",
        hostname="localhost",
        drop_caps=False,
        suppress_chown=True,
        suppress_sync=True,
        mode=mode,
        merged_root=merged,
    )
    try:
        done = run_captured(request, data=job.data)
    except SandboxFailure as failure:
        raise _refused(failure) from failure
    if done.result.note:
        emit(Note(done.result.note, "warning"))
    return done


def recorded_by(done: Captured) -> Recorded:
    """What the sandbox wrote down, by relative path.

    Under PRoot `stat` shows the caller as the owner of what root owns elsewhere, so a tool that copies owners asks for the
    caller's ids where it would ask for root's.
    """
    mine = (os.geteuid(), os.getegid()) if done.result.mode == PROOT else (0, 0)
    owners: dict[str, tuple[int, int]] = {}
    for one in done.result.ownership:
        path = one.path.lstrip("/")
        old = owners.get(path, (-1, -1))
        uid, gid = (0 if new == own else new for new, own in zip((one.uid, one.gid), mine, strict=True))
        owners[path] = (old[0] if uid < 0 else uid, old[1] if gid < 0 else gid)
    xattrs: dict[str, tuple[tuple[str, bytes], ...]] = {}
    for attribute in done.result.xattrs:
        path = attribute.path.lstrip("/")
        kept = [pair for pair in xattrs.get(path, ()) if pair[0] != attribute.name]
        xattrs[path] = tuple(sorted([*kept, (attribute.name, attribute.value)]))
    return Recorded(owners=owners, xattrs=xattrs)


def _refused(failure: SandboxFailure) -> SandboxError:
    return SandboxError(
        f"the sandbox for building could not be made: {failure.message}", hints=("run `shipway doctor`",)
    )
