"""CUDA and cuDNN of an image, outside of Python packages: what files say, else packages, else the image's own variables.

`version.json` is there since CUDA 11.1, `version.txt` was before; NVIDIA's smallest images have neither, but packages and
`CUDA_VERSION`. Debian's and Ubuntu's own packages of CUDA count as well.
"""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shipway.image.base_files import BaseFiles

_VERSION = re.compile(r"(\d{1,3}\.\d{1,3}(?:\.\d{1,3}(?!\d))?)", re.ASCII)
"""Some files have a day for the third number: 12.2.20230823."""
_VARIABLE = "the variable CUDA_VERSION"
_RUNTIME = re.compile(r"cuda-cudart-(\d{1,3})-(\d{1,3})\Z", re.ASCII)
_DISTRIBUTION_CUDA = re.compile(r"(?:nvidia-cuda-toolkit|libcudart[0-9.]+)\Z", re.ASCII)
_DISTRIBUTION_VERSION = re.compile(r"(?:.*~)?(\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)", re.ASCII)
_DNN_PACKAGE = re.compile(r"(?:libcudnn\d+(?:-cuda-\d+)?|nvidia-cudnn)\Z", re.ASCII)
_DNN_LIBRARY = re.compile(r"libcudnn\.so\.(\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)\Z", re.ASCII)
_DNN_HEADER = re.compile(r"#define CUDNN_(?:MAJOR|MINOR|PATCHLEVEL) +(\d{1,4})$", re.MULTILINE | re.ASCII)
_LIBRARY = re.compile(
    r"lib(?:cudart|cublas|cublasLt|cudnn[a-z_]*|cufft|curand|cusolver|cusparse|cupti|nccl|nvrtc|nvJitLink)"
    r"\.so\.\d+(?:\.\d+)*\Z",
    re.ASCII,
)
_HEADER = "cudnn_version.h"
_INCLUDES = (
    "/usr/include",
    "/usr/include/x86_64-linux-gnu",
    "/usr/include/aarch64-linux-gnu",
    "/usr/local/cuda/include",
)
_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/cuda/lib64",
)

_MOST_FOLDERS = 64
"""Folders of a search path that are looked into; no honest one has as many."""
Debs = tuple[tuple[str, str, str], ...]
Said = tuple[str, str]
"""A version and where it is said; both empty for nothing."""
_NOTHING: Said = ("", "")


def read_cuda(files: BaseFiles, debs: Debs, env: Mapping[str, str]) -> Said:
    """The version of CUDA.

    Raises:
        StoreError: the store has lost a file.
    """
    match = _VERSION.match(env.get("CUDA_VERSION", ""))
    variable = match[1] if match else ""
    version, origin = _told_by_files(files) or find_packaged_cuda(debs) or (variable, _VARIABLE)
    if variable.startswith(f"{version}."):
        return (
            variable,
            f"{origin} and {_VARIABLE}",
        )  # packages and some files say two numbers, the variable three
    return (version, origin) if version else _NOTHING


def read_cudnn(files: BaseFiles, debs: Debs, env: Mapping[str, str]) -> Said:
    """The version of cuDNN.

    Raises:
        StoreError: the store has lost a file.
    """
    if packaged := find_packaged_cudnn(debs):
        return packaged
    for folder in _INCLUDES:
        path = f"{folder}/{_HEADER}"
        numbers = _DNN_HEADER.findall(files.opening(path))
        if len(numbers) == 3:  # noqa: PLR2004 - major, minor, patch level
            return ".".join(numbers), path
    for folder in _LIBRARIES:
        for name in files.names(folder):
            if match := _DNN_LIBRARY.match(name):
                return match[1], f"{folder}/{name}"
    for name in ("NV_CUDNN_VERSION", "CUDNN_VERSION"):
        if match := _VERSION.match(env.get(name, "")):
            return match[1], f"the variable {name}"
    return _NOTHING


def find_packaged_cuda(debs: Debs) -> Said | None:
    """The version of CUDA that OS packages bring, of NVIDIA or of the distribution."""
    for name, version, _ in debs:
        if match := _RUNTIME.match(name):
            return f"{match[1]}.{match[2]}", f"the package {name} {version}"
    for name, version, _ in debs:
        if _DISTRIBUTION_CUDA.match(name) and (match := _DISTRIBUTION_VERSION.match(version)):
            return match[1], f"the package {name} {version}"
    return None


def find_packaged_cudnn(debs: Debs) -> Said | None:
    """The version of cuDNN that OS packages bring."""
    for name, version, _ in debs:
        if _DNN_PACKAGE.match(name) and (match := _VERSION.search(version)):
            return match[1], f"the package {name} {version}"
    return None


def find_on_search_path(files: BaseFiles, env: Mapping[str, str]) -> tuple[str, ...]:
    """The CUDA libraries in the folders of LD_LIBRARY_PATH, which come before the folder that a wheel names."""
    found: set[str] = set()
    seen: set[str] = set()
    for folder in env.get("LD_LIBRARY_PATH", "").split(":"):
        place = files.find(folder) if folder.startswith("/") else None
        if place is None or place in seen or len(seen) == _MOST_FOLDERS:
            continue
        seen.add(place)
        for name in files.names(place):
            path = posixpath.join(folder, name)
            if _LIBRARY.match(name) and files.find_file(path):
                found.add(path)
    return tuple(sorted(found))


def _told_by_files(files: BaseFiles) -> Said | None:
    for folder in _toolkits(files):
        if version := _in_json(files.opening(f"{folder}/version.json")):
            return version, f"{folder}/version.json"
        match = re.match(
            r"CUDA Version (\d{1,3}(?:\.\d{1,5}){1,2})", files.opening(f"{folder}/version.txt"), re.ASCII
        )
        if match:
            return match[1], f"{folder}/version.txt"
    return None


def _toolkits(files: BaseFiles) -> Iterator[str]:
    yield "/usr/local/cuda"
    for name in files.names("/usr/local"):
        if name.startswith("cuda-"):
            yield f"/usr/local/{name}"


def _in_json(text: str) -> str:
    """The version of the SDK; empty for a file that does not say one, as other files of this name may not."""
    try:
        value = json.loads(text)["cuda"]["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    match = _VERSION.match(value) if isinstance(value, str) else None
    return match[1] if match else ""
