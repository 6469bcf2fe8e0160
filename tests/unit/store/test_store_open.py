"""Making, opening and refusing a store."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
from store_samples import fill, key

from shipway.core.errors import NoSpace, StoreError
from shipway.host import files
from shipway.store import Store, layout


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "a" / "store")


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_new_store_is_private_tagged_and_numbered(path, umask):
    before = os.umask(umask)
    try:
        Store.open(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{path}/keys-v1").st_mode) == 0o755
    assert stat.S_IMODE(os.stat(f"{path}/pins-v1").st_mode) == 0o700
    with open(f"{path}/CACHEDIR.TAG") as file:
        assert file.read().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    with open(f"{path}/format") as file:
        assert file.read() == "1\n"
    assert os.path.exists(f"{path}/README")


def test_the_default_is_the_users_own(monkeypatch, path):
    monkeypatch.setenv("SHIPWAY_STORE", path)
    assert Store.open().path == path
    assert os.path.exists(path)


def test_a_missing_store_is_not_made_unasked(path):
    with pytest.raises(StoreError, match="there is no store at"):
        Store.open(path, create=False)
    assert not os.path.exists(path)


def test_a_newer_format_is_refused_and_left_alone(path):
    store = Store.open(path)
    fill(store, 1)
    with open(f"{path}/format", "w") as file:
        file.write("2\n")
    with pytest.raises(StoreError, match="has format 2, this shipway knows 1") as caught:
        Store.open(path)
    assert "update shipway" in caught.value.hints
    with open(f"{path}/format", "w") as file:
        file.write("1\n")
    assert Store.open(path).find_tree(key(1))


def test_buckets_of_a_newer_version_are_left_alone(path):
    store = Store.open(path)
    fill(store, 1)
    os.makedirs(f"{path}/keys-v2/x")
    store.collect(grace=0)
    assert os.path.exists(f"{path}/keys-v2/x")
    assert list(store.verify()) == []


def test_a_damaged_format_number_is_named(path):
    Store.open(path)
    with open(f"{path}/format", "w") as file:
        file.write("\0\0\0")
    with pytest.raises(StoreError, match=r"format number .* is damaged"):
        Store.open(path)


def test_somebodys_folder_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(StoreError, match="is not a store and not empty"):
        Store.open(str(tmp_path))
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_an_interrupted_making_is_finished_by_the_next(path, monkeypatch):
    for number in range(30):
        count = iter(range(100))

        def stop(_name, number=number, count=count):
            if next(count) == number:
                raise KeyboardInterrupt

        monkeypatch.setattr(files, "on_step", stop)
        try:
            Store.open(path)
        except KeyboardInterrupt:
            continue
        break
    else:
        pytest.fail("never finished")
    monkeypatch.setattr(files, "on_step", None)
    fill(Store.open(path), 1)


def test_a_network_file_system_is_refused(path, monkeypatch):
    monkeypatch.setattr(files, "filesystem_type", lambda _: "nfs")
    with pytest.raises(StoreError, match=r"network file system \(`nfs`\)") as caught:
        Store.open(path)
    assert "SHIPWAY_STORE" in caught.value.hints[0]
    monkeypatch.setattr(files, "filesystem_type", lambda _: "ext4")
    store = Store.open(path)
    monkeypatch.setattr(files, "filesystem_type", lambda _: "cifs")
    with pytest.raises(StoreError, match="cifs"):
        fill(store, 1)


def test_another_users_store_is_refused(path, monkeypatch):
    Store.open(path)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(StoreError, match="belongs to the user with id"):
        Store.open(path)


def test_a_store_that_everybody_may_write_is_refused(path):
    Store.open(path)
    os.chmod(path, 0o777)
    with pytest.raises(StoreError, match="written by everybody"):
        Store.open(path)


def test_a_file_in_the_way_is_an_error_with_a_hint(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(StoreError, match="Not a directory") as caught:
        Store.open(str(tmp_path / "f"))
    assert caught.value.hints


def test_no_room_for_a_new_store(path, monkeypatch):
    def full(_name):
        raise OSError(28, "full")

    monkeypatch.setattr(files, "on_step", full)
    with pytest.raises(NoSpace, match="make the store"):
        Store.open(path)


def test_the_way_of_a_run_imports_little():
    code = (
        "import sys; before = set(sys.modules); from shipway.store import Store;"
        "Store.open().use([]); print(*set(sys.modules) - before)"
    )
    Store.open()
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = (
        "ctypes",
        "dataclasses",
        "inspect",
        "tempfile",
        "subprocess",
        "shutil",
        "concurrent.futures",
        "threading",
        "urllib",
        "shipway.store.transaction",
    )
    assert "shipway.store.uses" in out.split()
    assert set(out.split()).isdisjoint(heavy)


def test_every_bucket_of_the_layout_is_explained():
    for name in layout._DIRECTORIES:
        assert f"{name}/" in layout.__doc__
