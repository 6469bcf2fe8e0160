"""`requirements.txt` in pip's format, with the digest of every file: `pip install --no-deps --require-hashes -r FILE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipway.export.model import Built, Contents
    from shipway.lock.model import Source, Wheel


def render_requirements(contents: Contents) -> str:
    """All Python packages of a target. What is built from git or a folder stands at the end as a comment.

    pip's mode of hashes has no way to check a commit or a folder, and refuses a file that names one.
    """
    python = contents.target.python
    lines = [
        f"# {contents.title}, for Python {python.version if python else '(none)'}.",
        "# Written by `shipway export requirements` from the lock; change the spec and export again.",
        "# Install: pip install --no-deps --require-hashes -r requirements.txt",
    ]
    lines += [line for wheel in contents.wheels for line in _wheel(wheel)]
    lines += [line for built in contents.built if built.source.kind == "sdist" for line in _sdist(built)]
    unchecked = [built.source for built in contents.built if built.source.kind != "sdist"]
    if unchecked:
        lines += [
            "",
            "# No digest can stand beside these, so pip would refuse the whole file. Install each afterwards, with --no-deps:",
        ]
        lines += [f"# {direct_reference(source)}" for source in unchecked]
    return "\n".join(lines) + "\n"


def hashed_line(wheel: Wheel) -> str:
    """`numpy==2.1.0 --hash=sha256:…`."""
    return f"{wheel.name}=={wheel.version} --hash={wheel.sha256}"


def hashed_source_line(source: Source) -> str:
    """The same for an sdist."""
    return f"{source.name}=={source.version} --hash={source.sha256}"


def direct_reference(source: Source) -> str:
    """What pip builds a commit or a folder from, as PEP 508 and pip write it."""
    if source.kind == "local":
        return f"./{source.path}" if source.path not in ("", ".") else "."
    tail = f"#subdirectory={source.path}" if source.path else ""
    return f"{source.name} @ git+{source.url}@{source.commit}{tail}"


def _wheel(wheel: Wheel) -> list[str]:
    where = [f"# from the index `{wheel.index}`"] if wheel.index != "default" else []
    return [*where, f"{wheel.name}=={wheel.version} \\", f"    --hash={wheel.sha256}"]


def _sdist(built: Built) -> list[str]:
    source = built.source
    return [f"{source.name}=={source.version} \\", f"    --hash={source.sha256}"]
