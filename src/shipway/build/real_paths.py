"""Paths below a folder that hostile programs could fill: whether a link stands on the way."""

from __future__ import annotations

import os


def find_link(root: str, path: str) -> str:
    """The first part of the relative `path` that is a link below `root`, the last one included; empty: none is."""
    parts = path.strip("/").split("/")
    for depth in range(1, len(parts) + 1):
        part = "/".join(parts[:depth])
        if os.path.islink(os.path.join(root, part)):
            return part
    return ""
