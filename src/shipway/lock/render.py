"""Lock -> text: JSON with one artifact a line, in one fixed order, so that a change of one package is a change of few lines.

The text is valid JSON as a whole. Equal locks give equal bytes on every machine: order, spacing and escapes are fixed here,
and no clock, path or version of the writer enters.
"""

from __future__ import annotations

import json
from typing import Any

from shipway.lock.model import FORMAT, Lock, TargetLock
from shipway.lock.order import in_order
from shipway.lock.shapes import (
    ARTIFACTS,
    GENERATED_KEY,
    RECIPES,
    TARGET,
    VERSION_KEY,
    generated_line,
    write_value,
)

_LINE_EACH = frozenset({"requested", "debs", "wheels", "build", "data", "layers"})
"""Fields of a target whose members get a line each."""


def render_lock(lock: Lock) -> str:
    """The one text of `lock`, ending in a newline; reading it gives `in_order(lock)`."""
    lock = in_order(lock)
    members = [
        _member(VERSION_KEY, FORMAT),
        _member(GENERATED_KEY, generated_line(FORMAT)),
        _member("name", lock.name),
        _member("inputs", lock.inputs),
        _member("epoch", lock.epoch),
        _member("layer-budget", lock.layer_budget),
        _member("recipes", write_value(RECIPES, lock.recipes)),
    ]
    for key, shape in ARTIFACTS.items():
        values = getattr(lock, key)
        if values:
            members.append(_lines(key, [_json(write_value(shape, value)) for value in values]))
    if lock.targets:
        members.append(_lines("targets", [_target(target) for target in lock.targets]))
    return "{\n" + ",\n".join(members) + "\n}\n"


def _target(target: TargetLock) -> str:
    members = [
        _lines(key, [_json(item) for item in value]) if key in _LINE_EACH else _member(key, value)
        for key, value in write_value(TARGET, target).items()
    ]
    return "{\n" + ",\n".join(members) + "\n}"


def _member(key: str, value: Any) -> str:
    return f"{_json(key)}: {_json(value)}"


def _lines(key: str, values: list[str]) -> str:
    return f"{_json(key)}: [\n" + ",\n".join(values) + "\n]"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
