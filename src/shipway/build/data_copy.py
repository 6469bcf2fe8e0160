"""Data as a layer of the image: a tree of the store, or a folder of the host, below the place that the spec says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from shipway.build.data_tree import link_or_copy
from shipway.build.files_tree import make_files
from shipway.build.wheel_tree import EPOCH
from shipway.core.digest import key_of
from shipway.core.errors import BuildError
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, Manifest
from shipway.core.text import shown
from shipway.plan.data import CONTENT

if TYPE_CHECKING:
    from shipway.build.context import BuildContext
    from shipway.plan.model import TreeRequest
    from shipway.store.transaction import Staged


def data_folder(inputs: dict[str, Any], project: str) -> str:
    """The folder of the host that is copied.

    Raises:
        BuildError: it is none.
    """
    path = os.path.normpath(os.path.join(project, os.path.expanduser(inputs["folder"])))
    if not os.path.isdir(path):
        raise BuildError(
            f"`{shown(path)}`, which the spec wants copied into the image, is no folder",
            hints=["make it, or correct `[data]` in the spec"],
        )
    return path


def make_data(request: TreeRequest, context: BuildContext, staged: Staged) -> Manifest:
    """Make the tree of copied data.

    Raises:
        BuildError: the data are not in the store, or a folder changed meanwhile.
        NoSpace: the disk is full.
    """
    inputs = request.inputs
    if request.of_host:
        chosen = {"include": [], "ignore": [], "workdir": inputs["target"], "content": inputs["content"]}
        return make_files(chosen, data_folder(inputs, context.project), staged.root)
    tree = context.store.find_tree(key_of(inputs["content"]))
    if tree is None:
        raise BuildError(f"`{request.name}` is not in the store", hints=["run `shipway data fetch`"])
    lead = inputs["target"].strip("/")
    entries = [Entry(path, DIRECTORY, 0o755, mtime=EPOCH) for path in _folders_to(lead)]
    if inputs["is_file"]:
        (content,) = tree.manifest().entries
        entries = [*entries[:-1], content._replace(path=lead)]
        os.makedirs(os.path.dirname(f"{staged.root}/{lead}"), exist_ok=True)
        link_or_copy(f"{tree.root}/{CONTENT}", f"{staged.root}/{lead}")
    else:
        os.makedirs(f"{staged.root}/{lead}")
        entries += [_put(one, tree.root, staged.root, lead) for one in tree.manifest().entries]
    for one in reversed([one for one in entries if one.kind == DIRECTORY]):
        os.chmod(f"{staged.root}/{one.path}", 0o755)  # noqa: S103 - seen inside by everybody
        os.utime(f"{staged.root}/{one.path}", (one.mtime, one.mtime))
    os.chmod(staged.root, 0o755)  # noqa: S103 - so is this
    os.utime(staged.root, (0, 0))
    return Manifest(entries)


def _folders_to(lead: str) -> list[str]:
    """Every folder on the way, the outermost first."""
    parts = lead.split("/")
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


def _put(one: Entry, source: str, root: str, lead: str) -> Entry:
    place = f"{lead}/{one.path}"
    if one.kind == DIRECTORY:
        os.mkdir(f"{root}/{place}")
    elif one.kind == SYMLINK:
        os.symlink(one.target, f"{root}/{place}")
        os.utime(f"{root}/{place}", (one.mtime, one.mtime), follow_symlinks=False)
    elif one.kind in (FILE, HARDLINK):
        link_or_copy(f"{source}/{one.path}", f"{root}/{place}")
    return one._replace(path=place, target=f"{lead}/{one.target}" if one.kind == HARDLINK else one.target)
