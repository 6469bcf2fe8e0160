"""Digests, each kind with its own type, and the canonical JSON that keys are made of."""

from __future__ import annotations

import json
import re
from typing import Any, Self

_GRAMMAR = re.compile(r"sha256:[0-9a-f]{64}\Z", re.ASCII)


class Digest(str):
    """`sha256:` and 64 lower-case hex digits; any other text is refused before it can become a path."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check `text`.

        Raises:
            ValueError: it is no sha256 digest.
        """
        if not _GRAMMAR.match(text):
            raise ValueError(f"not a sha256 digest: {text[:90]!r}")
        return super().__new__(cls, text)

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """The digest whose 64 hex digits are `text`."""
        return cls("sha256:" + text)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The digest of `data`."""
        import hashlib  # noqa: PLC0415 - loads OpenSSL, and a run with nothing to do asks for no digest

        return cls.from_hex(hashlib.sha256(data).hexdigest())

    @property
    def hex(self) -> str:
        """The 64 hex digits."""
        return self[7:]


class BlobDigest(Digest):
    """Digest of a downloaded artifact, byte for byte."""

    __slots__ = ()


class DiffId(Digest):
    """Digest of an uncompressed layer (OCI image-spec 1.1, config `rootfs.diff_ids`)."""

    __slots__ = ()


class TreeId(Digest):
    """Digest of a tree's manifest text: what the tree is."""

    __slots__ = ()


class TreeKey(Digest):
    """Digest of the canonical JSON of a tree's inputs: how the tree is made."""

    __slots__ = ()


class LockDigest(Digest):
    """Digest of a lock file's text."""

    __slots__ = ()


def canonical_json(value: Any) -> bytes:
    """`value` as the one JSON text that keys are digests of: sorted keys, no spaces, UTF-8.

    Raises:
        ValueError: a float is not finite.
        TypeError: `value` holds something JSON has no form for.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def key_of(inputs: Any) -> TreeKey:
    """The key of a tree made from `inputs` (JSON values)."""
    return TreeKey.of(canonical_json(inputs))
