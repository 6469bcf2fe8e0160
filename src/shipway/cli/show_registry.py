"""`login`, `logout`, `search` and `inspect --remote` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.cli.console import render_table
from shipway.cli.show_images import attached_document
from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.verbs.inspect_remote import RemoteResult
    from shipway.verbs.login import LoginResult, LogoutResult
    from shipway.verbs.search import SearchResult


_WIDTH = 60
"""Characters of a description that a row shows."""


def render_login(result: LoginResult) -> str:
    """Where the credentials are kept now, and whether anybody has checked them."""
    registry, place = shown(result.registry), shown(result.place)
    if result.dry_run:
        return f"would check the password at `{registry}` and keep it in `{place}`"
    text = f"logged in to `{registry}` as `{shown(result.user)}`; the credentials are kept in `{place}`"
    if not result.asked:
        text += f"\nwarning: `{registry}` lets everybody in, so nobody has checked the password"
    return text


def render_logout(result: LogoutResult) -> str:
    """Where credentials went from."""
    if not result.places:
        return f"nothing is kept for `{shown(result.registry)}`"
    word = "would forget" if result.dry_run else "forgot"
    return "\n".join(
        f"{word} the credentials of `{shown(result.registry)}` in `{shown(place)}`" for place in result.places
    )


def render_search(result: SearchResult) -> str:
    """One whole name a line, to be pasted; what the registry says of each stands behind it."""
    names = [f"{shown(result.registry)}/{shown(one.name)}" for one in result.found]
    if result.tags:
        (name,) = names
        return "".join(f"{name}:{shown(tag)}\n" for tag in result.tags)
    if not any(one.description or one.stars or one.official for one in result.found):
        return "".join(f"{name}\n" for name in names)
    rows = [
        (
            name,
            str(one.stars),
            "yes" if one.official else "-",
            shown(" ".join(one.description.split()), _WIDTH),
        )
        for name, one in zip(names, result.found, strict=True)
    ]
    return render_table(("NAME", "STARS", "OFFICIAL", "DESCRIPTION"), rows, right=(1,))


def search_document(result: SearchResult) -> dict[str, Any]:
    """Every name; `tags` is empty unless they were asked for."""
    return {
        "registry": result.registry,
        "repositories": [one.name for one in result.found],
        "found": [one._asdict() for one in result.found],
        "tags": list(result.tags),
    }


def render_remote(result: RemoteResult) -> str:
    """What the name holds, a table of platforms, and one of attachments."""
    kind = "index" if "index" in result.media_type or "list" in result.media_type else "image"
    head = f"name     {shown(result.name)}\n{kind.ljust(8)} {result.digest}\n"
    rows = [
        (shown(one.platform) or "-", one.digest, str(one.layers), render_size(one.size))
        for one in result.images
    ]
    text = head + "\n" + render_table(("PLATFORM", "DIGEST", "LAYERS", "PACKED"), rows, right=(2, 3))
    attached = [("index", it) for it in result.attached]
    attached += [(one.platform, it) for one in result.images for it in one.attached]
    if not attached:
        return text
    lines = [(shown(whose), shown(it.kind), it.digest) for whose, it in attached]
    return text + "\n" + render_table(("ATTACHED TO", "WHAT", "DIGEST"), lines)


def remote_document(result: RemoteResult) -> dict[str, Any]:
    """Every platform with what is attached to it."""
    return {
        "name": result.name,
        "digest": result.digest,
        "media_type": result.media_type,
        "attached": attached_document(result.attached),
        "images": [
            {
                "platform": one.platform or None,
                "digest": one.digest,
                "config_digest": one.config_digest,
                "layers": one.layers,
                "size": one.size,
                "attached": attached_document(one.attached),
            }
            for one in result.images
        ],
    }
