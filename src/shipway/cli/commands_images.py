"""Adapters of the verbs of stored images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.parser import UsageError
from shipway.cli.show_json import render_json
from shipway.core.events import Note
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.verbs.context import Task


def _tag(call: Call) -> Answer:
    from shipway.cli.show_images import describe_tag, tag_document
    from shipway.verbs.images import run_tag

    arguments = call.arguments
    dry_run = arguments.flag("dry-run")
    *stored, name = arguments.words
    if stored and arguments.text("image"):
        raise UsageError(
            "`--image` and an image in front of the name say the same", hints=["leave out one of them"]
        )
    image = stored[0] if stored else arguments.text("image")
    result = run_tag(call.task(), name, image, dry_run=dry_run)
    if call.json:
        return Answer(render_json("tag", tag_document(result, dry_run=dry_run)))
    return Answer(f"{result.digest}\n", describe_tag(result, dry_run=dry_run))


def _images(call: Call) -> Answer:
    from shipway.cli.show_images import images_document, render_images
    from shipway.verbs.images import run_images

    rows = run_images(call.emit, call.arguments.words)
    return Answer(render_json("images", images_document(rows)) if call.json else render_images(rows))


def _rmi(call: Call) -> Answer:
    from shipway.cli.show_images import describe_rmi, rmi_document
    from shipway.verbs.images import run_rmi

    dry_run = call.arguments.flag("dry-run")
    result = run_rmi(call.emit, call.arguments.words, dry_run=dry_run)
    if call.json:
        return Answer(render_json("rmi", rmi_document(result, dry_run=dry_run)))
    return Answer("".join(f"{name}\n" for name in result.names), describe_rmi(result, dry_run=dry_run))


def _history(call: Call) -> Answer:
    from shipway.cli.show_images import history_document, render_history
    from shipway.verbs.images import run_history

    words = call.arguments.words
    result = run_history(call.task(), words[0] if words else "")
    return Answer(render_json("history", history_document(result)) if call.json else render_history(result))


def _save(call: Call) -> Answer:
    from shipway.cli.show_images import describe_save, save_document
    from shipway.verbs.archives import SaveRequest, run_save

    arguments = call.arguments
    image, also = _stored(call)
    request = SaveRequest(
        path=arguments.words[0],
        image=image,
        also=also,
        every_platform=_every_platform(call),
        name=arguments.text("name"),
        form=arguments.text("format") or "oci",
        compression=arguments.text("compression"),
        dry_run=arguments.flag("dry-run"),
    )
    result = run_save(request, _task(call))
    if call.json:
        return Answer(render_json("save", save_document(result)))
    return Answer(f"{result.digest}\n" if result.digest else "", describe_save(result))


def _load(call: Call) -> Answer:
    from shipway.cli.show_images import describe_load, load_document
    from shipway.verbs.archives import run_load

    arguments = call.arguments
    dry_run = arguments.flag("dry-run")
    rows = run_load(arguments.words[0], call.task(), name=arguments.text("name"), dry_run=dry_run)
    if call.json:
        return Answer(render_json("load", load_document(rows, dry_run=dry_run)))
    return Answer("".join(f"{row.name}\n" for row in rows), describe_load(rows, dry_run=dry_run))


def _push(call: Call) -> Answer:
    from shipway.cli.show_images import describe_push, push_document
    from shipway.verbs.push import PushOptions, run_push

    arguments = call.arguments
    image, also = _stored(call)
    image = image or _named_here(call)
    given = tuple(arguments.values["attach"])
    if "none" in given and set(given) != {"none"}:
        raise UsageError(
            "`--attach none` and other `--attach` contradict each other", hints=["leave out `--attach none`"]
        )
    options = PushOptions(
        also=also,
        every_platform=_every_platform(call),
        index=arguments.flag("index"),
        attach=tuple(kind for kind in given if kind != "none") if given else None,
    )
    result = run_push(
        _task(call),
        arguments.words[0],
        image=image,
        compression=arguments.text("compression"),
        dry_run=arguments.flag("dry-run"),
        options=options,
    )
    if call.json:
        return Answer(render_json("push", push_document(result)))
    return Answer(f"{result.name}@{result.digest}\n" if result.digest else "", describe_push(result))


def _pull(call: Call) -> Answer:
    from shipway.cli.show_images import describe_pull, pull_document
    from shipway.verbs.pull import run_pull

    arguments = call.arguments
    dry_run = arguments.flag("dry-run")
    result = run_pull(call.task(), arguments.words[0], attached=arguments.text("attached"), dry_run=dry_run)
    if call.json:
        return Answer(render_json("pull", pull_document(result, dry_run=dry_run)))
    return Answer(f"{result.offered}\n", describe_pull(result, dry_run=dry_run))


def _stored(call: Call) -> tuple[str, tuple[str, ...]]:
    """The stored image that `--image` names, and those of other platforms."""
    images = tuple(call.arguments.values["image"])
    if images and _every_platform(call):
        raise UsageError(
            "`--platform all` means the project's images, and `--image` stored ones",
            hints=["leave out one of the two"],
        )
    return (images[0], images[1:]) if images else ("", ())


def _named_here(call: Call) -> str:
    """The stored image of the very name that is pushed to, where there is no spec and so no image of the project's own."""
    from shipway.verbs.find import find_folder, has_spec
    from shipway.verbs.run_image import is_stored

    name = call.arguments.words[0]
    if (
        _every_platform(call)
        or has_spec(find_folder(call.settings.directory))
        or not is_stored(name, call.task())
    ):
        return ""
    call.emit(Note(f"there is no spec here, so the stored image `{shown(name)}` is pushed"))
    return name


def _every_platform(call: Call) -> bool:
    return call.arguments.text("platform") == "all"


def _task(call: Call) -> Task:
    """The task; all platforms are no single one."""
    task = call.task()
    return task._replace(platform="") if _every_platform(call) else task


COMMANDS: dict[str, Callable[[Call], Answer]] = {
    "push": _push,
    "pull": _pull,
    "tag": _tag,
    "images": _images,
    "rmi": _rmi,
    "history": _history,
    "save": _save,
    "load": _load,
}
