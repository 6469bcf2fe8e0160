from dataclasses import replace

import pytest

from shipway.core.digest import BlobDigest
from shipway.core.errors import ToolError
from shipway.lock.model import Deb, Wheel
from shipway.plan.layers import BIG, HARD_LIMIT, Contents, choose_layers

MB = 1 << 20


def deb(name, size=1000, *, source=None, essential=False):
    return Deb(
        name=name, version="1", architecture="amd64", sha256=BlobDigest.of(name.encode()), size=size, path=f"pool/{name}.deb",
        archive="debian", source=source or name, essential=essential,
    )  # fmt: skip


def wheel(name, size=1000, *, built=False):
    return Wheel(
        name=name, version="1", filename=f"{name}-1-py3-none-any.whl", sha256=BlobDigest.of(name.encode()), size=size,
        index="" if built else "default", source="local:x=1" if built else "",
    )  # fmt: skip


def contents(debs=(), wheels=(), **flags):
    flags = {"python": bool(wheels), "standalone": False, "commands": False, "files": True} | flags
    return Contents(debs=tuple(debs), wheels=tuple(wheels), **flags)


def names(layers):
    return [layer.name for layer in layers]


OS = [
    deb("libc6", essential=True),
    deb("bash", essential=True),
    deb("git"),
    deb("libgit", source="git"),
    deb("llvm", 90 * MB),
]
SMALL = [wheel(f"small{n}") for n in range(60)]
LARGE = [wheel("jaxlib", 80 * MB), wheel("scipy", 35 * MB), wheel("numpy", 16 * MB)]


def test_from_the_system_up_to_the_source():
    layers = choose_layers(
        contents(OS, [*SMALL, *LARGE, wheel("mine", built=True)], commands=True, standalone=True), budget=64
    )
    order = names(layers)
    assert order[0] == "os-essential"
    assert order[-3:] == ["local", "commands", "files"]
    assert (
        order.index("deb-llvm")
        < order.index("system")
        < order.index("python")
        < order.index("venv")
        < order.index("wheel-jaxlib")
    )
    assert order.index("wheel-numpy") < order.index("wheels-0")


def test_every_package_is_in_one_layer_and_has_a_reason():
    layers = choose_layers(contents(OS, [*SMALL, *LARGE]), budget=64)
    members = [member for layer in layers for member in layer.members]
    assert len(members) == len(set(members))
    assert {item.id for item in [*OS, *SMALL, *LARGE]} <= set(members)
    assert all(layer.reason for layer in layers)


def test_packages_of_one_source_stay_together():
    layers = choose_layers(contents(OS), budget=64)
    assert any({OS[2].id, OS[3].id} <= set(layer.members) for layer in layers)


def test_adding_a_small_wheel_changes_one_bucket_and_no_place():
    before = choose_layers(contents(OS, [*SMALL, *LARGE]), budget=64)
    after = choose_layers(contents(OS, [*SMALL, *LARGE, wheel("equinox")]), budget=64, previous=before)
    assert names(after) == names(before)
    changed = [one.name for one, other in zip(before, after, strict=True) if one.members != other.members]
    assert len(changed) == 1
    assert changed[0].startswith("wheels-")


def test_a_new_big_wheel_comes_after_those_that_were_there():
    before = choose_layers(contents((), [*SMALL, *LARGE]), budget=64)
    after = choose_layers(
        contents((), [*SMALL, *LARGE, wheel("torch", 700 * MB)]), budget=64, previous=before
    )
    assert [name for name in names(after) if name != "wheel-torch"] == names(before)
    assert names(after).index("wheel-torch") == names(before).index("wheel-numpy") + 1


def test_without_a_past_the_result_depends_on_the_contents_only():
    forward = choose_layers(contents(OS, [*SMALL, *LARGE]), budget=64)
    backward = choose_layers(contents(OS[::-1], [*SMALL, *LARGE][::-1]), budget=64)
    assert forward == backward


def test_the_budget_holds_and_the_biggest_win():
    many = [wheel(f"big{n:03}", BIG + n) for n in range(200)]
    layers = choose_layers(contents(OS, many, standalone=True, commands=True), budget=40)
    assert len(layers) <= 40
    alone = [name for name in names(layers) if name.startswith("wheel-")]
    assert "wheel-big199" in alone
    assert "wheel-big000" not in alone


def test_who_had_a_layer_keeps_it_when_a_bigger_one_comes():
    many = [wheel(f"big{n:03}", BIG + n) for n in range(30)]
    before = choose_layers(contents((), many), budget=40)
    after = choose_layers(contents((), [*many, wheel("huge", 900 * MB)]), budget=40, previous=before)
    assert [name for name in names(before) if name.startswith("wheel-big")] == [
        name for name in names(after) if name.startswith("wheel-big")
    ]


@pytest.mark.parametrize("budget", [0, 5, HARD_LIMIT + 1])
def test_a_budget_that_no_engine_takes_is_refused(budget):
    with pytest.raises(ToolError, match="layer-budget"):
        choose_layers(contents(OS), budget=budget)


def test_nothing_asked_for_nothing_planned():
    assert choose_layers(contents(files=False), budget=64) == ()


def test_a_wheel_that_shrinks_below_the_limit_moves_to_a_bucket():
    before = choose_layers(contents((), LARGE), budget=64)
    slim = [*LARGE[:2], replace(LARGE[2], size=1000)]
    after = choose_layers(contents((), slim), budget=64, previous=before)
    assert "wheel-numpy" not in names(after)
