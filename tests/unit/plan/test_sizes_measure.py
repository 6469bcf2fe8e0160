"""Bytes per layer, package and cause, and what an image could do without; all from manifests."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from shipway.core.digest import BlobDigest, TreeKey
from shipway.core.manifest import DIRECTORY, FILE, WHITEOUT, Entry, Manifest
from shipway.core.waste import CAREFUL, Waste, find_expression, find_waste
from shipway.lock.model import Deb, Lock, PythonLock, Source, TargetLock, Wheel
from shipway.plan.causes import find_causes, parse_requested
from shipway.plan.findings import is_build_tool
from shipway.plan.sizes import SizedLayer, SizedTree, list_shipped, measure


def file(path, size, content=""):
    return Entry(path, FILE, 0o644, size=size, digest=hashlib.sha256((content or path).encode()).hexdigest())


def tree(name, *entries, kind="deb"):
    return SizedTree(name, kind, f"{name} 1.0", Manifest(entries))


def finding(layers, kind):
    return next((one for one in measure(layers, ()).findings if one.kind == kind), None)


LAYERS = [
    SizedLayer(
        "os", "os", (tree("base", file("usr/bin/a", 10), file("etc/x", 3)), tree("extra", file("etc/x", 4)))
    ),
    SizedLayer("top", "top", (tree("tool", file("usr/bin/a", 20, "other"), kind="wheel"),)),
]


def test_a_file_replaced_in_its_own_layer_does_not_travel_and_one_replaced_from_above_does():
    assert [(one.entry.path, one.tree.id, one.visible) for one in list_shipped(LAYERS)] == [
        ("etc/x", "extra", True),
        ("usr/bin/a", "base", False),
        ("usr/bin/a", "tool", True),
    ]
    found = finding(LAYERS, "hidden")
    assert (found.size, found.packages, found.examples) == (10, ("base 1.0",), ("usr/bin/a",))


def test_layers_and_packages_add_up():
    sizes = measure(LAYERS, ())
    assert (sizes.size, sizes.files) == (34, 3)
    assert [(layer.name, layer.size, layer.packages) for layer in sizes.layers] == [
        ("os", 14, 2),
        ("top", 20, 1),
    ]
    assert [(one.name, one.size) for one in sizes.packages] == [
        ("tool 1.0", 20),
        ("base 1.0", 10),
        ("extra 1.0", 4),
    ]


@pytest.mark.parametrize(
    "above", [Entry("opt", WHITEOUT, 0), Entry("opt", FILE, 0o644, size=0, digest="0" * 64)]
)
def test_what_lies_below_a_removed_folder_is_deleted(above):
    below = tree("base", Entry("opt", DIRECTORY, 0o755), file("opt/big", 100))
    layers = [
        SizedLayer("one", "", (below,)),
        SizedLayer("two", "", (tree("commands", above, kind="commands"),)),
    ]
    assert finding(layers, "deleted").size == 100
    assert finding(layers, "hidden") is None


def test_a_copy_with_another_mode_in_a_higher_layer_counts_as_that():
    above = file("opt/big", 100)._replace(mode=0o777)
    layers = [
        SizedLayer("one", "", (tree("base", file("opt/big", 100)),)),
        SizedLayer("two", "", (tree("chmod", above),)),
    ]
    found = finding(layers, "copied-again")
    assert (found.size, found.packages) == (100, ("base 1.0",))
    assert finding(layers, "hidden") is None


def test_equal_contents_count_once():
    trees = (
        tree("a", file("lib/a.so", 50, "same")),
        tree("b", file("lib/b.so", 50, "same"), file("lib/c.so", 50, "other")),
    )
    found = finding([SizedLayer("one", "", trees)], "duplicates")
    assert (found.size, found.files, found.examples) == (50, 1, ("lib/b.so",))


def test_a_cuda_library_of_two_packages_counts_without_the_biggest_copy():
    site = "opt/venv/lib/python3.11/site-packages"
    trees = (
        tree("nvidia-cudnn", file(f"{site}/nvidia/cudnn/lib/libcudnn.so.9", 70), kind="wheel"),
        tree("torch", file(f"{site}/torch/lib/libcudnn-1a2b.so.8.9", 60), kind="wheel"),
        tree(
            "os-cuda",
            file("usr/local/cuda/lib64/libcudart.so.12", 5),
            file("usr/local/cuda/lib64/libcublasLt.so.12", 9),
        ),
        tree("nvidia-cublas", file(f"{site}/nvidia/cublas/lib/libcublas.so.12", 8), kind="wheel"),
    )
    found = finding([SizedLayer("one", "", trees)], "cuda-twice")
    assert (found.size, found.packages) == (60, ("torch 1.0",))
    assert finding([SizedLayer("one", "", trees[2:])], "cuda-twice") is None


@pytest.mark.parametrize(
    ("kind", "name", "is_tool"),
    [
        ("deb", "gcc", True), ("deb", "gcc-12", True), ("deb", "gcc-12-base", False), ("deb", "libgcc-12-dev", True),
        ("deb", "libgcc-s1", False), ("deb", "g++-12", True), ("deb", "binutils-x86-64-linux-gnu", True), ("deb", "make", True),
        ("deb", "makedev", False), ("deb", "libc6", False), ("deb", "zlib1g-dev", True), ("deb", "devscripts", False),
        ("wheel", "cmake", True), ("wheel", "numpy", False), ("wheel", "nvidia-cuda-nvcc-cu12", False), ("system", "make", False),
    ],
)  # fmt: skip
def test_build_tools_go_by_name(kind, name, is_tool):
    assert is_build_tool(kind, name) is is_tool


SITE = "opt/venv/lib/python3.11/site-packages"


@pytest.mark.parametrize(
    ("path", "waste"),
    [
        ("usr/share/doc/git/changelog.gz", Waste.DOCS), ("usr/share/doc/git/copyright", None),
        ("usr/share/doc/git/contrib/copyright", Waste.DOCS), ("usr/share/man/man1/git.1.gz", Waste.DOCS),
        ("usr/share/documents/x", None), ("usr/include/stdio.h", Waste.HEADERS), ("usr/lib/x/pkgconfig/z.pc", Waste.HEADERS),
        ("usr/share/locale/de/LC_MESSAGES/git.mo", Waste.LOCALES), ("usr/share/locale/locale.alias", None),
        ("usr/lib/x/libz.a", Waste.STATIC), ("usr/lib/x/libz.la", Waste.STATIC), ("usr/lib/x/libz.so.1", None),
        ("usr/lib/data", None), (f"{SITE}/numpy/core/tests/test_a.py", Waste.TESTS), (f"{SITE}/pandas/tests/x.csv", Waste.TESTS),
        (f"{SITE}/numpy/testing/x.py", None), (f"{SITE}/tests/x.py", None), (f"{SITE}/torch/include/a.h", Waste.WHEEL_HEADERS),
        ("var/cache/apt/pkgcache.bin", Waste.CACHES), ("var/cache/debconf/config.dat", None), ("root/.cache/pip/x", Waste.CACHES),
        ("var/lib/dpkg/status", None),
    ],
)  # fmt: skip
def test_waste_goes_by_path(path, waste):
    assert find_waste(path) is waste


PATHS = (
    "usr/share/doc/git/changelog.gz", "usr/share/doc/git/copyright", "usr/share/doc/git/contrib/copyright",
    "usr/share/man/man1/git.1.gz", "usr/share/documents/x", "usr/include/stdio.h", "usr/lib/x/pkgconfig/z.pc",
    "usr/share/locale/de/LC_MESSAGES/git.mo", "usr/share/locale/locale.alias", "usr/lib/x/libz.a", "usr/lib/x/libz.so.1",
    f"{SITE}/numpy/core/tests/test_a.py", f"{SITE}/numpy/testing/x.py", f"{SITE}/torch/include/a.h", "root/.cache/pip/x",
)  # fmt: skip


@pytest.mark.parametrize("kinds", [(Waste.DOCS,), CAREFUL, tuple(Waste)])
def test_find_finds_the_same_files(tmp_path, kinds):
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    # The words are for a root; here that is a folder.
    words = [
        word.replace("/(", f"{tmp_path}/(", 1) if word.startswith("/") else word
        for word in find_expression(kinds)
    ]
    done = subprocess.run(
        ["find", tmp_path, *words, "!", "-type", "d"], capture_output=True, text=True, check=True
    )
    found = {line.removeprefix(f"{tmp_path}/") for line in done.stdout.splitlines()}
    assert found == {path for path in PATHS if find_waste(path, kinds)}
    assert found


def test_nothing_is_left_out_of_a_target_that_is_not_slim():
    assert find_expression(()) == ()


def test_only_the_wanted_kinds_are_looked_for():
    assert find_waste("usr/include/a.h", (Waste.DOCS,)) is None
    assert find_waste(f"{SITE}/torch/include/a.h", CAREFUL) is None


def deb(name, *depends, essential=False):
    return Deb(
        name=name, version="1", architecture="amd64", sha256=BlobDigest.of(name.encode()), size=1, path=f"pool/{name}.deb",
        archive="debian", source=name, essential=essential, depends=depends,
    )  # fmt: skip


def wheel(name, *depends, source=""):
    return Wheel(
        name=name, version="1", filename=f"{name}-1-py3-none-any.whl", sha256=BlobDigest.of(name.encode()), size=1,
        index="" if source else "default", source=source, depends=depends,
    )  # fmt: skip


def test_causes_say_what_dropping_a_wish_would_save():
    debs = (deb("base", essential=True), deb("git", "curl"), deb("wget", "curl"), deb("curl", "base"))
    local = Source(kind="local", name="mine", version="1", sha256=BlobDigest.of(b""), path="lib")
    wheels = (wheel("jax", "numpy"), wheel("numpy"), wheel("mine", "numpy", source=local.id))
    target = TargetLock(
        name="cpu",
        platform="linux/amd64",
        base="debian:bookworm",
        requested=(
            "apt:git < shipway.toml:3 (apt)",
            "apt:wget < shipway.toml:3 (apt)",
            "pip:JAX[cpu]<1 < r.txt:2",
            "project:lib < x",
        ),
        debs=tuple(one.id for one in debs),
        wheels=tuple(one.id for one in wheels),
        python=PythonLock(version="3.11", executable="/usr/bin/python3.11"),
    )
    lock = Lock(name="x", inputs=TreeKey.of(b""), epoch=0, debs=debs, wheels=wheels, sources=(local,))
    causes = find_causes(lock, target)
    assert [(cause.wish, sorted(name.partition("=")[0] for name in cause.packages)) for cause in causes][
        :2
    ] == [
        ("apt:git", ["base", "curl", "git"]),
        ("apt:wget", ["base", "curl", "wget"]),
    ]
    trees = [tree(one.id, file(f"usr/bin/{one.name}", 10)) for one in debs]
    trees += [tree(one.id, file(f"{SITE}/{one.name}.py", 100), kind="wheel") for one in wheels]
    sizes = measure([SizedLayer("all", "", tuple(trees))], causes)
    assert [(one.wish, one.alone, one.size) for one in sizes.causes] == [
        ("pip:JAX[cpu]<1", 100, 200),
        ("project:lib", 100, 200),
        ("apt:git", 10, 30),
        ("apt:wget", 10, 30),
        ("every system has it (essential)", 0, 10),
    ]


def test_a_requested_line_is_taken_apart():
    assert parse_requested("pip:Foo_Bar[x]<1 < a.toml:2 (pip)") == (
        "pip:Foo_Bar[x]<1",
        "a.toml:2 (pip)",
        "wheel",
        "foo-bar",
    )
    assert parse_requested("apt:g++ < a")[2:] == ("deb", "g++")
    assert parse_requested("project:libs/x < a")[2:] == ("", "libs/x")
