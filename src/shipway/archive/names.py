"""Names of members: one strict rule for every format."""

from __future__ import annotations

import unicodedata

from shipway.archive.limits import LIMITS, Limits
from shipway.core.errors import HostileInput
from shipway.core.text import shown

_HINT = "no honest tool writes this; check where the file came from, and report it there"


def refuse(artifact: str, member: str, why: str) -> HostileInput:
    """The error for `member` of `artifact`; `why` completes the sentence "member ... "."""
    return HostileInput(f"`{shown(artifact)}`: member `{shown(member)}` {why}", hints=(_HINT,))


def refuse_archive(artifact: str, why: str) -> HostileInput:
    """The error for the whole of `artifact`; `why` is a clause such as `is cut short`."""
    return HostileInput(f"`{shown(artifact)}` {why}", hints=(_HINT,))


def checked_path(name: str, artifact: str, limits: Limits = LIMITS, *, backslash: bool = True) -> str:
    r"""`name` as a relative path without `./` in front or `/` behind; `.` for the root.

    Args:
        name: as the archive has it, `surrogateescape` for bytes that are no UTF-8.
        artifact: for the message.
        limits: caps.
        backslash: whether `\` is an ordinary character; some zip readers take it for a separator, so there it is refused.

    Raises:
        HostileInput: the name is empty or absolute, has NUL, a line break or a component that is `..`, `.` or empty,
            or is too long or deep.
    """
    path = name
    while path.startswith("./"):
        path = path[2:]
    path = path.removesuffix("/")
    if not path and name.startswith("./"):
        return "."
    if path == ".":
        return "."
    if not path or path.startswith("/"):
        raise refuse(artifact, name, "has an absolute or empty name")
    _require_characters(path, name, artifact, backslash=backslash)
    parts = path.split("/")
    for part in parts:
        if part in ("", ".", ".."):
            raise refuse(artifact, name, f"has the component `{part}` in its name")
    _require_lengths(path, parts, name, artifact, limits)
    return path


def _require_characters(path: str, name: str, artifact: str, *, backslash: bool) -> None:
    if "\0" in path or "\n" in path or "\r" in path:
        raise refuse(artifact, name, "has a NUL or a line break in its name")
    if not backslash and "\\" in path:
        raise refuse(artifact, name, "has a backslash in its name")


def _require_lengths(path: str, parts: list[str], name: str, artifact: str, limits: Limits) -> None:
    if len(parts) > limits.depth:
        raise refuse(artifact, name, f"lies deeper than {limits.depth} directories")
    # A character has at most four bytes, so short names need no encoding.
    if len(path) * 4 <= limits.name:
        return
    if len(path.encode("utf-8", "surrogateescape")) > limits.path:
        raise refuse(artifact, name, f"has a name longer than {limits.path} bytes")
    if any(len(part.encode("utf-8", "surrogateescape")) > limits.name for part in parts):
        raise refuse(artifact, name, f"has a component longer than {limits.name} bytes")


def checked_target(target: str, member: str, artifact: str, limits: Limits = LIMITS) -> str:
    """The target of a symbolic link. Any text is fine: nothing of ours ever follows it.

    Raises:
        HostileInput: it is empty, too long, or holds NUL or a line break.
    """
    if not target or "\0" in target or "\n" in target:
        raise refuse(artifact, member, "is a link with an empty target or a control character in it")
    if len(target.encode("utf-8", "surrogateescape")) > limits.link:
        raise refuse(artifact, member, f"is a link with a target longer than {limits.link} bytes")
    return target


def folded(path: str) -> str:
    """`path` as the laxest file system sees it: equal for names that differ in case or Unicode form only."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", path).casefold())
