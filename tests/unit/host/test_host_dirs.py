"""Where things live."""

from __future__ import annotations

import os
import pwd

import pytest

from shipway.core.errors import ToolError
from shipway.host import clock, dirs


@pytest.fixture
def bare(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("XDG_", "SHIPWAY_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_defaults_are_those_of_xdg(bare):
    assert dirs.store_dir() == f"{bare}/.local/share/shipway/store"
    assert dirs.state_dir() == f"{bare}/.local/state/shipway"
    assert dirs.config_dir() == f"{bare}/.config/shipway"
    assert dirs.runtime_dir() == f"{bare}/.local/state/shipway/runtime"
    assert dirs.lower_store_dirs() == ()


def test_xdg_and_own_variables_count_in_that_order(bare, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert dirs.store_dir() == "/data/shipway/store"
    assert dirs.state_dir() == f"{bare}/.local/state/shipway"
    monkeypatch.setenv("SHIPWAY_STORE", "~/elsewhere")
    assert dirs.store_dir() == f"{bare}/elsewhere"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHIPWAY_STORE_LOWER", "/a::b/")
    assert dirs.lower_store_dirs() == ("/a", f"{tmp_path}/b")


def test_a_runtime_folder_counts_only_when_it_is_ours(bare, monkeypatch, tmp_path):
    mine = tmp_path / "run"
    mine.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(mine))
    assert dirs.runtime_dir() == f"{mine}/shipway"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    assert dirs.runtime_dir().endswith("/runtime")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(mine))
    assert dirs.runtime_dir().endswith("/runtime")


def test_no_home_is_an_error_with_a_hint(bare, monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", lambda _: (_ for _ in ()).throw(KeyError("uid")))
    with pytest.raises(ToolError) as caught:
        dirs.store_dir()
    assert "HOME" in caught.value.hints[0]


def test_the_boot_has_a_name(monkeypatch, tmp_path):
    assert len(clock.boot_id()) == 36
    monkeypatch.setattr(clock, "_BOOT_ID", str(tmp_path / "none"))
    assert clock.boot_id() == "unknown"
