"""A build that fails or is interrupted while workers still write: none of them may outlive the staging folder."""

from __future__ import annotations

import hashlib
import os
import threading
from types import SimpleNamespace

import pytest

from shipway.build import making
from shipway.build.workers import Workers
from shipway.core.errors import FetchError
from shipway.core.manifest import Entry, Manifest
from shipway.plan.model import TreeKind, TreeRequest
from shipway.store.store import Store

KEPT = TreeRequest(kind=TreeKind.WHEEL, name="slow 1", inputs={"slow": 1})


def meet(fifo: str, mode: str) -> None:
    """Wait until the other side of `fifo` is open too."""
    with open(fifo, mode):
        pass


def write_when_told(job) -> Manifest:
    """Stands for the unpacking of a large wheel: still at work when the test says that a download failed."""
    meet(f"{job.path}/started", "w")
    meet(f"{job.path}/go", "r")
    path = os.path.join(job.root, "f")
    with open(path, "wb") as file:
        file.write(b"x")
    os.chmod(path, 0o644)
    os.utime(path, ns=(0, 0))
    digest = hashlib.sha256(b"x").hexdigest()
    return Manifest(
        [
            Entry(path=".", kind="d", mode=0o755),
            Entry(path="f", kind="f", mode=0o644, size=1, digest=digest),
        ]
    )


@pytest.fixture
def world(tmp_path, monkeypatch):
    """`build(error)` makes one tree whose worker is at work when the downloads end with `error`; gives what is raised."""
    for name in ("started", "go"):
        os.mkfifo(tmp_path / name)
    monkeypatch.setattr(making, "unpack", write_when_told)
    store = Store.open(str(tmp_path / "store"))
    closed: list[str] = []

    def arriving(artifacts, context):
        try:
            yield artifacts[0], str(tmp_path)
            meet(f"{tmp_path}/started", "r")
            raise context.error
        finally:
            closed.append("downloads")

    monkeypatch.setattr(making, "fetch_artifacts", arriving)
    artifact = SimpleNamespace(sha256="0" * 64, size=1, filename="slow.whl", id="slow")

    def make(error: BaseException) -> None:
        with Workers(2) as workers, store.transaction() as tx:
            context = SimpleNamespace(
                tx=tx, trees={}, error=error, emit=lambda event: None, artifact=lambda request: artifact
            )
            try:
                making.Making(context, workers).run([KEPT], [])
            finally:
                tx.commit()

    def build(error: BaseException) -> BaseException:
        with pytest.raises(type(error)) as caught:
            make(error)
        return caught.value

    return SimpleNamespace(store=store, build=build, closed=closed, folder=tmp_path)


def test_what_a_worker_was_making_when_a_download_failed_is_kept(world):
    error = FetchError("gone")
    later = threading.Timer(0.3, meet, (f"{world.folder}/go", "w"))
    later.start()
    assert world.build(error) is error
    later.join()
    assert world.store.find_tree(KEPT.key) is not None
    assert os.listdir(f"{world.store.path}/staging") == []
    assert world.closed == ["downloads"]


def test_an_interrupt_waits_for_no_worker(world):
    error = KeyboardInterrupt()
    assert world.build(error) is error
    assert world.store.find_tree(KEPT.key) is None
    assert os.listdir(f"{world.store.path}/staging") == []
