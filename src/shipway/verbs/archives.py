"""`save` and `load`: images as files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.reference import parse_reference
from shipway.core.text import shown
from shipway.verbs.context import host_platform
from shipway.verbs.images import choose_image, open_store
from shipway.verbs.own_output import warn_of_next_image
from shipway.verbs.several import choose_images

if TYPE_CHECKING:
    from shipway.verbs.context import Task

FLAT = ("sif", "squashfs")
"""Forms that have no layers: one file system, for Apptainer and its kin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRequest:
    """Where an image goes, and how."""

    path: str
    """A folder, or a name that ends with `/`, becomes an OCI layout; anything else a file."""
    image: str = ""
    """A stored image; empty: the project's."""
    also: tuple[str, ...] = ()
    """Stored images of other platforms that go with it."""
    every_platform: bool = False
    """The project's images for all platforms that the lock holds."""
    name: str = ""
    """What it is called in the archive; empty: what it is called here."""
    form: str = "oci"
    """`oci`, `docker`, or one of `FLAT`."""
    compression: str = ""
    """As `image.encode.Encoding`; empty: as it came, uncompressed for Docker, and gzip for what has no layers."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveResult:
    """What was written, or would be."""

    path: str
    form: str
    """`oci-layout`, `oci-archive`, `docker-archive`, or one of `FLAT`."""
    name: str
    digest: str
    """Of the manifest in the archive, or of the configuration where there is no manifest; empty for a dry run."""
    config_digest: str
    """Of the one image; empty where there are several."""
    platforms: tuple[str, ...]
    size: int | None
    """Bytes of the layers as they were written, or of the file that has no layers; None for a dry run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedImage:
    """One name that was loaded, or would be."""

    name: str
    digest: str
    config_digest: str
    platform: str


def run_save(request: SaveRequest, task: Task) -> SaveResult:
    """Write the stored image `request.image`, or the project's, to `request.path`; those of several platforms as an index.

    Raises:
        ToolError: options contradict each other (USAGE), there is no such image, or it cannot be written.
    """
    if not request.dry_run:
        warn_of_next_image(request.path, task, is_own=not request.image)
    from shipway.image.encode import Encoding
    from shipway.image.save import pack_image, save_archive, save_docker, save_layout

    if request.form in FLAT:
        return _save_flat(request, task)
    folder = request.path.endswith("/") or os.path.isdir(request.path)
    docker = request.form == "docker"
    if docker and (folder or request.compression not in ("", "none")):
        wrong = "a folder" if folder else f"{request.compression} layers"
        raise ToolError(
            f"`--format docker` cannot write {wrong}",
            hints=["name a file, and leave out --compression", "use --format oci"],
            code=ExitCode.USAGE,
        )
    stored = (request.image, *request.also) if request.image else ()
    chosen = choose_images(task, stored, every=request.every_platform, name=request.name)
    if docker and len(chosen) > 1:
        raise ToolError(
            "Docker's archives cannot hold an image for several platforms",
            hints=["use --format oci, or save one platform at a time"],
            code=ExitCode.USAGE,
        )
    form = "docker-archive" if docker else "oci-layout" if folder else "oci-archive"
    digest, size = "", None
    if not request.dry_run:
        encoding = Encoding(request.compression or ("none" if docker else "keep"))
        store = open_store(task.emit)
        packed = [pack_image(store, one.image, encoding, task.emit, oci=True) for one in chosen]
        write = save_docker if docker else save_layout if folder else save_archive
        digest = write(request.path.rstrip("/") or "/", chosen[0].reference, *packed)
        size = sum(layer.size for one in packed for layer in one.layers)
    return SaveResult(
        path=request.path,
        form=form,
        name=chosen[0].reference.text,
        digest=digest,
        config_digest=chosen[0].image.config_digest if len(chosen) == 1 else "",
        platforms=tuple(one.image.facts().platform for one in chosen),
        size=size,
    )


def _save_flat(request: SaveRequest, task: Task) -> SaveResult:
    from shipway.archive.squashfs import COMPRESSIONS
    from shipway.image.apptainer import save_sif, save_squashfs

    compression = request.compression or COMPRESSIONS[0]
    folder = request.path.endswith("/") or os.path.isdir(request.path)
    if folder or compression not in COMPRESSIONS:
        wrong = "to a folder" if folder else f"with `--compression {compression}`"
        raise ToolError(
            f"a {request.form} cannot be written {wrong}",
            hints=["name a file" if folder else f"use {' or '.join(COMPRESSIONS)}"],
            code=ExitCode.USAGE,
        )
    if request.also or request.every_platform:
        raise ToolError(
            f"a {request.form} is for one platform",
            hints=["save one platform at a time: `--platform PLATFORM`", "use --format oci"],
            code=ExitCode.USAGE,
        )
    chosen = choose_image(task, request.image, name=request.name)
    size = None
    if not request.dry_run:
        save = save_sif if request.form == "sif" else save_squashfs
        size = save(request.path, open_store(task.emit), chosen.image, task.emit, compression=compression)
    return SaveResult(
        path=request.path,
        form=request.form,
        name=chosen.reference.text,
        digest="" if request.dry_run else chosen.image.config_digest,
        config_digest=chosen.image.config_digest,
        platforms=(chosen.image.facts().platform,),
        size=size,
    )


def run_load(path: str, task: Task, *, name: str = "", dry_run: bool = False) -> tuple[LoadedImage, ...]:
    """Bring every image of the archive or layout at `path` into the store, under the names that it gives them.

    `name` replaces them where there is one image. A dry run checks everything too, and throws away what it unpacks.

    Raises:
        ToolError: it holds no image, several but one name was given, or an image without a name (USAGE).
    """
    from shipway.image.load import load_images, read_images
    from shipway.image.names import put_name

    given = parse_reference(name).text if name else ""
    store = open_store(task.emit)
    platform = task.platform or host_platform()
    if dry_run:
        with store.transaction() as transaction:
            loaded = read_images(store, transaction, path, platform=platform, emit=task.emit)
    else:
        loaded = load_images(store, path, platform=platform, emit=task.emit)
    if given and len(loaded) > 1:
        raise ToolError(
            f"`{shown(path)}` holds {len(loaded)} images, which cannot all be called `{given}`",
            hints=["leave out --name"],
            code=ExitCode.USAGE,
        )
    if not given and not all(one.names for one in loaded):
        raise ToolError(
            f"`{shown(path)}` holds an image without a name",
            hints=["name it with --name"],
            code=ExitCode.USAGE,
        )
    rows = []
    for one in loaded:
        for text in (given,) if given else one.names:
            if not dry_run:
                put_name(store, text, one.image)
            rows.append(
                LoadedImage(
                    name=text,
                    digest=one.image.digest,
                    config_digest=one.image.config_digest,
                    platform=one.image.facts().platform,
                )
            )
    return tuple(rows)
