"""Data of a locked target -> the trees that hold them (pure).

Each file is a tree of its own, so that whatever shares a file shares its bytes. An archive's members, and a repository's files
under their names, are trees above it. All are named by content alone: not by address, nor by the place inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from shipway.core.digest import TreeKey, key_of
from shipway.core.ignore import IgnoreRules
from shipway.plan.model import TreeKind, TreeRequest

if TYPE_CHECKING:
    from shipway.lock.model import DataFile, DataUse, Lock, TargetLock

DATA_MEMBER = "data:"
"""How a member of a layer begins that is copied data; the name follows."""
CONTENT = "content"
"""The name of the file in the tree of one file."""


class DataPlan(NamedTuple):
    """What one name of `[data]` consists of."""

    use: DataUse
    files: tuple[DataFile, ...]
    """Empty for a folder of the host."""

    @property
    def inputs(self) -> dict[str, Any]:
        """Of the tree that is seen inside."""
        if self.use.unpack:
            return {"recipe": "data-unpacked", "version": 1, "sha256": self.files[0].sha256.hex}
        if self.is_file:
            return file_inputs(self.files[0])
        files = sorted([file.path, file.sha256.hex] for file in self.files)
        return {"recipe": "data-folder", "version": 1, "files": files}

    @property
    def key(self) -> TreeKey:
        """Of the tree that is seen inside."""
        return key_of(self.inputs)

    @property
    def is_file(self) -> bool:
        """Whether a file is seen inside, and no folder."""
        return not self.use.source.startswith("hf:") and not self.use.unpack

    @property
    def size(self) -> int:
        """Bytes to fetch; 0 where nobody said."""
        return sum(file.size for file in self.files)


def file_inputs(file: DataFile) -> dict[str, Any]:
    """Of the tree of one file."""
    return {"recipe": "data-file", "version": 1, "sha256": file.sha256.hex}


def plan_data(lock: Lock, target: TargetLock) -> tuple[DataPlan, ...]:
    """The data of `target` that are fetched."""
    return tuple(
        DataPlan(
            use, tuple(file for file in lock.data if file.source == use.source and _is_chosen(file, use))
        )
        for use in target.data
        if use.source
    )


def copied_data(lock: Lock, target: TargetLock, name: str) -> TreeRequest:
    """The tree of the image that has the data called `name`.

    Raises:
        KeyError: the target has no such data.
    """
    use = next((one for one in target.data if one.name == name and one.copy), None)
    if use is None:
        raise KeyError(f"target {target.name!r} copies no data {name!r}")
    inputs: dict[str, Any] = {"recipe": "data", "version": 1, "target": use.target}
    if use.folder:
        return TreeRequest(kind=TreeKind.DATA, name=f"data {name}", inputs=inputs | {"folder": use.folder})
    plan = next(one for one in plan_data(lock, target) if one.use.name == name)
    inputs |= {"is_file": plan.is_file, "content": plan.inputs}
    return TreeRequest(kind=TreeKind.DATA, name=f"data {name}", inputs=inputs, size=plan.size)


def _is_chosen(file: DataFile, use: DataUse) -> bool:
    return not use.files or IgnoreRules(use.files).ignored(file.path)
