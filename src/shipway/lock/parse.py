"""Text -> lock, strictly: what `render.py` writes is read, and everything else is refused with the place and the reason."""

from __future__ import annotations

import json
from typing import Any

from shipway.core.digest import TreeKey
from shipway.core.errors import LockFormatError
from shipway.core.text import shown
from shipway.lock.check import find_faults
from shipway.lock.model import FORMAT, Lock
from shipway.lock.shapes import (
    ARTIFACTS,
    GENERATED_KEY,
    PLACES,
    RECIPES,
    TARGET,
    VERSION_KEY,
    read_list,
    read_value,
)

_AGAIN = "run `shipway lock` to write it anew"
_HEAD = ("name", "inputs", "epoch", "layer-budget", "recipes")


def parse_lock(text: str, *, file: str = "shipway.lock") -> Lock:
    """The lock that `text` says; `file` is for messages.

    Raises:
        LockFormatError: no lock, a merge conflict inside, an unknown field, a reference to nothing, or a newer format.
    """
    document = _document(text, file)
    _require_known_format(document, file)
    try:
        lock = _lock(document)
    except ValueError as error:
        raise LockFormatError(f"`{file}` cannot be read: {shown(str(error), 400)}", hints=[_AGAIN]) from None
    faults = find_faults(lock)
    if faults:
        raise LockFormatError(
            f"`{file}` contradicts itself: {shown(faults[0], 400)}",
            hints=[_AGAIN],
            detail="\n".join(map(shown, faults[1:20])),
        )
    return lock


def _document(text: str, file: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        if "\n<<<<<<<" in text or text.startswith("<<<<<<<"):
            raise LockFormatError(
                f"`{file}` holds an unresolved merge conflict",
                hints=[
                    "take either side of the file whole, then run `shipway lock`: it keeps what still fits"
                ],
            ) from None
        raise LockFormatError(f"`{file}` is no lock file: {shown(str(error))}", hints=[_AGAIN]) from None
    if not isinstance(document, dict) or type(document.get(VERSION_KEY)) is not int:
        raise LockFormatError(
            f"`{file}` is no lock file: it does not start with `{VERSION_KEY}`", hints=[_AGAIN]
        )
    return document


def _require_known_format(document: dict[str, Any], file: str) -> None:
    version = document[VERSION_KEY]
    if 1 <= version <= FORMAT:
        return
    said = document.get(GENERATED_KEY)
    writer = f"; it was generated {shown(said)}" if isinstance(said, str) else ""
    raise LockFormatError(
        f"`{file}` is of lock format {version}, and this shipway reads formats 1 to {FORMAT}{writer}",
        hints=[
            "install the shipway that wrote it, or a newer one",
            "to go back on purpose, delete it and run `shipway lock`",
        ],
    )


def _lock(document: dict[str, Any]) -> Lock:
    known = {VERSION_KEY, GENERATED_KEY, *_HEAD, *ARTIFACTS, *PLACES, "targets"}
    for key in document:
        if key not in known:
            raise ValueError(f"unknown field `{key}`")
    for key in _HEAD:
        if key not in document:
            raise ValueError(f"`{key}` is missing")
    for key in PLACES:
        if document.get(key, []) != []:
            raise ValueError(f"`{key}` must be empty in this format")
    return Lock(
        name=_text(document, "name"),
        inputs=TreeKey(_text(document, "inputs")),
        epoch=_whole(document, "epoch"),
        layer_budget=_whole(document, "layer-budget"),
        recipes=_within("recipes", lambda: read_value(RECIPES, document["recipes"])),
        targets=_within("targets", lambda: read_list(TARGET, document.get("targets", []))),
        **{
            key: _within(key, lambda k=key, s=shape: read_list(s, document.get(k, [])))
            for key, shape in ARTIFACTS.items()
        },
    )


def _within(key: str, read: Any) -> Any:
    try:
        return read()
    except ValueError as error:
        raise ValueError(f"`{key}`: {error}") from None


def _text(document: dict[str, Any], key: str) -> str:
    if type(document[key]) is not str:
        raise ValueError(f"`{key}` must be a string")
    return str(document[key])


def _whole(document: dict[str, Any], key: str) -> int:
    if type(document[key]) is not int or document[key] < 0:
        raise ValueError(f"`{key}` must be a whole number, not negative")
    return int(document[key])
