"""An image as one file for Apptainer: a squashfs of what its layers show, alone or in a SIF.

Apptainer looks for variables and command in the root itself: `/.singularity.d` (docs, "The Apptainer image"). What `docker run`
would do with the image is what `apptainer run` does with the file; where the image holds a `/.singularity.d`, ours is over it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
from typing import TYPE_CHECKING, BinaryIO

from shipway.archive.sif import ARCHITECTURES, DataObject, Kind, write_sif
from shipway.archive.squashfs import write_squashfs
from shipway.core.digest import canonical_json
from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.core.manifest import DIRECTORY, FILE, Entry
from shipway.core.text import shown
from shipway.host import files
from shipway.image.flat import Part, flat_members, with_members

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.image.document import Config
    from shipway.image.stored import StoredImage
    from shipway.store.store import Store
    from shipway.store.tree import Tree

_HOME = ".singularity.d"
_FOLDERS = (
    _HOME, f"{_HOME}/env", f"{_HOME}/libs", "dev", "home", "proc", "root", "sys", "tmp", "var", "var/tmp",
)  # fmt: skip
"""What Apptainer mounts something at, or looks into."""
_LATEST = (1 << 32) - 1
"""What a squashfs can hold; layers of others have their own times."""
_STICKY = ("tmp", "var/tmp")
_LAST = """\
#!/bin/sh
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs"
export PS1="${PS1:-Apptainer> }"
"""
"""`--nv` brings the driver's libraries there."""


def save_squashfs(path: str, store: Store, image: StoredImage, *, compression: str) -> int:
    """Write `image` as the squashfs `path`, in place of what was there; returns its size.

    Raises:
        NotFound: trees of the image are no longer in the store.
        NoSpace, StoreError: it cannot be written, or the store is damaged.
    """
    return _save(path, store, image, lambda file, parts: _write(file, image, parts, compression))


def save_sif(path: str, store: Store, image: StoredImage, *, compression: str) -> int:
    """Write `image` as the SIF `path`, in place of what was there; returns its size.

    Raises:
        ToolError: no SIF can be for its platform (USAGE).
        NotFound, NoSpace, StoreError: as `save_squashfs`.
    """
    platform = "/".join(image.facts().platform.split("/")[:2])
    if platform not in ARCHITECTURES:
        raise ToolError(
            f"no SIF can be for {shown(platform)}",
            hints=[f"shipway writes them for {', '.join(ARCHITECTURES)}", "use `--format squashfs`"],
            code=ExitCode.USAGE,
        )
    identity = hashlib.sha256(f"{image.digest} {compression}".encode()).digest()[:16]

    def write(file: BinaryIO, parts: list[Part]) -> None:
        objects = [
            DataObject(Kind.JSON, "oci-config.json", lambda out: out.write(image.config)),
            DataObject(Kind.PARTITION, "root", lambda out: _write(out, image, parts, compression)),
        ]
        write_sif(file, objects, platform=platform, identity=identity, epoch=image.epoch)

    return _save(path, store, image, write)


def render_files(facts: Config, epoch: int) -> list[tuple[Entry, bytes]]:
    """What Apptainer wants to find in the root of an image, in canonical order."""
    texts = {
        "env/90-environment.sh": _environment(facts),
        "env/99-base.sh": _LAST,
        "runscript": _runscript(facts),
        "labels.json": canonical_json(dict(facts.labels)).decode() + "\n",
    }
    found = [
        (Entry(path, DIRECTORY, 0o1777 if path in _STICKY else 0o755, mtime=epoch), b"") for path in _FOLDERS
    ]
    for name, text in texts.items():
        data = text.encode("utf-8", "surrogateescape")
        mode = 0o644 if name.endswith(".json") else 0o755
        digest = hashlib.sha256(data).hexdigest()
        entry = Entry(f"{_HOME}/{name}", FILE, mode, mtime=epoch, size=len(data), digest=digest)
        found.append((entry, data))
    return sorted(found, key=lambda one: one[0].path)


def _environment(facts: Config) -> str:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in facts.env if _is_name(name)]
    return "\n".join(["#!/bin/sh", *lines, ""])


def _is_name(name: str) -> bool:
    """Whether a shell can have a variable of that name. Others are legal in an image, and no program looks for them."""
    return name.isascii() and name.isidentifier()


def _runscript(facts: Config) -> str:
    first, rest = shlex.join(facts.entrypoint), shlex.join(facts.command)
    lines = ["#!/bin/sh"]
    if facts.workdir:
        lines.append(f"cd {shlex.quote(facts.workdir)} || exit 1")
    lines.append(f'if [ "$#" -gt 0 ]; then exec {first} "$@"; fi')
    lines.append(f"exec {first} {rest}".rstrip() if first or rest else "exec /bin/sh")
    return "\n".join([*lines, ""])


def _parts(image: StoredImage, trees: Sequence[Tree]) -> list[Part]:
    latest = [_LATEST if layer.blob else image.epoch for layer in image.layers for _ in layer.trees]
    return [Part(tree, time) for tree, time in zip(trees, latest, strict=True)]


def _write(file: BinaryIO, image: StoredImage, parts: list[Part], compression: str) -> None:
    members = with_members(flat_members(parts), render_files(image.facts(), image.epoch))
    write_squashfs(members, file, epoch=image.epoch, compression=compression)


def _save(path: str, store: Store, image: StoredImage, write: Callable[[BinaryIO, list[Part]], None]) -> int:
    """Write the file `path` under another name, then rename it: it is whole or not there."""
    keys = [key for layer in image.layers for key in layer.trees]
    folder, name = os.path.split(os.path.abspath(path))
    temporary = f"{folder}/{files.TEMPORARY_PREFIX}{files.random_name()}-{name[:80]}"
    with store.use(keys) as use:
        if use.missing:
            raise NotFound(
                "what the image is made from is no longer in the store",
                hints=["build, load or pull the image again"],
            )
        with files.translating_disk_errors(f"write `{shown(path)}`"):
            try:
                with open(temporary, "x+b") as file:
                    write(file, _parts(image, use.trees))
                    size = file.seek(0, os.SEEK_END)
                os.rename(temporary, path)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
                raise
    return size
