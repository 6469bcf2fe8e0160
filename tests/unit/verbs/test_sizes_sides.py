"""What the words of `diff` name: targets, lock files, commits."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from shipway.core.digest import BlobDigest, TreeKey
from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.lock.model import ArchiveLock, Deb, LayerLock, Lock, TargetLock
from shipway.lock.render import render_lock
from shipway.verbs.context import Task, host_platform
from shipway.verbs.diff import run_diff

SPEC = 'name = "x"\nbase = "debian:bookworm"\n[targets.one]\n[targets.two]\n'
DEBS = tuple(
    Deb(
        name=name, version="1.0", architecture="amd64", sha256=BlobDigest.of(name.encode()), size=1, path=f"pool/{name}.deb",
        archive="debian", source=name,
    )
    for name in ("git", "curl")
)  # fmt: skip
ARCHIVE = ArchiveLock(
    alias="debian", distribution="debian", suite="bookworm", components=("main",), date="2026-07-01T00:00:00Z",
    release=BlobDigest.of(b"release"), signers=("A" * 40,),
)  # fmt: skip


def target(name, *debs, **more):
    ids = tuple(one.id for one in debs)
    layers = (LayerLock(name="os-0", members=ids, reason="r"),) if ids else ()
    return TargetLock(
        name=name, platform=host_platform(), base="debian:bookworm", debs=ids, layers=layers, **more
    )


LOCK = Lock(
    name="x",
    inputs=TreeKey.of(b""),
    epoch=0,
    archives=(ARCHIVE,),
    debs=DEBS,
    targets=(target("one", *DEBS), target("two", DEBS[0], command=("a", "b"))),
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "shipway.toml").write_text(SPEC)
    (folder / "shipway.lock").write_text(render_lock(LOCK))
    monkeypatch.chdir(folder)
    return folder


def diff(*operands, target=""):
    return run_diff(operands, Task(target=target)).comparison


def test_two_targets(project):
    found = diff("one", "two")
    assert [change.name for change in found.packages] == ["curl"]
    assert found.config == (("command", "", "a b"),)
    assert found.files is None


def test_a_lock_file_is_compared_with_the_lock_now(project):
    old = replace(LOCK, targets=(target("one", DEBS[1]), target("two")))
    (project / "old.lock").write_text(render_lock(replace(old, debs=DEBS[1:])))
    found = diff("old.lock", target="one")
    assert [(change.name, change.what) for change in found.packages] == [("git", "added")]
    assert (found.before, found.after) == ("lock:old.lock", "one")


def test_the_lock_of_a_commit(project):
    git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "shipway.lock"], ["commit", "-q", "-m", "lock"]):
        subprocess.run([*git, *words], check=True)
    assert diff("git:HEAD", target="one").same
    (project / "shipway.lock").write_text(
        render_lock(replace(LOCK, targets=(target("one", DEBS[0]), LOCK.targets[1]), debs=DEBS[:1]))
    )
    assert [change.name for change in diff("git:HEAD", target="one").packages] == ["curl"]


@pytest.mark.parametrize("revision", ["HEAD", "--textconv", "-x"])
def test_a_revision_that_is_none(project, revision):
    with pytest.raises(NotFound):
        diff(f"git:{revision}")


def test_a_word_that_names_nothing_is_a_usage_error(project):
    with pytest.raises(ToolError) as error:
        diff("three")
    assert error.value.code == ExitCode.USAGE
    assert "one, two" in error.value.hints[0]


def test_nothing_is_kept_under_that_name(project):
    with pytest.raises(NotFound, match="nothing is kept under `a`"):
        diff("kept:a")
