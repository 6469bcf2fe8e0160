"""One small reader for each kind of file that says what a project needs; `SOURCES` lists them."""

from __future__ import annotations

from shipway.spec.facts import Source
from shipway.spec.sources import code, conda, locks, project, requirements, small

SOURCES: dict[str, Source] = {
    "pyproject.toml": project.SOURCE,
    "requirements*.txt": requirements.SOURCE,
    "environment.yml": conda.SOURCE,
    "uv.lock": locks.UV,
    "pylock.toml": locks.PYLOCK,
    "apt.txt": small.APT,
    "runtime.txt": small.RUNTIME,
    ".python-version": small.PYTHON_VERSION,
    "*.py": code.PYTHON,
    "*.ipynb": code.NOTEBOOK,
}
"""Kind of file -> its reader, in the order that facts are told."""
