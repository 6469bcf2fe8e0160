"""Builds, collections, uses and verifications of one store at the same time, in several processes."""

from __future__ import annotations

import os
import random
import signal
import threading

import pytest
from crash_work import build, check_recovers, check_sound, in_child
from store_samples import add_sample, age, fill, key, leftovers

from shipway.core.errors import StoreError
from shipway.host import files
from shipway.store import Store


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "store")


class Stopped:
    """A child that stops before its step `name` until it is told to go on; both ways through pipes."""

    def __init__(self, work, name):
        self.arrived, arriving = os.pipe()
        going, self.go_on = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                signal.alarm(60)
                os.close(self.arrived)
                os.close(self.go_on)

                def step(this):
                    if this == name:
                        files.on_step = None
                        os.write(arriving, b"x")
                        os.read(going, 1)

                files.on_step = step
                work()
                code = 0
            except BaseException:  # noqa: BLE001 - the code tells
                import traceback

                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(arriving)
        os.close(going)
        assert os.read(self.arrived, 1) == b"x", f"never came to {name}"

    def finish(self):
        os.write(self.go_on, b"x")
        os.close(self.go_on)
        os.close(self.arrived)
        assert os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == 0


BUILD_STEPS = [
    "stage:mkdir",
    "add-tree:manifest",
    "commit:sync",
    "commit:tree",
    "commit:record",
    "commit:sync-records",
]


@pytest.mark.parametrize("step", BUILD_STEPS)
def test_a_collection_waits_for_a_build_at_any_step(path, step, monkeypatch):
    Store.open(path)
    builder = Stopped(lambda: build(path), step)
    monkeypatch.setenv("SHIPWAY_LOCK_TIMEOUT", "0")
    with pytest.raises(StoreError, match=f"process {builder.pid}"):
        Store.open(path).collect(grace=-1)
    builder.finish()
    check_recovers(path)


@pytest.mark.parametrize("step", ["collect:generation", "collect:record", "collect:move", "collect:readers"])
def test_builds_and_uses_wait_for_a_collection_at_any_step(path, step, monkeypatch):
    store = Store.open(path)
    fill(store, 1, 2)
    collector = Stopped(lambda: Store.open(path).collect(grace=-1), step)
    monkeypatch.setenv("SHIPWAY_LOCK_TIMEOUT", "0")
    with pytest.raises(StoreError, match=f"process {collector.pid}"), store.transaction():
        pass
    with pytest.raises(StoreError, match=f"process {collector.pid}"):
        store.use([key(1)])
    collector.finish()
    monkeypatch.delenv("SHIPWAY_LOCK_TIMEOUT")
    check_recovers(path)


def test_while_a_collection_deletes_others_build(path):
    store = Store.open(path)
    fill(store, 1, 2)
    collector = Stopped(lambda: Store.open(path).collect(grace=-1), "trash:delete")
    (tree,) = fill(store, 1)
    assert os.path.isdir(tree.root)
    collector.finish()
    assert store.find_tree(key(1))
    check_sound(path)


def test_two_builds_of_one_project_make_each_tree_once(path, tmp_path):
    Store.open(path)
    made = tmp_path / "made"
    made.mkdir()

    def work(order):
        store = Store.open(path)
        with store.transaction() as tx:
            for number in order:
                with tx.single_flight(key(number)) as found:
                    if found is None:
                        (made / f"{number}-{os.getpid()}").touch()
                        add_sample(tx, number)
            tx.commit()
        assert all(store.find_tree(key(number)) for number in order)

    for turn in range(5):
        store = Store.open(path)
        numbers = list(range(turn * 10, turn * 10 + 8))
        orders = [random.Random(turn * 7 + who).sample(numbers, len(numbers)) for who in range(3)]
        together([lambda order=order: work(order) for order in orders])
        assert sorted(name.name.split("-")[0] for name in made.iterdir()) == sorted(map(str, numbers))
        for name in made.iterdir():
            name.unlink()
    assert leftovers(store) == []


def together(works):
    """Run each in a child of its own, all at once."""
    codes = []
    threads = [threading.Thread(target=lambda work=work: codes.append(in_child(work))) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * len(works)


def test_everything_at_once(path):
    """Three builders, two collectors, users and a verifier; what is used is whole as long as it is used."""
    Store.open(path)
    rounds = 25

    def builder(seed):
        chance = random.Random(seed)
        store = Store.open(path)
        for _ in range(rounds):
            with store.transaction() as tx:
                for number in chance.sample(range(12), 4):
                    with tx.single_flight(key(number)) as found:
                        tree = add_sample(tx, number) if found is None else found
                        assert os.path.exists(f"{tree.root}/bin/tool")
                tx.commit()

    def collector():
        store = Store.open(path)
        for _ in range(rounds):
            store.collect(grace=-1)

    def user(seed):
        chance = random.Random(seed)
        store = Store.open(path)
        used = 0
        for _ in range(rounds * 4):
            with store.use([key(number) for number in chance.sample(range(12), 9)]) as use:
                for _ in range(3):
                    for tree in use.trees:
                        number = tree.inputs()["number"]
                        with open(f"{tree.root}/bin/tool") as file:
                            assert file.read() == f"tool {number}\n"
                        used += 1

    def verifier():
        store = Store.open(path)
        for _ in range(5):
            assert list(store.verify()) == []

    together(
        [lambda seed=seed: builder(seed) for seed in range(3)]
        + [collector] * 2
        + [lambda seed=seed: user(seed) for seed in (8, 9)]
        + [verifier]
    )
    check_sound(path)
    check_recovers(path)


def test_a_killed_collection_is_finished_by_the_next(path):
    store = Store.open(path)
    fill(store, 1, 2, 3)
    age(store, 10_000)
    collector = Stopped(lambda: Store.open(path).collect(), "trash:delete")
    os.kill(collector.pid, signal.SIGKILL)
    os.waitpid(collector.pid, 0)
    os.close(collector.go_on)
    os.close(collector.arrived)
    assert leftovers(store)
    fill(store, 4)
    assert leftovers(store) == []
