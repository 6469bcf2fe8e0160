"""Java keystores with one time for every certificate, so that `cacerts` is the same whenever it is made.

Format: the JKS format as OpenJDK's `sun.security.provider.JavaKeyStore` documents it: magic, version, count, entries, and a
SHA-1 over password, a fixed phrase and all before. Certificates only; a store with keys is left alone.
"""

from __future__ import annotations

import hashlib
import struct

PATH = "etc/ssl/certs/java/cacerts"
_MAGIC = 0xFEEDFEED
_VERSION = 2
_CERTIFICATE = 2
_PHRASE = b"Mighty Aphrodite"
_PASSWORD = "changeit"  # noqa: S105 - the documented password of Debian's store of public certificates
_DIGEST_SIZE = 20


def with_fixed_times(data: bytes, moment: int) -> bytes | None:
    """`data` with `moment` (seconds since 1970) in every entry, sorted by alias; None if it is no plain store of certificates."""
    if len(data) < 12 + _DIGEST_SIZE or struct.unpack_from(">II", data) != (_MAGIC, _VERSION):
        return None
    body, digest = data[:-_DIGEST_SIZE], data[-_DIGEST_SIZE:]
    if _digest(body) != digest:
        return None
    (count,) = struct.unpack_from(">I", body, 8)
    at, entries = 12, []
    try:
        for _ in range(count):
            (tag,) = struct.unpack_from(">I", body, at)
            if tag != _CERTIFICATE:
                return None
            start = at + 4
            (name_size,) = struct.unpack_from(">H", body, start)
            after_name = start + 2 + name_size
            (type_size,) = struct.unpack_from(">H", body, after_name + 8)
            (size,) = struct.unpack_from(">I", body, after_name + 10 + type_size)
            at = after_name + 14 + type_size + size
            entries.append((body[start:after_name], body[after_name + 8 : at]))
    except struct.error:
        return None
    if at != len(body):
        return None
    time = struct.pack(">Q", moment * 1000)
    made = body[:12] + b"".join(
        struct.pack(">I", _CERTIFICATE) + name + time + rest for name, rest in sorted(entries)
    )
    return made + _digest(made)


def _digest(body: bytes) -> bytes:
    # The format prescribes SHA-1; it protects nothing here, for the password is public.
    return hashlib.sha1(_PASSWORD.encode("utf-16-be") + _PHRASE + body, usedforsecurity=False).digest()
