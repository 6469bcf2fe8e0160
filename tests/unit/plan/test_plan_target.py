from dataclasses import replace

import pytest

from shipway.core.digest import BlobDigest, key_of
from shipway.lock.model import BuildCommandLock, Deb, LayerLock, Lock, PythonLock, TargetLock, Wheel
from shipway.plan.model import TreeKind
from shipway.plan.target import plan_target


def deb(name, version="1"):
    return Deb(
        name=name, version=version, architecture="amd64", sha256=BlobDigest.of(f"{name}{version}".encode()), size=7,
        path=f"pool/{name}.deb", archive="debian", source=name,
    )  # fmt: skip


DEBS = (deb("libc6"), deb("python3.11-minimal"))
WHEEL = Wheel(
    name="six",
    version="1",
    filename="six-1-py3-none-any.whl",
    sha256=BlobDigest.of(b"six"),
    size=9,
    index="default",
)
LAYERS = (
    LayerLock(name="os-0", members=tuple(one.id for one in DEBS), reason="os"),
    LayerLock(name="system", members=("system",), reason="scripts"),
    LayerLock(name="venv", members=("venv",), reason="venv"),
    LayerLock(name="wheels-0", members=(WHEEL.id,), reason="small"),
    LayerLock(name="commands", members=("commands",), reason="made"),
    LayerLock(name="files", members=("files",), reason="source"),
)
TARGET = TargetLock(
    name="cpu", platform="linux/amd64", base="debian:bookworm@2026-01-01", debs=tuple(one.id for one in DEBS), wheels=(WHEEL.id,),
    python=PythonLock(version="3.11", executable="/usr/bin/python3.11"), env=(("A", "1"), ("PATH", "/mine")), workdir="/w",
    command=("python",), build=(BuildCommandLock(argv=("make",), inputs=("src",)),), layers=LAYERS,
)  # fmt: skip
LOCK = Lock(name="x", inputs=key_of({}), epoch=1_700_000_000, debs=DEBS, wheels=(WHEEL,), targets=(TARGET,))


def plan(lock=LOCK):
    return plan_target(lock, "cpu", "linux/amd64")


def tree(kind, lock=LOCK):
    return next(one for one in plan(lock).trees if one.kind == kind)


def changed(**fields):
    return replace(LOCK, targets=(replace(TARGET, **fields),))


def test_a_tree_per_package_in_the_order_of_the_layers():
    assert [one.kind for one in plan().trees] == [
        TreeKind.DEB, TreeKind.DEB, TreeKind.SYSTEM, TreeKind.VENV, TreeKind.WHEEL, TreeKind.COMMANDS, TreeKind.FILES,
    ]  # fmt: skip
    assert plan().layers[0].packages == ("libc6 1", "python3.11-minimal 1")


def test_the_plan_is_a_function_of_the_lock():
    assert plan() == plan()
    assert [one.key for one in plan().trees] == [one.key for one in plan().trees]


def test_the_config_delta_is_keyed_by_every_package_and_not_by_their_order():
    swapped = changed(debs=TARGET.debs[::-1])
    assert tree(TreeKind.SYSTEM, swapped).key == tree(TreeKind.SYSTEM).key
    newer = deb("libc6", "2")
    moved = replace(
        changed(
            debs=(newer.id, DEBS[1].id),
            layers=(replace(LAYERS[0], members=(newer.id, DEBS[1].id)), *LAYERS[1:]),
        ),
        debs=(newer, DEBS[1]),
    )
    assert tree(TreeKind.SYSTEM, moved).key != tree(TreeKind.SYSTEM).key


def test_bytecode_is_keyed_by_the_very_interpreter():
    compiled = changed(bytecode=True)
    assert tree(TreeKind.WHEEL, compiled).key != tree(TreeKind.WHEEL).key
    newer = deb("python3.11-minimal", "2")
    members = (DEBS[0].id, newer.id)
    other = replace(
        changed(bytecode=True, debs=members, layers=(replace(LAYERS[0], members=members), *LAYERS[1:])),
        debs=(DEBS[0], newer),
    )
    assert tree(TreeKind.WHEEL, other).key != tree(TreeKind.WHEEL, compiled).key


def test_build_commands_are_keyed_by_everything_below_them():
    below = plan().trees[:5]
    assert tree(TreeKind.COMMANDS).inputs["below"] == [one.key.hex for one in below]


def test_the_image_finds_the_environment_first_unless_the_spec_says_otherwise():
    env = dict(plan(changed(env=())).settings.env)
    assert env["PATH"].startswith("/opt/venv/bin:")
    assert dict(plan().settings.env)["PATH"] == "/mine"
    assert (plan().settings.workdir, plan().settings.command, plan().settings.epoch) == (
        "/w",
        ("python",),
        1_700_000_000,
    )


def test_what_the_lock_lacks_is_said():
    with pytest.raises(KeyError, match="gpu"):
        plan_target(LOCK, "gpu", "linux/amd64")
    with pytest.raises(KeyError, match="no section"):
        plan(changed(layers=(LayerLock(name="x", members=("nothing",), reason=""),)))
    with pytest.raises(KeyError, match="no interpreter"):
        plan(changed(python=None))
