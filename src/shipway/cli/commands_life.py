"""The adapters of the verbs about containers that live on."""

from __future__ import annotations

import os
import shlex
import sys
import time
from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.commands_run import read_words
from shipway.cli.parser import UsageError
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shipway.verbs.containers import Container, Named
    from shipway.verbs.entering import Piece
    from shipway.verbs.run import RunWords


def _words(call: Call, *, detach: bool) -> RunWords:
    """What `up` and `job` share with `run`."""
    return read_words(call, shell=False, detach=detach)._replace(tty=call.arguments.flag("tty"))


def _up(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_life import container_document, describe_up, render_up_plan
    from shipway.verbs.starting import run_up

    arguments = call.arguments
    result = run_up(
        _words(call, detach=True),
        call.task(),
        recreate=arguments.flag("recreate"),
        dry_run=arguments.flag("dry-run"),
    )
    if arguments.flag("dry-run") or result.container is None:
        return Answer(render_up_plan(result))
    if call.json:
        document = {
            **container_document(result.container),
            "done": result.done,
            "differs": list(result.differs),
        }
        return Answer(render_json("up", document))
    return Answer(f"{result.container.name}\n", describe_up(result))


def _job(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.verbs.run import run_command
    from shipway.verbs.run_image import run_image

    arguments = call.arguments
    dry_run = arguments.flag("dry-run")
    words = _words(call, detach=True)
    if image := arguments.text("image"):
        result = run_image(words, call.task(), image, dry_run=dry_run)
    else:
        result = run_command(words, call.task(), dry_run=dry_run)
    if dry_run:
        return Answer("".join(f"{line}\n" for line in result.plan))
    if call.json:
        return Answer(render_json("job", {"name": result.name, "id": result.id, "log": result.log or None}))
    return Answer(f"{result.name}\n", f"its output is in `{result.log}`" if result.log else "")


def _exec(call: Call) -> Answer:
    from shipway.verbs.containers import choose_words, explaining_words, settled
    from shipway.verbs.entering import exec_in, read_variables, require_running

    arguments = call.arguments
    container, argv = choose_words(arguments.words, call.task())
    if not argv:
        raise UsageError(
            "`shipway exec` needs a command", hints=[f"for example `shipway exec {container.name} bash`"]
        )
    env = read_variables(arguments.values["env"], arguments.values["env-file"])
    cwd = arguments.text("workdir")
    container = settled(container, call.emit)
    if arguments.flag("detach") or arguments.text("service"):
        return _serve(call, container, argv, env)
    if arguments.flag("dry-run"):
        require_running(container)
        return Answer(f"would run `{shown(shlex.join(argv))}` in `{container.name}`\n")
    tty = not arguments.flag("no-tty") and (arguments.flag("tty") or _is_terminal())
    user = arguments.text("user")
    with explaining_words(container, arguments.words):
        code = exec_in(container, argv, env=env, cwd=cwd, tty=tty, user=user, emit=call.emit)
    if code is None:
        return Answer(talk=f"left `{shown(argv[0])}`, which goes on in `{container.name}`")
    return Answer(code=code)


def _serve(
    call: Call, container: Container, argv: tuple[str, ...], env: tuple[tuple[str, str], ...]
) -> Answer:
    from shipway.verbs.entering import require_free, serve

    arguments = call.arguments
    name = arguments.text("service") or os.path.basename(argv[0])
    if arguments.flag("dry-run"):
        require_free(container, name)
        said = f"would start `{shown(shlex.join(argv))}` in `{container.name}` as the service `{name}`"
        return Answer(f"{said}\n")
    log = serve(
        container, name, argv, env, cwd=arguments.text("workdir"), tty=arguments.flag("tty"), emit=call.emit
    )
    return Answer(f"{container.name}/{name}\n", f"its output is in `{log}`")


def _attach(call: Call) -> Answer:
    from shipway.verbs.containers import Named, find_named, settled
    from shipway.verbs.entering import join

    container, service = find_named(_one(call), call.task())
    named = Named(settled(container, call.emit), service)
    code = join(named, call.emit)
    if code is None:
        return Answer(talk=f"left `{named.container.name}`, which goes on")
    return Answer(code=code)


def _ps(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_life import listed_document, render_ps
    from shipway.verbs.containers import list_all

    flag = call.arguments.flag
    listed = list_all(call.task(), every=flag("all"), here=flag("here"))
    if call.json:
        return Answer(render_json("ps", {"containers": [listed_document(one) for one in listed]}))
    if flag("quiet-ids"):
        return Answer("".join(f"{one.container.id}\n" for one in listed))
    return Answer(render_ps(listed, time.time()))


def _logs(call: Call) -> Answer:
    from shipway.verbs.containers import find_named
    from shipway.verbs.entering import LogRequest, read_pieces

    flag, values = call.arguments.flag, call.arguments.values
    now, tail = time.time(), values["tail"]
    request = LogRequest(
        follow=flag("follow"),
        last=None if tail is None or tail < 0 else tail,
        timestamps=flag("timestamps"),
        since=now - values["since"] if values["since"] is not None else 0.0,
        until=now - values["until"] if values["until"] is not None else 0.0,
    )
    named = find_named(_one(call), call.task())
    try:
        _write_pieces(read_pieces(named, request, call.emit))
    except KeyboardInterrupt:
        if not request.follow:
            raise
    return Answer()


def _write_pieces(pieces: Iterable[Piece]) -> None:
    """Raw bytes to the streams they came from."""
    sys.stdout.flush()
    for piece in pieces:
        view = memoryview(piece.data)
        while view:
            view = view[os.write(1 if piece.stream == 1 else 2, view) :]


def _rename(call: Call) -> Answer:
    from shipway.verbs.containers import find_whole, rename

    old, new = call.arguments.words
    dry_run = call.arguments.flag("dry-run")
    was = rename(find_whole(old, call.task()), new, dry_run=dry_run)
    return Answer(f"would call `{was}` `{new}`\n" if dry_run else "")


def _wait(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.verbs.waiting import Gone, find_awaited, wait_for

    code, codes = 0, {}
    for found in [find_awaited(name, call.task()) for name in call.arguments.words or ("",)]:
        name, code = found if isinstance(found, Gone) else (_called(found), wait_for(found, call.emit))
        codes[name] = code
        if not call.json:
            sys.stdout.write(f"{code}\n")
            sys.stdout.flush()
    return Answer(render_json("wait", {"codes": codes}) if call.json else "", code=code)


def _stats(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_life import render_stats, usage_document
    from shipway.verbs.usage import measure

    task, names = call.task(), call.arguments.words
    if call.json or call.arguments.flag("once") or not sys.stdout.isatty():
        found = measure(names, task, seconds=0.5)
        return Answer(
            render_json("stats", {"containers": [usage_document(one) for one in found]})
            if call.json
            else render_stats(found)
        )
    try:
        while True:
            text = render_stats(measure(names, task, seconds=1.0))
            sys.stdout.write("\x1b[H\x1b[J" + text)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return Answer()


def _top(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_life import process_document, render_top
    from shipway.verbs.containers import find_named
    from shipway.verbs.usage import list_processes

    found = list_processes(find_named(_one(call), call.task()).container)
    if call.json:
        return Answer(render_json("top", {"processes": [process_document(one) for one in found]}))
    return Answer(render_top(found))


def _cp(call: Call) -> Answer:
    from shipway.verbs.copying import copy

    source, target = call.arguments.words
    dry_run = call.arguments.flag("dry-run")
    told = copy(source, target, call.task(), dry_run=dry_run)
    return Answer(f"would copy {told}\n") if dry_run else Answer(talk=f"copied {told}")


def _commit(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_life import commit_document, describe_commit, render_recipe
    from shipway.verbs.commit import run_commit

    name, *image = call.arguments.words
    result = run_commit(name, image[0] if image else "", call.task(), dry_run=call.arguments.flag("dry-run"))
    if call.json:
        return Answer(render_json("commit", commit_document(result)))
    return Answer(render_recipe(result), describe_commit(result))


def _events(call: Call) -> Answer:
    from shipway.cli.show_life import render_event
    from shipway.verbs.happenings import list_events, watch_events

    age = call.arguments.values["since"]
    for event in list_events(since=time.time() - age if age is not None else 0.0):
        sys.stdout.write(render_event(event, as_json=call.json))
    sys.stdout.flush()
    if not call.arguments.flag("follow"):
        return Answer()
    try:
        for event in watch_events():
            sys.stdout.write(render_event(event, as_json=call.json))
            sys.stdout.flush()
    except KeyboardInterrupt:
        return Answer()
    return Answer()


def _called(named: Named) -> str:
    container, service = named
    return f"{container.name}/{service}" if service else container.name


def _one(call: Call) -> str:
    return call.arguments.words[0] if call.arguments.words else ""


def _is_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


COMMANDS: dict[str, Callable[[Call], Answer]] = {
    "up": _up,
    "job": _job,
    "exec": _exec,
    "attach": _attach,
    "ps": _ps,
    "logs": _logs,
    "rename": _rename,
    "wait": _wait,
    "stats": _stats,
    "top": _top,
    "cp": _cp,
    "commit": _commit,
    "events": _events,
}
