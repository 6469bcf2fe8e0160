"""What projects need. A pin lives as long as the project's folder; then its keys age like anything else."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.digest import BlobDigest, LockDigest, TreeKey
from shipway.core.text import shown
from shipway.host import files
from shipway.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.store.store import Store


class Pin(NamedTuple):
    """One target of one project, and what must stay for it."""

    project: str
    """The project's folder, absolute."""
    target: str
    lock: str
    """The digest of the lock file it was made for."""
    keys: tuple[TreeKey, ...]
    blobs: tuple[BlobDigest, ...]
    used: float
    """When it was last written, seconds since 1970."""
    path: str
    """The pin's own file."""
    image: str = ""
    """The name of the stored image that `project` is only the folder of; empty for a project."""

    @property
    def holder(self) -> str:
        """Who needs it, for people."""
        return f"the image `{shown(self.image)}`" if self.image else f"`{shown(self.project)}`"

    @property
    def alive(self) -> bool:
        """Whether the project's folder is still there."""
        return os.path.isdir(self.project)


def write_pin(
    store: Store,
    project: str,
    lock: LockDigest,
    target: str,
    *,
    keys: Iterable[TreeKey],
    blobs: Iterable[BlobDigest],
    image: str = "",
) -> None:
    """Say durably what `target` of the folder `project` needs, in place of what it needed before."""
    project = os.path.realpath(project)
    text = json.dumps(
        {
            "project": project.encode("utf-8", "surrogateescape").hex(),
            "shown": project.encode("utf-8", "replace").decode(),
            "target": target,
            "lock": lock,
            "keys": sorted(set(keys)),
            "blobs": sorted(set(blobs)),
            **({"image": image} if image else {}),
        }
    ).encode()
    path = _path(store, project, target)
    with files.translating_disk_errors(f"pin what `{project}` needs in the store"):
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            if file.read() == text:
                store.touch(path)
                return
        files.write_atomic(path, text, 0o600)


def remove_pins(store: Store, project: str, keep: str | None = None) -> int:
    """Forget what the folder `project` needs, but not for the target `keep`; returns how many pins that were."""
    real = os.path.realpath(project)
    with files.translating_disk_errors(f"unpin `{project}` in the store"):
        mine = [pin for pin in read_pins(store.path)[0] if pin.project == real and pin.target != keep]
        for pin in mine:
            os.unlink(pin.path)
    return len(mine)


def read_pins(store: str) -> tuple[list[Pin], list[str]]:
    """Every pin, sorted by project and target, and the paths of damaged ones."""
    folder = os.path.join(store, layout.PINS)
    pins, damaged = [], []
    for name in os.listdir(folder):
        if name.startswith(files.TEMPORARY_PREFIX):
            continue
        path = os.path.join(folder, name)
        try:
            pins.append(_read_pin(path))
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError):
            damaged.append(path)
    return sorted(pins, key=lambda pin: (pin.project, pin.target)), damaged


def _read_pin(path: str) -> Pin:
    with open(path, "rb") as file:
        value = json.load(file)
        used = os.fstat(file.fileno()).st_mtime
    return Pin(
        project=bytes.fromhex(value["project"]).decode("utf-8", "surrogateescape"),
        target=value["target"],
        lock=value["lock"],
        keys=tuple(map(TreeKey, value["keys"])),
        blobs=tuple(map(BlobDigest, value["blobs"])),
        used=used,
        path=path,
        image=str(value.get("image", "")),
    )


def _path(store: Store, project: str, target: str) -> str:
    name = hashlib.sha256(project.encode("utf-8", "surrogateescape") + b"\0" + target.encode()).hexdigest()
    return f"{store.path}/{layout.PINS}/{name}"
