"""The files of this repository, as the quality tests see them."""

from __future__ import annotations

import functools
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_CACHES = {
    ".git",
    ".venv",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    "build",
    "dist",
    "runs",
}


@functools.cache
def repository_files() -> tuple[str, ...]:
    """Every file that is or would be committed, relative to the root, sorted."""
    if os.path.exists(os.path.join(ROOT, ".git")):
        command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard", "-z"]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        return tuple(
            sorted(
                name for name in done.stdout.split("\0") if name and os.path.isfile(os.path.join(ROOT, name))
            )
        )
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in _CACHES]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in files]
    return tuple(sorted(found))


@functools.cache
def read(path: str) -> str:
    """The text of `path`; empty for a binary file."""
    with open(os.path.join(ROOT, path), "rb") as file:
        data = file.read()
    return "" if b"\0" in data[:4096] else data.decode("utf-8", "replace")


def python_files(*under: str) -> list[str]:
    """Python files below one of the folders."""
    return [name for name in repository_files() if name.endswith(".py") and name.startswith(under)]
