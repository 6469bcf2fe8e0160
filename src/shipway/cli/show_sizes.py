"""`size` and `slim` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.cli.console import render_table
from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.verbs.size import SizeResult
    from shipway.verbs.slim import SlimResult

_ROWS = 15
"""Packages and causes that the text names; JSON has them all."""
_NAMES = 4


def render_sizes(result: SizeResult) -> str:
    """Tables of layers, packages and causes, then what the image could do without."""
    sizes = result.sizes
    layers = [
        (
            shown(layer.name),
            render_size(layer.size),
            str(layer.files),
            str(layer.packages or "-"),
            shown(layer.reason),
        )
        for layer in sizes.layers
    ]
    # Nobody knows who asked for what in a finished image.
    columns = ("PACKAGE", "KIND", "SIZE", "LAYER", "ASKED FOR BY")[: 5 if result.target else 4]
    packages = [
        (shown(one.name), one.kind, render_size(one.size), shown(one.layer), _few(one.wishes, 1))[
            : len(columns)
        ]
        for one in sizes.packages[:_ROWS]
    ]
    causes = [
        (
            shown(one.wish),
            render_size(one.alone),
            render_size(one.size),
            str(one.packages),
            shown(one.origin) or "-",
        )
        for one in sizes.causes[:_ROWS]
    ]
    head = (
        f"image    {shown(result.name)}{f', target {shown(result.target)}' if result.target else ''} on "
        f"{shown(result.platform)}\n"
        f"size     {render_size(sizes.size)} in {sizes.files} files, not compressed\n"
    )
    parts = [
        head,
        render_table(("LAYER", "SIZE", "FILES", "PACKAGES", "WHY"), layers, right=(1, 2, 3)),
        render_table(columns, packages, right=(2,)) + _more(len(sizes.packages), "packages"),
    ]
    if causes:
        parts.append(
            render_table(("CAUSE", "ALONE", "IN ALL", "PACKAGES", "WHERE"), causes, right=(1, 2, 3))
            + _more(len(sizes.causes), "causes")
        )
    parts.append(_findings(result))
    return "\n".join(parts)


def _findings(result: SizeResult) -> str:
    if not result.sizes.findings:
        return "nothing found that it could do without\n"
    lines = ["could do without (one file may count in several lines)\n"]
    for one in result.sizes.findings:
        lines.append(
            f"  {one.kind.ljust(17)}{render_size(one.size).rjust(10)} in {one.files} files of {_few(one.packages)}\n"
        )
        lines += [f"    {shown(path)}\n" for path in one.examples]
        lines.append(f"    -> {one.remedy}\n")
    return "".join(lines)


def _few(names: Sequence[str], count: int = _NAMES) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(shown(name, 60) for name in names[:count]) + more or "-"


def _more(count: int, what: str) -> str:
    return f"and {count - _ROWS} more {what}; `--json` has them all\n" if count > _ROWS else ""


def sizes_document(result: SizeResult) -> dict[str, Any]:
    """The same with every package."""
    sizes = result.sizes
    return {
        "name": result.name,
        "target": result.target or None,
        "platform": result.platform,
        "size": sizes.size,
        "files": sizes.files,
        "layers": [
            {
                "name": layer.name,
                "size": layer.size,
                "files": layer.files,
                "packages": layer.packages,
                "reason": layer.reason,
            }
            for layer in sizes.layers
        ],
        "packages": [
            {
                "kind": one.kind,
                "name": one.name,
                "layer": one.layer,
                "size": one.size,
                "files": one.files,
                "asked_for_by": list(one.wishes),
            }
            for one in sizes.packages
        ],
        "causes": [
            {
                "wish": one.wish,
                "origin": one.origin or None,
                "packages": one.packages,
                "size": one.size,
                "alone": one.alone,
            }
            for one in sizes.causes
        ],
        "findings": [
            {
                "kind": one.kind,
                "size": one.size,
                "files": one.files,
                "packages": list(one.packages),
                "examples": list(one.examples),
                "remedy": one.remedy,
            }
            for one in sizes.findings
        ],
    }


def render_slim(result: SlimResult) -> str:
    """What was left out, the savings, and the text that is or would be in the spec."""
    saved = result.before - result.after
    about = "about " if result.dry_run else ""
    percent = round(100 * saved / result.before) if result.before else 0
    lines = [
        f"target   {shown(result.name)}, from {shown(result.target)}",
        f"without  {', '.join(map(shown, (*result.packages, *result.kinds)))}",
        f"size     {render_size(result.before)} -> {about}{render_size(result.after)}, {percent} % less",
        f"{'would be added' if result.dry_run else 'added'} to {shown(result.file)}",
        "",
        *(f"    {line}".rstrip() for line in result.text.splitlines()),
    ]
    return "\n".join(lines) + "\n"


def slim_document(result: SlimResult) -> dict[str, Any]:
    """The same as values."""
    return {
        "name": result.name,
        "target": result.target,
        "file": result.file,
        "text": result.text,
        "packages": list(result.packages),
        "kinds": list(result.kinds),
        "before": result.before,
        "after": result.after,
        "dry_run": result.dry_run,
    }
