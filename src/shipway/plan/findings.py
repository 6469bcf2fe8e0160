"""Bytes that an image could do without, each kind with what to do about it. Pure over manifests."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipway.core.waste import Waste, find_waste

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shipway.plan.sizes import Shipped, SizedTree

HIDDEN, DUPLICATES, BUILD_TOOLS, CUDA = "hidden", "duplicates", "build-tools", "cuda-twice"
_BUILD_DEB = re.compile(
    r"(?:build-essential|dpkg-dev|debhelper|make|cmake|ninja-build|meson|autoconf|automake|libtool|pkgconf?|pkg-config|bison|flex|"
    r"swig|ccache|rustc|cargo|nasm|yasm|patch)\Z"
    r"|(?!gcc-[0-9]+-base\Z)(?:gcc|g\+\+|cpp|gfortran|clang|llvm|binutils|golang|nvidia-cuda-toolkit)(?:-[0-9a-z-]+)?\Z"
    r"|.+-(?:dev|dbg|dbgsym)\Z"
)
_BUILD_WHEEL = re.compile(
    r"(?:cmake|cython|maturin|meson|meson-python|nanobind|ninja|pybind11|scikit-build|scikit-build-core|"
    r"setuptools-rust)\Z"
)
_CUDA = re.compile(
    r"(?:.*/)?lib(cudart|cublasLt|cublas|cudnn(?:_[a-z_]+[a-z])?|cufftw?|curand|cusolverMg|cusolver|cusparseLt|cusparse|cupti|nccl|"
    r"nvrtc-builtins|nvrtc|nvJitLink)[-.][^/]*\.?so(?:\.[0-9.]+)?\Z"
)
_EXAMPLES = 3
REMEDIES: dict[str, str] = {
    HIDDEN: "a higher layer replaces or removes these: let one package own each path, or do both steps in one build command",
    DUPLICATES: "equal files at several paths: often a library that two packages bundle",
    BUILD_TOOLS: "`shipway slim` drops those that the spec asks for from a target that only runs",
    CUDA: "the same CUDA library in several packages: take wheels that share the `nvidia-*` packages, or drop the OS's",
    **{kind.value: f'`slim = ["{kind.value}"]` in a target leaves them out' for kind in Waste},
}
"""What to do, by kind of finding."""


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
    """Whether the package `name` (of `kind` `deb` or `wheel`) serves compiling only."""
    pattern = {"deb": _BUILD_DEB, "wheel": _BUILD_WHEEL}.get(kind)
    return pattern is not None and pattern.match(name) is not None


def find_waste_in(
    shipped: Sequence[Shipped], trees: Iterable[SizedTree], sizes: Mapping[str, int]
) -> tuple[Finding, ...]:
    """Every finding of an image, the biggest first. `sizes`: bytes by a tree's id."""
    groups: dict[str, list[tuple[Shipped, int]]] = defaultdict(list)
    tools = {
        tree.id for tree in trees if sizes[tree.id] and is_build_tool(tree.kind, tree.name.partition(" ")[0])
    }
    for file in shipped:
        if not file.visible:
            groups[HIDDEN].append((file, file.entry.size))
        if file.tree.id in tools:
            groups[BUILD_TOOLS].append((file, file.entry.size))
        if waste := find_waste(file.entry.path):
            groups[waste].append((file, file.entry.size))
    groups[DUPLICATES] = _duplicates(shipped)
    groups[CUDA] = _cuda_twice(shipped)
    found = [_finding(kind, files) for kind, files in groups.items()]
    return tuple(sorted((one for one in found if one.size), key=lambda one: (-one.size, one.kind)))


def _duplicates(shipped: Sequence[Shipped]) -> list[tuple[Shipped, int]]:
    """Every further visible file with a content that an earlier one has."""
    seen: set[str] = set()
    further = []
    for file in shipped:
        if file.visible and file.entry.size:
            if file.entry.digest in seen:
                further.append((file, file.entry.size))
            seen.add(file.entry.digest)
    return further


def _cuda_twice(shipped: Sequence[Shipped]) -> list[tuple[Shipped, int]]:
    """CUDA libraries that more than one package brings, without those of the package whose copy is the biggest."""
    libraries: dict[str, dict[str, list[Shipped]]] = defaultdict(lambda: defaultdict(list))
    for file in shipped:
        if match := _CUDA.match(file.entry.path):
            libraries[match[1]][file.tree.id].append(file)
    further = []
    for owners in libraries.values():
        ordered = sorted(
            owners.items(), key=lambda item: (-sum(file.entry.size for file in item[1]), item[0])
        )
        further += [(file, file.entry.size) for _, files in ordered[1:] for file in files]
    return further


def _finding(kind: str, files: Sequence[tuple[Shipped, int]]) -> Finding:
    by_package: dict[str, int] = defaultdict(int)
    for file, size in files:
        by_package[file.tree.name] += size
    ordered = sorted(files, key=lambda item: (-item[1], item[0].entry.path))
    return Finding(
        kind=kind,
        size=sum(size for _, size in files),
        files=len(files),
        packages=tuple(sorted(by_package, key=lambda name: (-by_package[name], name))),
        examples=tuple(file.entry.path for file, _ in ordered[:_EXAMPLES]),
        remedy=REMEDIES[kind],
    )
