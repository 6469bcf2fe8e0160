"""Stored images as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.cli.console import render_table
from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.verbs.archives import LoadedImage, SaveResult
    from shipway.verbs.documents import AttachedView
    from shipway.verbs.images import HistoryResult, ImageRow, RemoveResult, TagResult
    from shipway.verbs.pull import PullResult
    from shipway.verbs.push import PushResult

_DIGITS = 12
_BY = 70
"""Characters of a command that a row of a history shows."""


def render_images(rows: Sequence[ImageRow]) -> str:
    """A table of names."""
    cells = [
        (
            shown(row.name),
            _short(row.digest),
            shown(row.platform),
            shown(row.created[:10]),
            render_size(row.size),
        )
        for row in rows
    ]
    return render_table(("NAME", "DIGEST", "PLATFORM", "CREATED", "SIZE"), cells, right=(4,))


def images_document(rows: Sequence[ImageRow]) -> dict[str, Any]:
    """Every name with whole digests."""
    return {
        "images": [
            {
                "name": row.name,
                "digest": row.digest,
                "config_digest": row.config_digest,
                "platform": row.platform,
                "created": row.created or None,
                "size": row.size,
                "layers": row.layers,
                "moved": int(row.moved),
            }
            for row in rows
        ]
    }


def render_history(result: HistoryResult) -> str:
    """A table of lines, the newest first."""
    cells = [
        (
            shown(row.created[:10]) or "-",
            render_size(row.size) if row.size is not None else "-",
            _short(row.diff_id) or "-",
            shown(row.by or row.comment, _BY) or "-",
        )
        for row in result.rows
    ]
    return render_table(("CREATED", "SIZE", "DIFF ID", "BY"), cells, right=(1,))


def history_document(result: HistoryResult) -> dict[str, Any]:
    """Every line in full."""
    return {
        "name": result.name,
        "digest": result.digest,
        "history": [
            {
                "created": row.created or None,
                "created_by": row.by,
                "comment": row.comment,
                "size": row.size,
                "diff_id": row.diff_id or None,
            }
            for row in result.rows
        ],
    }


def describe_tag(result: TagResult, *, dry_run: bool) -> str:
    """One sentence."""
    means = "would mean" if dry_run else "means"
    moved = result.before and result.before != result.digest
    return f"{shown(result.name)} {means} {_short(result.digest)}" + (
        f", before {_short(result.before)}" if moved else ""
    )


def tag_document(result: TagResult, *, dry_run: bool) -> dict[str, Any]:
    """The name and what it means."""
    return {
        "dry_run": dry_run,
        "name": result.name,
        "digest": result.digest,
        "before": result.before or None,
    }


def describe_rmi(result: RemoveResult, *, dry_run: bool) -> str:
    """One sentence."""
    verb = "would forget" if dry_run else "forgot"
    left = f"; `shipway gc` frees {result.left} of their images" if result.left else ""
    return f"{verb} {len(result.names)} names{left}"


def rmi_document(result: RemoveResult, *, dry_run: bool) -> dict[str, Any]:
    """The names, and how many images have none now."""
    return {"dry_run": dry_run, "names": list(result.names), "unnamed_images": result.left}


def describe_save(result: SaveResult) -> str:
    """One sentence."""
    several = f" for {', '.join(map(shown, result.platforms))}" if len(result.platforms) > 1 else ""
    if result.size is None:
        return f"{shown(result.name)}{several} would be written to `{shown(result.path)}` as {result.form}"
    size = render_size(result.size)
    layers = "" if result.form in ("sif", "squashfs") else " of layers"
    return f"{shown(result.name)}{several} written to `{shown(result.path)}` as {result.form}, {size}{layers}"


def save_document(result: SaveResult) -> dict[str, Any]:
    """What was written where."""
    return {
        "dry_run": result.size is None,
        "path": result.path,
        "format": result.form,
        "name": result.name,
        "digest": result.digest or None,
        "config_digest": result.config_digest or None,
        "platforms": list(result.platforms),
        "size": result.size,
    }


def describe_load(rows: Sequence[LoadedImage], *, dry_run: bool) -> str:
    """One line for each name."""
    verb = "would load" if dry_run else "loaded"
    return "\n".join(
        f"{verb} {shown(row.name)} for {shown(row.platform)}, {_short(row.digest)}" for row in rows
    )


def load_document(rows: Sequence[LoadedImage], *, dry_run: bool) -> dict[str, Any]:
    """Every name."""
    return {
        "dry_run": dry_run,
        "images": [
            {
                "name": row.name,
                "digest": row.digest,
                "config_digest": row.config_digest,
                "platform": row.platform,
            }
            for row in rows
        ],
    }


def describe_push(result: PushResult) -> str:
    """One sentence, a line for each platform of an index, and one for what was attached."""
    several = len(result.images) > 1
    if not result.digest:
        platforms = f" for {', '.join(one.platform for one in result.images)}" if several else ""
        wanted = f", with {' and '.join(result.attach)} attached" if result.attach else ""
        return f"{shown(result.name)} would be pushed{platforms}{wanted}"
    moved = f"{result.uploaded} blobs of {render_size(result.sent)} sent"
    taken = f"{result.present} there, {result.mounted} taken from other repositories"
    lines = [f"{shown(result.name)} pushed: {moved}, {taken}"]
    for one in result.images:
        attached = ", ".join(it.kind for it in one.attached)
        if several or attached:
            lines.append(
                f"{shown(one.platform)} {_short(one.digest)}"
                + (f", attached: {attached}" if attached else "")
            )
    return "\n".join(lines)


def push_document(result: PushResult) -> dict[str, Any]:
    """Digests and what was moved."""
    return {
        "dry_run": not result.digest,
        "name": result.name,
        "digest": result.digest or None,
        "config_digest": result.config_digest or None,
        "images": [
            {
                "platform": one.platform,
                "digest": one.digest or None,
                "config_digest": one.config_digest,
                "attached": attached_document(one.attached),
            }
            for one in result.images
        ],
        "attach": list(result.attach),
        "sent": result.sent,
        "uploaded": result.uploaded,
        "mounted": result.mounted,
        "present": result.present,
    }


def attached_document(attached: Sequence[AttachedView]) -> list[dict[str, Any]]:
    """Every attachment of one image."""
    return [{"kind": one.kind, "digest": one.digest, "artifact_type": one.artifact_type} for one in attached]


def describe_pull(result: PullResult, *, dry_run: bool) -> str:
    """One sentence."""
    verb, moved = ("would be pulled", "to fetch") if dry_run else ("pulled", "fetched")
    size = render_size(result.fetched)
    lines = [
        f"{shown(result.name)} for {shown(result.platform)} {verb}: {result.layers} layers, {size} {moved}"
    ]
    lines += [f"attached: {shown(one.attached.kind)} in `{shown(one.path)}`" for one in result.attached]
    return "\n".join(lines)


def pull_document(result: PullResult, *, dry_run: bool) -> dict[str, Any]:
    """Digests and what was moved."""
    return {
        "dry_run": dry_run,
        "name": result.name,
        "digest": result.digest,
        "offered": result.offered,
        "config_digest": result.config_digest,
        "platform": result.platform,
        "fetched": result.fetched,
        "layers": result.layers,
        "attached": [
            {"kind": one.attached.kind, "digest": one.attached.digest, "path": one.path}
            for one in result.attached
        ],
    }


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_DIGITS]
