"""What is mounted, in Docker's words and in ours, read as values (pure).

Grammars: docs.docker.com, reference of `docker container run`, `--volume`, `--mount` and `--tmpfs`.
"""

from __future__ import annotations

import csv
import re
from typing import NamedTuple

from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown
from shipway.core.units import parse_size
from shipway.run.model import Mount, TmpfsMount
from shipway.run.places import volume_folder
from shipway.run.words import normal_path, parse_mount

_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z", re.ASCII)
_OPEN = frozenset({"rw", "z", "Z", "cached", "delegated", "consistent", "nocopy"})
"""Options of a volume that change nothing here: labels of SELinux are off, and the others are for other systems."""
_SPREADING = frozenset({"shared", "rshared", "slave", "rslave", "private", "rprivate"})
_TARGETS = ("target", "dst", "destination")
_SOURCES = ("source", "src")
_YES, _NO = ("", "1", "true"), ("0", "false")
_TMPFS_PLAIN = frozenset({"rw", "exec", "nosuid", "nodev"})
_FORMS = (
    "a folder: `-v /on/the/host:/inside`, with `:ro` for reading only",
    "a volume: `-v name:/inside`",
)


class Place(NamedTuple):
    """Where words are read."""

    folder: str
    """The current one: relative paths start there."""
    home: str
    state: str
    """Volumes are below it."""


def parse_volume(text: str, place: Place) -> Mount:
    """`-v HOST:TARGET[:OPTIONS]`: HOST is a path, or the name of a volume where it has no slash.

    Raises:
        ToolError: it has another form, or an option that cannot be kept.
    """
    parts = text.split(":")
    if len(parts) == 1 and text.startswith("/"):
        raise _wrong(
            f"`-v {shown(text)}` has no source: a volume without a name would be thrown away with the container",
            f"name it: `-v data:{shown(text)}`",
            f"or let what is written there go: `--tmpfs {shown(text)}`",
        )
    _refuse_lost_folder(text, parts[0])
    options = parts.pop().split(",") if len(parts) == 3 else []  # noqa: PLR2004 - source, target, options
    if len(parts) != 2 or not all(parts):  # noqa: PLR2004
        raise _wrong(f"not a volume: `{shown(text)}`", *_FORMS)
    source, target = parts
    if not target.startswith("/"):
        raise _wrong(
            f"not a place inside: `{shown(target)}` in `-v {shown(text)}`", "write an absolute path", *_FORMS
        )
    return _mount(source, target, _read_only(options, text), place)


def parse_any_mount(text: str, place: Place) -> Mount | TmpfsMount:
    """`--mount`, as Docker writes it (`type=bind,source=…,target=…`), or `SOURCE:TARGET[:ro]`.

    Raises:
        ToolError: it has another form, or an option that cannot be kept.
    """
    if re.match(r'"?(type|source|src|target|dst|destination)=', text) is None:
        _refuse_lost_folder(text, text.partition(":")[0])
        return parse_mount(text, folder=place.folder, home=place.home)
    fields = _fields(text)
    kind = fields.pop("type", "volume")
    target = _first(fields, _TARGETS)
    source = _first(fields, _SOURCES)
    if not target.startswith("/"):
        raise _wrong(f"`--mount {shown(text)}` needs a place inside", "add `target=/inside`")
    if kind == "tmpfs":
        return _tmpfs_of(fields, source, target, text)
    read_only = _flag(fields, ("readonly", "ro"), text)
    propagation = fields.pop("bind-propagation", "rprivate")
    if propagation not in ("private", "rprivate"):
        raise _no_spreading(propagation)
    for name in ("consistency", "volume-nocopy"):
        fields.pop(name, None)
    _require_empty(fields, text)
    if kind not in ("bind", "volume") or not source:
        raise _wrong(
            f"`--mount {shown(text)}` is none that can be made",
            "write `type=bind,source=/on/the/host,target=/inside`, `type=volume,source=NAME,target=/inside`, "
            "or `type=tmpfs,target=/inside`",
        )
    if kind == "bind" and not source.startswith(("/", "~", ".")):
        source = f"./{source}"
    if kind == "volume" and "/" in source:
        raise _wrong(
            f"`{shown(source)}` is no name of a volume",
            "a folder is mounted by `type=bind`, and `type=volume` is what is meant where no type is written",
        )
    return _mount(source, target, read_only, place)


def parse_tmpfs(text: str) -> TmpfsMount:
    """`--tmpfs TARGET[:size=SIZE,mode=MODE]`.

    Raises:
        ToolError: it has another form, or an option that cannot be kept.
    """
    target, _, options = text.partition(":")
    if not target.startswith("/"):
        raise _wrong(f"not a place inside: `{shown(target)}`", "write `--tmpfs /scratch:size=1g`")
    size, mode = None, 0o1777
    for option in filter(None, options.split(",")):
        name, _, value = option.partition("=")
        if name == "size":
            size = _size(value, text)
        elif name == "mode":
            mode = _mode(value, text)
        elif option not in _TMPFS_PLAIN:
            reason = {
                "noexec": "programs in it can always be run",
                "ro": "it begins empty, so nothing would ever be in it",
            }.get(option, "only `size` and `mode` are known")
            raise _wrong(
                f"`{shown(option)}` in `--tmpfs {shown(text)}` cannot be kept: {reason}", "leave it out"
            )
    return TmpfsMount(normal_path(target), size, mode)


def is_volume(text: str) -> bool:
    """Whether `text` may be called a volume."""
    return _VOLUME.match(text) is not None


def _mount(source: str, target: str, read_only: bool, place: Place) -> Mount:  # noqa: FBT001 - as read
    if "/" in source or source in ("~", ".", ".."):
        if source == "~" or source.startswith("~/"):
            source = place.home + source[1:]
        path = source if source.startswith("/") else f"{place.folder}/{source}"
        return Mount(normal_path(path), normal_path(target), read_only)
    if not is_volume(source):
        raise _wrong(
            f"`{shown(source)}` is neither a path nor a name of a volume",
            f"a folder beside you is `./{shown(source)}`",
            "names of volumes hold letters, digits, `.`, `_` and `-`",
        )
    return Mount(volume_folder(place.state, source), normal_path(target), read_only, owned=True)


def _refuse_lost_folder(text: str, source: str) -> None:
    """A shell that was to put in the current folder has put in something else."""
    inside = re.fullmatch(r"\((.*)\)", source)
    if inside is not None and (inside[1] in ("", "$pwd", "pwd") or "/" in inside[1]):
        raise _wrong(
            f"`{shown(text)}` has `{shown(source)}` for a source: the shell read `($pwd)` as a variable, "
            "which is usually empty",
            'write `"$(pwd)"`, which runs `pwd`, or `"$PWD"`',
        )
    if source in ("$pwd", "$PWD", "$(pwd)", "${PWD}", "`pwd`"):
        raise _wrong(
            f"`{shown(source)}` in `{shown(text)}` was not read by a shell",
            'write it in double quotes, `"$(pwd)"`, or write `.`',
        )
    if not source:
        raise _wrong(
            f"`{shown(text)}` has no source; a variable that is not set may have been meant",
            'the current folder is `"$(pwd)"` or `.`',
        )


def _read_only(options: list[str], text: str) -> bool:
    read_only = False
    for option in options:
        if option in ("ro", "readonly"):
            read_only = True
        elif option in _SPREADING:
            raise _no_spreading(option)
        elif option not in _OPEN:
            raise _wrong(
                f"`{shown(option)}` in `{shown(text)}` is no option of a volume",
                "`ro` makes it read-only; `rw`, `z` and `Z` are accepted and change nothing",
            )
    return read_only


def _no_spreading(option: str) -> ToolError:
    return _wrong(
        f"mounts made later do not spread into a container (`{shown(option)}`)",
        "leave the option out, and mount before the container starts",
    )


def _fields(text: str) -> dict[str, str]:
    words = next(csv.reader([text]), [])
    pairs = [word.partition("=") for word in words]
    names = [name.strip().lower() for name, _, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise _wrong(f"`--mount {shown(text)}` says `{shown(name)}` twice", "leave one of them out")
    return {name: value for name, (_, _, value) in zip(names, pairs, strict=True)}


def _first(fields: dict[str, str], names: tuple[str, ...]) -> str:
    found = [fields.pop(name) for name in names if name in fields]
    return found[0] if found else ""


def _flag(fields: dict[str, str], names: tuple[str, ...], text: str) -> bool:
    for name in names:
        value = fields.pop(name, None)
        if value is None or value.lower() in _NO:
            continue
        if value.lower() not in _YES:
            raise _wrong(f"`{name}={shown(value)}` in `--mount {shown(text)}`", f"write `{name}` alone")
        return True
    return False


def _tmpfs_of(fields: dict[str, str], source: str, target: str, text: str) -> TmpfsMount:
    size = _size(fields.pop("tmpfs-size"), text) if "tmpfs-size" in fields else None
    mode = _mode(fields.pop("tmpfs-mode"), text) if "tmpfs-mode" in fields else 0o1777
    _require_empty(fields, text)
    if source:
        raise _wrong(f"`--mount {shown(text)}`: what lies in memory has no source", "leave `source` out")
    return TmpfsMount(normal_path(target), size, mode)


def _size(text: str, whole: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        hint = "a size is a number with `k`, `m`, `g` or `t`: `size=1g`"
        raise _wrong(f"`{shown(text)}` in `{shown(whole)}` is no size", hint) from error


def _mode(text: str, whole: str) -> int:
    if re.fullmatch(r"[0-7]{3,4}", text) is None:
        raise _wrong(f"`{shown(text)}` in `{shown(whole)}` is no mode", "write it in octal: `mode=1777`")
    return int(text, 8)


def _require_empty(fields: dict[str, str], text: str) -> None:
    for name in fields:
        raise _wrong(f"`--mount {shown(text)}`: `{shown(name)}` cannot be kept here", "leave it out")


def _wrong(message: str, *hints: str) -> ToolError:
    return ToolError(message, hints=hints, code=ExitCode.USAGE)
