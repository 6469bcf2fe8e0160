"""PAX extended headers: records of `length key=value`. Format: POSIX.1-2017 pax, "pax Extended Header"."""

from __future__ import annotations

from shipway.archive.names import refuse_archive
from shipway.core.text import shown

XATTR = "SCHILY.xattr."
_IGNORED = frozenset(
    {"atime", "ctime", "comment", "uname", "gname", "charset", "hdrcharset", "LIBARCHIVE.creationtime"}
)
_MAX_DIGITS = 20


def allowed_xattr(name: str) -> bool:
    """Whether a layer may carry it. Overlay's own attributes would let a file hide or redirect files of other layers."""
    return name == "security.capability" or (
        name.startswith("user.") and not name.startswith("user.overlay.")
    )


class Extended:
    """What extended headers say about the next member."""

    __slots__ = ("_comment_only", "gid", "linkpath", "mtime", "path", "size", "uid", "xattrs")

    def __init__(self, *, comment_only: bool = False):
        self._comment_only = comment_only
        self.path: str | None = None
        self.linkpath: str | None = None
        self.size: int | None = None
        self.uid: int | None = None
        self.gid: int | None = None
        self.mtime: int | None = None
        self.xattrs: dict[str, bytes] = {}

    def any(self) -> bool:
        """Whether anything was said."""
        return bool(self.xattrs) or any(
            getattr(self, name) is not None for name in ("path", "linkpath", "size", "uid", "gid", "mtime")
        )

    def put(self, name: str, value: str | int, artifact: str) -> None:
        """Set a field once.

        Raises:
            HostileInput: it was set before: by another record, or by a GNU long name.
        """
        if self._comment_only or getattr(self, name) is not None:
            raise refuse_archive(artifact, f"has two extended headers that give `{name}`, or a global one")
        setattr(self, name, value)

    def put_record(self, key: str, value: bytes, artifact: str) -> None:
        """Take one record.

        Raises:
            HostileInput: it contradicts another, or its key changes the meaning of members in a way that is not supported.
        """
        if key in _IGNORED:
            return
        if key in ("path", "linkpath"):
            if b"\0" in value:
                raise refuse_archive(artifact, "has a PAX name with a NUL in it")
            self.put(key, value.decode("utf-8", "surrogateescape"), artifact)
        elif key in ("size", "uid", "gid"):
            self.put(key, _decimal(value, key, artifact), artifact)
        elif key == "mtime":
            self.put(key, _seconds(value, artifact), artifact)
        elif key.startswith(XATTR) and not self._comment_only:
            name = key[len(XATTR) :]
            if name in self.xattrs:
                raise refuse_archive(artifact, f"has the attribute `{shown(name)}` twice on one member")
            self.xattrs[name] = value
        elif key.startswith("GNU.sparse") or self._comment_only:
            raise refuse_archive(artifact, f"has the PAX record `{shown(key)}`, which is not supported")

    def allowed_xattrs(self) -> tuple[tuple[str, bytes], ...]:
        """The attributes that may be kept, sorted."""
        return (
            tuple(sorted((name, value) for name, value in self.xattrs.items() if allowed_xattr(name)))
            if self.xattrs
            else ()
        )


def parse_pax(data: bytes, extended: Extended, artifact: str) -> None:
    """Take every record of one extended header into `extended`.

    Raises:
        HostileInput: a record's length is wrong, or see `Extended.put_record`.
    """
    at = 0
    while at < len(data):
        # Every record takes at least five bytes, so this ends.
        end = at + _record_length(data, at)
        key, equals, value = data[data.find(b" ", at) + 1 : end].partition(b"=")
        if end > len(data) or not equals or not key or not value.endswith(b"\n"):
            raise refuse_archive(artifact, "has a damaged PAX header")
        extended.put_record(key.decode("utf-8", "surrogateescape"), value[:-1], artifact)
        at = end


def _record_length(data: bytes, at: int) -> int:
    """What the record at `at` says is its length; beyond the data's end where it says nothing sensible."""
    space = data.find(b" ", at, at + _MAX_DIGITS)
    digits = data[at : max(space, at)]
    length = int(digits) if digits.isdigit() else 0
    return length if length >= len(digits) + len(" k=\n") else len(data) + 1


def _decimal(value: bytes, key: str, artifact: str) -> int:
    if not value.isdigit() or len(value) > _MAX_DIGITS:
        raise refuse_archive(artifact, f"has a PAX header with an invalid {key}")
    number = int(value)
    if key != "size" and number >= (1 << 32) - 1:
        raise refuse_archive(artifact, f"has a PAX header with an impossible {key}")
    return number


def _seconds(value: bytes, artifact: str) -> int:
    negative = value.startswith(b"-")
    whole, _, fraction = value.removeprefix(b"-").partition(b".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()) or len(whole) > _MAX_DIGITS:
        raise refuse_archive(artifact, "has a PAX header with an invalid time")
    return 0 if negative else int(whole)
