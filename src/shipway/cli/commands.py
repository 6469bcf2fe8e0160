"""One adapter per verb: parsed arguments -> the verb's request, its result -> text or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.parser import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.verbs.inspect import InspectResult


def _init(call: Call) -> Answer:
    from shipway.cli.show_init import init_document, render_init
    from shipway.cli.show_json import render_json
    from shipway.verbs.init import run_init

    arguments = call.arguments
    if arguments.flag("ci"):
        return _init_ci(call)
    result = run_init(
        call.task(),
        name=arguments.text("name"),
        force=arguments.flag("force"),
        dry_run=arguments.flag("dry-run"),
    )
    if call.json:
        return Answer(render_json("init", init_document(result)))
    return Answer(result.text if result.dry_run else "", render_init(result))


def _init_ci(call: Call) -> Answer:
    from shipway.cli.show_init import ci_document, render_ci
    from shipway.cli.show_json import render_json
    from shipway.verbs.find import has_spec
    from shipway.verbs.init import run_init
    from shipway.verbs.init_ci import run_init_ci

    arguments, task = call.arguments, call.task()
    dry_run = arguments.flag("dry-run")
    if not dry_run and not has_spec(task.directory or "."):
        run_init(task, name=arguments.text("name"))
    result = run_init_ci(
        task, expect=arguments.text("expect"), force=arguments.flag("force"), dry_run=dry_run
    )
    if call.json:
        return Answer(render_json("init-ci", ci_document(result)))
    return Answer(result.text if dry_run else "", render_ci(result))


def _lock(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_lock import describe_lock, lock_document, render_lock_result
    from shipway.verbs.lock import LockRequest, run_lock

    arguments = call.arguments
    names = arguments.values["upgrade"]
    request = LockRequest(
        check=arguments.flag("check"),
        upgrade=(() if "" in names else names) if names else None,
        repair=arguments.flag("repair"),
        platforms=arguments.values["platform"],
        dry_run=arguments.flag("dry-run"),
    )
    result = run_lock(request, call.task())
    if call.json:
        return Answer(render_json("lock", lock_document(result)), code=result.code)
    return Answer(render_lock_result(result), describe_lock(result), result.code)


def _inspect(call: Call) -> Answer:
    from shipway.cli.show_image import inspect_document, render_inspect
    from shipway.cli.show_json import render_json
    from shipway.verbs.inspect import run_inspect

    words = call.arguments.words
    if call.arguments.flag("remote"):
        return _inspect_remote(call)
    if words:
        from shipway.verbs.inspect_container import find_inspected

        found = find_inspected(words[0])
        if found is not None:
            from shipway.cli.show_container import inspected_document, render_inspected

            document = inspected_document(found)
            return Answer(
                render_json("inspect-container", document) if call.json else render_inspected(found)
            )
    result = _inspect_stored(call, words[0]) if words else run_inspect(call.task())
    return Answer(render_json("inspect", inspect_document(result)) if call.json else render_inspect(result))


def _inspect_stored(call: Call, name: str) -> InspectResult:
    from shipway.core.errors import NotFound
    from shipway.core.text import shown
    from shipway.verbs.inspect import inspect_stored

    try:
        return inspect_stored(call.task(), name)
    except NotFound as error:
        raise NotFound(
            f"there is no container and no image `{shown(name)}` here",
            hints=("`shipway ps -a` lists the containers", *error.hints),
        ) from error


def _inspect_remote(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_registry import remote_document, render_remote
    from shipway.verbs.inspect_remote import inspect_remote

    if not call.arguments.words:
        raise UsageError(
            "`--remote` needs the image's name",
            hints=["write `shipway inspect --remote hub.example.org/team/name:tag`"],
        )
    result = inspect_remote(call.task(), call.arguments.words[0])
    return Answer(
        render_json("inspect-remote", remote_document(result)) if call.json else render_remote(result)
    )


def _explain(call: Call) -> Answer:
    from shipway.cli.commands_run import is_terminal
    from shipway.cli.show_image import explain_document, render_explain
    from shipway.cli.show_json import render_json
    from shipway.verbs.explain import run_explain
    from shipway.verbs.run import RunWords

    words = RunWords(argv=call.arguments.words, engine=call.settings.engine, tty=is_terminal())
    result = run_explain(call.task(), words=words)
    return Answer(render_json("explain", explain_document(result)) if call.json else render_explain(result))


def _why(call: Call) -> Answer:
    from shipway.cli.parser import UsageError
    from shipway.cli.show_json import render_json
    from shipway.cli.show_lock import rebuilt_document, render_rebuilt, render_why, why_document
    from shipway.verbs.rebuilt import run_rebuilt
    from shipway.verbs.why import run_why

    if call.arguments.flag("rebuilt") == bool(call.arguments.words):
        raise UsageError(
            "`shipway why` needs the name of a package, or `--rebuilt`, and not both",
            hints=["for example `shipway why numpy`"],
        )
    if call.arguments.flag("rebuilt"):
        difference = run_rebuilt(call.task())
        document = rebuilt_document(difference)
        return Answer(render_json("why-rebuilt", document) if call.json else render_rebuilt(difference))
    packages = run_why(call.arguments.words[0], call.task())
    return Answer(render_json("why", why_document(packages)) if call.json else render_why(packages))


def _verify(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_lock import render_verify, verify_document
    from shipway.verbs.verify import run_verify

    repair = call.arguments.flag("repair") and not call.arguments.flag("dry-run")
    result = run_verify(call.task(), repair=repair)
    if call.json:
        return Answer(render_json("verify", verify_document(result)), code=result.code)
    return Answer(render_verify(result), code=result.code)


def _gc(call: Call) -> Answer:
    from shipway.cli.show_gc import gc_document, render_gc
    from shipway.cli.show_json import render_json
    from shipway.verbs.gc import GcRequest, run_gc

    values = call.arguments.values
    request = GcRequest(
        older_than=values["older-than"], max_size=values["max-size"], dry_run=call.arguments.flag("dry-run")
    )
    result = run_gc(request, call.emit)
    return Answer(render_json("gc", gc_document(result)) if call.json else render_gc(result))


def _doctor(call: Call) -> Answer:
    from shipway.cli.show_doctor import doctor_document, render_doctor
    from shipway.cli.show_json import render_json
    from shipway.verbs.doctor import run_doctor
    from shipway.verbs.find import find_folder
    from shipway.verbs.machine import ThisMachine

    project = find_folder(call.settings.directory)
    result = run_doctor(ThisMachine(project, offline=call.settings.offline))
    if call.json:
        return Answer(render_json("doctor", doctor_document(result)), code=result.code)
    return Answer(render_doctor(result, color=call.settings.color_data), code=result.code)


def _completion(call: Call) -> Answer:
    from shipway.cli.completion import render_completion

    return Answer(render_completion(call.arguments.words[0]))


COMMANDS: dict[str, Callable[[Call], Answer]] = {
    "init": _init,
    "lock": _lock,
    "inspect": _inspect,
    "explain": _explain,
    "why": _why,
    "verify": _verify,
    "gc": _gc,
    "doctor": _doctor,
    "completion": _completion,
}
