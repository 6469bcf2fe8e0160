"""`login`, `logout` and `search` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.verbs.login import LoginResult, LogoutResult
    from shipway.verbs.search import SearchResult


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
    """One whole name a line, to be pasted."""
    names = (f"{shown(result.registry)}/{shown(name)}" for name in result.repositories)
    if result.tags:
        (name,) = names
        return "".join(f"{name}:{shown(tag)}\n" for tag in result.tags)
    return "".join(f"{name}\n" for name in names)


def search_document(result: SearchResult) -> dict[str, Any]:
    """Every name; `tags` is empty unless they were asked for."""
    return {
        "registry": result.registry,
        "repositories": list(result.repositories),
        "tags": list(result.tags),
    }
