"""A lock with everything that exports tell apart: circles of OS packages, a private index, sdist, git and folder."""

from __future__ import annotations

from dataclasses import replace

from shipway.core.digest import BlobDigest, TreeKey
from shipway.export.model import read_contents
from shipway.lock.model import (
    ArchiveLock,
    BuildCommandLock,
    Deb,
    IndexLock,
    LayerLock,
    Lock,
    PythonLock,
    Source,
    TargetLock,
    Wheel,
)

PLATFORM = "linux/amd64"


def digest(text):
    return BlobDigest.of(text.encode())


def deb(name, *depends, archive="debian", essential=False):
    return Deb(
        name=name, version="1:2.0~rc1-1", architecture="amd64", sha256=digest(name), size=9, source=f"{name}-source",
        path=f"pool/{name}_2.0~rc1-1_amd64.deb", archive=archive, depends=depends, essential=essential,
    )  # fmt: skip


def wheel(name, *depends, index="default", source=""):
    return Wheel(
        name=name, version="1.5", filename=f"{name.replace('-', '_')}-1.5-py3-none-any.whl", sha256=digest(f"w {name}"), size=7,
        index="" if source else index, source=source, depends=depends,
    )  # fmt: skip


DEBS = (
    deb("libc6", "libgcc-s1"), deb("libgcc-s1", "libc6"), deb("bash", "libc6", essential=True),
    deb("git", "perl", "openssl"), deb("perl", "perl-modules"), deb("perl-modules", "perl"), deb("openssl", "libc6", archive="debian-security"),
)  # fmt: skip
SOURCES = (
    Source(kind="sdist", name="olden", version="1.5", sha256=digest("s olden"), filename="olden-1.5.tar.gz", index="default",
           build_requires=("setuptools-1.5-py3-none-any.whl",)),
    Source(kind="git", name="forge", version="1.5", sha256=digest("s forge"), url="https://git.example/forge", commit="c" * 40, path="sub"),
    Source(kind="local", name="mine", version="1.5", sha256=digest("s mine"), path="packages/mine"),
)  # fmt: skip
WHEELS = (
    wheel("numpy"), wheel("jax", "numpy"), wheel("secret-sauce", index="company"), wheel("setuptools"),
    wheel("nvidia-cudnn-cu12"),
    *(wheel(source.name, source=source.id) for source in SOURCES),
)  # fmt: skip
CPU = TargetLock(
    name="cpu", platform=PLATFORM, base="debian:bookworm@2026-07-01", debs=tuple(one.id for one in DEBS),
    wheels=tuple(one.id for one in WHEELS if one.name in ("numpy", "jax")),
    python=PythonLock(version="3.11", executable="/usr/bin/python3.11"), env=(("NOTE", 'a "b" $HOME\\'),), workdir="/work",
    command=("python", "it's.py"),
    layers=(LayerLock(name="os", members=tuple(one.id for one in DEBS), reason="os"),),
)  # fmt: skip
GPU = replace(CPU, name="gpu", wheels=(*CPU.wheels, "nvidia_cudnn_cu12-1.5-py3-none-any.whl"))
FULL = replace(
    CPU, name="full", wheels=tuple(one.id for one in WHEELS if one.name != "setuptools"), bytecode=True, include=("src",),
    build=(BuildCommandLock(argv=("make", "data set"), inputs=("data set",)),),
)  # fmt: skip
STANDALONE = replace(
    CPU, name="standalone",
    python=PythonLock(version="3.13", executable="/opt/python/bin/python3.13", origin="standalone", filename="cpython-3.13.tar.gz",
                      sha256=digest("python"), size=5),
)  # fmt: skip
LOCK = Lock(
    name="Docker practice", inputs=TreeKey.of(b""), epoch=1_700_000_000, debs=DEBS, wheels=WHEELS, sources=SOURCES,
    archives=tuple(
        ArchiveLock(alias=alias, distribution="debian", suite=suite, components=("main",), date="2026-07-01T00:00:00Z",
                    release=digest(suite), signers=("ab",))
        for alias, suite in (("debian", "bookworm"), ("debian", "bookworm-updates"), ("debian-security", "bookworm-security"))
    ),
    indexes=(IndexLock(alias="default"), IndexLock(alias="company")), targets=(CPU, GPU, FULL, STANDALONE),
)  # fmt: skip


def contents(name="cpu", **changes):
    """A target of the lock; `changes` to its fields."""
    targets = tuple(replace(one, **changes) if one.name == name else one for one in LOCK.targets)
    return read_contents(replace(LOCK, targets=targets), name, PLATFORM)
