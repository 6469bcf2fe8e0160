"""SHA-256 of short texts by the interpreter's own code: loading OpenSSL costs a run with nothing to do two milliseconds.

What is longer than some kilobytes goes through `hashlib`, which is several times as fast.
"""

from __future__ import annotations

try:
    from _sha2 import sha256  # type: ignore[import-not-found]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]  # before Python 3.12
    except ImportError:  # an interpreter that was built without
        from hashlib import sha256


def hash_short(data: bytes) -> str:
    """The 64 hex digits."""
    return str(sha256(data).hexdigest())
