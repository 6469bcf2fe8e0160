"""The settings table as JSON Schema (draft 2020-12), for editors that complete and check `shipway.toml`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from shipway.core.platform import PLATFORMS
from shipway.spec.settings import BY_PLACE, TABLES, Kind, Setting, Where

_NAME = "^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
_BASE = (
    "^((debian|ubuntu):[a-z0-9][a-z0-9.-]*(@[0-9]{4}-[0-9]{2}-[0-9]{2})?|[^ ]*/[^ ]*|"
    "(oci|oci-archive|docker-archive|docker-daemon|containers-storage|stored):.+)$"
)
_VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
_INSIDE = "^(?!/|~)(?!.*(^|/)\\.\\./\\.\\.)[^\\\\]+$"


def _texts(**item: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "minLength": 1, **item}}


def _text(**more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, **more}


def _whole(setting: Setting) -> dict[str, Any]:
    bounds: dict[str, Any] = {"type": "integer", "minimum": setting.minimum}
    return bounds if setting.maximum is None else {**bounds, "maximum": setting.maximum}


def _projects(_: Setting) -> dict[str, Any]:
    return {"type": "array", "items": {"oneOf": [_text(pattern=_INSIDE), _table(Where.PROJECT)]}}


def _form(setting: Setting) -> dict[str, Any]:
    return {"pattern": f"^({setting.pattern})$"} if setting.pattern else {}


_SHAPES: dict[Kind, Callable[[Setting], dict[str, Any]]] = {
    Kind.NAME: lambda _: _text(pattern=_NAME),
    Kind.TEXT: lambda it: _text(**_form(it)),
    Kind.FLAG: lambda _: {"type": "boolean"},
    Kind.WHOLE: _whole,
    Kind.NUMBER: lambda _: {"type": "number", "exclusiveMinimum": 0},
    Kind.SIZE: lambda it: {
        "oneOf": [
            _text(pattern="^[0-9]+(\\.[0-9]+)?\\s*[kmgtKMGT]?([iI]?[bB])?$"),
            {"type": "integer", "minimum": 1},
            *([{"enum": [-1, "-1"]}] if it.unlimited else []),
        ]
    },
    Kind.BASE: lambda _: _text(pattern=_BASE),
    Kind.PYTHON: lambda _: _text(pattern="^3\\.[0-9]{1,2}(\\.[0-9]{1,3})?$"),
    Kind.WORKDIR: lambda _: _text(pattern="^/[^/]"),
    Kind.COMMAND: lambda _: {
        "oneOf": [_text(), {"type": "array", "items": {"type": "string"}, "minItems": 1}]
    },
    Kind.CHOICE: lambda it: {"enum": list(it.choices)},
    Kind.CHOICES: lambda it: {"type": "array", "items": {"enum": list(it.choices)}},
    Kind.TEXTS: lambda it: _texts(**_form(it)),
    Kind.NAMES: lambda _: _texts(pattern="^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"),
    Kind.PATH: lambda _: _text(pattern=_INSIDE),
    Kind.PATHS: lambda _: _texts(pattern=_INSIDE),
    Kind.PATTERNS: lambda _: _texts(),
    Kind.APT: lambda _: _texts(pattern="^[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9][A-Za-z0-9.+~:-]*)?$"),
    Kind.PIP: lambda _: _texts(),
    Kind.PROJECTS: _projects,
    Kind.MOUNTS: lambda _: _texts(pattern="^[^:]+:/[^:]+(:r[ow])?$"),
    Kind.VARIABLES: lambda _: {
        "type": "object",
        "propertyNames": {"pattern": _VARIABLE},
        "additionalProperties": {"type": ["string", "number"]},
    },
    Kind.LABELS: lambda _: {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._/-]*$"},
        "additionalProperties": {"type": "string"},
    },
    Kind.VARIABLE_NAMES: lambda _: {**_texts(pattern=_VARIABLE), "uniqueItems": True},
    Kind.URL: lambda _: _text(pattern="^https?://[^@]+$"),
    Kind.DROPS: lambda _: _texts(pattern="^[a-z-]+:.+$"),
}


def render_schema() -> str:
    """The text of `schema.json`, which ships beside this file."""
    shared = {key: _property(setting) for key, setting in BY_PLACE[Where.SHARED].items()}
    shared["files"] = _table(Where.FILES)
    shared["run"] = _table(Where.RUN)
    shared["build"] = {"type": "array", "items": _table(Where.BUILD)}
    data = {"type": "object", "propertyNames": {"pattern": _NAME}, "additionalProperties": _table(Where.DATA)}
    shared["data"] = data
    named = {"type": "object", "propertyNames": {"pattern": _NAME}}
    target = _table(Where.TARGET)
    target["properties"] = {**target["properties"], **shared}
    top = {key: _property(setting) for key, setting in BY_PLACE[Where.TOP].items()}
    assert top["platforms"]["items"]["enum"] == list(PLATFORMS)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:shipway:spec:1",
        "title": "shipway.toml",
        "description": "What a project needs to run: packages, variables, files and targets.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **top,
            **shared,
            "push": _table(Where.PUSH),
            "indexes": {**named, "additionalProperties": _table(Where.INDEX)},
            "targets": {**named, "additionalProperties": target},
        },
    }
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _property(setting: Setting) -> dict[str, Any]:
    default = {"default": json.loads(setting.default)} if _is_json(setting.default) else {}
    return {"description": setting.help, **_SHAPES[setting.kind](setting), **default}


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _table(where: Where) -> dict[str, Any]:
    settings = BY_PLACE[where]
    table: dict[str, Any] = {
        "description": TABLES[where],
        "type": "object",
        "additionalProperties": False,
        "properties": {key: _property(setting) for key, setting in settings.items()},
    }
    required = [key for key, setting in settings.items() if setting.required]
    return {**table, "required": required} if required else table
