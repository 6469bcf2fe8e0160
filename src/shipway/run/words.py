"""Words of a command line or spec, read as values of a run (pure)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown
from shipway.run.model import Mount

if TYPE_CHECKING:
    from collections.abc import Mapping

# Not compiled here: most runs need none of them.
_KEEP_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z"
_HOST_NAME = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?\Z"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*\Z"


def parse_mount(text: str, *, folder: str, home: str) -> Mount:
    """A mount from `SOURCE:TARGET[:ro|rw]`; SOURCE may be relative to `folder` or start with `~`.

    Raises:
        ToolError: it has another form.
    """
    parts = text.split(":")
    mode = parts.pop() if len(parts) == 3 else "rw"  # noqa: PLR2004 - source, target, mode
    if len(parts) != 2 or mode not in ("ro", "rw") or not parts[0] or not parts[1].startswith("/"):  # noqa: PLR2004
        raise ToolError(
            f"not a mount: `{shown(text)}`",
            hints=("write `SOURCE:TARGET` or `SOURCE:TARGET:ro`, with TARGET an absolute path inside",),
            code=ExitCode.USAGE,
        )
    source, target = parts
    if source == "~" or source.startswith("~/"):
        source = home + source[1:]
    return Mount(
        normal_path(source if source.startswith("/") else f"{folder}/{source}"),
        normal_path(target),
        mode == "ro",
    )


def parse_assignment(text: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """A variable from `NAME=VALUE`, or from `NAME` alone the caller's own value; None when the caller has none.

    Raises:
        ToolError: NAME is no name of a variable.
    """
    name, has_value, value = text.partition("=")
    if not re.match(_VARIABLE, name, re.ASCII):
        raise ToolError(
            f"not an environment variable: `{shown(text)}`",
            hints=("write `NAME=VALUE` or `NAME`",),
            code=ExitCode.USAGE,
        )
    if has_value:
        return name, value
    return (name, environ[name]) if name in environ else None


def parse_env_file(text: str, environ: Mapping[str, str], *, file: str) -> tuple[tuple[str, str], ...]:
    """Variables from lines `NAME=VALUE`, `NAME` or `# …`, values taken literally, as container engines read such files.

    Raises:
        ToolError: a line has another form; names file and line.
    """
    result: list[tuple[str, str]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            pair = parse_assignment(line, environ)
        except ToolError as error:
            raise ToolError(
                f"{error.message} in `{shown(file)}`, line {number}", hints=error.hints, code=error.code
            ) from error
        result += [pair] if pair else []
    return tuple(result)


def require_hostname(text: str) -> str:
    """`text` if it is a host name.

    Raises:
        ToolError: it is none.
    """
    if not re.match(_HOST_NAME, text, re.ASCII):
        raise ToolError(
            f"not a host name: `{shown(text)}`",
            hints=("use letters, digits, hyphens and dots, 64 at most",),
            code=ExitCode.USAGE,
        )
    return text


def require_keep_name(name: str) -> str:
    """`name` if something can be kept under it: one plain path component.

    Raises:
        ToolError: it cannot.
    """
    if not re.match(_KEEP_NAME, name, re.ASCII) or name.endswith(".lock"):
        raise ToolError(
            f"not a name to keep something under: `{shown(name)}`",
            hints=(
                "use letters, digits, `.`, `_` and `-`, 64 at most, the first a letter or digit, no `.lock` at the end",
            ),
            code=ExitCode.USAGE,
        )
    return name


def require_container_name(name: str) -> str:
    """`name` if a container can be called so.

    Raises:
        ToolError: it cannot.
    """
    if not re.match(_KEEP_NAME, name, re.ASCII):
        raise ToolError(
            f"not a name for a container: `{shown(name)}`",
            hints=("use letters, digits, `.`, `_` and `-`, 64 at most, the first a letter or digit",),
            code=ExitCode.USAGE,
        )
    return name


def normal_path(path: str) -> str:
    """`path` without `.`, `..`, doubled and trailing slashes, as names only (no links are followed)."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
