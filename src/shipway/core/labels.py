"""Labels of images: names and values that an image may carry (image-spec 1.1, "Annotations"). Pure."""

from __future__ import annotations

import re

_OURS = "org.opencontainers.image."
_RESERVED = ("org.opencontainers.", "com.docker.", "io.docker.", "org.dockerproject.")
"""Namespaces of OCI and Docker, in which nobody else makes names."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,253}[A-Za-z0-9])?\Z", re.ASCII)
_LONGEST = 4096
STANDARD = tuple(
    _OURS + word
    for word in (
        "title", "description", "authors", "url", "documentation", "source", "version", "revision", "vendor", "licenses",
    )
)  # fmt: skip
"""What image-spec defines for people to set."""
_SET = {
    _OURS + "created": "the configuration's `created` says it, from the lock",
    _OURS + "base.name": "the base says it",
    _OURS + "base.digest": "the base says it",
    _OURS + "ref.name": "it belongs to layouts and archives, which `save` writes",
}


def find_label_fault(name: str, value: str) -> tuple[str, str] | None:
    """What is wrong with a label, and what to do; None where nothing is."""
    if not _NAME.match(name):
        return (
            "is no name of a label",
            "names hold letters, digits, `.`, `_`, `-` and `/`: `org.example.team`",
        )
    if name in _SET:
        return f"cannot be set: {_SET[name]}", "leave it out"
    if name.startswith(_RESERVED) and name not in STANDARD:
        near = "one of: " + ", ".join(word.removeprefix(_OURS) for word in STANDARD)
        return "is in a reserved namespace, which has no such name", f"after `{_OURS}` write {near}"
    if not value.isprintable() or len(value) > _LONGEST:
        return (
            f"must be one line of at most {_LONGEST} characters",
            "shorten it, or take out what cannot be shown",
        )
    return None
