"""What trees are made from: every artifact by name, so that what is missing can be named before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.build.artifacts import digest_of_artifact, name_of_artifact
from shipway.core.errors import FetchError, NotFound, OfflineError
from shipway.core.text import shown
from shipway.lock.model import Source
from shipway.plan.model import TreeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.build.context import Artifact, Locate
    from shipway.core.digest import BlobDigest
    from shipway.lock.model import Lock, TargetLock, Wheel
    from shipway.plan.model import TreeRequest
    from shipway.store.store import Store

_MANY = 40
"""Lines of an error that a person still reads."""


def list_artifacts(
    lock: Lock,
    target: TargetLock,
    requests: Sequence[TreeRequest],
    *,
    is_here: Callable[[BlobDigest], object] | None = None,
) -> tuple[Artifact, ...]:
    """Everything that the trees `requests` of `target` are made from, each once: layers of the base image, OS packages, wheels,
    what wheels are built from and with, interpreters. What lies in the project's folder is not among it.

    `is_here`: whether a wheel that was built once needs not be built again; None: it does.
    """
    debs = {deb.id: deb for deb in lock.debs}
    sources = {source.id: source for source in lock.sources}
    wheels = {wheel.id: wheel for wheel in lock.wheels}
    base = lock.base_of(target)
    found: dict[str, Artifact] = {}

    def add(artifact: Artifact) -> None:
        found.setdefault(digest_of_artifact(artifact), artifact)

    def add_wheel(wheel: Wheel) -> None:
        source = sources.get(wheel.source)
        if source is None:
            add(wheel)
        elif is_here is None or not is_here(wheel.sha256):
            if source.kind != "local":
                add(source)
            for name in source.build_requires:
                add(wheels[name])

    for request in requests:
        if request.kind in (TreeKind.DEB, TreeKind.SYSTEM):
            for name in request.members or target.debs:
                add(debs[name])
        elif request.kind == TreeKind.WHEEL:
            add_wheel(wheels[request.members[0]])
        elif request.kind == TreeKind.PYTHON and target.python is not None:
            add(target.python)
        elif request.kind == TreeKind.BASE and base is not None:
            add(next(one for one in base.layers if one.diff_id == request.inputs["diff_id"]))
    return tuple(found.values())


def require_at_hand(
    lock: Lock, target: TargetLock, requests: Sequence[TreeRequest], *, store: Store, locate: Locate
) -> None:
    """Make sure that `requests`, trees that the store lacks, can be made without network.

    Raises:
        OfflineError: they cannot; names everything that is missing.
    """
    artifacts = list_artifacts(lock, target, requests, is_here=store.find_blob)
    missing = [name_of_artifact(one) for one in artifacts if not _is_at_hand(one, store, locate)]
    if any(request.kind == TreeKind.COMMANDS for request in requests):
        missing += [f"the build command `{' '.join(one.argv)}`" for one in target.build if one.network]
    if missing:
        raise missing_offline(missing)


def missing_offline(names: Sequence[str]) -> OfflineError:
    """The error for what is not here and would have to be fetched."""
    listed = sorted(shown(name) for name in names)
    more = [f"and {len(listed) - _MANY} more"] if len(listed) > _MANY else []
    first = f"`{listed[0]}` needs" if len(listed) == 1 else f"{len(listed)} things need"
    return OfflineError(
        f"{first} the network, which is switched off",
        hints=[
            "where there is network, run `shipway vendor DIR`, and bring the folder here for `--vendor DIR`",
            "or leave out --offline",
        ],
        detail="\n".join([*listed[:_MANY], *more]) if len(listed) > 1 else "",
    )


def _is_at_hand(artifact: Artifact, store: Store, locate: Locate) -> bool:
    if not (isinstance(artifact, Source) and artifact.kind == "git") and store.find_blob(
        digest_of_artifact(artifact)
    ):
        return True
    try:
        return any(place.url.startswith("file:") for place in locate(artifact))
    except (OfflineError, FetchError, NotFound):
        return False  # nobody here knows a place: it is among what is missing
