"""The C library of an image, which decides what wheels and interpreters can run in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shipway.image.base_files import BaseFiles

GLIBC, MUSL = "glibc", "musl"
_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_MULTIARCH = re.compile(r"(?:x86_64|aarch64)-linux-gnu\Z")
_LOADER = re.compile(r"ld-musl-[a-z0-9_]+\.so\.1\Z")
_VERSION = re.compile(r"(?:\d+:)?(\d+\.\d+)")
_IN_NAME = re.compile(r"libc-(\d+\.\d+)\.so\Z")
_IN_GLIBC = re.compile(rb"GNU C Library [^\0]{0,200}?version (\d+\.\d+)")
_IN_MUSL = re.compile(rb"\0(1\.\d+\.\d+)\0")
_LIBRARY = 16 << 20
"""Bytes of a C library that are looked through; glibc has 2 MB."""


class Libc(NamedTuple):
    """Kind, version, and where that is said; empty where there is none."""

    kind: str = ""
    version: str = ""
    origin: str = ""


def read_libc(files: BaseFiles, debs: Iterable[tuple[str, str, str]], apks: Mapping[str, str]) -> Libc:
    """The C library: what dpkg says, else what the library's own file says. `apks`: version by name of Alpine's packages.

    Raises:
        StoreError: the store has lost a file.
    """
    for name, version, _ in debs:
        if name == "libc6" and (match := _VERSION.match(version)):
            return Libc(GLIBC, match[1], f"the package libc6 {version}")
    return _read_glibc(files) or _read_musl(files, apks) or Libc()


def _read_glibc(files: BaseFiles) -> Libc | None:
    for folder in _library_folders(files):
        path = f"{folder}/libc.so.6"
        found = files.find_file(path)
        if found is None:
            continue
        if match := _IN_NAME.search(found.path):
            return Libc(GLIBC, match[1], f"/{found.path}")
        if inside := _IN_GLIBC.search(files.head(path, _LIBRARY)):
            return Libc(GLIBC, inside[1].decode(), f"/{found.path}")
    return None


def _read_musl(files: BaseFiles, apks: Mapping[str, str]) -> Libc | None:
    for folder in _FOLDERS:
        for name in files.names(folder):
            path = f"{folder}/{name}"
            if not _LOADER.match(name) or files.find_file(path) is None:
                continue
            if match := re.match(r"\d+(?:\.\d+)+", apks.get("musl", "")):
                return Libc(MUSL, match[0], f"the package musl {apks['musl']}")
            inside = _IN_MUSL.search(files.head(path, _LIBRARY))
            return Libc(MUSL, inside[1].decode() if inside else "", path)
    return None


def _library_folders(files: BaseFiles) -> Iterable[str]:
    yield from _FOLDERS
    for folder in _FOLDERS[2:]:
        yield from (f"{folder}/{name}" for name in files.names(folder) if _MULTIARCH.match(name))
