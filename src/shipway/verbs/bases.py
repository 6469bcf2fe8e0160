"""Base images of others: had from wherever they lie, looked into for the lock, and in the store when a build needs them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from shipway.core.errors import LockStale, NotFound
from shipway.core.image_source import Transport, parse_image_source
from shipway.core.text import shown
from shipway.lock.model import BaseImage, BaseLayer
from shipway.verbs.base_sources import bring_image, fetch_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.core.base_facts import BaseFacts
    from shipway.core.digest import TreeKey
    from shipway.image.base_files import BaseFiles
    from shipway.image.stored import StoredImage
    from shipway.lock.model import Lock, TargetLock
    from shipway.resolve.bases import FoundBase
    from shipway.store.store import Store
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project

_STATUS = "/var/lib/dpkg/status"


def open_finder(project: Project, task: Task, store: Store) -> _Finder:
    """What `resolve.bases` asks for images."""
    return _Finder(project, task, store)


class _Finder:
    def __init__(self, project: Project, task: Task, store: Store) -> None:
        self._project, self._task, self._store = project, task, store

    def __call__(self, name: str, platform: str, kept: BaseImage | None) -> FoundBase:
        """See `resolve.bases.FindBase`.

        Raises:
            NotFound, FetchError, HostileInput, EngineError: the image cannot be had.
        """
        from shipway.image.base_facts import read_facts
        from shipway.image.base_files import files_of_trees
        from shipway.resolve.bases import FoundBase

        if kept is not None and _still_there(kept, self._project.folder):
            ensure_base(kept, self._project, self._task, self._store)
            trees = base_trees(kept, self._store)
            files = files_of_trees(trees)
            return FoundBase(kept, read_facts(files, dict(kept.env)), _status(files))
        task = self._task._replace(platform=platform)
        image = bring_image(parse_image_source(name), task, self._store, folder=self._project.folder)
        trees = _require_trees(self._store, [layer.trees[0] for layer in image.layers], name)
        files = files_of_trees(trees)
        facts = read_facts(files, dict(image.facts().env))
        sizes = [os.path.getsize(self._store.find_blob(one.blob) or "") for one in image.layers if one.blob]
        locked = _lock_base(name, platform, image, sizes, facts)
        usrmerge = files.find("/bin") == "usr/bin"
        created = image.facts().created
        return FoundBase(replace(locked, usrmerge=usrmerge), facts, _status(files), created)


def ensure_base(base: BaseImage, project: Project, task: Task, store: Store) -> None:
    """Have every layer of `base` in the store, tree and bytes, from a vendor folder or from where it lies.

    Without network, layers that only a registry has stay missing.

    Raises:
        NotFound, FetchError, HashMismatch, OfflineError, EngineError: a layer cannot be had.
        LockStale: another image lies there now, and nobody has the locked one.
    """
    from shipway.verbs.locate import find_vendor

    if is_at_hand(base, store):
        return
    source = parse_image_source(base.name)
    vendor = find_vendor(project, task)
    if source.transport is Transport.REGISTRY or vendor is not None:
        fetch_layers(base, source, vendor, task, store)
    if is_at_hand(base, store) or (task.offline and source.transport is Transport.REGISTRY):
        return  # what is missing is named together with everything else that is
    task = task._replace(platform=base.platform)
    image = bring_image(source, task, store, folder=project.folder)
    if [layer.diff_id for layer in image.layers] != [layer.diff_id for layer in base.layers]:
        raise LockStale(
            f"`{base.name}` holds `{image.digest}` now, and the lock names `{base.manifest}`",
            hints=["run `shipway lock --upgrade base` to take what is there", "or put the locked image back"],
        )


def is_at_hand(base: BaseImage, store: Store) -> bool:
    """Whether the store has all of `base`."""
    from shipway.plan.target import base_layers

    planned = base_layers(base)
    return all(store.find_tree(tree.key) for layer in planned for tree in layer.trees) and all(
        store.find_blob(layer.sha256) for layer in base.layers
    )


def base_trees(base: BaseImage, store: Store) -> Sequence[Tree]:
    """The trees of `base`, bottom first.

    Raises:
        NotFound: the store lacks one.
    """
    from shipway.plan.target import base_layers

    keys = [tree.key for layer in base_layers(base) for tree in layer.trees]
    return _require_trees(store, keys, base.name)


def find_base_drift(lock: Lock, folder: str) -> tuple[str, ...]:
    """A sentence for each base image of `lock` in whose place another one lies, which the next lock takes; empty: none does.

    Only what costs nothing is looked at: layouts below the project's `folder`, and names in the store. Registries are asked by
    `lock --upgrade` alone.

    Raises:
        HostileInput, StoreError: what lies there cannot be read.
    """
    return tuple(
        f"`{base.name}` holds another image than `{base.manifest}`"
        for base in lock.bases
        if not _still_there(base, folder)
    )


def _still_there(base: BaseImage, folder: str) -> bool:
    source = parse_image_source(base.name)
    if source.transport is Transport.OCI:
        from shipway.image.load import list_layout

        path = os.path.normpath(os.path.join(folder, source.place))
        return not os.path.isdir(path) or base.manifest in list_layout(path, source.name)
    if source.transport is Transport.STORED:
        from shipway.image.names import find_name
        from shipway.store.store import Store

        image = find_name(Store.open(), source.place)
        return image is None or image.digest == base.manifest
    return True


def base_inputs(lock: Lock, folder: str, store: Store) -> list[str]:
    """Files whose change `find_base_drift` may notice."""
    from shipway.image.load import INDEX_FILE
    from shipway.image.names import record_of

    found = []
    for base in lock.bases:
        source = parse_image_source(base.name)
        if source.transport is Transport.OCI:
            found.append(os.path.join(os.path.normpath(os.path.join(folder, source.place)), INDEX_FILE))
        elif source.transport is Transport.STORED:
            found.append(record_of(store, source.place))
    return found


def read_base(base: BaseImage, store: Store) -> BaseFacts:
    """What `base`, whose layers are in the store, holds.

    Raises:
        NotFound: the store lacks a layer.
    """
    from shipway.image.base_facts import read_facts
    from shipway.image.base_files import files_of_trees

    return read_facts(files_of_trees(base_trees(base, store)), dict(base.env))


def ensure_bases(
    lock: Lock, targets: Sequence[TargetLock], project: Project, task: Task, store: Store
) -> None:
    """`ensure_base` for the base images of `targets`."""
    for base in {id(one): one for target in targets if (one := lock.base_of(target))}.values():
        ensure_base(base, project, task, store)


def _require_trees(store: Store, keys: Sequence[TreeKey], name: str) -> Sequence[Tree]:
    trees = [store.find_tree(key) for key in keys]
    if not all(trees):
        raise NotFound(
            f"layers of `{shown(name)}` are no longer in the store", hints=["run the command again"]
        )
    return [tree for tree in trees if tree]


def _status(files: BaseFiles) -> bytes:
    return files.text(_STATUS).encode("utf-8", "surrogateescape")


def _lock_base(
    name: str, platform: str, image: StoredImage, sizes: Sequence[int], facts: BaseFacts
) -> BaseImage:
    """`sizes`: of the layers' bytes as they came."""
    said = image.facts()
    return BaseImage(
        name=name,
        platform=platform,
        manifest=image.digest,
        config=image.config_digest,
        layers=tuple(
            BaseLayer(
                diff_id=layer.diff_id,
                sha256=layer.blob,
                size=size,
                media_type=layer.media_type,
                unpacked=layer.size,
            )
            for layer, size in zip(image.layers, sizes, strict=True)
            if layer.blob
        ),
        env=said.env,
        user=said.user,
        entrypoint=said.entrypoint,
        command=said.command,
        distribution=facts.distribution,
        suite=facts.suite,
        libc=f"{facts.libc} {facts.libc_version}".strip(),
        cuda=facts.cuda,
        cudnn=facts.cudnn,
    )
