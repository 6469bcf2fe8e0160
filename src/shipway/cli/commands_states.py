"""The adapters of the verbs that begin, end and remove containers that live on."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.parser import UsageError
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.verbs.containers import Named

_PATIENCE = 10.0


def _each(call: Call, act: Callable[[Named], object], would: Callable[[Named], str]) -> Answer:
    """Do it to all that the words name, or with `--dry-run` say of each what `would` be done; their names."""
    from shipway.verbs.containers import find_named

    task = call.task()
    return _each_of(call, [find_named(name, task) for name in call.arguments.words or ("",)], act, would)


def _each_whole(call: Call, act: Callable[[Named], object], would: Callable[[Named], str]) -> Answer:
    """The same where no service can be meant."""
    from shipway.verbs.containers import Named, find_whole

    task = call.task()
    found = [Named(find_whole(name, task)) for name in call.arguments.words or ("",)]
    return _each_of(call, found, act, would)


def _each_of(
    call: Call, found: Sequence[Named], act: Callable[[Named], object], would: Callable[[Named], str]
) -> Answer:
    """All of them are found before anything is done."""
    if call.arguments.flag("dry-run"):
        return Answer("".join(f"{would(named)}\n" for named in found))
    for named in found:
        act(named)
    return Answer("".join(f"{_called(named)}\n" for named in found))


def _called(named: Named) -> str:
    container, service = named
    return shown(f"{container.name}/{service}" if service else container.name)


def _patience(call: Call) -> float:
    value = call.arguments.values.get("time")
    return _PATIENCE if value is None else float(value)


def _stop(call: Call) -> Answer:
    from shipway.verbs.ending import is_alive, stop

    def would(named: Named) -> str:
        return f"would end `{_called(named)}`" if is_alive(named) else f"`{_called(named)}` has ended already"

    return _each(call, lambda named: stop(named, _patience(call), call.emit), would)


def _start(call: Call) -> Answer:
    from shipway.verbs.containers import find_whole
    from shipway.verbs.starting import require_startable, start_again

    task, words = call.task(), call.arguments.words
    if call.arguments.flag("attach") and len(words) > 1:
        raise UsageError(
            "`--attach` joins the streams of one container", hints=["leave it out, or name only one"]
        )
    if call.arguments.flag("attach") and not call.arguments.flag("dry-run"):
        code = start_again(find_whole(words[0] if words else "", task), task, attached=True)
        return Answer(code=code or 0)

    def would(named: Named) -> str:
        require_startable(named.container, task)
        return f"would start `{_called(named)}`"

    return _each_whole(call, lambda named: start_again(named.container, task, attached=False), would)


def _restart(call: Call) -> Answer:
    from shipway.verbs.ending import is_alive
    from shipway.verbs.starting import require_restartable, restart

    task = call.task()

    def would(named: Named) -> str:
        require_restartable(named.container, task)
        return f"would {'end `{0}` and ' if is_alive(named) else ''}start `{{0}}`".format(_called(named))

    return _each_whole(call, lambda named: restart(named.container, task, _patience(call)), would)


def _kill(call: Call) -> Answer:
    from shipway.verbs.ending import kill, require_alive

    number = _signal_number(call.arguments.text("signal") or "KILL")

    def would(named: Named) -> str:
        require_alive(named, number)
        return f"would send {signal.Signals(number).name} to `{_called(named)}`"

    return _each(call, lambda named: kill(named, number, call.emit), would)


def _signal_number(text: str) -> int:
    name = text.upper().removeprefix("SIG")
    try:
        return signal.Signals(int(name)) if name.isdigit() else signal.Signals["SIG" + name]
    except (ValueError, KeyError):
        raise UsageError(
            f"`--signal` cannot be `{shown(text)}`",
            hints=["a signal is `TERM`, `SIGHUP`, `9`; `kill -l` lists them"],
        ) from None


def _rm(call: Call) -> Answer:
    from shipway.verbs.containers import find_whole
    from shipway.verbs.ending import list_ended, remove
    from shipway.verbs.removal import is_left, remove_left

    arguments, task = call.arguments, call.task()
    dry_run, force = arguments.flag("dry-run"), arguments.flag("force")
    left = [word for word in arguments.words if is_left(word)]
    found = [find_whole(word, task) for word in arguments.words if word not in left]
    if arguments.flag("ended"):
        found += list_ended(task)
    elif not arguments.words:
        raise UsageError(
            "`shipway rm` needs a name, or `--ended`", hints=["`shipway ps -a` lists what is there"]
        )
    told = [remove(container, force=force, emit=call.emit, dry_run=dry_run) for container in found]
    told += [remove_left(word, task, dry_run=dry_run) for word in left]
    if dry_run:
        return Answer("".join(f"would remove {text}\n" for text in told))
    return Answer("".join(f"{shown(name)}\n" for name in (*(one.name for one in found), *left)))


def _down(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_life import describe_down
    from shipway.verbs.ending import take_down

    flag = call.arguments.flag
    result = take_down(call.task(), _patience(call), keep_files=flag("keep-files"), dry_run=flag("dry-run"))
    if call.json:
        return Answer(render_json("down", result._asdict()))
    if result.dry_run:
        return Answer(describe_down(result))
    names = dict.fromkeys([*result.ended, *result.removed])
    return Answer("".join(f"{shown(name)}\n" for name in names), describe_down(result))


COMMANDS: dict[str, Callable[[Call], Answer]] = {
    "stop": _stop,
    "start": _start,
    "restart": _restart,
    "kill": _kill,
    "rm": _rm,
    "down": _down,
}
