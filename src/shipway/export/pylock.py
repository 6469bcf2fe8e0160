"""`pylock.toml` (PEP 751, lock-version 1.0): the Python packages of one target for one platform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shipway.core.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.core.digest import BlobDigest
    from shipway.export.model import Contents
    from shipway.lock.model import Source, Wheel

_MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


def render_pylock(contents: Contents, addresses: Mapping[str, str]) -> str:
    """The file. `addresses`: where each wheel and sdist is, by file name; the format demands one, a shipway lock has none.

    Raises:
        NotFound: an address is missing.
    """
    python = contents.target.python
    lines = ["# Written by `shipway export pylock`; change the spec and export again."]
    lines += ['lock-version = "1.0"', 'created-by = "shipway"']
    if python:
        lines.append(f'requires-python = "=={python.version}.*"')
    machine = _MACHINES[contents.target.platform]
    markers = f"sys_platform == 'linux' and platform_machine == '{machine}'"
    lines.append(f"environments = [{_text(markers)}]")
    packages = [(wheel.name, _wheel(wheel, addresses)) for wheel in contents.wheels]
    packages += [(built.wheel.name, _source(built.source, addresses)) for built in contents.built]
    for _, package in sorted(packages):
        lines += ["", "[[packages]]", *package]
    return "\n".join(lines) + "\n"


def _wheel(wheel: Wheel, addresses: Mapping[str, str]) -> list[str]:
    return [
        f"name = {_text(wheel.name)}",
        f"version = {_text(wheel.version)}",
        "[[packages.wheels]]",
        *_file(wheel.filename, wheel.size, wheel.sha256, addresses),
    ]


def _source(source: Source, addresses: Mapping[str, str]) -> list[str]:
    lines = [f"name = {_text(source.name)}"]
    if source.kind == "sdist":
        lines.append(f"version = {_text(source.version)}")
        return [*lines, "[packages.sdist]", *_file(source.filename, source.size, source.sha256, addresses)]
    if source.kind == "local":
        return [*lines, "[packages.directory]", f"path = {_text(source.path or '.')}"]
    lines += ["[packages.vcs]", 'type = "git"', f"url = {_text(source.url)}"]
    lines.append(f"commit-id = {_text(source.commit)}")
    return [*lines, *([f"subdirectory = {_text(source.path)}"] if source.path else [])]


def _file(name: str, size: int, sha256: BlobDigest, addresses: Mapping[str, str]) -> list[str]:
    if name not in addresses:
        raise NotFound(
            f"no address of `{name}` is known, and `pylock.toml` must state one",
            hints=[
                "export with the network on, or use `shipway export requirements`, which needs no address"
            ],
        )
    lines = [f"name = {_text(name)}", f"url = {_text(addresses[name])}"]
    lines += [f"size = {size}"] if size else []
    return [*lines, f'hashes = {{sha256 = "{sha256.hex}"}}']


def _text(value: str) -> str:
    """A basic string of TOML; JSON's is one, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
