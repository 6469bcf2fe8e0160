"""Which way of isolation a request gets."""

from __future__ import annotations

import os

from .model import MOUNTS, NAMESPACES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .model import Request


def choose(request: Request) -> str:
    """The mode asked for; `auto` is namespaces."""
    return NAMESPACES if request.mode == "auto" else request.mode
