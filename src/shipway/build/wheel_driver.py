"""Runs inside the sandbox, on the target's own Python, standard library only: unpacks what it is handed, calls a PEP 517 backend.

Standard input: a tar of `job.json`, `src/…` (the source tree) and `wheels/*.whl` (the build environment).
Standard output: one JSON line, then the bytes of the wheel. Everything that the backend prints goes to standard error.
Works on Python 3.8 and newer; nothing of shipway is importable here.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import stat
import sys
import tarfile
import zipfile
from typing import Any

ROOT = "/tmp/shipway-build"  # noqa: S108 - inside the sandbox, whose /tmp is nobody else's


def main() -> None:
    """Standard input to standard output."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.umask(0o022)
    with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())) as archive:
        for member in archive:
            place(archive, member)
    with open(os.path.join(ROOT, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    site, tools = os.path.join(ROOT, "site"), os.path.join(ROOT, "bin")
    for folder in (site, tools, os.path.join(ROOT, "out")):
        os.makedirs(folder, exist_ok=True)
    wheels = os.path.join(ROOT, "wheels")
    for name in sorted(os.listdir(wheels)) if os.path.isdir(wheels) else []:
        unpack(os.path.join(wheels, name), site, tools)
    os.environ["PYTHONPATH"] = site
    os.environ["PATH"] = tools + os.pathsep + os.environ["PATH"]
    sys.path.insert(0, site)
    os.chdir(os.path.join(ROOT, "src", job["subdirectory"]))
    answer, data = build(job)
    sink.write(json.dumps(answer).encode() + b"\n" + data)
    sink.close()


def place(archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    """One member; the caller made the archive and checked its names. Times are one and the same, for they get into wheels."""
    path = os.path.join(ROOT, member.name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if member.issym():
        os.symlink(member.linkname, path)
        return
    with open(path, "wb") as file:
        content = archive.extractfile(member)
        file.write(content.read() if content else b"")
    os.chmod(path, member.mode)
    os.utime(path, (member.mtime, member.mtime))


def unpack(path: str, site: str, tools: str) -> None:
    """A wheel of the build environment: its modules to `site`, its programs to `tools`."""
    with zipfile.ZipFile(path) as wheel:
        for info in wheel.infolist():
            if info.is_dir():
                continue
            target = os.path.join(site, info.filename)
            parts = info.filename.split("/")
            if len(parts) > 2 and parts[0].endswith(".data"):  # noqa: PLR2004 - name.data/scheme/path
                below = os.path.join(*parts[2:])
                roots = {"scripts": tools, "purelib": site, "platlib": site}
                target = os.path.join(roots.get(parts[1], ROOT), below)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(wheel.read(info))
            if (info.external_attr >> 16) & stat.S_IXUSR or target.startswith(tools + os.sep):
                os.chmod(target, 0o755)  # noqa: S103 - a program
            if info.filename.endswith(".dist-info/entry_points.txt"):
                write_scripts(wheel.read(info).decode(), tools)


def write_scripts(text: str, tools: str) -> None:
    """The programs that `entry_points.txt` names."""
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip()
        match = re.match(r"\s*([\w.-]+)\s*=\s*([\w.]+)\s*:\s*([\w.]+)", line)
        if section == "[console_scripts]" and match:
            name, module, function = match.groups()
            path = os.path.join(tools, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"#!{sys.executable}\nimport sys, {module}\nsys.exit({module}.{function}())\n")
            os.chmod(path, 0o755)  # noqa: S103 - a program


def build(job: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What the backend answers, and the wheel."""
    backend = load(job)
    asked = getattr(backend, "get_requires_for_build_wheel", None)
    needs = [need for need in (asked({}) if asked else []) if not has(need)]
    if needs:
        return {"needs": needs}, b""
    out = os.path.join(ROOT, "out")
    name = os.path.basename(backend.build_wheel(out, {}))
    with open(os.path.join(out, name), "rb") as file:
        return {"wheel": name}, file.read()


def load(job: dict[str, Any]) -> Any:
    """The backend object (PEP 517)."""
    here = os.getcwd()
    for folder in reversed(job["backend_path"]):
        sys.path.insert(0, os.path.join(here, folder))
    module, _, attribute = job["backend"].partition(":")
    backend = importlib.import_module(module)
    for part in filter(None, attribute.split(".")):
        backend = getattr(backend, part)
    return backend


def has(need: str) -> bool:
    """Whether the environment holds the package that `need` names; its version was resolved outside."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415 - after the path is set

    try:
        distribution(re.split(r"[^\w.-]", need.strip(), maxsplit=1)[0])
    except PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
