"""Locks for tests: one with everything in it, and big ones of any size."""

from __future__ import annotations

import hashlib

from shipway.core.digest import BlobDigest, TreeKey
from shipway.lock.model import (
    ArchiveLock,
    BuildCommandLock,
    DataFile,
    DataUse,
    Deb,
    IndexLock,
    LayerLock,
    Lock,
    PythonLock,
    Recipes,
    Source,
    TargetLock,
    Wheel,
)


def digest(text: str) -> BlobDigest:
    return BlobDigest.from_hex(hashlib.sha256(text.encode()).hexdigest())


def deb(name: str, **changes) -> Deb:
    values = {
        "name": name,
        "version": "1:2.3-4+deb12u1",
        "architecture": "amd64",
        "sha256": digest(name),
        "size": 1000 + len(name),
        "path": f"pool/main/{name[0]}/{name}/{name}_2.3-4+deb12u1_amd64.deb",
        "archive": "debian",
        "source": name,
    }
    return Deb(**{**values, **changes})


def wheel(name: str, **changes) -> Wheel:
    values = {
        "name": name,
        "version": "1.0",
        "filename": f"{name.replace('-', '_')}-1.0-py3-none-any.whl",
        "sha256": digest("wheel " + name),
        "size": 5000,
        "index": "default",
    }
    return Wheel(**{**values, **changes})


def full_lock() -> Lock:
    """Every field of every kind has a value that is not the default."""
    debs = (deb("bash", essential=True), deb("git", depends=("bash",)))
    wheels = (
        wheel("digits", index="", source="local:digits=0.1"),
        wheel("flit-core"),
        wheel("jax", depends=("jaxlib",)),
        wheel("jaxlib"),
    )
    target = TargetLock(
        name="cpu",
        platform="linux/amd64",
        base="debian:bookworm@2026-07-01",
        requested=("apt:git < shipway.toml:4 (apt)", "pip:jax==0.4.30 < requirements.txt:1"),
        debs=("bash=1:2.3-4+deb12u1:amd64", "git=1:2.3-4+deb12u1:amd64"),
        wheels=(
            "digits-1.0-py3-none-any.whl",
            "jax-1.0-py3-none-any.whl",
            "jaxlib-1.0-py3-none-any.whl",
        ),
        python=PythonLock(
            version="3.12",
            executable="/opt/python/bin/python3.12",
            origin="standalone",
            filename="cpython-3.12.4.tar.gz",
            sha256=digest("python"),
            size=7,
        ),
        bytecode=True,
        system_site_packages=True,
        env=(("A", 'ü " \\ \n'), ("PYTHONPATH", "/work/src")),
        workdir="/project",
        command=("python", "train.py"),
        include=("src",),
        ignore=("*.pyc", "!keep.pyc"),
        build=(BuildCommandLock(argv=("make",), inputs=("Makefile",), network=True),),
        data=(
            DataUse(name="squad", source="https://h.invalid/s.tar", target="/d", unpack=True, copy=True),
            DataUse(name="model", source="hf:org/m@" + "0" * 40, target="/m", files=("*.json",)),
            DataUse(name="own", source="", target="/o", copy=True, folder="~/d"),
        ),
        layers=(
            LayerLock(name="os-essential", members=("bash=1:2.3-4+deb12u1:amd64",), reason="essential"),
            LayerLock(name="os-1", members=("git=1:2.3-4+deb12u1:amd64",), reason="by source"),
            LayerLock(name="system", members=("system",), reason="scripts"),
            LayerLock(
                name="wheels-1",
                members=(
                    "digits-1.0-py3-none-any.whl",
                    "jax-1.0-py3-none-any.whl",
                    "jaxlib-1.0-py3-none-any.whl",
                ),
                reason="small",
            ),
            LayerLock(name="data-own", members=("data:own", "data:squad"), reason="copied"),
        ),
    )
    return Lock(
        name="digits",
        inputs=TreeKey.of(b"inputs"),
        epoch=1_700_000_000,
        recipes=Recipes(deb=2),
        layer_budget=32,
        archives=(
            ArchiveLock(
                alias="debian",
                distribution="debian",
                suite="bookworm",
                components=("main",),
                date="2026-07-01T00:00:00Z",
                release=digest("release"),
                signers=("AB" * 20,),
            ),
        ),
        indexes=(IndexLock(alias="default"), IndexLock(alias="house", folder="wheels")),
        debs=debs,
        wheels=wheels,
        sources=(
            Source(
                kind="git",
                name="tool",
                version="3",
                sha256=digest("tool"),
                url="https://git.invalid/tool.git",
                commit="0" * 40,
                path="sub",
            ),
            Source(
                kind="local",
                name="digits",
                version="0.1",
                sha256=digest("digits"),
                path=".",
                build_requires=("flit_core-1.0-py3-none-any.whl",),
            ),
            Source(
                kind="sdist",
                name="old",
                version="0.1",
                sha256=digest("old"),
                filename="old-0.1.tar.gz",
                size=9,
                index="house",
            ),
        ),
        data=(
            DataFile(source="hf:org/m@" + "0" * 40, path="c.json", sha256=digest("c"), size=2),
            DataFile(source="https://h.invalid/s.tar", path="s.tar", sha256=digest("s"), size=3),
        ),
        targets=(target,),
    )


def big_lock(count: int, *, extra: str = "") -> Lock:
    """`count` artifacts, half .debs and half wheels, on one target; `extra` is one more wheel."""
    debs = tuple(deb(f"package-{number:04d}") for number in range(count // 2))
    names = [f"project-{number:04d}" for number in range(count - count // 2)] + ([extra] if extra else [])
    wheels = tuple(wheel(name, depends=("project-0001",)) for name in sorted(names))
    buckets: dict[int, list[str]] = {}
    for item in wheels:
        buckets.setdefault(hashlib.sha256(item.name.encode()).digest()[0] % 8, []).append(item.id)
    layers = [LayerLock(name="os", members=tuple(item.id for item in debs), reason="OS packages")]
    layers += [
        LayerLock(name=f"wheels-{number}", members=tuple(ids), reason="small wheels, a bucket by name")
        for number, ids in sorted(buckets.items())
    ]
    target = TargetLock(
        name="default",
        platform="linux/amd64",
        base="debian:bookworm",
        requested=tuple(f"pip:{item.name} < requirements.txt" for item in wheels),
        debs=tuple(item.id for item in debs),
        wheels=tuple(item.id for item in wheels),
        layers=tuple(layers),
    )
    return Lock(
        name="big",
        inputs=TreeKey.of(extra.encode()),
        epoch=1,
        archives=(
            ArchiveLock(
                alias="debian",
                distribution="debian",
                suite="bookworm",
                components=("main",),
                date="2026-07-01T00:00:00Z",
                release=digest("release"),
                signers=("AB" * 20,),
            ),
        ),
        indexes=(IndexLock(alias="default"),),
        debs=debs,
        wheels=wheels,
        targets=(target,),
    )
