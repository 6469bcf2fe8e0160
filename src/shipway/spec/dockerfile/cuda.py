"""Whether a Dockerfile compiles CUDA code, which is the one reason for a CUDA image: wheels bring libraries, but no compiler."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shipway.core.text import shown
from shipway.spec.dockerfile.words import word_set

if TYPE_CHECKING:
    from collections.abc import Collection

    from shipway.spec.dockerfile.model import Dockerfile, Instruction

_COMPILED = word_set(
    "apex causal-conv1d detectron2 diff-gaussian-rasterization flash-attn flash_attn gsplat mamba-ssm minkowskiengine "
    "nvdiffrast pycuda pytorch3d simple-knn spconv tiny-cuda-nn tinycudann torch-cluster torch-scatter torch-sparse "
    "torch-spline-conv torchsparse transformer-engine"
)
"""Python packages that are built with nvcc where their makers offer no wheel, which is usual."""
_OS = re.compile(
    r"(?:nvidia-cuda-toolkit|cuda|cuda-(?:toolkit|nvcc|compiler|minimal-build|libraries-dev|cudart-dev)(?:-\d+-\d+)?)\Z",
    re.ASCII,
)
_VARIABLE = re.compile(r"\b(TORCH_CUDA_ARCH_LIST|FORCE_CUDA|CUDAARCHS|CUDACXX|TCNN_CUDA_ARCHITECTURES)\b")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_SOURCES = (".cu", ".cuh")


def find_compiling(source: Dockerfile, names: Collection[str] | None) -> str:
    """What shows that CUDA code is compiled, for a message; empty: nothing does. `names`: files of the project."""
    for one in source.instructions:
        found = _in_instruction(one)
        if found:
            return f"`{shown(found, 60)}` in line {one.line}"
    files = sorted(name for name in names or () if name.endswith(_SOURCES))
    return f"`{shown(files[0], 60)}` in the project" if files else ""


def _in_instruction(one: Instruction) -> str:
    if one.name not in ("RUN", "ENV", "ARG"):
        return ""
    text = "\n".join((one.text, *(it.text for it in one.heredocs)))
    if match := _VARIABLE.search(text):
        return match[1]
    if one.name != "RUN":
        return ""
    installs = "install" in text
    for match in _WORD.finditer(text):
        name = match[0].lower().removesuffix(".git")
        if name == "nvcc" or (installs and (name in _COMPILED or _OS.match(name))):
            return match[0]
    return ""
