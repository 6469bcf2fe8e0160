"""Bytes that an image could do without, each kind with what to do about it. Pure over manifests."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipway.core.waste import Waste, find_waste

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.plan.sizes import Shipped

DELETED, HIDDEN, COPIED = "deleted", "hidden", "copied-again"
DUPLICATES, BUILD_TOOLS, CUDA, DATA = "duplicates", "build-tools", "cuda-twice", "data"
_BUILD_DEB = re.compile(
    r"(?:build-essential|dpkg-dev|debhelper|make|cmake|ninja-build|meson|autoconf|automake|libtool|pkgconf?|pkg-config|bison|flex|"
    r"swig|ccache|rustc|cargo|nasm|yasm|patch)\Z"
    r"|(?!gcc-[0-9]+-base\Z)(?:gcc|g\+\+|cpp|gfortran|clang|llvm|binutils|golang|nvidia-cuda-toolkit)(?:-[0-9a-z-]+)?\Z"
    r"|.+-(?:dev|dbg|dbgsym)\Z|.+-dev-[0-9]+-[0-9]+\Z|nsight-(?:compute|systems).*\Z"
    r"|cuda-(?:nvcc|nvvm|crt|compiler|command-line-tools|minimal-build|toolkit|tools|gdb|sanitizer|nsight.*?)(?:-[0-9]+-[0-9]+)?\Z"
)
_BUILD_WHEEL = re.compile(
    r"(?:cmake|cython|maturin|meson|meson-python|nanobind|ninja|pybind11|scikit-build|scikit-build-core|"
    r"setuptools-rust)\Z"
)
_BUILD_CONDA = re.compile(
    r"(?:gcc|gxx|gfortran|binutils|ld|clang|clangxx|llvm-tools|cmake|make|ninja|meson|rust|go|cuda-nvcc|cuda-compiler)"
    r"(?:_impl)?(?:_[a-z0-9-]+)?\Z|.+-dev(?:_[a-z0-9-]+)?\Z"
)
_BUILD = {"deb": _BUILD_DEB, "apk": _BUILD_DEB, "wheel": _BUILD_WHEEL, "conda": _BUILD_CONDA}
_CUDA = re.compile(
    r"(?:.*/)?lib(cudart|cublasLt|cublas|cudnn(?:_[a-z_]+[a-z])?|cufftw?|curand|cusolverMg|cusolver|cusparseLt|cusparse|cupti|nccl|"
    r"nvrtc-builtins|nvrtc|nvJitLink)[-.][^/]*\.?so(?:\.[0-9.]+)?\Z"
)
_CACHES = re.compile(
    r"var/cache/(?:apk|yum|dnf|pacman|zypp)/.+"
    r"|(?:(?:root|home/[^/]+|opt|usr/local)/)?(?:ana|mini|micro|mini-?forge|mamba)?(?:conda|mamba|forge)[0-9]?/pkgs/.+"
    r"|(?:root|home/[^/]+)/\.(?:npm/_cacache|conda/pkgs|cargo/registry|gradle/caches|m2/repository|mamba/pkgs)/.+",
    re.DOTALL,
)
"""Caches of package managers that no image of ours has."""
_DATA = re.compile(
    r".+\.(?:safetensors|pth?|ckpt|onnx|gguf|ggml|h5|hdf5|npz|npy|parquet|arrow|feather|tfrecord|msgpack|pkl|pickle)\Z"
    r"|(?:.*/)?\.git/(?:objects|lfs)/.+",
    re.DOTALL | re.IGNORECASE,
)
_DATA_SIZE = 10 << 20
"""Bytes from which a file that only looks like data counts as such."""
_EXAMPLES = 3
REMEDIES: dict[str, str] = {
    DELETED: "a higher layer removes these, and they travel all the same: do both steps in one build command",
    HIDDEN: "a higher layer replaces these: let one package own each path, or do both steps in one build command",
    COPIED: "only mode or owner changed in a higher layer, which is a copy of the whole file: set them where it is made",
    DUPLICATES: "equal files at several paths: often a library that two packages bundle",
    BUILD_TOOLS: "`shipway slim` drops those that the spec asks for from a target that only runs",
    CUDA: "the same CUDA library in several packages: take wheels that share the `nvidia-*` packages, or drop the OS's",
    DATA: "weights, data and repositories: keep them out with `[files] ignore`, and mount what a run needs",
    **{kind.value: f'`slim = ["{kind.value}"]` in a target leaves them out' for kind in Waste},
}
"""What to do, by kind of finding."""
FINISHED_REMEDIES: dict[str, str] = {
    **REMEDIES,
    DELETED: "a later layer removes these, and they travel all the same: remove them in the `RUN` that makes them",
    HIDDEN: "a later layer replaces these: make them once, in one `RUN`, or take a base without them",
    COPIED: "a later `chmod` or `chown` copied these whole: use `COPY --chmod --chown`, or do it in the `RUN` that makes them",
    BUILD_TOOLS: "build in another stage and copy the result, or take a base without `devel`; `shipway import dockerfile` helps",
    CUDA: "take a base without CUDA where the wheels bring their own, or wheels without",
    DATA: "weights, data and repositories: list them in `.dockerignore`, and mount what a run needs",
    Waste.CACHES: "use `RUN --mount=type=cache`, or remove them in the `RUN` that fills them",
    **{kind.value: "remove them in the `RUN` that installs them, or tell dpkg not to unpack them (`path-exclude`)"
       for kind in (Waste.DOCS, Waste.LOCALES)},
    **{kind.value: "build in another stage, and copy what runs"
       for kind in (Waste.HEADERS, Waste.STATIC, Waste.WHEEL_HEADERS)},
    Waste.TESTS: "remove them in the `RUN` that installs the packages",
}  # fmt: skip
"""The same for an image that somebody else's file makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of bytes."""

    kind: str
    size: int
    files: int
    packages: tuple[str, ...]
    """Names of the packages they are in, those with the most bytes first."""
    examples: tuple[str, ...]
    """Paths of the biggest of them."""
    remedy: str = field(compare=False)


def is_build_tool(kind: str, name: str) -> bool:
    """Whether the package `name` (of `kind` `deb`, `wheel`, `apk` or `conda`) serves compiling only."""
    pattern = _BUILD.get(kind)
    return pattern is not None and pattern.match(name) is not None


def find_waste_in(shipped: Sequence[Shipped], *, finished: bool = False) -> tuple[Finding, ...]:
    """Every finding of an image, the biggest first. `finished`: the image is not made from a spec of ours."""
    groups: dict[str, list[Shipped]] = defaultdict(list)
    top = {file.entry.path: file.entry.digest for file in shipped if file.visible}
    tools: dict[str, bool] = {}
    for file in shipped:
        path, tree = file.entry.path, file.tree
        if not file.visible:
            groups[_hiding(top.get(path), file.entry.digest)].append(file)
        if tree.id not in tools:
            tools[tree.id] = is_build_tool(tree.kind, tree.name.partition(" ")[0])
        if tools[tree.id]:
            groups[BUILD_TOOLS].append(file)
        if waste := find_waste(path):
            groups[waste].append(file)
        elif finished and _CACHES.match(path):
            groups[Waste.CACHES].append(file)
        if _is_data(file):
            groups[DATA].append(file)
    groups[DUPLICATES] = _duplicates(shipped)
    groups[CUDA] = _cuda_twice(shipped)
    remedies = FINISHED_REMEDIES if finished else REMEDIES
    found = [_finding(kind, files, remedies[kind]) for kind, files in groups.items()]
    return tuple(sorted((one for one in found if one.size), key=lambda one: (-one.size, one.kind)))


def _hiding(above: str | None, own: str) -> str:
    """Why a file with the digest `own` is not seen, where `above` is that of the file in its place."""
    if above is None:
        return DELETED
    return COPIED if above == own else HIDDEN


def _is_data(file: Shipped) -> bool:
    """Whether a big file that no package brought looks like data or a repository."""
    is_ours = file.tree.kind not in _BUILD
    return is_ours and file.entry.size >= _DATA_SIZE and _DATA.match(file.entry.path) is not None


def _duplicates(shipped: Sequence[Shipped]) -> list[Shipped]:
    """Every further visible file with a content that an earlier one has."""
    seen: set[str] = set()
    further = []
    for file in shipped:
        if file.visible and file.entry.size:
            if file.entry.digest in seen:
                further.append(file)
            seen.add(file.entry.digest)
    return further


def _cuda_twice(shipped: Sequence[Shipped]) -> list[Shipped]:
    """CUDA libraries that more than one package brings, without those of the package whose copy is the biggest."""
    libraries: dict[str, dict[str, list[Shipped]]] = defaultdict(lambda: defaultdict(list))
    for file in shipped:
        if file.visible and (match := _CUDA.match(file.entry.path)):
            libraries[match[1]][file.tree.id].append(file)
    further = []
    for owners in libraries.values():
        ordered = sorted(
            owners.items(), key=lambda item: (-sum(file.entry.size for file in item[1]), item[0])
        )
        further += [file for _, files in ordered[1:] for file in files]
    return further


def _finding(kind: str, files: Sequence[Shipped], remedy: str) -> Finding:
    by_package: dict[str, int] = defaultdict(int)
    for file in files:
        by_package[file.tree.name] += file.entry.size
    ordered = sorted(files, key=lambda file: (-file.entry.size, file.entry.path))
    return Finding(
        kind=kind,
        size=sum(file.entry.size for file in files),
        files=len(files),
        packages=tuple(sorted(by_package, key=lambda name: (-by_package[name], name))),
        examples=tuple(file.entry.path for file in ordered[:_EXAMPLES]),
        remedy=remedy,
    )
