"""What was handed to other engines as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.verbs.give import GiveResult


def describe_give(result: GiveResult, *, dry_run: bool) -> str:
    """One sentence."""
    name = shown(result.name)
    if dry_run:
        there = "has the image and would call it" if result.present else "would get the image as"
        return f"{result.title} {there} `{name}`"
    had = "had the image and calls it" if result.present else "has the image as"
    return f"{result.title} {had} `{name}`: {result.engine} run --rm {name}"


def give_document(result: GiveResult, *, dry_run: bool) -> dict[str, Any]:
    """The image and where it is."""
    return {
        "dry_run": dry_run,
        "engine": result.engine,
        "name": result.name,
        "id": result.id or None,
        "digest": result.digest,
        "present": result.present,
    }
