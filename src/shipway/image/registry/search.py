"""A registry's search: `/v1/search`, as Docker and Podman ask it. Older than the distribution-spec, which has none.

The answer is `{"num_results": …, "results": [{"name", "description", "star_count", "is_official"}]}`.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from shipway.core.errors import NotFound, ToolError
from shipway.core.reference import parse_reference
from shipway.image.registry.model import Found
from shipway.image.registry.session import Endpoint

MOST = 100
"""Repositories that are asked for."""
_BYTES = 4 << 20
_OK = 200
_DESCRIPTION = 1000


def search(endpoint: Endpoint, word: str) -> tuple[Found, ...]:
    """What the registry finds for `word`, the best first. What cannot be a repository's name is left out.

    Raises:
        NotFound: it offers no search.
        FetchError: it does not answer.
    """
    url = f"{endpoint.root}/v1/search?{urlencode({'q': word, 'n': MOST})}"
    reply = endpoint.ask("GET", url, (), headers={"Accept": "application/json"}, most=_BYTES)
    results = _results(reply.body) if reply.status == _OK else None
    if results is None:
        raise NotFound(
            f"the registry `{endpoint.origin}` offers no search",
            hints=["look for the name on the registry's own pages"],
        )
    found = (_found(one) for one in results[:MOST])
    return tuple(one for one in found if one is not None)


def _results(body: bytes) -> list[Any] | None:
    """The list in an answer; None where it is another page."""
    try:
        table = json.loads(body)
    except (ValueError, RecursionError):
        return None
    results = table.get("results") if isinstance(table, dict) else None
    return results if isinstance(results, list) else None


def _found(value: Any) -> Found | None:
    table = value if isinstance(value, dict) else {}
    name, description, stars = (table.get(key) for key in ("name", "description", "star_count"))
    try:
        reference = parse_reference(name if isinstance(name, str) else "")
    except ToolError:
        return None
    if reference.registry or reference.text != f"{name}:latest":
        return None
    return Found(
        name=reference.name,
        description=description[:_DESCRIPTION] if isinstance(description, str) else "",
        stars=stars if isinstance(stars, int) and not isinstance(stars, bool) else 0,
        official=table.get("is_official") is True,
    )
