"""What a lock must be beside well-formed: complete, free of contradictions, and unable to name a path outside its place.

A lock travels with a repository, so its text is as untrusted as the repository.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from shipway.core.image_source import is_image_source
from shipway.core.labels import find_label_fault
from shipway.core.platform import PLATFORMS
from shipway.core.waste import Waste
from shipway.lock.model import BaseImage, Deb, Lock, Source, TargetLock, Wheel

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\Z", re.ASCII)
_ALIAS = re.compile(r"[a-z0-9][a-z0-9.-]*\Z", re.ASCII)
_DEB_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z", re.ASCII)
_DEB_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:-]*\Z", re.ASCII)
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*\Z", re.ASCII)
_PYTHON_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\Z", re.ASCII)
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]*\Z", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z", re.ASCII)
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_PYTHON_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?\Z", re.ASCII)
_CREDENTIALS = re.compile(r"[a-z0-9+.-]+://[^/]*:[^/]*@", re.IGNORECASE)
_LAYER_TYPE = re.compile(
    r"application/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(?:\.gzip|\.zstd)?)\Z"
)
_SOURCE = re.compile(r"hf:[A-Za-z0-9._/-]+@[0-9a-f]{40}\Z|https?://[^@\s]+\Z", re.ASCII)
_SLIM = frozenset(Waste)
FIXED_MEMBERS = frozenset({"system", "python", "venv", "commands", "files"})
"""Members of layers that are no artifact."""


def find_faults(lock: Lock) -> tuple[str, ...]:
    """Everything that is wrong with `lock`, each as one sentence; empty when it is sound."""
    return tuple(_faults(lock))


def _faults(lock: Lock) -> Iterator[str]:
    if not _NAME.match(lock.name):
        yield f"`name` is no project name: `{lock.name}`"
    yield from _twice("archive", (f"{it.alias} {it.suite}" for it in lock.archives))
    yield from _twice("index", (it.alias for it in lock.indexes))
    yield from _twice("deb", (it.id for it in lock.debs))
    yield from _twice("wheel", (it.id for it in lock.wheels))
    yield from _twice("source", (it.id for it in lock.sources))
    yield from _twice("base image", (f"{it.id} on {it.platform}" for it in lock.bases))
    yield from _twice("target", (f"{it.name} on {it.platform}" for it in lock.targets))
    for alias in (*(it.alias for it in lock.archives), *(it.alias for it in lock.indexes)):
        if not _ALIAS.match(alias):
            yield f"`{alias}` is no alias"
    for index in lock.indexes:
        if index.folder and not stays_inside(index.folder):
            yield f"index `{index.alias}` names a folder outside the project: `{index.folder}`"
    yield from _package_faults(lock)
    yield from _twice("data", (it.id for it in lock.data))
    yield from (f"data `{it.id}`: its path leaves its place" for it in lock.data if not stays_inside(it.path))
    yield from (
        f"data `{it.path}`: `{it.source}` is no source" for it in lock.data if not _SOURCE.match(it.source)
    )
    for target in lock.targets:
        yield from (
            f"target `{target.name}` on {target.platform}: {fault}" for fault in _target_faults(lock, target)
        )


def _twice(kind: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{kind} `{name}` is there {count} times"


def _package_faults(lock: Lock) -> Iterator[str]:
    archives = {it.alias for it in lock.archives}
    indexes = {it.alias for it in lock.indexes}
    sources = {it.id for it in lock.sources}
    wheels = {it.id for it in lock.wheels}
    for base in lock.bases:
        yield from (f"base image `{base.name}`: {fault}" for fault in _base_faults(base))
    for deb in lock.debs:
        yield from (f"deb `{deb.name}`: {fault}" for fault in _deb_faults(deb, archives))
    for wheel in lock.wheels:
        yield from (f"wheel `{wheel.name}`: {fault}" for fault in _wheel_faults(wheel, indexes, sources))
    for source in lock.sources:
        yield from (f"source `{source.name}`: {fault}" for fault in _source_faults(source, indexes, wheels))


def _base_faults(base: BaseImage) -> Iterator[str]:
    if base.platform not in PLATFORMS:
        yield f"`{base.platform}` is none of {', '.join(PLATFORMS)}"
    if not is_image_source(base.name):
        yield "its name is no image of others"
    if not base.layers:
        yield "it has no layers"
    yield from (
        f"`{layer.media_type}` is no media type of a layer"
        for layer in base.layers
        if not _LAYER_TYPE.match(layer.media_type)
    )
    yield from (
        f"`{name}` is no name of a variable"
        for name, _ in base.env
        if not name or "=" in name or not name.isprintable()
    )


def _deb_faults(deb: Deb, archives: set[str]) -> Iterator[str]:
    if not _DEB_NAME.match(deb.name) or not _DEB_NAME.match(deb.source):
        yield "no package name"
    if not _DEB_VERSION.match(deb.version):
        yield f"`{deb.version}` is no version"
    if not _ARCHITECTURE.match(deb.architecture):
        yield f"`{deb.architecture}` is no architecture"
    if not stays_inside(deb.path):
        yield f"path leaves the archive: `{deb.path}`"
    if deb.archive not in archives:
        yield f"archive `{deb.archive}` is not locked"


def _wheel_faults(wheel: Wheel, indexes: set[str], sources: set[str]) -> Iterator[str]:
    if not _PYTHON_NAME.match(wheel.name):
        yield "no normalised package name"
    if not _FILE_NAME.match(wheel.filename) or not wheel.filename.endswith(".whl"):
        yield f"`{wheel.filename}` is no wheel file name"
    if bool(wheel.index) == bool(wheel.source):
        yield "comes from an index or from a source, and must say which one"
    elif wheel.index and wheel.index not in indexes:
        yield f"index `{wheel.index}` is not locked"
    elif wheel.source and wheel.source not in sources:
        yield f"source `{wheel.source}` is not locked"


def _source_faults(source: Source, indexes: set[str], wheels: set[str]) -> Iterator[str]:
    if source.kind not in {"sdist", "git", "local"}:
        yield f"`{source.kind}` is no kind of source"
    if not _PYTHON_NAME.match(source.name):
        yield "no normalised package name"
    if source.filename and not _FILE_NAME.match(source.filename):
        yield f"`{source.filename}` is no file name"
    if source.index and source.index not in indexes:
        yield f"index `{source.index}` is not locked"
    if source.path and not stays_inside(source.path):
        yield f"path leaves the project: `{source.path}`"
    if source.commit and not _COMMIT.match(source.commit):
        yield f"`{source.commit}` is no commit"
    if _CREDENTIALS.match(source.url) or source.url.startswith("-"):
        yield "the address holds credentials, or is an option"
    for name in source.build_requires:
        if name not in wheels:
            yield f"is built with `{name}`, which is not locked"


def _target_faults(lock: Lock, target: TargetLock) -> Iterator[str]:
    if not _NAME.match(target.name):
        yield "no target name"
    if target.platform not in PLATFORMS:
        yield f"`{target.platform}` is none of {', '.join(PLATFORMS)}"
    if not _is_absolute(target.workdir):
        yield f"`workdir` is no absolute path: `{target.workdir}`"
    yield from (
        f"`{name}` is no name of a variable" for name, _ in target.env if not _ENVIRONMENT_NAME.match(name)
    )
    yield from (
        f"label `{name}` {fault[0]}"
        for name, value in target.labels
        if (fault := find_label_fault(name, value)) is not None
    )
    yield from (f"`slim` names no kind of files: `{name}`" for name in target.slim if name not in _SLIM)
    debs = {it.id for it in lock.debs}
    wheels = {it.id for it in lock.wheels}
    if target.image and not any(
        it.id == target.image and it.platform == target.platform for it in lock.bases
    ):
        yield f"base image `{target.image}` is not locked"
    yield from (f"deb `{name}` is not locked" for name in target.debs if name not in debs)
    yield from (f"wheel `{name}` is not locked" for name in target.wheels if name not in wheels)
    yield from _twice("deb", target.debs)
    yield from _twice("wheel", target.wheels)
    yield from (
        f"build input leaves the project: `{path}`"
        for it in target.build
        for path in it.inputs
        if not stays_inside(path)
    )
    if target.python is not None:
        python = target.python
        if not _PYTHON_VERSION.match(python.version) or not _is_absolute(python.executable):
            yield "`python` names no version or no absolute path"
        if python.origin not in {"base", "standalone"}:
            yield f"`{python.origin}` is no origin of an interpreter"
        if python.origin == "standalone" and (python.sha256 is None or not _FILE_NAME.match(python.filename)):
            yield "the stand-alone interpreter has no file name or no digest"
    yield from _data_faults(lock, target)
    yield from _layer_faults(target)


def _data_faults(lock: Lock, target: TargetLock) -> Iterator[str]:
    sources = {it.source for it in lock.data}
    yield from _twice("data", (it.name for it in target.data))
    for use in target.data:
        if not _NAME.match(use.name) or not _is_absolute(use.target) or use.target == "/":
            yield f"data `{use.name}` has no name or no absolute target"
        if bool(use.source) == bool(use.folder) or (use.source and use.source not in sources):
            yield f"data `{use.name}` comes from a locked source or from a folder, and must say which one"


def _layer_faults(target: TargetLock) -> Iterator[str]:
    copied = {f"data:{use.name}" for use in target.data if use.copy}
    known = {*target.debs, *target.wheels, *copied}
    yield from _twice("layer", (layer.name for layer in target.layers))
    placed = Counter(member for layer in target.layers for member in layer.members)
    for member, count in placed.items():
        if member not in known and member not in FIXED_MEMBERS:
            yield f"a layer holds `{member}`, which the target does not have"
        if count > 1:
            yield f"`{member}` is in {count} layers"
    if target.layers:
        yield from (f"`{name}` is in no layer" for name in sorted(known) if name not in placed)


def stays_inside(path: str) -> bool:
    """Whether the relative `path` is one that cannot leave its root and holds no control characters."""
    parts = path.split("/")
    return path == "." or (path.isprintable() and "\\" not in path and not {"", ".", ".."} & set(parts))


def _is_absolute(path: str) -> bool:
    return path.startswith("/") and path.isprintable() and ".." not in path.split("/")
