"""Chains from a wish to a package, and differences between builds."""

from __future__ import annotations

import pytest

from shipway.core.digest import BlobDigest, TreeKey
from shipway.core.errors import NotFound
from shipway.lock.model import Deb, LayerLock, Lock, PythonLock, TargetLock, Wheel
from shipway.verbs.history import compare_builds
from shipway.verbs.prepare import describe_changes, package_names
from shipway.verbs.why import find_chain, find_reasons


def deb(name, *depends, essential=False, version="1.0"):
    return Deb(
        name=name, version=version, architecture="amd64", sha256=BlobDigest.of(name.encode()), size=2048, path=f"pool/{name}.deb",
        archive="debian", source=name, essential=essential, depends=depends,
    )  # fmt: skip


def wheel(name, *depends, version="1.0"):
    return Wheel(
        name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl", sha256=BlobDigest.of(name.encode()), size=1024,
        index="default", depends=depends,
    )  # fmt: skip


DEBS = (
    deb("base-files", "libc6", essential=True),
    deb("libc6", "libcrypt1"),
    deb("libcrypt1", "libc6"),
    deb("git", "libcurl", "libc6"),
    deb("libcurl", "libssl3"),
    deb("libssl3"),
    deb("python3.11", "libpython"),
    deb("libpython"),
)
WHEELS = (wheel("jax", "numpy", "jaxlib"), wheel("jaxlib", "numpy"), wheel("numpy"), wheel("orphan"))
LOCK = Lock(
    name="x",
    inputs=TreeKey.of(b""),
    epoch=0,
    debs=DEBS,
    wheels=WHEELS,
    targets=(
        TargetLock(
            name="cpu",
            platform="linux/amd64",
            base="debian:bookworm",
            requested=("apt:git < shipway.toml:3 (apt)", "pip:JAX[cpu]<1 < requirements.txt:2"),
            debs=tuple(one.id for one in DEBS),
            wheels=tuple(one.id for one in WHEELS),
            python=PythonLock(version="3.11", executable="/usr/bin/python3.11"),
            layers=(LayerLock(name="wheels-0", members=(WHEELS[2].id,), reason="small wheels"),),
        ),
    ),
)


def reasons(name):
    (found,) = find_reasons(LOCK, LOCK.targets[0], name)
    return found


def chain(reason):
    return [link.name for link in reason.chain]


def test_the_chain_leads_from_the_wish_to_the_package():
    found = reasons("libssl3")
    assert [(reason.wish, reason.origin, chain(reason)) for reason in found.reasons] == [
        ("apt:git", "shipway.toml:3 (apt)", ["git", "libcurl", "libssl3"])
    ]


def test_the_shortest_chain_is_told_with_size_and_layer():
    found = reasons("NumPy")
    assert (found.kind, found.size, found.layer, found.layer_reason) == (
        "wheel",
        1024,
        "wheels-0",
        "small wheels",
    )
    assert [(reason.wish, chain(reason)) for reason in found.reasons] == [
        ("pip:JAX[cpu]<1", ["jax", "numpy"])
    ]


def test_what_nobody_asked_for_has_a_reason_too():
    (essential,) = reasons("base-files").reasons
    assert "essential" in essential.wish
    (python,) = reasons("libpython").reasons
    assert "interpreter" in python.wish
    assert chain(python) == ["python3.11", "libpython"]
    assert reasons("orphan").reasons == ()


def test_circles_end():
    packages = {one.name: one for one in DEBS}
    assert find_chain(packages, "libc6", "libcrypt1") == ["libc6", "libcrypt1"]
    assert find_chain(packages, "libc6", "git") is None


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(NotFound, match="`nunpy`") as caught:
        reasons("nunpy")
    assert "`numpy`" in caught.value.hints[0]


def test_changes_between_locks():
    other = Lock(
        name="x",
        inputs=TreeKey.of(b""),
        epoch=0,
        debs=DEBS[1:],
        wheels=(*WHEELS[:2], wheel("numpy", version="2.0")),
    )
    assert describe_changes(LOCK, other) == (
        "deb base-files 1.0 -> (none)",
        "wheel numpy 1.0 -> 2.0",
        "wheel orphan 1.0 -> (none)",
    )


def test_names_in_messages_lead_back_to_packages():
    assert package_names(LOCK, ("git 1.0", "numpy-1.0-py3-none-any.whl", "unknown 3")) == {"git", "numpy"}


def test_differences_of_two_builds():
    before = {
        "wheel numpy": {
            "layer": "wheels-0",
            "name": "numpy 1.0",
            "inputs": {"sha256": "a" * 64, "python": "3.11"},
        },
        "wheel gone": {"layer": "wheels-1", "name": "gone 1.0", "inputs": {}},
        "system": {"layer": "system", "name": "system", "inputs": {"debs": [["git", "1.0"], ["vim", "9"]]}},
    }
    after = {
        "wheel numpy": {
            "layer": "wheels-0",
            "name": "numpy 2.0",
            "inputs": {"sha256": "b" * 64, "python": "3.11"},
        },
        "system": {"layer": "system", "name": "system", "inputs": {"debs": [["git", "1.1"], ["vim", "9"]]}},
        "wheel new": {"layer": "wheels-2", "name": "new 1.0", "inputs": {}},
    }
    found = {one.tree: (one.what, one.layer, one.changes) for one in compare_builds(before, after)}
    assert found == {
        "numpy 2.0": ("changed", "wheels-0", (("sha256", "a" * 12, "b" * 12),)),
        "system": ("changed", "system", (("debs", "git 1.0", "git 1.1"),)),
        "new 1.0": ("added", "wheels-2", ()),
        "gone 1.0": ("removed", "wheels-1", ()),
    }
    assert compare_builds(after, after) == ()
