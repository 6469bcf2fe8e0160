"""What a store holds, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shipway.core.digest import TreeKey
from shipway.core.errors import StoreError
from shipway.host import files
from shipway.store import layout
from shipway.store.inventory import Holding, take_inventory
from shipway.store.tree import parse_inputs

if TYPE_CHECKING:
    from shipway.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One tree or blob."""

    kind: str
    """`tree` or `blob`."""
    name: str
    """The digits of its TreeId or sha256."""
    label: str
    """What it is, as far as its inputs tell: `wheel numpy-2.1.0-….whl`."""
    size: int
    """Bytes on disk."""
    used: float
    """Last use, seconds since 1970."""
    needed: tuple[str, ...]
    """Why it must stay; empty when it may be collected."""


def read_usage(store: Store) -> list[Usage]:
    """Every tree and blob, the largest first.

    Raises:
        StoreError: the disk does not answer.
    """
    with files.translating_disk_errors(f"look through the store `{store.path}`"):
        inventory = take_inventory(store)
        found = [_usage(store, one) for one in (*inventory.trees.values(), *inventory.blobs.values())]
    return sorted(found, key=lambda one: (-one.size, one.name))


def _usage(store: Store, one: Holding) -> Usage:
    label = one.kind if one.kind == "blob" else _label(store, one)
    return Usage(
        kind=one.kind, name=one.name, label=label, size=one.size, used=one.used, needed=tuple(one.needed)
    )


def _label(store: Store, one: Holding) -> str:
    if not one.keys:
        return "left by an interrupted build"
    try:
        with open(f"{store.path}/{layout.KEYS}/{one.keys[0]}", "rb") as file:
            inputs = parse_inputs(file.read(), TreeKey.from_hex(one.keys[0]))
    except (FileNotFoundError, StoreError):
        return "damaged record"
    return describe_inputs(inputs)


def describe_inputs(inputs: dict[str, Any]) -> str:
    """A tree's inputs in a few words."""
    recipe = str(inputs.get("recipe", "tree"))
    for field in ("filename", "name", "sha256", "python", "suite"):
        value = inputs.get(field)
        if isinstance(value, str) and value:
            return f"{recipe} {value[:80]}"
    return recipe
