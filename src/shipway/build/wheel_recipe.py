"""Wheels that cannot be unpacked on their own: those built here, and those whose bytecode the interpreter inside must make."""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING

from shipway.build.inside import run_inside
from shipway.build.sandboxed import Job
from shipway.build.wheel_build import build_wheel
from shipway.build.wheel_tree import unpack_wheel
from shipway.core.errors import BuildError, HashMismatch
from shipway.core.text import shown
from shipway.plan.model import TreeKind
from shipway.sandbox import Bind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipway.build.context import BuildContext
    from shipway.core.manifest import Manifest
    from shipway.lock.model import Wheel
    from shipway.plan.model import TreeRequest
    from shipway.store.transaction import Staged
    from shipway.store.tree import Tree

_SOURCES = "/tmp/sources"  # noqa: S108 - inside the sandbox
_LENGTH = 8


def make_wheel(request: TreeRequest, context: BuildContext, staged: Staged) -> Manifest:
    """Unpack the wheel of `request` into `staged`, built first if it has no index.

    Raises:
        BuildError: it could not be built, or its bytecode not be made.
        HashMismatch: the build gave other bytes than the lock records.
    """
    wheel = next(one for one in context.lock.wheels if one.id == request.members[0])
    path = context.tx.find_blob(wheel.sha256)
    if path is None:
        path = _built(wheel, context)
    compiler = _Compiler(context, staged.path) if request.inputs["bytecode"] else None
    return unpack_wheel(
        path,
        staged.root,
        python=request.inputs["python"],
        prefix=request.inputs["prefix"],
        filename=wheel.filename,
        compiler=compiler,
        emit=context.emit,
    )


def _built(wheel: Wheel, context: BuildContext) -> str:
    source = next((one for one in context.lock.sources if one.id == wheel.source), None)
    if source is None:
        raise BuildError(
            f"the lock does not say what `{wheel.filename}` is built from", hints=["run `shipway lock`"]
        )
    path, digest = build_wheel(source, context)
    if digest != wheel.sha256:
        raise HashMismatch(
            f"building `{source.id}` gave `{digest}`, and the lock records `{wheel.sha256}`",
            hints=[
                "its build is not reproducible, or its sources changed: run `shipway lock` to record the new result"
            ],
        )
    return context.tx.add_blob(path, wheel.sha256)


class _Compiler:
    """Runs the interpreter inside over a tree's sources; only its own bytecode is the same on every host."""

    def __init__(self, context: BuildContext, scratch: str) -> None:
        kinds = (TreeKind.BASE, TreeKind.DEB, TreeKind.SYSTEM, TreeKind.PYTHON)
        self._trees: list[Tree] = [
            context.trees[tree.key] for tree in context.plan.trees if tree.kind in kinds
        ]
        python = context.target.python
        if python is None:
            raise BuildError(
                "bytecode needs an interpreter, and the lock has none", hints=["run `shipway lock`"]
            )
        self._executable = python.executable
        self._scratch = scratch
        self._program = importlib.resources.files("shipway.build").joinpath("bytecode.py").read_text("utf-8")

    def __call__(self, root: str, paths: Sequence[str]) -> Iterator[bytes | None]:
        """The bytecode of each of `paths` below `root`, None where a source does not compile."""
        job = Job(
            argv=(self._executable, "-I", "-S", "-c", self._program, _SOURCES),
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            data="\0".join(paths).encode("utf-8", "surrogateescape"),
            ops=(Bind(root, _SOURCES, read_only=True),),
        )
        done = run_inside(self._trees, job, self._scratch)
        if done.result.code:
            last = done.stderr.decode("utf-8", "replace")[-2000:]
            raise BuildError("the interpreter inside could not compile bytecode", detail=shown(last, 2000))
        yield from _frames(done.stdout, len(paths))


def _frames(data: bytes, count: int) -> Iterator[bytes | None]:
    position = 0
    for _ in range(count):
        length = int.from_bytes(data[position : position + _LENGTH], "big")
        position += _LENGTH + length
        if position > len(data):
            raise BuildError("the interpreter inside answered less bytecode than asked for")
        yield data[position - length : position] or None
