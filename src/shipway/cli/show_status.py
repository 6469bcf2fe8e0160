"""`status` and `freeze` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.cli.show_packages import finished_lines, finished_values, placed_lines, placed_values
from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.verbs.freeze import FreezeResult
    from shipway.verbs.status import ContainerStatus, StatusResult

_OLDER = "  made of other packages than the lock says now; the next `add` or `remove`, or a new one, has them"
_OLDER_KEPT = "  last used over other packages than the lock says now"
_FOLDERS = 6
"""Folders that the text names; JSON has them all."""


def render_status(result: StatusResult) -> str:
    """The lock in one line or its drift, then one paragraph for each container."""
    lines = (
        ["the lock matches the spec"]
        if not result.drift
        else [f"lock: {shown(one, 400)}" for one in result.drift]
    )
    for one in result.containers:
        lines += ["", *_container(one)]
    if any(one.python or one.os for one in result.containers):
        lines += ["", "`shipway freeze` writes this into the spec, `shipway freeze --discard` throws it away"]
    return "\n".join(lines) + "\n"


def _container(one: ContainerStatus) -> list[str]:
    words = f"{shown(one.name)}, target {shown(one.target)}{', running' if one.running else ''}"
    if one.unread:
        return [f"{words}: not looked into, {shown(one.unread, 400)}"]
    lines = [f"{words}: as locked" if one.same else words]
    if one.older:
        lines.append(_OLDER_KEPT if one.name.startswith("kept:") else _OLDER)
    for found, prefix in ((one.python, ""), (one.os, "apt:")):
        for package in found:
            name = prefix + shown(package.name)
            lines.append("  " + _difference(name, shown(package.before), shown(package.after)))
            source = getattr(package, "source", "")
            if source:
                kind = "editable, " if getattr(package, "editable", False) else ""
                lines[-1] += f"  ({kind}from {shown(source)})"
    folders = [f"{count} in {shown(folder)}" for folder, count in one.others[:_FOLDERS]]
    if folders:
        rest = len(one.others) - _FOLDERS
        more = f" and {rest} more folders" if rest > 0 else ""
        lines.append(f"  other files: {', '.join(folders)}{more}")
    return lines


def _difference(name: str, before: str, after: str) -> str:
    if not before:
        return f"+ {name} {after}"
    return f"~ {name} {before} -> {after}" if after else f"- {name} {before}"


def status_document(result: StatusResult) -> dict[str, Any]:
    """The same as values."""
    return {
        "same": result.same,
        "has_lock": result.has_lock,
        "drift": list(result.drift),
        "containers": [
            {
                "name": one.name,
                "target": one.target,
                "running": one.running,
                "older": one.older,
                "unread": one.unread or None,
                "python": [
                    {
                        "name": dist.name,
                        "before": dist.before or None,
                        "after": dist.after or None,
                        "site": f"/{dist.site}",
                        "source": dist.source or None,
                        "editable": dist.editable,
                        "requested": dist.requested,
                    }
                    for dist in one.python
                ],
                "os": [
                    {
                        "name": package.name,
                        "before": package.before or None,
                        "after": package.after or None,
                        "requested": package.requested,
                    }
                    for package in one.os
                ],
                "others": [{"folder": f"/{folder}", "paths": count} for folder, count in one.others],
            }
            for one in result.containers
        ],
    }


def render_freeze(result: FreezeResult) -> str:
    """What was written or thrown away."""
    if not result.container:
        return "no container holds anything that the lock does not know\n"
    word = "would discard" if result.dry_run else "discarded"
    lines = [
        *placed_lines(result.placed, dry_run=result.dry_run),
        *(f"{word} {shown(one)}" for one in result.discarded),
        *(f"left {shown(one, 400)}" for one in result.left),
    ]
    if result.finished:
        lines += finished_lines(result.finished, {one.wanted.name for one in result.placed})
    return "\n".join(lines) + "\n"


def freeze_document(result: FreezeResult) -> dict[str, Any]:
    """The same as values."""
    return {
        "container": result.container or None,
        "packages": placed_values(result.placed),
        "discarded": list(result.discarded),
        "left": list(result.left),
        **(finished_values(result.finished) if result.finished else {"dry_run": result.dry_run}),
    }
