"""What a lock needs, collected and found again: wheels, sdists, commits, build requirements, interpreters."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shipway.build import wheel_build
from shipway.build.collect import Supply, collect_artifacts, render_index, write_bundle
from shipway.build.files_tree import scan_files
from shipway.build.needs import list_artifacts, require_at_hand
from shipway.build.vendor import TREE_LIMIT, member_of, open_vendor
from shipway.build.wheel_build import bring_git
from shipway.core.digest import BlobDigest, TreeKey
from shipway.core.errors import HashMismatch, HostileInput, NotFound, OfflineError, ToolError
from shipway.core.events import silent
from shipway.core.ignore import VENDOR_INDEX
from shipway.host.http import Fetcher
from shipway.host.location import Location
from shipway.lock.model import BuildCommandLock, Lock, PythonLock, Source, TargetLock, Wheel
from shipway.plan.model import TreeKind, TreeRequest
from shipway.sources.git import fetch_git
from shipway.sources.trees import pack_files, read_folder, read_packed, tree_digest
from shipway.sources.values import LINK, SourceFile
from shipway.store.store import Store
from shipway.testing.packages import make_sdist, make_wheel

FILES = (
    SourceFile(path="a/link", mode=LINK, data=b"../tool.py"),
    SourceFile(path="naïve.txt", mode=0o644, data=b"n"),
    SourceFile(path="tool.py", mode=0o755, data=b"#!/usr/bin/python3\n"),
    SourceFile(path="x" * 120 + "/deep.py", mode=0o644, data=b""),
)


def wheel(name, **more):
    filename, body = make_wheel(name, "1.0")
    made = Wheel(
        name=name, version="1.0", filename=filename, sha256=BlobDigest.of(body), size=len(body), **more
    )
    return made, body


class World:
    """A lock of one wheel of each kind, with the bytes behind it in a folder by digest."""

    def __init__(self, folder):
        self.folder = folder
        self.offered = {}
        backend, backend_body = wheel("backend", index="default")
        plain, plain_body = wheel("plain", index="default")
        name, sdist_body = make_sdist("packed", "1.0", files={"setup.py": ""})
        sdist = Source(
            kind="sdist", name="packed", version="1.0", sha256=BlobDigest.of(sdist_body), filename=name,
            size=len(sdist_body), index="default", build_requires=(backend.id,),
        )  # fmt: skip
        git = Source(
            kind="git", name="committed", version="1.0", sha256=tree_digest(FILES),
            url="https://git.invalid/committed", commit="0" * 40, build_requires=(backend.id,),
        )  # fmt: skip
        local = Source(
            kind="local",
            name="own",
            version="1.0",
            sha256=tree_digest(FILES),
            path=".",
            build_requires=(backend.id,),
        )
        python = PythonLock(
            version="3.12", executable="/opt/python/bin/python3.12", origin="standalone",
            filename="python.tar.gz", sha256=BlobDigest.of(b"python"), size=6,
        )  # fmt: skip
        self.built = [wheel(name, source=source.id)[0] for name, source in
                      (("packed", sdist), ("committed", git), ("own", local))]  # fmt: skip
        self.target = TargetLock(
            name="default", platform="linux/amd64", base="debian:bookworm", python=python
        )
        self.lock = Lock(
            name="world", inputs=TreeKey.of(b""), epoch=0, wheels=(backend, plain, *self.built),
            sources=(sdist, git, local), targets=(self.target,),
        )  # fmt: skip
        self.requests = [TreeRequest(kind=TreeKind.PYTHON, name="python", inputs={"python": 1})] + [
            TreeRequest(kind=TreeKind.WHEEL, name=one.name, inputs={"wheel": one.name}, members=(one.id,))
            for one in (plain, *self.built)
        ]
        self.git, self.plain = git, plain
        for artifact, body in (
            (backend, backend_body),
            (plain, plain_body),
            (sdist, sdist_body),
            (python, b"python"),
        ):
            path = folder / artifact.filename
            path.write_bytes(body)
            self.offered[artifact] = Location(f"file://{path}")
        self.store = Store.open(str(folder / "store"))
        self.fetcher = Fetcher(offline=True, environ={})

    def locate(self, artifact):
        return [self.offered[artifact]] if artifact in self.offered else []

    @property
    def artifacts(self):
        return list_artifacts(self.lock, self.target, self.requests)

    def collect(self, name="vendor", *, borrow=False):
        supply = Supply(self.store, self.fetcher, self.locate, silent, borrow)
        folder = str(self.folder / name)
        collected = collect_artifacts(self.artifacts, folder, supply)
        with open(os.path.join(folder, VENDOR_INDEX), "wb") as file:
            file.write(render_index("world", collected))
        return folder, collected


@pytest.fixture
def world(tmp_path, monkeypatch):
    class Fetched:
        files = FILES

    def fetch(address, environ, *, commit, offline):
        assert (address.url, commit) == ("https://git.invalid/committed", "0" * 40)
        return Fetched

    monkeypatch.setattr(wheel_build, "fetch_git", fetch)
    return World(tmp_path)


def test_everything_that_trees_are_made_from_is_listed_once(world):
    names = [getattr(one, "filename", "") or one.id for one in world.artifacts]
    assert names == [
        "python.tar.gz",
        "plain-1.0-py3-none-any.whl",
        "packed-1.0.tar.gz",
        "backend-1.0-py3-none-any.whl",
        "git:committed=1.0",
    ]


def test_a_wheel_that_was_built_before_needs_no_sources(world):
    built = {one.sha256 for one in world.built}
    listed = list_artifacts(world.lock, world.target, world.requests, is_here=built.__contains__)
    assert [one.filename for one in listed] == ["python.tar.gz", "plain-1.0-py3-none-any.whl"]


@pytest.mark.parametrize("bundled", [False, True])
def test_what_was_collected_is_found_and_right(world, tmp_path, bundled):
    path, collected = world.collect()
    if bundled:
        index = render_index("world", collected)
        write_bundle(str(tmp_path / "all.tar"), index, collected)
        path = str(tmp_path / "all.tar")
    vendor = open_vendor(path)
    for artifact in world.artifacts:
        if artifact == world.git:
            continue
        place = vendor.find(artifact)
        world.fetcher.fetch([place], str(tmp_path / "out"), artifact.sha256, artifact.size)
    found = bring_git(world.git, str(tmp_path), fetcher=world.fetcher, locate=lambda one: [vendor.find(one)])
    assert set(found) == set(FILES)
    assert vendor.find(replace(world.plain, sha256=BlobDigest.of(b"other"))) is None


def test_a_bundle_is_the_same_bytes_from_a_folder_and_from_the_store(world, tmp_path):
    _, collected = world.collect()
    write_bundle(str(tmp_path / "one.tar"), render_index("world", collected), collected)
    with world.store.transaction() as tx:
        staged = tx.blob_staging_path(world.plain.sha256)
        with open(staged, "wb") as file:
            file.write((tmp_path / world.plain.filename).read_bytes())
        tx.add_blob(staged, world.plain.sha256)
        tx.commit()
    folder, borrowed = world.collect("other", borrow=True)
    assert len(os.listdir(os.path.join(folder, "sha256"))) == 3  # the wheel is used where it is
    write_bundle(str(tmp_path / "two.tar"), render_index("world", borrowed), borrowed)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_file_that_changed_while_it_is_bundled_leaves_no_bundle(world, tmp_path):
    _, collected = world.collect()
    victim = next(one for one in collected if one.kind == "wheel")
    with open(victim.path, "r+b") as file:
        file.write(b"XX")
    with pytest.raises(ToolError):
        write_bundle(str(tmp_path / "all.tar"), b"", collected)
    assert not [name for name in os.listdir(tmp_path) if "all.tar" in name]


def test_a_commit_of_other_files_is_refused(world, tmp_path):
    folder, _ = world.collect()
    other = (*FILES[:-1], replace(FILES[-1], data=b"import os"))
    with open(os.path.join(folder, member_of(world.git)), "wb") as sink:
        pack_files(other, sink)
    vendor = open_vendor(folder)
    with pytest.raises(HashMismatch, match="committed"):
        bring_git(world.git, str(tmp_path), fetcher=world.fetcher, locate=lambda one: [vendor.find(one)])
    _, again = world.collect()
    assert [one.kind for one in again if one.fetched] == ["git"]


def test_a_source_tree_that_fills_the_memory_is_refused(world):
    folder, _ = world.collect()
    os.truncate(os.path.join(folder, member_of(world.git)), TREE_LIMIT + 1)
    with pytest.raises(HostileInput):
        open_vendor(folder).find(world.git)


def test_everything_that_cannot_be_had_is_named_at_once(world):
    del world.offered[world.plain]
    world.requests.append(TreeRequest(kind=TreeKind.COMMANDS, name="commands", inputs={"commands": 1}))
    target = replace(world.target, build=(BuildCommandLock(argv=("curl", "x"), network=True),))
    with pytest.raises(OfflineError) as caught:
        require_at_hand(world.lock, target, world.requests, store=world.store, locate=world.locate)
    lines = caught.value.detail.splitlines()
    assert lines == ["git:committed=1.0", "plain-1.0-py3-none-any.whl", "the build command `curl x`"]


def test_a_place_that_is_a_link_is_refused_before_the_build(world):
    folder, _ = world.collect()
    place = os.path.join(folder, member_of(world.plain))
    os.rename(place, place + "x")
    os.symlink(place + "x", place)
    vendor = open_vendor(folder)
    with pytest.raises(HostileInput, match="no regular file"):
        require_at_hand(
            world.lock, world.target, world.requests, store=world.store, locate=lambda one: [vendor.find(one)]
        )


@pytest.mark.parametrize("text", [None, "", "shipway vendor 2\n", "shipway vendor 1"])
def test_an_unfinished_folder_or_one_of_another_format_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / VENDOR_INDEX).write_text(text)
    with pytest.raises(NotFound if text is None else ToolError):
        open_vendor(str(tmp_path))


def test_a_packed_tree_is_the_same_tree(tmp_path):
    path = tmp_path / "t.tar"
    with open(path, "wb") as sink:
        size = pack_files(reversed(FILES), sink)
    assert path.stat().st_size == size
    assert read_packed(str(path), "t") == FILES
    assert tree_digest(read_packed(str(path), "t")) == tree_digest(FILES)


def test_what_was_collected_is_no_part_of_a_project(tmp_path):
    (tmp_path / "code.py").write_text("x = 1\n")
    before = tree_digest(read_folder(str(tmp_path))), scan_files(str(tmp_path)).digest
    for name in ("third-party", "deep/third-party"):
        (tmp_path / name / "sha256").mkdir(parents=True)
        (tmp_path / name / "sha256" / "x").write_bytes(b"x")
    assert tree_digest(read_folder(str(tmp_path))) != before[0]
    assert scan_files(str(tmp_path)).digest != before[1]
    for name in ("third-party", "deep/third-party"):
        (tmp_path / name / VENDOR_INDEX).write_text("shipway vendor 1\n")
    assert tree_digest(read_folder(str(tmp_path))) == before[0]
    assert [one.path for one in scan_files(str(tmp_path)).entries] == ["code.py", "deep"]


def test_two_at_once_collect_each_artifact_whole(world):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: world.collect()[1], range(2))
    assert [one._replace(fetched=False) for one in first] == [one._replace(fetched=False) for one in second]
    assert sum(one.fetched for one in (*first, *second)) == len(first)


@pytest.mark.needs_tool("git")
def test_a_real_commit_survives_packing_in_its_order(tmp_path):
    home = tmp_path / "repo"
    home.mkdir()
    for name in ("b.txt", "a/one", "a-b/two", "a.c"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(name)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(home)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    from shipway.sources.git import GitAddress

    files = fetch_git(GitAddress(url=f"file://{home}"), os.environ, allow_file=True).files
    with open(tmp_path / "t.tar", "wb") as sink:
        pack_files(files, sink)
    assert read_packed(str(tmp_path / "t.tar"), "t") == files
