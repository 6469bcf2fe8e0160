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
from shipway.core.events import Began, Ended, Moved
from shipway.core.manifest import DIRECTORY, FILE, Entry
from shipway.core.text import shown
from shipway.host import files
from shipway.image.flat import Part, flat_members, made_part, tree_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shipway.core.events import Emit
    from shipway.image.document import Config
    from shipway.image.flat import Member
    from shipway.image.stored import StoredImage
    from shipway.store.store import Store
    from shipway.store.tree import Tree

PHASE = "squashfs"
_TELL = 1 << 22
_HOME = ".singularity.d"
_MOUNTED = ("dev", "home", "proc", "root", "sys", "tmp")
"""Where Apptainer mounts something; made where the image has nothing."""
_LATEST = (1 << 32) - 1
"""What a squashfs can hold; layers of others have their own times."""
_LAST = """\
#!/bin/sh
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs"
export PS1="${PS1:-Apptainer> }"
"""
"""`--nv` brings the driver's libraries there."""


def save_squashfs(path: str, store: Store, image: StoredImage, emit: Emit, *, compression: str) -> int:
    """Write `image` as the squashfs `path`, in place of what was there; returns its size.

    Raises:
        NotFound: trees of the image are no longer in the store.
        NoSpace, StoreError: it cannot be written, or the store is damaged.
    """
    return _save(path, store, image, lambda file, parts: _squash(file, image, parts, compression, emit))


def save_sif(path: str, store: Store, image: StoredImage, emit: Emit, *, compression: str) -> int:
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
            DataObject(Kind.PARTITION, "root", lambda out: _squash(out, image, parts, compression, emit)),
        ]
        write_sif(file, objects, platform=platform, identity=identity, epoch=image.epoch)

    return _save(path, store, image, write)


def render_files(facts: Config) -> dict[str, str]:
    """What Apptainer wants to find in the root of an image, by path."""
    return {
        f"{_HOME}/env/90-environment.sh": _environment(facts),
        f"{_HOME}/env/99-base.sh": _LAST,
        f"{_HOME}/runscript": _runscript(facts),
        f"{_HOME}/labels.json": canonical_json(dict(facts.labels)).decode() + "\n",
    }


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
    """The trees of the image between what they may hide and what they must not."""
    latest = [_LATEST if layer.blob else image.epoch for layer in image.layers for _ in layer.trees]
    folders = [
        Entry(path, DIRECTORY, 0o1777 if path == "tmp" else 0o755, mtime=image.epoch) for path in _MOUNTED
    ]
    return [
        made_part(folders, {}, image.epoch),
        *(tree_part(tree, time) for tree, time in zip(trees, latest, strict=True)),
        _own_part(image),
    ]


def _own_part(image: StoredImage) -> Part:
    texts = render_files(image.facts())
    contents = {path: text.encode("utf-8", "surrogateescape") for path, text in texts.items()}
    time = image.epoch
    entries = [Entry(path, DIRECTORY, 0o755, mtime=time) for path in (_HOME, f"{_HOME}/env", f"{_HOME}/libs")]
    for path, data in contents.items():
        mode = 0o644 if path.endswith(".json") else 0o755
        digest = hashlib.sha256(data).hexdigest()
        entries.append(Entry(path, FILE, mode, mtime=time, size=len(data), digest=digest))
    return made_part(entries, contents, time)


def _squash(file: BinaryIO, image: StoredImage, parts: Sequence[Part], compression: str, emit: Emit) -> None:
    emit(Began(PHASE, size=image.size))
    members = _told(flat_members(parts), emit)
    write_squashfs(members, file, epoch=image.epoch, compression=compression)
    emit(Ended(PHASE))


def _told(members: Iterator[Member], emit: Emit) -> Iterator[Member]:
    """`members`; now and then it is told how many bytes of files have passed."""
    passed = 0
    for member in members:
        yield member
        passed += member[0].size
        if passed >= _TELL:
            emit(Moved(PHASE, member[0].path, passed))
            passed = 0


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
        with files.translating_disk_errors(f"write `{shown(path)}`", error=ToolError):
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
