"""Running apt as the solver in the sandbox: its private root is written into the upper directory of its own tree."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from shipway.core.errors import SandboxError
from shipway.resolve import apt_solver
from shipway.resolve.apt_solver import ROOT, Answer, AptWish
from shipway.sandbox import Dev, Overlay, Proc, Request, SandboxFailure, Tmpfs, choose_mode, run_captured
from shipway.sandbox.model import CHROOT, PROOT
from shipway.sandbox.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.resolve.archives import SuiteArchive
    from shipway.resolve.packages import PackageIndex, PackageRecord
    from shipway.sandbox.launch import Captured
    from shipway.spec.model import Wish
    from shipway.store.store import Store
    from shipway.store.tree import Tree

_ENV = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "APT_CONFIG": f"{ROOT}/apt.conf",
    "HOME": ROOT,
}


class Solver:
    """One suite's apt over its verified indexes."""

    def __init__(
        self,
        tree: Tree,
        store: Store,
        archives: Sequence[SuiteArchive],
        *,
        read: Callable[[str], list[PackageIndex]],
        base: str,
        mode: str = "auto",
    ):
        """`read` gives the parsed indexes of an architecture; `base` is for messages; `mode` is one of the sandbox's."""
        self._mode = mode
        self._tree = tree
        self._store = store
        self._archives = archives
        self._read = read
        self._base = base

    def solve(
        self,
        packages: Sequence[AptWish],
        architecture: str,
        foreign: Sequence[str],
        *,
        recommends: bool,
        pins: Sequence[tuple[str, str]],
        installed: Sequence[tuple[PackageRecord, bytes]] = (),
        status: bytes = b"",
        wishes: Sequence[tuple[Wish, AptWish]] = (),
    ) -> Answer:
        """What apt would do to have `packages` on top of `installed`, or of a system whose dpkg status is `status`.

        What such a system has is not made newer for its own sake.

        Raises:
            ConflictError, NotFound: apt refuses; in the words of `wishes`.
            SandboxError: apt could not be run.
        """
        files = {
            "apt.conf": apt_solver.render_configuration(architecture, foreign, recommends=recommends),
            "etc/apt/sources.list": apt_solver.render_sources(self._archives),
            "etc/apt/preferences": apt_solver.render_preferences(pins),
            "status": status or apt_solver.render_status(installed),
        }
        options = ("--simulate", "--yes", *(("--no-upgrade",) if status else ()))
        argv = ("apt-get", "install", *options, *(one.argument for one in packages))
        with self._store.transaction() as tx:
            staged = tx.stage("the solver's root")
            is_merged = _needs_merged_root(self._mode)
            if is_merged:
                shutil.copytree(self._tree.root, staged.root, symlinks=True, dirs_exist_ok=True)
            self._write_root(os.path.join(staged.root, ROOT.lstrip("/")), files, (architecture, *foreign))
            done = self._run(argv, staged.root, os.path.join(staged.path, "work"), is_merged=is_merged)
            tx.discard(staged)
        output = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
        if done.result.code in (126, 127):
            raise SandboxError(
                f"apt of `{self._base}` could not be started: {done.result.message or output.strip()[-300:]}",
                hints=("run `shipway doctor`",),
            )
        if done.result.code != 0:
            raise apt_solver.explain_failure(output, wishes, self._base)
        return apt_solver.parse_simulation(output)

    def _write_root(self, root: str, files: dict[str, bytes], architectures: Sequence[str]) -> None:
        folders = ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/cache/apt/archives/partial")
        for folder in (*folders, "var/lib/apt/lists/partial"):
            os.makedirs(os.path.join(root, folder))
        lists = os.path.join(root, "var/lib/apt/lists")
        for one in self._archives:
            alias, suite = one.lock.alias, one.lock.suite
            _write(os.path.join(lists, apt_solver.list_name(alias, suite, "Release")), one.content)
        for architecture in architectures:
            for index in self._read(architecture):
                rest = f"{index.component}/binary-{architecture}/Packages"
                name = apt_solver.list_name(index.archive, index.suite, rest)
                _write(os.path.join(lists, name), index.text)
        for path, content in files.items():
            _write(os.path.join(root, path), content)

    def _run(self, argv: Sequence[str], upper: str, work: str, *, is_merged: bool) -> Captured:
        request = Request(
            [Overlay([self._tree.root], upper, work, volatile=True), Proc(), Dev(), Tmpfs("/tmp")],  # noqa: S108 - inside
            argv,
            env=_ENV,
            host_uid_as="root",
            network="none",
            hostname="localhost",
            suppress_sync=True,
            mode=self._mode,
            merged_root=upper if is_merged else None,
        )
        os.makedirs(work, exist_ok=True)
        try:
            return run_captured(request)
        except SandboxFailure as failure:
            raise SandboxError(
                f"the sandbox that apt solves in could not be made: {failure.message}",
                hints=("run `shipway doctor`",),
            ) from failure


def _needs_merged_root(mode: str) -> bool:
    """Whether the solver's tree must be copied, because this host cannot stack another directory on it."""
    if mode != "auto":
        return mode in (CHROOT, PROOT)
    try:
        return choose_mode(probe()).needs_merged_root
    except SandboxFailure as failure:
        raise SandboxError(
            f"there is no way to run apt here: {failure.message}", hints=("run `shipway doctor`",)
        ) from failure


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(content)
