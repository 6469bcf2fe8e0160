"""Style, types and import directions: what the tools say is part of the suite."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from quality_files import ROOT

_TOOLS = {
    "style": [sys.executable, "-m", "ruff", "check", "--no-fix", "."],
    "format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "types": [sys.executable, "-m", "mypy"],
    "imports": [os.path.join(os.path.dirname(sys.executable), "lint-imports"), "--no-logo"],
}


@pytest.mark.parametrize("name", _TOOLS)
def test_tool_finds_nothing(name, tmp_path):
    caches = {"RUFF_CACHE_DIR": str(tmp_path), "MYPY_CACHE_DIR": os.path.join(ROOT, ".mypy_cache")}
    env = {**os.environ, **caches, "NO_COLOR": "1", "COLUMNS": "130"}
    done = subprocess.run(_TOOLS[name], cwd=ROOT, check=False, capture_output=True, text=True, env=env)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]


def test_a_wrong_import_would_be_found(tmp_path):
    """The contracts are not empty: the same rules over a copy with one wrong import fail."""
    import shutil

    shutil.copytree(os.path.join(ROOT, "src"), tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(os.path.join(ROOT, "pyproject.toml"), tmp_path)
    with open(tmp_path / "src" / "shipway" / "plan" / "model.py", "a") as file:
        file.write("\nimport subprocess\nimport shipway.store\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "NO_COLOR": "1"}
    done = subprocess.run(
        [*_TOOLS["imports"], "--no-cache"], cwd=tmp_path, check=False, capture_output=True, text=True, env=env
    )
    assert done.returncode != 0
    assert "pure rooms have no effects BROKEN" in done.stdout, done.stdout[-3000:]
