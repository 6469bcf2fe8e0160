"""Data and weights from a server on loopback, into trees of a store."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

from shipway.build.data_copy import data_folder, make_data
from shipway.build.data_tree import bring_data, find_data
from shipway.build.files_tree import scan_files
from shipway.core.digest import BlobDigest, TreeKey, key_of
from shipway.core.errors import (
    BuildError,
    FetchError,
    HashMismatch,
    HostileInput,
    NotFound,
    OfflineError,
    ToolError,
)
from shipway.host.http import Fetcher
from shipway.lock.model import Lock, TargetLock
from shipway.plan.data import CONTENT, copied_data, plan_data
from shipway.plan.layers import Contents, choose_layers
from shipway.resolve.data import data_locations, resolve_data
from shipway.resolve.data_uses import lock_uses
from shipway.spec.parse import parse_spec
from shipway.store.store import Store
from shipway.testing.file_server import Behaviour, FileServer

REVISION = "c0ffee" + "0" * 34
WEIGHTS = b"W" * 70_000
REPOSITORY = {"config.json": b'{"layers": 2}', "onnx/model.bin": WEIGHTS, "model.safetensors": b"S" * 9}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def server():
    with FileServer() as server:
        yield server


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


def make_archive(names=("a/one", "two")):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.mode = len(name), 1234, 0o600
            tar.addfile(member, io.BytesIO(name.encode()))
    return packed.getvalue()


def put_repository(server, files=REPOSITORY, large=("onnx/model.bin",)):
    entries = []
    for name, data in files.items():
        known = {"lfs": {"sha256": sha256(data), "size": len(data)}} if name in large else {}
        entries.append({"rfilename": name, "size": len(data), **known})
        server.put(f"/org/m/resolve/{REVISION}/{name}", data)
    answer = json.dumps({"siblings": entries}).encode()
    server.put(f"/api/models/org/m/revision/{REVISION}", answer, "application/json")


def lock_of(text, server, *, previous=None, offline=False, environ=None):
    spec = parse_spec(f'name = "x"\n{text}').spec
    environ = {"HF_ENDPOINT": server.url} if environ is None else environ
    fetcher = Fetcher(environ=environ, offline=offline, netrc=False)
    files = resolve_data(spec, fetcher=fetcher, environ=environ, previous=previous)
    target = TargetLock(
        name="x", platform="linux/amd64", base="debian:bookworm", data=lock_uses(spec.target())
    )
    return Lock(name="x", inputs=TreeKey.of(b""), epoch=1, data=files, targets=(target,))


def bring(lock, store, server, *, offline=False):
    environ = {"HF_ENDPOINT": server.url, "HF_TOKEN": "hf_private"}
    plans = plan_data(lock, lock.targets[0])
    fetcher = Fetcher(environ=environ, offline=offline, netrc=False)
    return plans, bring_data(
        plans, store=store, fetcher=fetcher, locate=lambda it: data_locations(it, environ), emit=print
    )


def hub(more=""):
    return f'[data.m]\nhub = "hf:org/m"\nrevision = "{REVISION}"\ntarget = "/m"\n{more}'


def address(server, data, more="", path="/d/s%20q.tgz"):
    server.put(unquote(path), data)
    url = server.url + path
    return f'[data.d]\nurl = "{url}"\nsha256 = "{sha256(data)}"\ntarget = "/d"\n{more}'


def test_a_repository_is_locked_by_digests_and_becomes_one_folder(server, store):
    put_repository(server)
    lock = lock_of(hub(), server)
    assert {file.path: (file.sha256.hex, file.size) for file in lock.data} == {
        name: (sha256(data), len(data)) for name, data in REPOSITORY.items()
    }
    # What the hub has the digest of is not fetched to know it.
    assert not any(it.path.endswith("model.bin") for it in server.requests)
    (plan,), fetched = bring(lock, store, server)
    assert fetched == sum(map(len, REPOSITORY.values()))
    root = find_data(store, plan).root
    for name, data in REPOSITORY.items():
        with open(f"{root}/{name}", "rb") as file:
            assert file.read() == data
        assert os.stat(f"{root}/{name}").st_nlink > 1  # the bytes of its own tree
    assert not list(store.verify())
    asked = len(server.requests)
    bring(lock, store, server, offline=True)
    assert len(server.requests) == asked


def test_patterns_choose(server, store):
    put_repository(server)
    lock = lock_of(hub('files = ["*.json", "onnx"]'), server)
    assert [file.path for file in lock.data] == ["config.json", "onnx/model.bin"]
    with pytest.raises(NotFound, match="no file of `hf:org/m` fits"):
        lock_of(hub('files = ["*.gguf"]'), server)


def test_what_was_locked_is_not_asked_for_again(server):
    put_repository(server)
    lock = lock_of(hub(), server)
    asked = len(server.requests)
    assert lock_of(hub(), server, previous=lock).data == lock.data
    assert len(server.requests) == asked


def test_nobody_says_where_the_hub_is(server):
    with pytest.raises(ToolError, match="`HF_ENDPOINT` does not say"):
        lock_of(hub(), server, environ={})
    with pytest.raises(NotFound, match="has no `hf:org/m` at the commit"):
        lock_of(hub(), server)


@pytest.mark.parametrize("name", ["../up", "/etc/x", "a/../../b"])
def test_a_hub_cannot_name_files_outside(server, name):
    put_repository(server, {name: b"x"}, large=(name,))
    with pytest.raises(FetchError, match="outside its folder"):
        lock_of(hub(), server)


def test_a_hub_that_answers_something_else(server):
    server.put(f"/api/models/org/m/revision/{REVISION}", b'{"siblings": [3]}', "application/json")
    with pytest.raises(FetchError, match="is not what its documentation says"):
        lock_of(hub(), server)


def test_a_token_goes_to_the_hub_and_to_no_address(server, store):
    put_repository(server)
    lock = lock_of(hub() + address(server, b"file"), server)
    server.requests.clear()
    bring(lock, store, server)
    sent = {it.path: it.headers.get("authorization") for it in server.requests}
    assert sent.pop(next(path for path in sent if path.startswith("/d/"))) is None
    assert set(sent.values()) == {"Bearer hf_private"}


def test_a_file_is_the_file_and_its_size_is_known_beforehand(server, store):
    lock = lock_of(address(server, WEIGHTS), server)
    (file,) = lock.data
    assert (file.path, file.size, file.sha256.hex) == ("s q.tgz", len(WEIGHTS), sha256(WEIGHTS))
    (plan,), _ = bring(lock, store, server)
    assert plan.is_file
    with open(f"{find_data(store, plan).root}/{CONTENT}", "rb") as content:
        assert content.read() == WEIGHTS


def test_an_archive_is_unpacked_by_the_strict_readers(server, store):
    lock = lock_of(address(server, make_archive(), "unpack = true"), server)
    (plan,), _ = bring(lock, store, server)
    root = find_data(store, plan).root
    with open(f"{root}/a/one") as file:
        assert file.read() == "a/one"
    assert os.stat(f"{root}/two").st_mode & 0o777 == 0o644
    bad = lock_of(address(server, make_archive(("../x",)), "unpack = true", "/bad.tgz"), server)
    with pytest.raises(HostileInput):
        bring(bad, store, server)


def test_other_bytes_are_refused_and_leave_nothing(server, store):
    lock = lock_of(address(server, WEIGHTS), server)
    server.order("/d/s q.tgz", Behaviour.WRONG)
    with pytest.raises(HashMismatch):
        bring(lock, store, server)
    assert find_data(store, plan_data(lock, lock.targets[0])[0]) is None


def test_a_transfer_that_broke_goes_on_where_it_was(server, store):
    lock = lock_of(address(server, WEIGHTS, path="/w"), server)
    server.order("/w", Behaviour.TRUNCATE, Behaviour.HONEST)
    bring(lock, store, server)
    assert server.requests[-1].headers["range"].startswith("bytes=")


def test_offline_locks_an_address_without_its_size_and_fetches_nothing(server, store):
    lock = lock_of(address(server, WEIGHTS), server, offline=True)
    assert lock.data[0].size == 0
    with pytest.raises(OfflineError):
        bring(lock, store, server, offline=True)


def copy_of(lock, store, server, project, name="d"):
    """The tree of the image with the data `name`, made in `store`, and its manifest's text."""
    bring(lock, store, server)
    request = copied_data(lock, lock.targets[0], name)
    if request.of_host:
        content = scan_files(data_folder(request.inputs, str(project))).digest.hex
        request = dataclasses.replace(request, inputs=request.inputs | {"content": content})
    context = SimpleNamespace(store=store, project=str(project))
    with store.transaction() as tx:
        staged = tx.stage(name)
        tree = tx.add_tree(request.inputs, staged, make_data(request, context, staged))
        tx.commit()
    return tree


def read_below(root):
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


@pytest.mark.parametrize("kind", ["file", "archive", "hub", "folder"])
def test_copied_data_are_the_same_tree_everywhere(kind, server, tmp_path):
    put_repository(server)
    (tmp_path / "p/sets/sub").mkdir(parents=True)
    (tmp_path / "p/sets/sub/x").write_bytes(b"x")
    text = {
        "file": lambda: address(server, WEIGHTS),
        "archive": lambda: address(server, make_archive(), "unpack = true\n"),
        "hub": lambda: hub().replace("[data.m]", "[data.d]").replace('"/m"', '"/d"'),
        "folder": lambda: '[data.d]\nfolder = "sets"\ntarget = "/d"\n',
    }[kind]() + 'how = "copy"\n'
    lock = lock_of(text, server)
    first = copy_of(lock, Store.open(str(tmp_path / "one")), server, tmp_path / "p")
    os.utime(tmp_path / "p/sets/sub/x", (1, 1))
    old = os.umask(0o077)
    try:
        second = copy_of(lock, Store.open(str(tmp_path / "two")), server, tmp_path / "p")
    finally:
        os.umask(old)
    assert first.id == second.id
    expected = {
        "file": {"d": WEIGHTS},
        "archive": {"d/a/one": b"a/one", "d/two": b"two"},
        "hub": {f"d/{name}": data for name, data in REPOSITORY.items()},
        "folder": {"d/sub/x": b"x"},
    }[kind]
    assert read_below(Path(first.root)) == expected
    assert not list(Store.open(str(tmp_path / "one")).verify())


def test_copied_data_are_layers_of_their_own_below_the_files():
    contents = Contents(
        debs=(), wheels=(), python=False, standalone=False, commands=True, files=True, data=("b", "a")
    )
    layers = choose_layers(contents, budget=64)
    assert [layer.name for layer in layers] == ["commands", "data-a", "data-b", "files"]


def test_a_folder_to_copy_has_to_be_there(server, tmp_path):
    lock = lock_of('[data.d]\nfolder = "sets"\ntarget = "/d"\nhow = "copy"\n', server)
    with pytest.raises(BuildError, match="is no folder"):
        copy_of(lock, Store.open(str(tmp_path / "s")), server, tmp_path)


BRINGING = """
import os, sys
from shipway.core.digest import BlobDigest
from shipway.build.data_tree import bring_data
from shipway.host.http import Fetcher
from shipway.host.location import Location
from shipway.lock.model import DataFile, DataUse
from shipway.plan.data import DataPlan
from shipway.store.store import Store

store, url, digest, size = sys.argv[1:]
file = DataFile(source=url, path="large", sha256=BlobDigest.from_hex(digest), size=int(size))
plan = DataPlan(DataUse(name="large", source=url, target="/large"), (file,))
bring_data([plan], store=Store.open(store), fetcher=Fetcher(environ={}, netrc=False), locate=lambda it: [Location(url)], emit=print)
"""


def bringing(store, server, data, **more):
    words = [sys.executable, "-c", BRINGING, store.path, f"{server.url}/large", sha256(data), str(len(data))]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **more)


def test_a_download_that_was_killed_goes_on_where_it_was(server, store):
    data = bytes(range(256)) * 4096
    server.put("/large", data)
    server.order("/large", Behaviour.STALL, Behaviour.HONEST)
    killed = bringing(store, server, data)
    digest = BlobDigest.from_hex(sha256(data))
    deadline = time.monotonic() + 30
    while store.find_unfinished(digest) < len(data) // 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    killed.kill()
    killed.communicate()

    done = bringing(store, server, data)
    said = done.communicate()[0]
    assert done.returncode == 0
    assert "goes on at 512.0 KiB of 1.0 MiB" in said
    assert server.asked("/large")[1].headers["range"] == f"bytes={len(data) // 2}-"
    [tree] = [store.find_tree(key_of({"recipe": "data-file", "version": 1, "sha256": digest.hex}))]
    assert Path(tree.root, CONTENT).read_bytes() == data
    assert not store.find_unfinished(digest)


def test_a_beginning_that_is_another_files_costs_a_download_and_no_more(server, store):
    data = bytes(range(256)) * 64
    server.put("/large", data)
    digest = BlobDigest.from_hex(sha256(data))
    with store.transaction() as tx:
        Path(tx.unfinished_path(digest)).write_bytes(b"x" * 100)
    done = bringing(store, server, data)
    done.communicate()
    assert done.returncode == 0
    assert [one.headers.get("range") for one in server.asked("/large")] == ["bytes=100-", None]
    # All of it was there, and only the last step was missing; or there is more than there can be.
    for there, asked in ((data, 2), (data + b"more", 3)):
        other = Store.open(f"{store.path}-{asked}")
        with other.transaction() as tx:
            Path(tx.unfinished_path(digest)).write_bytes(there)
        done = bringing(other, server, data)
        done.communicate()
        assert done.returncode == 0
        assert len(server.asked("/large")) == asked


def test_old_beginnings_are_collected(store):
    digest = BlobDigest.of(b"data")
    with store.transaction() as tx:
        path = Path(tx.unfinished_path(digest))
        path.write_bytes(b"da")
    store.collect()
    assert path.exists()
    week = time.time() - 8 * 86400
    os.utime(path, (week, week))
    store.collect()
    assert not path.exists()
