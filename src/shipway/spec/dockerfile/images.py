"""The image behind FROM -> the base, Python and packages that a spec names, and what is wrong with the reference.

Images that are a distribution and packages become just that, so that the lock names each package. Any other stays as it is, with
its layers below: `base = "registry.example.org/team/thing:1"`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shipway.core.text import shown
from shipway.spec.bases import NUMBERS, SUITES, find_base_python

_REFERENCE = re.compile(
    r"(?P<name>[^\s@]+?)(?::(?P<tag>[\w][\w.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z", re.ASCII
)
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?", re.ASCII)
_FRAMEWORKS = {
    "pytorch/pytorch": "torch",
    "tensorflow/tensorflow": "tensorflow",
    "huggingface/transformers-pytorch-gpu": "transformers",
}
_CONDA = ("miniconda3", "miniforge3", "mambaforge", "micromamba", "anaconda3", "miniconda", "anaconda")
_JUPYTER = re.compile(r"jupyter/([a-z-]+)-notebook\Z")
_WITHOUT_APT = re.compile(
    r"alpine|busybox|scratch|distroless|centos|fedora|rocky|alma|oraclelinux|amazonlinux|opensuse|archlinux|ubi[0-9]|wolfi|photon",
    re.ASCII,
)
"""Parts of names and tags of images in which no apt is."""
_LOCKED = "the lock names each package of the base by hash"
_HELD = "the lock holds the image by digest"
_USUAL = {"debian": "bookworm", "ubuntu": "noble"}
"""Taken when the reference does not say which; what `latest` means moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReading:
    """What one reference means for a spec."""

    base: str
    """`debian:bookworm`, or the image itself; never empty."""
    why: str
    foreign: bool = False
    """The base is the image itself."""
    imports: bool = False
    """Programs may import Python packages that it holds."""
    python: str = ""
    pip: tuple[str, ...] = ()
    wrong: tuple[tuple[str, str], ...] = ()
    """Sentence and next step."""
    left: tuple[tuple[str, str], ...] = ()


def read_image(reference: str, compiling: str = "") -> ImageReading:
    """What the image `reference` (variables replaced) means. `compiling`: what shows that CUDA code is compiled, if it is."""
    match = _REFERENCE.match(reference)
    if match is None:
        step = "name the image as NAME:TAG"
        return ImageReading(
            base="debian:bookworm", why="Debian 12 for want of a base", wrong=(("no image is named", step),)
        )
    name, tag, digest = match["name"].lower(), match["tag"] or "", match["digest"]
    wrong = [*_pin_faults(reference, tag, digest)]
    short = name.rpartition("/")[2]
    if short in SUITES:
        return _distribution(short, tag, wrong)
    if short == "python":
        return _python_image(tag, wrong)
    if name.endswith("nvidia/cuda"):
        return (
            _kept_cuda(reference, tag, wrong, compiling) if compiling else _cuda_image(reference, tag, wrong)
        )
    for known, package in _FRAMEWORKS.items():
        if name.endswith(known):
            return _framework_image(package, tag, wrong)
    if short in _CONDA or _JUPYTER.search(name):
        why = "the image stands on Debian or Ubuntu; Python and packages come from the spec, not from conda"
        return ImageReading(base="debian:bookworm", why=why, wrong=tuple(wrong))
    return _unknown(name, reference, wrong)


def _pin_faults(reference: str, tag: str, digest: str | None) -> list[tuple[str, str]]:
    if digest:
        return []
    step = _LOCKED
    if not tag:
        return [(f"`{reference}` has no tag: it is whatever is newest on the day of the build", step)]
    if tag == "latest" or tag.startswith("latest-"):
        return [(f"`{reference}` is `latest`: it moves without notice", step)]
    return [(f"`{reference}` is not pinned by digest: its maintainers change what it holds", step)]


def _distribution(name: str, tag: str, wrong: list[tuple[str, str]]) -> ImageReading:
    suite, said = find_suite(name, tag)
    if not suite:
        suite = _USUAL[name]
        if said:
            step = (
                f"check that the project works on {name}:{suite}, or choose one of: {', '.join(SUITES[name])}"
            )
            wrong.append((f"`{name}:{said}` is no release of {name} that shipway can build", step))
    return ImageReading(
        base=f"{name}:{suite}",
        why=f"the same distribution, from its own archive ({suite})",
        wrong=tuple(wrong),
    )


def find_suite(name: str, tag: str) -> tuple[str, str]:
    """The suite of distribution `name` that `tag` means, or empty with the part of the tag that names another release."""
    words = [
        word for word in re.split(r"-", tag.lower()) if word and word not in ("slim", "latest", "backports")
    ]
    for word in words:
        if word in SUITES[name]:
            return word, ""
        number = NUMBERS[name].get(word) or (
            NUMBERS["debian"].get(word.partition(".")[0]) if name == "debian" else ""
        )
        if number:
            return number, ""
    return "", next((word for word in words if not word.isdigit() or len(word) < 8), "")  # noqa: PLR2004 - a date


def _python_image(tag: str, wrong: list[tuple[str, str]]) -> ImageReading:
    version = re.match(r"3\.\d{1,2}(?:\.\d{1,3})?", tag)
    suite, _ = find_suite("debian", tag.partition("-")[2])
    python = version[0] if version else ""
    if tag.startswith("2"):
        python = "3.11"
        wrong.append(("Python 2 has had no fixes since 2020", "port the code; shipway offers Python 3 only"))
    if "alpine" in tag or "windows" in tag:
        wrong.append(
            (
                "Alpine's C library is musl, for which most scientific wheels do not exist",
                "the spec uses Debian",
            )
        )
    if not python:
        python = find_base_python("debian", suite or "bookworm")
        wrong.append(("the version of Python is not said", f"the spec takes {python}, that of its base"))
    base = f"debian:{suite or ('trixie' if python.startswith('3.13') else 'bookworm')}"
    return ImageReading(base=base, python=python, why="what the image stands on", wrong=tuple(wrong))


def _base_of_image(reference: str) -> str:
    """How a spec's `base` says the image `reference`: a prefix makes what has no `/` an image."""
    return reference if "/" in reference else f"docker://{reference}"


def _cuda_image(reference: str, tag: str, wrong: list[tuple[str, str]]) -> ImageReading:
    ubuntu = re.search(r"ubuntu(\d\d)\.?(\d\d)", tag)
    suite = NUMBERS["ubuntu"].get(f"{ubuntu[1]}.{ubuntu[2]}", "") if ubuntu else ""
    wrong.append((
        "CUDA comes with the base and again with the wheels of PyTorch, TensorFlow and JAX, often in another version",
        "the spec takes the plain distribution; wheels bring CUDA, and the driver comes from the host",
    ))  # fmt: skip
    if "devel" in tag:
        keep = f'`base = "{shown(_base_of_image(reference), 120)}"`'
        wrong.append(
            (
                "`devel` carries compilers and headers of several GB that no run needs",
                f"only who compiles CUDA code needs them, and keeps the image: {keep}",
            )
        )
    if cudnn := re.search(r"cudnn(\d)", tag):
        wrong.append(
            (
                f"cuDNN {cudnn[1]} of the image serves only who asks for it, such as `jax[cuda12_local]`, and may be too old",
                "`jax[cuda12]`, `tensorflow[and-cuda]` and `torch` bring the cuDNN that they were built with",
            )
        )
    why = f"the distribution under the CUDA image{'' if suite else ' is none that shipway builds; Ubuntu 24.04 is taken'}"
    return ImageReading(base=f"ubuntu:{suite or 'noble'}", why=why, wrong=tuple(wrong))


def _kept_cuda(reference: str, tag: str, wrong: list[tuple[str, str]], compiling: str) -> ImageReading:
    if "devel" not in tag:
        wrong.append(
            (
                f"CUDA code is compiled ({compiling}), and this image has no `nvcc`",
                "take the `devel` image of the same version",
            )
        )
    version = _VERSION.match(tag)
    fitting = f"CUDA {'.'.join(version[0].split('.')[:2])}" if version else "the same CUDA"
    wrong.append(
        (
            "CUDA comes with the base and again with wheels that bring it",
            f"choose wheels for {fitting}; `lock` tells where they differ",
        )
    )
    return _itself(reference, f"the image itself, for CUDA code is compiled: {compiling}", wrong)


def _itself(reference: str, why: str, wrong: list[tuple[str, str]], *, imports: bool = False) -> ImageReading:
    """The image as base. Whatever was said of its reference, the lock holds it."""
    first, slash, _ = reference.partition("/")
    named = bool(slash) and (first == "localhost" or any(mark in first for mark in ".:"))
    step = "the host says which one is meant: `default` in `shipway/registries.toml`"
    return ImageReading(
        base=_base_of_image(reference),
        foreign=True,
        imports=imports,
        why=why,
        wrong=tuple((what, _HELD if then == _LOCKED else then) for what, then in wrong),
        left=() if named else ((f"`{shown(reference, 120)}` names no registry", step),),
    )


def _framework_image(package: str, tag: str, wrong: list[tuple[str, str]]) -> ImageReading:
    version = _VERSION.match(tag)
    wish = f"{package}=={version[0]}" if version else package
    if package == "tensorflow" and "gpu" in tag:
        wish = wish.replace("tensorflow", "tensorflow[and-cuda]", 1)
    found = re.search(r"py(3\.?\d{1,2})", tag)
    python = f"3.{found[1].removeprefix('3').lstrip('.')}" if found else ""
    left = (
        (
            f"other packages of the image `{package}` came from are not known",
            "add what the code imports to `pip`",
        ),
    )
    return ImageReading(
        base="ubuntu:jammy",
        python=python,
        pip=(wish,),
        why="what such images stand on",
        wrong=tuple(wrong),
        left=left,
    )


def _unknown(name: str, reference: str, wrong: list[tuple[str, str]]) -> ImageReading:
    if name == "scratch" or _WITHOUT_APT.search(reference.lower()):
        keep = f'`base = "{shown(_base_of_image(reference), 120)}"` keeps it for a target that needs neither `apt` nor `pip`'
        step = "`base` names the system that the packages need" if name == "scratch" else keep
        what = f"`{shown(reference, 120)}` has no apt; packages are looked for in Debian 12 by the same names"
        return ImageReading(
            base="debian:bookworm",
            why="Debian 12, for packages of Debian and wheels need one like it",
            wrong=tuple(wrong),
            left=((what, step),),
        )
    why = "the image itself: its layers stay below, held by digest in the lock"
    return _itself(reference, why, wrong, imports=True)
