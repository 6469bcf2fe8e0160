"""The words of the lock file: for every value its fields in the order of the file, and how each is read and written.

Declarative; `render.py` and `parse.py` both walk these tables, and a test holds them against `model.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from shipway.core.digest import BlobDigest, DiffId, Digest
from shipway.lock.model import (
    ArchiveLock,
    BaseImage,
    BaseLayer,
    BuildCommandLock,
    DataFile,
    DataUse,
    Deb,
    IndexLock,
    LayerLock,
    PythonLock,
    Recipes,
    Source,
    TargetLock,
    Wheel,
)

VERSION_KEY = "shipway-lock"
GENERATED_KEY = "generated"
READABLE_SINCE = {1: "0.1.0"}
"""Lock format -> the first shipway that reads it."""


def generated_line(version: int) -> str:
    """The second line of every lock, whatever its format: a reader that does not know the format can still quote it."""
    return (
        f"by shipway, lock format {version}, readable since shipway {READABLE_SINCE[version]}; "
        "do not edit: change the spec and run `shipway lock`"
    )


class Field(NamedTuple):
    """One field of one value."""

    attribute: str
    read: Callable[[Any], Any]
    """JSON value -> model value; raises ValueError saying what was expected."""
    write: Callable[[Any], Any]
    """Model value -> JSON value."""
    absent: Any = None
    """What an absent field means; it is left out when it has this value. None: must be there."""
    optional: bool = False


class Shape(NamedTuple):
    """One kind of value."""

    make: Callable[..., Any]
    fields: dict[str, Field]


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("must be a string")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("must be a whole number, not negative")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("must be true or false")
    return value


def _digest(value: Any) -> BlobDigest:
    return BlobDigest(_text(value))


def _diff_id(value: Any) -> DiffId:
    return DiffId(_text(value))


def _any_digest(value: Any) -> Digest:
    return Digest(_text(value))


def _texts(value: Any) -> tuple[str, ...]:
    if type(value) is not list or not all(type(item) is str for item in value):
        raise ValueError("must be a list of strings")
    return tuple(value)


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    if type(value) is not dict or not all(type(item) is str for item in value.values()):
        raise ValueError("must be an object of strings")
    return tuple(value.items())


def text(attribute: str, absent: str | None = None) -> Field:
    """A string."""
    return Field(attribute, _text, _same, absent, absent is not None)


def whole(attribute: str, absent: int | None = None) -> Field:
    """A whole number, not negative."""
    return Field(attribute, _whole, _same, absent, absent is not None)


def flag(attribute: str) -> Field:
    """True or false; absent when false."""
    return Field(attribute, _flag, _same, False, True)


def texts(attribute: str, *, required: bool = False) -> Field:
    """A list of strings; absent when empty."""
    return Field(attribute, _texts, list, None if required else (), not required)


def pairs(attribute: str) -> Field:
    """An object of strings whose order counts; absent when empty."""
    return Field(attribute, _pairs, dict, (), True)


def digest(attribute: str, *, required: bool = True) -> Field:
    """A sha256 digest."""
    return Field(attribute, _digest, _same, None, not required)


def read_value(shape: Shape, raw: Any) -> Any:
    """The model value that the JSON value `raw` says.

    Raises:
        ValueError: an unknown field, a missing one, or a wrong type; the message names the field.
    """
    if type(raw) is not dict:
        raise ValueError("must be an object")
    fields = shape.fields
    values = {}
    for key, value in raw.items():
        field = fields.get(key)
        if field is None:
            raise ValueError(f"unknown field `{key}`")
        try:
            values[field.attribute] = field.read(value)
        except ValueError as error:
            raise ValueError(f"`{key}`: {error}") from None
    for key, field in fields.items():
        if not field.optional and key not in raw:
            raise ValueError(f"`{key}` is missing")
    return shape.make(**values)


def write_value(shape: Shape, value: Any) -> dict[str, Any]:
    """The JSON value of `value`: fields in the order of the shape, those that say nothing left out."""
    result = {}
    for key, field in shape.fields.items():
        member = getattr(value, field.attribute)
        if field.optional and member == field.absent:
            continue
        result[key] = field.write(member)
    return result


def nested(attribute: str, shape: Shape) -> Field:
    """One value inside another; absent when None."""
    return Field(
        attribute, lambda raw: read_value(shape, raw), lambda value: write_value(shape, value), None, True
    )


def several(attribute: str, shape: Shape) -> Field:
    """A list of values; absent when empty."""
    return Field(
        attribute,
        lambda raw: read_list(shape, raw),
        lambda values: [write_value(shape, value) for value in values],
        (),
        True,
    )


def read_list(shape: Shape, raw: Any) -> tuple[Any, ...]:
    """The values of a JSON list.

    Raises:
        ValueError: one of them is wrong; the message counts from 1.
    """
    if type(raw) is not list:
        raise ValueError("must be a list")
    result = []
    for number, item in enumerate(raw, 1):
        try:
            result.append(read_value(shape, item))
        except ValueError as error:
            raise ValueError(f"entry {number}{_name_of(item)}: {error}") from None
    return tuple(result)


def _name_of(item: Any) -> str:
    name = item.get("name", item.get("alias", "")) if type(item) is dict else ""
    return f" (`{name[:80]}`)" if type(name) is str and name else ""


RECIPES = Shape(
    Recipes, {name: whole(name) for name in ("deb", "system", "wheel", "venv", "files", "planner", "writer")}
)
ARCHIVE = Shape(
    ArchiveLock,
    {
        "alias": text("alias"),
        "distribution": text("distribution"),
        "suite": text("suite"),
        "components": texts("components", required=True),
        "date": text("date"),
        "release": digest("release"),
        "signers": texts("signers", required=True),
    },
)
INDEX = Shape(IndexLock, {"alias": text("alias"), "folder": text("folder", "")})
BASE_LAYER = Shape(
    BaseLayer,
    {
        "diff-id": Field("diff_id", _diff_id, _same),
        "sha256": digest("sha256"),
        "size": whole("size"),
        "media-type": text("media_type"),
        "unpacked": whole("unpacked"),
    },
)
BASE = Shape(
    BaseImage,
    {
        "name": text("name"),
        "platform": text("platform"),
        "manifest": Field("manifest", _any_digest, _same),
        "config": Field("config", _any_digest, _same),
        "distribution": text("distribution", ""),
        "suite": text("suite", ""),
        "libc": text("libc", ""),
        "cuda": text("cuda", ""),
        "cudnn": text("cudnn", ""),
        "usrmerge": flag("usrmerge"),
        "env": pairs("env"),
        "user": text("user", ""),
        "entrypoint": texts("entrypoint"),
        "command": texts("command"),
        "layers": several("layers", BASE_LAYER),
    },
)
DEB = Shape(
    Deb,
    {
        "name": text("name"),
        "version": text("version"),
        "architecture": text("architecture"),
        "sha256": digest("sha256"),
        "size": whole("size"),
        "archive": text("archive"),
        "path": text("path"),
        "source": text("source"),
        "essential": flag("essential"),
        "depends": texts("depends"),
    },
)
WHEEL = Shape(
    Wheel,
    {
        "name": text("name"),
        "version": text("version"),
        "filename": text("filename"),
        "sha256": digest("sha256"),
        "size": whole("size"),
        "index": text("index", ""),
        "source": text("source", ""),
        "depends": texts("depends"),
    },
)
SOURCE = Shape(
    Source,
    {
        "kind": text("kind"),
        "name": text("name"),
        "version": text("version"),
        "sha256": digest("sha256"),
        "filename": text("filename", ""),
        "size": whole("size", 0),
        "index": text("index", ""),
        "url": text("url", ""),
        "commit": text("commit", ""),
        "path": text("path", ""),
        "build-requires": texts("build_requires"),
    },
)
PYTHON = Shape(
    PythonLock,
    {
        "version": text("version"),
        "executable": text("executable"),
        "origin": text("origin", "base"),
        "filename": text("filename", ""),
        "sha256": digest("sha256", required=False),
        "size": whole("size", 0),
    },
)
BUILD = Shape(
    BuildCommandLock,
    {"argv": texts("argv", required=True), "inputs": texts("inputs"), "network": flag("network")},
)
DATA_FILE = Shape(
    DataFile,
    {
        "source": text("source"),
        "path": text("path"),
        "sha256": digest("sha256"),
        "size": whole("size", 0),
    },
)
DATA_USE = Shape(
    DataUse,
    {
        "name": text("name"),
        "source": text("source", ""),
        "target": text("target"),
        "unpack": flag("unpack"),
        "copy": flag("copy"),
        "files": texts("files"),
        "folder": text("folder", ""),
    },
)
LAYER = Shape(
    LayerLock,
    {"name": text("name"), "members": texts("members", required=True), "reason": text("reason", "")},
)
TARGET = Shape(
    TargetLock,
    {
        "name": text("name"),
        "platform": text("platform"),
        "base": text("base"),
        "image": text("image", ""),
        "python": nested("python", PYTHON),
        "bytecode": flag("bytecode"),
        "system-site-packages": flag("system_site_packages"),
        "slim": texts("slim"),
        "workdir": text("workdir", "/work"),
        "env": pairs("env"),
        "labels": pairs("labels"),
        "command": texts("command"),
        "include": texts("include"),
        "ignore": texts("ignore"),
        "requested": texts("requested"),
        "debs": texts("debs"),
        "wheels": texts("wheels"),
        "build": several("build", BUILD),
        "data": several("data", DATA_USE),
        "layers": several("layers", LAYER),
    },
)
ARTIFACTS: dict[str, Shape] = {
    "archives": ARCHIVE,
    "indexes": INDEX,
    "bases": BASE,
    "debs": DEB,
    "wheels": WHEEL,
    "sources": SOURCE,
    "data": DATA_FILE,
}
"""The lists that hold one artifact a line, in the order of the file; targets follow."""
PLACES = ("conda", "git")
"""Lists that this format keeps a place for; they are empty in it."""
