"""The Release file of a suite: what it covers, until when it is valid, and the digest of every index it vouches for.

Source of the format: the Debian wiki's `DebianRepository/Format` and apt-secure(8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shipway.core.errors import SignatureError
from shipway.core.text import shown

_FUTURE_SLACK = 6 * 3600
"""Seconds that a Release may lie in the future: clocks of machines without time service are off by hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """One index that a Release vouches for."""

    path: str
    """Relative to the Release."""
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A parsed Release file."""

    origin: str
    suite: str
    codename: str
    date: datetime
    valid_until: datetime | None
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    by_hash: bool
    snapshots: str
    """Template of the archive's own snapshot service, or empty."""
    indexes: dict[str, IndexFile]


def parse_release(content: bytes, *, name: str) -> Release:
    """Read the verified text of a Release.

    Raises:
        SignatureError: a field that everything rests on is missing or malformed.
    """
    fields = _fields(content.decode("utf-8", "replace"))
    try:
        indexes = _indexes(fields["sha256"])
        date = _time(fields["date"])
        until = _time(fields["valid-until"]) if "valid-until" in fields else None
    except (KeyError, ValueError) as error:
        raise SignatureError(
            f"`{name}` lacks what a Release must say: {shown(str(error))}", hints=("use another mirror",)
        ) from error
    return Release(
        origin=fields.get("origin", ""),
        suite=fields.get("suite", ""),
        codename=fields.get("codename", ""),
        date=date,
        valid_until=until,
        components=tuple(fields.get("components", "").split()),
        architectures=tuple(fields.get("architectures", "").split()),
        by_hash=fields.get("acquire-by-hash", "no") == "yes",
        snapshots=fields.get("snapshots", ""),
        indexes=indexes,
    )


def check_suite(release: Release, suite: str, *, name: str) -> None:
    """Refuse a Release of another suite than `suite`: a mirror could serve an old one under a new name.

    Raises:
        SignatureError: neither suite nor codename match.
    """
    if suite not in (release.suite, release.codename):
        raise SignatureError(
            f"`{name}` is signed for `{shown(release.codename)}` ({shown(release.suite)}), not for `{suite}`",
            hints=("use another mirror",),
        )


def check_time(release: Release, moment: datetime, *, name: str, base: str) -> None:
    """Refuse a Release that was not valid at `moment`: the present, or the date that the spec pins.

    Raises:
        SignatureError: it was not yet made, or no longer valid.
    """
    if (release.date - moment).total_seconds() > _FUTURE_SLACK:
        raise SignatureError(
            f"`{name}` is of {_day(release.date)}, after {_day(moment)}",
            hints=("check this machine's clock, or take a later date in `base`",),
        )
    if release.valid_until is not None and release.valid_until < moment:
        raise SignatureError(
            f"`{name}` was valid until {_day(release.valid_until)} only, and that is over",
            hints=(
                "use a mirror that is up to date (`SHIPWAY_MIRROR_<ARCHIVE>`), and check this machine's clock",
                f'or pin the archive to its date: `base = "{base}@{_day(release.date)}"`',
            ),
        )


def end_of_day(date: str) -> datetime:
    """The last second of `date` (`YYYY-MM-DD`, UTC): a pinned date means the archive as it was when that day ended.

    Raises:
        ValueError: it is no date.
    """
    day = datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC)
    return day.replace(hour=23, minute=59, second=59)


def render_time(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`, as the lock has it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """The moment that `render_time` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _time(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[:1] in (" ", "\t"):
            if name:
                fields[name] += "\n" + line.strip()
            continue
        name, mark, value = line.partition(":")
        name = name.strip().lower()
        if mark and name not in fields:
            fields[name] = value.strip()
        elif name in fields:
            raise SignatureError(f"a Release names `{shown(name)}` twice", hints=("use another mirror",))
    return fields


def _indexes(text: str) -> dict[str, IndexFile]:
    found = {}
    for line in text.splitlines():
        if not line:
            continue
        digest, size, path = line.split()
        if not re.fullmatch(r"[0-9a-f]{64}", digest) or ".." in path.split("/") or path.startswith("/"):
            raise ValueError(f"index line {line[:120]!r}")
        found[path] = IndexFile(path=path, sha256=digest, size=int(size))
    return found
