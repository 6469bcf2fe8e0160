"""Named tuples as JSON and back, by their annotations (pure)."""

from __future__ import annotations

import functools
import types
import typing
from enum import Enum
from typing import Any, TypeVar

_T = TypeVar("_T", bound=tuple)  # type: ignore[type-arg]


def encode(value: Any) -> Any:
    """`value` as JSON values: a named tuple is an object without the fields that have their defaults."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        defaults = type(value)._field_defaults  # type: ignore[attr-defined]
        pairs = zip(value._fields, value, strict=True)
        return {name: encode(item) for name, item in pairs if name not in defaults or item != defaults[name]}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def decode(kind: type[_T], value: Any) -> _T:
    """The named tuple of class `kind` that `encode` wrote; fields that it does not know are left out.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, dict):
        raise ValueError(f"no {kind.__name__}: {value!r}")  # noqa: TRY004 - of the format, not of the program
    hints = _hints(kind)
    try:
        return kind(**{name: _item(hints[name], item) for name, item in value.items() if name in hints})
    except TypeError as problem:
        raise ValueError(f"no {kind.__name__}: {problem}") from problem


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _item(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _item(next(one for one in arguments if one is not type(None)), value)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
            if arguments[0] is str:  # hundreds of trees in each record
                return tuple(value)
            return tuple(_item(arguments[0], item) for item in value)
        return tuple(_item(one, item) for one, item in zip(arguments, value, strict=True))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if isinstance(hint, type) and issubclass(hint, tuple):
        return decode(hint, value)
    return value
