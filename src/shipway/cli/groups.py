"""Which verbs stand together in the overview, in the order in which somebody new meets them."""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """Verbs for one purpose."""

    title: str
    verbs: tuple[str, ...]


GROUPS = (
    Group("Run code", ("run", "shell", "init", "lock", "build")),
    Group("Packages", ("add", "remove", "status", "freeze", "why")),
    Group(
        "A container that stays, and jobs",
        ("up", "exec", "job", "ps", "logs", "attach", "stop", "start", "restart", "down"),
    ),
    Group("Editors, pages and a look inside", ("code", "jupyter", "tensorboard", "ssh", "debug")),
    Group(
        "More about containers",
        ("stats", "top", "port", "events", "wait", "kill", "cp", "commit", "rename", "rm"),
    ),
    Group("What an image holds", ("explain", "inspect", "size", "diff", "slim", "history")),
    Group(
        "Images, files and registries",
        ("images", "tag", "rmi", "save", "load", "push", "pull", "login", "logout", "search", "give"),
    ),
    Group("Data, other tools, no network", ("data", "import", "export", "vendor", "bundle")),
    Group("This machine", ("doctor", "gc", "verify", "completion")),
)
HIDDEN = frozenset({"ssh-proxy"})
"""Verbs that programs call and nobody types; they have help and a page of their own all the same."""
