"""What is locked stays where it is, or the resolution fails: with the real uv against an index on loopback."""

import os

import pytest

from shipway.core.digest import TreeKey
from shipway.core.errors import ConflictError
from shipway.host.http import Fetcher
from shipway.host.indexes import read_indexes
from shipway.lock.model import Lock, TargetLock
from shipway.plan.moves import Move, disturbed, find_moves
from shipway.resolve.hold import differing_names, held_constraints, held_debs
from shipway.resolve.uv_groups import group_names
from shipway.resolve.wheel_request import WheelRequest
from shipway.resolve.wheels import resolve_wheels
from shipway.spec.model import Origin, Wish
from shipway.testing.package_index import PackageIndex

AMD64 = "linux/amd64"


def request(target, *texts, python="3.11"):
    wishes = tuple(Wish(text=t, origin=Origin(file="r.txt", line=n)) for n, t in enumerate(texts, 1))
    return WheelRequest(target=target, platform=AMD64, python=python, glibc=(2, 36), wishes=wishes)


def lock_of(resolution, *requests):
    targets = tuple(
        TargetLock(
            name=r.target, platform=AMD64, base="debian:bookworm", wheels=resolution.targets[r.target, AMD64]
        )
        for r in requests
    )
    return Lock(name="x", inputs=TreeKey.of(b""), epoch=0, wheels=resolution.wheels, targets=targets)


@pytest.fixture
def index():
    """Like JAX and Equinox: the newest `eq` needs a newer `jx` than the one that is locked."""
    with PackageIndex() as running:
        for version in ("0.4.30", "0.10"):
            running.add_wheel("jx", version)
        running.add_wheel("eq", "0.11", requires=["jx>=0.4", "small"])
        running.add_wheel("eq", "0.13", requires=["jx>=0.5", "small"])
        running.add_wheel("small", "1.0")
        yield running


@pytest.fixture
def resolve(index, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def go(*requests, **options):
        given = {"HOME": str(tmp_path), "SHIPWAY_INDEX_DEFAULT": index.simple_url, "PATH": os.environ["PATH"]}
        fetcher = Fetcher(environ=given)
        return resolve_wheels(
            requests, indexes=read_indexes(given), fetcher=fetcher, environ=given, **options
        )

    return go


def versions(resolution, target="cpu"):
    return {wheel.name: wheel.version for wheel in resolution.wheels_of(target, AMD64)}


def test_a_new_package_takes_the_version_that_fits(resolve):
    before = request("cpu", "jx<0.5")
    old = lock_of(resolve(before), before)
    after = request("cpu", "jx", "eq")
    assert (
        versions(resolve(after, previous=old))["jx"] == "0.10"
    )  # a preference only: the newest `eq` is worth more
    held = resolve(after, previous=old, hold=frozenset({"eq"}))
    assert versions(held) == {"jx": "0.4.30", "eq": "0.11", "small": "1.0"}
    moves = find_moves(old, lock_of(held, after))
    assert moves == (Move("wheel", "eq", "", "0.11", ("cpu",)), Move("wheel", "small", "", "1.0", ("cpu",)))
    assert not disturbed(moves, {"eq"})


def test_what_does_not_fit_is_a_conflict_and_asks_for_no_page_twice(index, resolve):
    before = request("cpu", "jx<0.5")
    old = lock_of(resolve(before), before)
    after = request("cpu", "jx", "eq==0.13")
    with pytest.raises(ConflictError):
        resolve(after, previous=old, hold=frozenset({"eq"}))
    assert len(index.asked("/simple/jx/")) == 1
    free = resolve(after, previous=old, hold=frozenset({"eq", "jx"}))
    assert [
        (one.name, one.before, one.after) for one in disturbed(find_moves(old, lock_of(free, after)), {"eq"})
    ] == [("jx", "0.4.30", "0.10")]


def test_one_version_for_all_targets_or_none(resolve):
    both = (request("cpu", "jx<0.5"), request("gpu", "jx<0.5", "small"))
    old = lock_of(resolve(*both), *both)
    after = (request("cpu", "jx", "eq==0.11"), request("gpu", "jx", "small", "eq==0.13"))
    with pytest.raises(ConflictError):
        resolve(*after, previous=old, hold=frozenset({"eq"}))


def test_targets_that_differed_already_stay_different(resolve):
    both = (request("cpu", "jx==0.4.30"), request("gpu", "jx==0.10"))
    old = lock_of(resolve(*both), *both)
    assert differing_names(old) == {"jx"}
    after = (request("cpu", "jx==0.4.30", "eq"), request("gpu", "jx==0.10", "eq"))
    held = resolve(*after, previous=old, hold=frozenset({"eq"}))
    assert (versions(held)["eq"], versions(held, "gpu")["eq"]) == (
        "0.11",
        "0.11",
    )  # what fits both is taken for both
    assert (versions(held)["jx"], versions(held, "gpu")["jx"]) == ("0.4.30", "0.10")
    assert not disturbed(find_moves(old, lock_of(held, *after)), {"eq"})


def test_bounds_speak_of_their_own_python_only(resolve):
    both = (request("cpu", "jx<0.5"), request("new", "jx", python="3.12"))
    old = lock_of(resolve(*both), *both)
    bounds = held_constraints(old, group_names(both), frozenset())
    assert {bound.partition(" ; ")[0] for bound in bounds} == {"jx==0.4.30", "jx==0.10"}
    assert all("python_full_version" in bound for bound in bounds)
    assert held_constraints(old, group_names(both[:1]), frozenset({"jx"})) == ()


def test_os_packages_are_taken_over_or_asked_for_as_a_whole():
    one = TargetLock(name="cpu", platform=AMD64, base="debian:bookworm")
    old = Lock(name="x", inputs=TreeKey.of(b""), epoch=0, targets=(one,))
    assert held_debs(old, [("cpu", AMD64)]).targets == {("cpu", AMD64): ()}
    assert held_debs(old, [("cpu", AMD64), ("gpu", AMD64)]) is None
