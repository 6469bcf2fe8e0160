"""Empty wheels that stand for sdists while uv chooses a version."""

from __future__ import annotations

import os
import zipfile


def write_stand_in(folder: str, name: str, version: str, requires_python: str) -> str:
    """Write a wheel of `name` and `version` that holds nothing and needs nothing; its path."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    path = os.path.join(folder, f"{module}-{version}-py3-none-any.whl")
    python = f"Requires-Python: {requires_python}\n" if requires_python else ""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{python}"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path
