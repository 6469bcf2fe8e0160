"""Small derived facts by kind and key: a cache of answers, never needed to be right, never trusted when torn.

A fact file is the digest of its text, then the text: JSON of the key and the value. Written without waiting for the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Any

from shipway.host import files
from shipway.store import layout

_KIND = re.compile(r"[a-z][a-z0-9-]{0,40}\Z", re.ASCII)


def fact_path(store: str, kind: str, key: str) -> str:
    """Where the fact lies.

    Raises:
        ValueError: `kind` is no word of lower-case letters, digits and `-`.
    """
    if not _KIND.match(kind):
        raise ValueError(f"not a kind of fact: {kind!r}")
    return (
        f"{store}/{layout.FACTS}/{kind}/{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}"
    )


def read_fact(store: str, kind: str, key: str) -> dict[str, Any] | None:
    """The fact, or None when it is not there or not whole."""
    try:
        with open(fact_path(store, kind, key), "rb") as file:
            digest, _, text = file.read().partition(b"\n")
    except FileNotFoundError:
        return None
    if hashlib.sha256(text).hexdigest().encode() != digest:
        return None
    found, value = json.loads(text)
    return value if found == key and isinstance(value, dict) else None


def write_fact(store: str, kind: str, key: str, value: dict[str, Any]) -> None:
    """Remember the fact, in place of an earlier one."""
    path = fact_path(store, kind, key)
    text = json.dumps([key, value], separators=(",", ":")).encode()
    files.make_directory(os.path.dirname(path), 0o755)
    files.write_atomic(path, hashlib.sha256(text).hexdigest().encode() + b"\n" + text, durable=False)
