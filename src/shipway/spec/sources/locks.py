"""Locks of other tools: `uv.lock`, `pylock.toml` (PEP 751). Their versions are taken over for what the project names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable

from shipway.spec.facts import Fact, FactKind, Source
from shipway.spec.lines import find_lines
from shipway.spec.model import Origin
from shipway.spec.requirement import normal_name

_PYLOCK = re.compile(r"pylock(?:\.[^./]+)?\.toml\Z")


def _reader(table: str) -> Source:
    def read(name: str, text: str) -> Iterable[Fact]:
        try:
            packages = tomllib.loads(text).get(table, [])
            lines = find_lines(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            yield Fact(kind=FactKind.REMARK, text=f"it was not read: {error}", origin=Origin(file=name))
            return
        for number, package in enumerate(packages if isinstance(packages, list) else []):
            if not isinstance(package, dict):
                continue
            own, version = package.get("name"), package.get("version")
            local = (
                isinstance(package.get("source"), dict) and not {"registry", "url"} & package["source"].keys()
            )
            if isinstance(own, str) and isinstance(version, str) and not local and "directory" not in package:
                origin = Origin(file=name, line=lines.get((table, number, "name"), 0))
                why = f"`{name}` has this version"
                yield Fact(
                    kind=FactKind.PINNED, text=f"{normal_name(own)}=={version}", origin=origin, why=why
                )

    return Source(matches=(lambda name: name == "uv.lock") if table == "package" else _is_pylock, read=read)


def _is_pylock(name: str) -> bool:
    return bool(_PYLOCK.match(name))


UV = _reader("package")
PYLOCK = _reader("packages")
