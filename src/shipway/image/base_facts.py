"""What a base image of others holds, read from its files and its variables. Nothing of it is run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shipway.core.base_facts import BaseFacts
from shipway.image.base_cuda import find_on_search_path, read_cuda, read_cudnn
from shipway.image.base_debs import read_debs
from shipway.image.base_libc import read_libc
from shipway.image.base_pythons import read_pythons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.image.base_files import BaseFiles

_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
_FIELD = re.compile(
    r"^(ID|VERSION_ID|VERSION_CODENAME)=(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s\"'#]*))\s*$", re.MULTILINE
)
_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}\Z", re.ASCII | re.IGNORECASE)
_APK = "/lib/apk/db/installed"


def read_facts(files: BaseFiles, env: Mapping[str, str]) -> BaseFacts:
    """What `files` and the variables `env` of one image say.

    Raises:
        HostileInput: a file breaks a rule that honest images keep.
        StoreError: the store has lost a file.
    """
    release = _read_release(files)
    debs = read_debs(files)
    apks = _read_apks(files)
    libc = read_libc(files, debs, apks)
    cuda, cuda_origin = read_cuda(files, debs, env)
    cudnn, cudnn_origin = read_cudnn(files, debs, env)
    packaged = apks | {name: version for name, version, _ in debs}
    told = (("libc", libc.origin), ("cuda", cuda_origin), ("cudnn", cudnn_origin))
    return BaseFacts(
        distribution=release.get("ID", ""),
        suite=release.get("VERSION_CODENAME", ""),
        release=release.get("VERSION_ID", ""),
        libc=libc.kind,
        libc_version=libc.version,
        debs=debs,
        pythons=read_pythons(files, env, packaged),
        cuda=cuda,
        cudnn=cudnn,
        on_search_path=find_on_search_path(files, env),
        origins=tuple((field, origin) for field, origin in told if origin),
    )


def _read_release(files: BaseFiles) -> dict[str, str]:
    """The fields of os-release(5) that are words; the file in `/etc` wins, as it says there."""
    text = next((text for path in _RELEASE if (text := files.opening(path))), "")
    found = {key: one or other or bare for key, one, other, bare in _FIELD.findall(text)}
    return {key: value for key, value in found.items() if _PLAIN.match(value)}


def _read_apks(files: BaseFiles) -> dict[str, str]:
    """Version by name of Alpine's packages. Format: apk(5), the installed database."""
    found: dict[str, str] = {}
    name = ""
    for line in files.text(_APK).splitlines():
        if line.startswith("P:"):
            name = line[2:]
        elif line.startswith("V:") and name:
            found[name], name = line[2:], ""
    return found
