"""What is interrupted in these tests, and what must hold afterwards."""

from __future__ import annotations

import os
import signal

from store_samples import add_sample, add_sample_blob, content_of, inputs_of, key, leftovers

from shipway.core.digest import BlobDigest, LockDigest
from shipway.host import files
from shipway.store import Store

LOCK = LockDigest("sha256:" + "0" * 64)
PINNED = (1, 2, 3, 4)
IDLE = (5,)
SAMPLES = (*PINNED, *IDLE)
BLOB = b"an artifact"


def project_of(path):
    return path + ".project"


def build(path):
    """Two commits, an artifact, facts, a pin, a use: everything that writes, in the order of a real build."""
    os.makedirs(project_of(path), exist_ok=True)
    store = Store.open(path)
    with store.transaction() as tx:
        for number in (1, 2, 3):
            with tx.single_flight(key(number)) as found:
                if found is None:
                    add_sample(tx, number)
        if store.find_blob(BlobDigest.of(BLOB)) is None:
            add_sample_blob(tx, BLOB)
        tx.put_record("diffid", "one", {"of": key(1)})
        tx.commit()
        for number in (4, 5):
            if tx.find_tree(key(number)) is None:
                add_sample(tx, number)
        tx.commit()
    store.pin(project_of(path), [key(number) for number in PINNED], LOCK, blobs=[BlobDigest.of(BLOB)])
    with store.use([key(number) for number in SAMPLES]) as use:
        assert not use.missing


def collect(path):
    Store.open(path).collect(grace=-1)


def damage(path):
    """Change one file of two trees and an artifact, as a bad disk does."""
    store = Store.open(path)
    for number in (1, 5):
        with open(f"{store.find_tree(key(number)).root}/bin/tool", "r+b") as file:
            file.write(b"TOOL")
    blob = store.find_blob(BlobDigest.of(BLOB))
    os.chmod(blob, 0o644)
    with open(blob, "r+b") as file:
        file.write(b"?")


def repair(path):
    store = Store.open(path)

    def again(damaged):
        with store.transaction() as tx:
            for inputs in damaged.inputs:
                add_sample(tx, inputs["number"])
            if damaged.kind == "blob":
                add_sample_blob(tx, BLOB)
            tx.commit()
        return True

    return list(store.verify(again))


def check_sound(path):
    """What holds after any crash: what the store says it has, it has, whole."""
    store = Store.open(path)
    findings = list(store.verify())
    assert findings == [], findings
    for number in SAMPLES:
        tree = store.find_tree(key(number))
        if tree is not None:
            assert tree.inputs() == inputs_of(number)
            for name, data in content_of(number).items():
                with open(f"{tree.root}/{name}", "rb") as file:
                    assert file.read() == data
    fact = store.record("diffid", "one")
    assert fact in (None, {"of": key(1)})
    return store


def check_recovers(path):
    """The next command just works, and a collection leaves nothing of the crash."""
    build(path)
    store = check_sound(path)
    assert all(store.find_tree(key(number)) for number in SAMPLES)
    store.collect(grace=-1)
    assert leftovers(store) == []
    assert [bool(store.find_tree(key(number))) for number in SAMPLES] == [True] * 4 + [False]
    assert sorted(os.listdir(f"{path}/keys-v1")) == sorted(key(number).hex for number in PINNED)
    assert len(os.listdir(f"{path}/trees-v1")) == len(PINNED)
    check_sound(path)


def in_child(work):
    """Run `work` in a child of this process; returns its exit code (0, or what `os._exit` or a signal said)."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(120)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the code tells
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


STOPPED = 77


def stopped_at(number, work):
    """Run `work` in a child that vanishes before its step `number`; True if it got that far."""

    def run():
        left = iter(range(number, -1, -1))

        def stop(_name):
            if next(left) == 0:
                os._exit(STOPPED)

        files.on_step = stop
        work()

    code = in_child(run)
    assert code in (0, STOPPED), code
    return code == STOPPED
