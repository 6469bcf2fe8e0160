"""`rm` of what containers left for the next."""

from __future__ import annotations

import os

import pytest

from shipway.cli.app import execute
from shipway.host.dirs import state_dir
from shipway.run.homes import ensure_home
from shipway.run.top.names import kept_folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(folder)
    return str(folder)


def test_a_kept_top_and_a_home_go_by_their_names(project, capsys):
    home = ensure_home(state_dir(), project)
    kept = kept_folder(state_dir(), project, "trial")
    os.makedirs(f"{kept}/upper")
    with open(f"{kept}/upper/file", "w") as file:
        file.write("12345")
    assert execute(("rm", "--dry-run", "kept:trial", "home:")) == 0
    assert capsys.readouterr().out == "would remove `kept:trial` (5 B)\nwould remove `home:` (0 B)\n"
    assert os.path.isdir(home)
    assert os.path.isdir(kept)
    assert execute(("rm", "kept:trial", "home:")) == 0
    assert capsys.readouterr().out == "kept:trial\nhome:\n"
    assert not os.path.exists(home)
    assert not os.path.exists(kept)


def test_what_is_not_kept_is_no_name(project, capsys):
    assert execute(("rm", "kept:trial")) == 14
    assert "nothing is kept under `trial`" in capsys.readouterr().err
    assert execute(("rm", "home:")) == 14
