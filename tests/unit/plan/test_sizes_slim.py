"""What a slim target leaves out, how much that is, and what that does to keys."""

from __future__ import annotations

from dataclasses import replace

from shipway.core.digest import BlobDigest, TreeKey
from shipway.core.manifest import FILE, Entry, Manifest
from shipway.lock.check import find_faults
from shipway.lock.model import Deb, LayerLock, Lock, PythonLock, TargetLock, Wheel
from shipway.lock.parse import parse_lock
from shipway.lock.render import render_lock
from shipway.plan.causes import Cause
from shipway.plan.sizes import SizedLayer, SizedTree
from shipway.plan.slim import Slimming, choose_slimming, estimate_savings, find_compiled_here
from shipway.plan.target import plan_target

SITE = "opt/venv/lib/python3.11/site-packages"


def tree(name, files, kind="deb"):
    entries = [
        Entry(path, FILE, 0o644, size=size, digest=f"{number:064x}")
        for number, (path, size) in enumerate(files)
    ]
    return SizedTree(name, kind, f"{name} 1", Manifest(entries))


LAYERS = [
    SizedLayer(
        "os",
        "",
        (
            tree("gcc", [("usr/bin/gcc", 1000), ("usr/share/doc/gcc/README", 100), ("usr/include/a.h", 10)]),
            tree("libc", [("usr/lib/libc.so", 5), ("usr/share/man/man1/x.1.gz", 3)]),
        ),
    ),
    SizedLayer(
        "wheels",
        "",
        (tree("torch", [(f"{SITE}/torch/a.so", 7), (f"{SITE}/torch/include/a.h", 2)], kind="wheel"),),
    ),
]
CAUSES = (
    Cause(wish="apt:gcc", origin="s", packages=frozenset({"gcc", "libc"})),
    Cause(wish="apt:git", origin="s", packages=frozenset({"libc"})),
)
WISHES = {"apt:gcc", "apt:git", "pip:torch"}


def test_build_tools_and_the_kinds_that_are_there_are_left_out():
    assert choose_slimming(WISHES, LAYERS) == Slimming(kinds=("docs", "headers"), packages=("apt:gcc",))


def test_what_is_kept_stays_and_more_goes_when_asked():
    chosen = choose_slimming(
        WISHES, LAYERS, keep={"apt:gcc", "docs"}, also=("wheel-headers",), inherited=("tests",)
    )
    assert chosen == Slimming(kinds=("headers", "tests", "wheel-headers"), packages=())


def test_savings_count_a_file_once_and_no_package_that_is_needed_elsewhere():
    assert estimate_savings(LAYERS, CAUSES, choose_slimming(WISHES, LAYERS)) == 1000 + 100 + 10 + 3
    assert estimate_savings(LAYERS, CAUSES, Slimming(kinds=("docs",), packages=())) == 103


def wheel(filename, source=""):
    return Wheel(
        name=filename.partition("-")[0], version="1", filename=filename, sha256=BlobDigest.of(filename.encode()), size=1,
        index="" if source else "default", source=source,
    )  # fmt: skip


DEB = Deb(
    name="a", version="1", architecture="amd64", sha256=BlobDigest.of(b"a"), size=1, path="pool/a.deb", archive="debian", source="a"
)  # fmt: skip
WHEEL = wheel("b-1-py3-none-any.whl")
TARGET = TargetLock(
    name="one",
    platform="linux/amd64",
    base="debian:bookworm",
    debs=(DEB.id,),
    wheels=(WHEEL.id,),
    python=PythonLock(version="3.11", executable="/usr/bin/python3.11"),
    layers=tuple(
        LayerLock(name=name, members=(member,), reason="r")
        for name, member in (
            ("os-0", DEB.id), ("system", "system"), ("venv", "venv"), ("wheels-0", WHEEL.id), ("files", "files"),
        )
    ),
)  # fmt: skip
LOCK = Lock(name="x", inputs=TreeKey.of(b""), epoch=0, debs=(DEB,), wheels=(WHEEL,), targets=(TARGET,))


def inputs(target):
    lock = replace(LOCK, targets=(target,))
    return {str(one.kind): one.inputs for one in plan_target(lock, "one", "linux/amd64").trees}


def test_slim_is_in_the_key_of_what_packages_bring_and_in_no_other():
    slim = inputs(replace(TARGET, slim=("docs",)))
    plain = inputs(TARGET)
    assert [kind for kind in plain if slim[kind] != plain[kind]] == ["deb", "system", "wheel"]
    assert slim["deb"] == plain["deb"] | {"slim": [1, "docs"]}


def test_the_lock_keeps_it_and_says_nothing_where_there_is_nothing():
    lock = replace(LOCK, debs=(), wheels=(), targets=(replace(TARGET, debs=(), wheels=(), layers=()),))
    slim = replace(lock, targets=(replace(lock.targets[0], slim=("docs", "tests")),))
    assert "slim" not in render_lock(lock)
    assert parse_lock(render_lock(slim)).targets == slim.targets
    assert "`slim` names no kind of files: `all`" in "\n".join(
        find_faults(replace(lock, targets=(replace(lock.targets[0], slim=("all",)),)))
    )


def test_only_machine_code_that_is_built_here_needs_compilers():
    wheels = (
        wheel("pure-1-py3-none-any.whl", source="sdist:pure=1"),
        wheel("fetched-1-cp311-cp311-linux_x86_64.whl"),
        wheel("made-1-cp311-cp311-linux_x86_64.whl", source="sdist:made=1"),
        wheel("elsewhere-1-cp311-cp311-linux_x86_64.whl", source="sdist:elsewhere=1"),
    )
    target = replace(TARGET, wheels=tuple(one.id for one in wheels[:3]))
    assert find_compiled_here(replace(LOCK, wheels=wheels), target) == ("made",)
