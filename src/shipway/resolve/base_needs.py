"""What Python frameworks need of CUDA and cuDNN, and which wheels bring it. Tables, and how to read versions of wheels.

Sources: `Requires-Dist` of jax (to 0.4.29) and of jax-cuda12-plugin and jax-cuda13-plugin (from 0.4.30), read from the wheels on
PyPI; TensorFlow's table "Tested build configurations, GPU". A release that is newer than a table needs at least what its last row
says. What newer frameworks need is a matter of their `nvidia-*` wheels, which the lock has; the tables are for those that are
told to use CUDA of the system.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.lock.model import Wheel


class Need(NamedTuple):
    """What one framework was built for."""

    wheel: Wheel
    cuda: str
    """The oldest that it takes; any of the same major version does: `12.1`."""
    cudnn: str
    """The same of cuDNN: `9.1`."""
    bundled: str
    """What to ask for so that CUDA and cuDNN come as wheels."""
    also_without: bool = False
    """Whether the wheel serves machines without GPU as well."""


_PLUGIN = re.compile(r"jax-cuda(\d\d)-plugin\Z")
_PLUGIN_CUDNN = (("0.6", "9.8"), ("0.4.31", "9.1"), ("0.4.29", "9.0"))
_FIRST_PLUGIN_CUDNN = "8.9"
_JAXLIB = re.compile(r"cuda(\d\d)\.cudnn(\d)(\d+)\Z")
_PLUGIN_CUDA = {"12": "12.1", "13": "13.0"}
_TENSORFLOW = (
    ("2.18", "12.0", "9.3"),
    ("2.15", "12.0", "8.9"),
    ("2.14", "11.2", "8.7"),
    ("2.12", "11.2", "8.6"),
    ("2.5", "11.2", "8.1"),
)
_PARTS = {
    "cublas": "cublas",
    "cublasLt": "cublas",
    "cudart": "cuda-runtime",
    "cufft": "cufft",
    "cupti": "cuda-cupti",
    "curand": "curand",
    "cusolver": "cusolver",
    "cusparse": "cusparse",
    "nccl": "nccl",
    "nvJitLink": "nvjitlink",
    "nvrtc": "cuda-nvrtc",
}
"""Library -> the middle of the name of NVIDIA's wheel."""
FRAMEWORKS = ("jaxlib", "tensorflow", "torch")
"""Packages for whose sake people choose a base that has them."""


def find_needs(wheels: Iterable[Wheel]) -> tuple[Need, ...]:
    """The frameworks that were built for CUDA and say in a way known here what they need."""
    found = [need for wheel in wheels if (need := _need(wheel)) is not None]
    return tuple(sorted(found, key=lambda need: need.wheel.name))


def find_cuda(wheels: Iterable[Wheel]) -> Wheel | None:
    """The wheel that brings CUDA's runtime."""
    return find_library(wheels, "cudart")


def find_cudnn(wheels: Iterable[Wheel]) -> Wheel | None:
    """The wheel that brings cuDNN."""
    return find_library(wheels, "cudnn")


def find_library(wheels: Iterable[Wheel], library: str) -> Wheel | None:
    """The wheel that brings `library`, said as `cublasLt` for `libcublasLt.so.12`."""
    part = "cudnn" if library.startswith("cudnn") else _PARTS.get(library)
    names = re.compile(rf"nvidia-{part}(?:-cu\d\d)?\Z") if part else None
    return next((wheel for wheel in wheels if names is not None and names.match(wheel.name)), None)


def _need(wheel: Wheel) -> Need | None:
    version = Version(wheel.version)
    if match := _PLUGIN.match(wheel.name):
        cudnn = next((it for since, it in _PLUGIN_CUDNN if version >= Version(since)), _FIRST_PLUGIN_CUDNN)
        return Need(wheel, _PLUGIN_CUDA.get(match[1], f"{match[1]}.0"), cudnn, f"jax[cuda{match[1]}]")
    if wheel.name == "jaxlib" and (match := _JAXLIB.match(version.local or "")):
        return Need(wheel, f"{match[1]}.0", f"{match[2]}.{match[3]}", f"jax[cuda{match[1]}_pip]")
    if wheel.name == "tensorflow":
        for since, cuda, cudnn in _TENSORFLOW:
            if version >= Version(since):
                return Need(wheel, cuda, cudnn, "tensorflow[and-cuda]", also_without=True)
    return None
