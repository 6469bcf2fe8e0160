"""`cp` into a container: what cannot be read is named before anything is sent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from shipway.core.errors import ToolError
from shipway.verbs import copying
from shipway.verbs.context import Task


@pytest.mark.parametrize("source", ["folder", "folder/secret"])
def test_a_file_that_cannot_be_read_is_named(source, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/secret").write_text("")
    monkeypatch.setattr(copying, "find_whole", lambda *_: SimpleNamespace(name="box"))
    monkeypatch.setattr(copying.client, "require_running", lambda _: None)
    monkeypatch.setattr(copying.client, "exec_captured", lambda *_: SimpleNamespace(code=0))
    monkeypatch.setattr(copying.os, "access", lambda *_: False)  # nothing is kept from root
    with pytest.raises(ToolError, match="folder/secret` cannot be read: Permission denied"):
        copying.copy(str(tmp_path / source), "box:/tmp", Task(), dry_run=True)
