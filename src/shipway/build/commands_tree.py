"""The escape hatch: commands that the spec names, run in the finished environment; what they change is a tree.

They see everything below them in the plan, and the inputs that the spec names, as copies at their place in the working
directory. Inputs that a command leaves as they were are no part of the result.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from shipway.build.capture import FIXED_TIME, Recorded, capture_upper, hash_file, walk_files
from shipway.build.merged_root import MergedRoot
from shipway.build.normalise import normalise
from shipway.build.real_paths import find_link
from shipway.build.sandboxed import Job, needs_merged_root, recorded_by, run_over
from shipway.core.digest import Digest, canonical_json
from shipway.core.errors import BuildError
from shipway.core.events import Note
from shipway.core.manifest import DIRECTORY, Entry, Manifest
from shipway.core.overlay import stack
from shipway.core.text import shown
from shipway.host import files
from shipway.sandbox.model import CHROOT, PROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipway.build.context import BuildContext
    from shipway.core.events import Emit
    from shipway.plan.model import TreeRequest
    from shipway.store.transaction import Staged

_LAST = 4000
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def digest_of_inputs(project: str, paths: Sequence[str]) -> str:
    """The digest of everything below `paths` of the folder `project`: names, modes and contents; no times, no owners.

    Raises:
        BuildError: one of them is missing or leads out of the project.
    """
    listed = []
    for path in sorted(set(paths)):
        full = require_input(project, path)
        for name in _files_below(full):
            one = os.path.join(full, name) if name else full
            shown_name = f"{path}/{name}" if name else path
            if os.path.islink(one):
                listed.append([shown_name, "l", os.readlink(one)])
            else:
                listed.append([shown_name, "x" if os.stat(one).st_mode & 0o100 else "f", hash_file(one)[0]])
    return Digest.of(canonical_json(listed)).hex


def require_input(project: str, path: str) -> str:
    """The absolute path of the input `path`.

    Raises:
        BuildError: it is missing, or leads out of the project.
    """
    full = os.path.realpath(os.path.join(project, path))
    root = os.path.realpath(project)
    if os.path.isabs(path) or (full != root and not full.startswith(root + "/")):
        raise BuildError(
            f"the build input `{shown(path)}` leads out of the project", hints=("copy it into the project",)
        )
    if not os.path.exists(full):
        raise BuildError(
            f"the build input `{shown(path)}` does not exist",
            hints=("correct `inputs` of the build command",),
        )
    return full


def make_commands(request: TreeRequest, context: BuildContext, staged: Staged) -> Manifest:
    """Run the build commands of `request` over the trees below it and leave their changes in `staged`.

    Raises:
        BuildError: a command failed or an input is missing.
        SandboxError: the host refuses the sandbox.
        NoSpace: the disk is full.
    """
    trees = [(tree.root, tree.manifest()) for tree in context.below(request)]
    commands = [
        (tuple(argv), tuple(inputs), bool(network)) for argv, inputs, network in request.inputs["commands"]
    ]
    settings = context.plan.settings
    env = {"PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}
    env |= {**dict(settings.env), "SOURCE_DATE_EPOCH": str(settings.epoch)}
    runner = CommandRunner(
        trees, staged.root, staged.path + "/work", project=context.project, workdir=settings.workdir, env=env
    )
    return runner.run(commands, emit=context.emit)


class CommandRunner:
    """Runs commands one after the other in one growing root."""

    def __init__(
        self,
        trees: Sequence[tuple[str, Manifest]],
        root: str,
        work: str,
        *,
        project: str,
        workdir: str,
        env: Mapping[str, str],
        mode: str = "auto",
    ):
        """`trees`: bottom first. `root`: the empty directory for the changes. `work`: a place beside it for what vanishes."""
        self._trees = trees
        self._root = root
        self._work = work
        self._project = project
        self._workdir = workdir.strip("/")
        self._env = env
        self._mode = mode
        self._lower = _shown(trees)
        self._inputs: dict[str, str] = {}

    def run(
        self, commands: Sequence[tuple[tuple[str, ...], tuple[str, ...], bool]], *, emit: Emit
    ) -> Manifest:
        """Run `commands` (arguments, inputs, network) and say what they changed. Errors as `make_commands`."""
        is_merged = needs_merged_root() if self._mode == "auto" else self._mode in (CHROOT, PROOT)
        merged = self._merge() if is_merged else None
        place = merged.path if merged else self._root
        recorded = Recorded()
        with files.translating_disk_errors("run the build commands"):
            self._make_parents(place, f"{self._workdir}/x")
            for argv, inputs, network in commands:
                self._bring_inputs(place, inputs)
                recorded = recorded.merged(self._run_one(argv, place, merged, network=network, emit=emit))
            self._drop_inputs(place)
            normalise(place, self._lower)
            if merged is not None:
                merged.split(self._lower, self._root)
            entries = capture_upper(self._root, self._lower, recorded)
        for path in list(entries):
            self._add_parents(path, entries)
        return Manifest(entries.values())

    def _merge(self) -> MergedRoot:
        place = os.path.join(self._work, "merged")
        os.makedirs(place)
        merged = MergedRoot(place)
        for root, manifest in self._trees:
            merged.add(root, manifest)
        return merged

    def _run_one(
        self, argv: tuple[str, ...], place: str, merged: MergedRoot | None, *, network: bool, emit: Emit
    ) -> Recorded:
        if network:
            emit(
                Note(
                    f"the build command `{shown(' '.join(argv))}` uses the network: it cannot be reproduced",
                    "warning",
                )
            )
        job = Job(argv=argv, env=self._env, cwd="/" + self._workdir, network=network)
        scratch = os.path.join(self._work, "step")
        root = merged.path if merged else None
        done = run_over(self._trees, place, scratch, job, merged=root, mode=self._mode, emit=emit)
        if done.result.code != 0:
            output = (done.stdout + done.stderr).decode("utf-8", "replace")[-_LAST:]
            how = done.result.message or f"exit code {done.result.code}"
            raise BuildError(
                f"the build command `{shown(' '.join(argv))}` failed: {how}",
                hints=("look at its last lines above", "name the project's files that it reads in `inputs`"),
                detail="\n".join(shown(line, 300) for line in output.splitlines()),
            )
        return recorded_by(done)

    def _bring_inputs(self, place: str, inputs: Sequence[str]) -> None:
        for path in inputs:
            full = require_input(self._project, path)
            for name in _files_below(full):
                source = os.path.join(full, name) if name else full
                target = os.path.normpath(os.path.join(self._workdir, path, name)).strip("/")
                self._bring_one(place, source, target)

    def _bring_one(self, place: str, source: str, target: str) -> None:
        full = os.path.join(place, target)
        if target in self._inputs:
            return
        link = find_link(place, os.path.dirname(target))
        if link:
            raise BuildError(
                f"the build input `{shown(target)}` would be written through the link `/{shown(link)}`",
                hints=("choose another `workdir`, or let no earlier command replace a folder by a link",),
            )
        self._make_parents(place, target)
        if os.path.lexists(full):
            os.unlink(full)
        if os.path.islink(source):
            os.symlink(os.readlink(source), full)
            self._inputs[target] = os.readlink(source)
            return
        shutil.copyfile(source, full)
        os.chmod(full, 0o755 if os.stat(source).st_mode & 0o100 else 0o644)
        os.utime(full, (FIXED_TIME, FIXED_TIME))
        self._inputs[target] = hash_file(full)[0]

    def _drop_inputs(self, place: str) -> None:
        """Remove inputs that are as they were brought, and directories that nothing else is in."""
        folders = set()
        for path, was in self._inputs.items():
            full = os.path.join(place, path)
            if not os.path.lexists(full) or find_link(place, os.path.dirname(path)):
                continue
            now = os.readlink(full) if os.path.islink(full) else hash_file(full)[0]
            if now == was:
                os.unlink(full)
                folders.add(os.path.dirname(path))
        folders.add(self._workdir)
        for folder in sorted(folders, key=len, reverse=True):
            one = folder
            while one and one not in self._lower and _is_empty(os.path.join(place, one)):
                os.rmdir(os.path.join(place, one))
                one = os.path.dirname(one)

    def _make_parents(self, place: str, path: str) -> None:
        parent = os.path.dirname(path)
        full = os.path.join(place, parent)
        if parent and not os.path.isdir(full):
            self._make_parents(place, parent)
            os.mkdir(full)
            known = self._lower.get(parent)
            os.chmod(full, (known.mode & 0o777 if known else 0o755) | 0o700)

    def _add_parents(self, path: str, entries: dict[str, Entry]) -> None:
        parent = os.path.dirname(path)
        if parent and parent not in entries:
            entries[parent] = self._lower.get(parent) or Entry(parent, DIRECTORY, 0o755, mtime=FIXED_TIME)
            self._add_parents(parent, entries)


def _shown(trees: Sequence[tuple[str, Manifest]]) -> dict[str, Entry]:
    return {placed.entry.path: placed.entry for placed in stack([manifest for _, manifest in trees])}


def _is_empty(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path) and not os.listdir(path)


def _files_below(full: str) -> list[str]:
    """Relative names of the files below a directory, sorted; one empty name for a file."""
    if os.path.isfile(full) or os.path.islink(full):
        return [""]
    return sorted(walk_files(full))
