"""How long a container lives and what becomes of its output, in Docker's words, read as values (pure)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError, ExitCode, ToolError
from shipway.core.text import shown
from shipway.core.units import parse_size
from shipway.run.model import LogOptions, Restart, RestartKind

if TYPE_CHECKING:
    from collections.abc import Sequence

DRIVERS = ("json-file", "local", "none", "syslog", "journald")
_OURS = (("max-size", "max-file", "mode", "max-buffer-size"), ("json-file", "local", "none", "syslog"))
_HAS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "native": _OURS,
    "apptainer": _OURS,
    "podman": (("max-size", "tag"), ("json-file", "none", "journald")),
}
"""Options and drivers by engine, where they are not all that Docker has; `json-file` and `local` are files everywhere."""
_LOG_SIZES = ("max-size", "max-buffer-size")
_LOG_HINT = (
    "the options are `max-size=10m`, `max-file=3`, `mode=blocking|non-blocking`, `max-buffer-size=4m`, "
    "and `tag`, `labels`, `env`, `compress` for the engines that have them"
)
_ENGINES_OWN = (
    "tag",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "compress",
    "syslog-address",
    "syslog-facility",
)


def parse_restart(text: str) -> Restart:
    """`no`, `always`, `unless-stopped` or `on-failure[:MOST]`.

    Raises:
        ToolError: it is another word.
    """
    word, colon, most = text.partition(":")
    kinds = {str(kind): kind for kind in RestartKind}
    if word not in kinds:
        raise _wrong(
            f"`--restart` cannot be `{shown(text)}`",
            "it is one of: no, on-failure[:TIMES], always, unless-stopped",
        )
    if not colon:
        return Restart(kinds[word])
    if word != RestartKind.ON_FAILURE or re.fullmatch(r"\d{1,6}", most, re.ASCII) is None:
        raise _wrong(
            f"`--restart` cannot be `{shown(text)}`",
            "only `on-failure` has a number of times: `on-failure:3`",
        )
    return Restart(RestartKind.ON_FAILURE, int(most))


def parse_log(driver: str, options: Sequence[str]) -> LogOptions:
    """`--log-driver`, and each `--log-opt NAME=VALUE`.

    Raises:
        ToolError: an option has another form, or two do not go together.
    """
    values: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or name not in (*_LOG_SIZES, "max-file", "mode", *_ENGINES_OWN):
            raise _wrong(f"not an option of logs: `{shown(option)}`", _LOG_HINT)
        values[name] = value
    read = LogOptions(
        driver=driver,
        max_size=_size(values, "max-size"),
        max_files=_count(values, "max-file"),
        mode=values.get("mode", ""),
        buffer=_size(values, "max-buffer-size"),
        others=tuple((name, value) for name, value in values.items() if name in _ENGINES_OWN),
    )
    _require_sense(read)
    return read


def require_log(log: LogOptions, engine: str) -> None:
    """Make sure that `engine` can keep output as `log` says.

    Raises:
        EngineError: it cannot; says what.
    """
    asked = {
        "max-size": log.max_size,
        "max-file": log.max_files,
        "mode": log.mode,
        "max-buffer-size": log.buffer,
        **dict(log.others),
    }
    options, drivers = _HAS.get(engine, (tuple(asked), DRIVERS))
    if log.driver and log.driver not in drivers:
        raise EngineError(
            f"`--log-driver {log.driver}` is not there with `--engine {engine}`",
            hints=(f"it has: {', '.join(drivers)}",),
        )
    for name, value in asked.items():
        if value and name not in options:
            raise EngineError(
                f"`--log-opt {name}` is not there with `--engine {engine}`",
                hints=(f"it has: {', '.join(options)}",),
            )


def _require_sense(log: LogOptions) -> None:
    if log.mode not in ("", "blocking", "non-blocking"):
        raise _wrong(
            f"`--log-opt mode` cannot be `{shown(log.mode)}`",
            "`blocking` waits for the log, `non-blocking` never holds up the program and drops lines instead",
        )
    if log.buffer is not None and log.mode != "non-blocking":
        raise _wrong("`max-buffer-size` is for logs that do not block", "add `--log-opt mode=non-blocking`")
    if log.max_files is not None and log.max_files > 1 and log.max_size is None and log.driver != "local":
        raise _wrong(
            "`max-file` without `max-size` never begins a second file", "add `--log-opt max-size=10m`"
        )
    if log.driver == "none" and log != LogOptions(driver="none"):
        raise _wrong("`--log-driver none` keeps nothing, so it has no options", "leave `--log-opt` out")


def _size(values: dict[str, str], name: str) -> int | None:
    if name not in values or values[name] == "-1":
        return None
    try:
        size = parse_size(values[name])
    except ValueError as error:
        raise _wrong(
            f"`--log-opt {name}` cannot be `{shown(values[name])}`",
            "a size is a number with `k`, `m` or `g`: `10m`",
        ) from error
    if size <= 0:
        raise _wrong(f"`--log-opt {name}` cannot be `{shown(values[name])}`", "give a size above zero: `10m`")
    return size


def _count(values: dict[str, str], name: str) -> int | None:
    if name not in values:
        return None
    if re.fullmatch(r"[1-9]\d{0,4}", values[name], re.ASCII) is None:
        raise _wrong(f"`--log-opt {name}` cannot be `{shown(values[name])}`", "give a number of files: `3`")
    return int(values[name])


def _wrong(message: str, *hints: str) -> ToolError:
    return ToolError(message, hints=hints, code=ExitCode.USAGE)
