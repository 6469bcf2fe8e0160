"""The Debian packages that an image says it has: dpkg's status file, or the folder that distroless images have instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shipway.core.errors import HostileInput
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.image.base_files import BaseFiles

STATUS = "/var/lib/dpkg/status"
_FOLDER = "/var/lib/dpkg/status.d"
_FIELD = re.compile(r"^(Package|Version|Architecture|Status):(.*)$", re.MULTILINE | re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*\Z", re.ASCII)
_VERSION = re.compile(r"[0-9A-Za-z.+:~-]+\Z", re.ASCII)
_THERE = ("installed", "triggers-awaited", "triggers-pending")


def read_debs(files: BaseFiles) -> tuple[tuple[str, str, str], ...]:
    """Name, version and architecture of each installed package, sorted.

    Raises:
        HostileInput: an entry is none that dpkg could have written.
    """
    found = set()
    for paragraph in _paragraphs(files):
        fields = {key: value.strip(" \t") for key, value in _FIELD.findall(paragraph)}
        state = fields.get("Status", _THERE[0]).rpartition(" ")[2]
        if fields and state in _THERE:
            found.add(_checked(fields))
    return tuple(sorted(found))


def _paragraphs(files: BaseFiles) -> Iterator[str]:
    yield from re.split(r"\n[ \t]*\n", files.text(STATUS))
    for name in files.names(_FOLDER):
        if not name.endswith(".md5sums"):
            yield files.opening(f"{_FOLDER}/{name}")


def _checked(fields: dict[str, str]) -> tuple[str, str, str]:
    name, version, architecture = (fields.get(key, "") for key in ("Package", "Version", "Architecture"))
    if not (_NAME.match(name) and _VERSION.match(version) and _NAME.match(architecture)):
        raise HostileInput(
            f"the image's list of Debian packages has an entry `{shown(f'{name} {version} {architecture}', 80)}`, "
            "which names none",
            hints=["dpkg never writes this; look at where the image came from"],
        )
    return name, version, architecture
