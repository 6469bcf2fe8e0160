"""The adapters of `run` and `shell`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.docker_words import looks_like_image
from shipway.cli.parser import UsageError
from shipway.core.errors import ExitCode, ToolError
from shipway.core.events import Note
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.verbs.containers import Container
    from shipway.verbs.run import RunResult, RunWords

_NO_COMMAND = "`{}` is no command of a project here, so the stored image of this name is run"
_OF_ENTERING = frozenset(
    {"target", "env", "env-file", "workdir", "user", "interactive", "tty", "no-tty", "dry-run"}
)
"""Options of `shell` that hold for a container that runs already; any other one makes a new one."""
_SHELL = ("sh", "-c", 'exec "${SHELL:-sh}"')
"""Every container that we make has the variable."""


def _run(call: Call) -> Answer:
    return _start(call, interactive=False)


def _shell(call: Call) -> Answer:
    container = _find_entered(call)
    return _start(call, interactive=True) if container is None else _enter(call, container)


def _find_entered(call: Call) -> Container | None:
    """The container that the shell is for: the one that is named, else the project's own; None where a new one is asked for.

    Raises:
        NotFound: there is none of that name.
        ToolError: a service is named.
        UsageError: an option is for a new one, and one is named.
    """
    from shipway.verbs.containers import find_running_own, find_whole, settled

    arguments, task = call.arguments, call.task()
    assert arguments.verb is not None
    given = [one.name for one in arguments.verb.options if arguments.values.get(one.name)]
    shaping = [name for name in given if name not in _OF_ENTERING]
    if arguments.words:
        container = find_whole(arguments.words[0], task)
        if shaping:
            raise UsageError(
                f"`--{shaping[0]}` is for a container that is made, and `{container.name}` is there",
                hints=[f"leave it out, or leave `{container.name}` out for a new one"],
            )
        return settled(container, call.emit)
    return None if shaping else find_running_own(task)


def _enter(call: Call, container: Container) -> Answer:
    from shipway.verbs.entering import exec_in, read_variables

    arguments = call.arguments
    if arguments.flag("dry-run"):
        return Answer(f"a shell in `{container.name}`, which runs\n")
    if not arguments.words:
        call.emit(Note(f"the shell is in `{container.name}`, which runs"))
    env = read_variables(arguments.values["env"], arguments.values["env-file"])
    cwd, user = arguments.text("workdir"), arguments.text("user")
    tty = _wants_terminal(call)
    code = exec_in(container, _SHELL, env=env, cwd=cwd, tty=tty, user=user, emit=call.emit)
    if code is None:
        return Answer(talk=f"left the shell, which goes on in `{container.name}`")
    return Answer(code=code)


def _start(call: Call, *, interactive: bool) -> Answer:
    arguments = call.arguments
    words = read_words(call, shell=interactive)
    dry_run = arguments.flag("dry-run")
    image = arguments.text("image")
    if not image and not arguments.plain and not interactive and words.argv:
        image, words = _find_image(call, words)
    if (arguments.flag("watch") or arguments.values["watch-files"]) and not dry_run:
        return _watch(call, words, image)
    try:
        result = _run_either(call, words, image, dry_run=dry_run)
    except ToolError as error:
        if image or arguments.plain or interactive or not words.argv:
            raise
        if not _is_image(call, words, error):
            raise _with_way_to_image(call, error, words.argv[0]) from None
        first, rest = words.argv[0], words._replace(argv=words.argv[1:])
        call.emit(Note(_NO_COMMAND.format(shown(first))))
        result = _run_either(call, rest, first, dry_run=dry_run)
    if result.name:
        said = f"; its output is in `{result.log}`" if result.log else ""
        return Answer(f"{result.id}\n", f"`{result.name}` runs{said}")
    return Answer("".join(f"{line}\n" for line in result.plan), code=result.code)


def _watch(call: Call, words: RunWords, image: str) -> Answer:
    """The command again and again: each in a process of its own, which tells its failures itself."""
    from shipway.cli.failures import tell_failure
    from shipway.verbs.watch_run import watch_and_run

    if words.life is not None:
        raise UsageError(
            "`--watch` belongs to a command that is waited for",
            hints=["leave `--name`, `--detach` and `--restart` out"],
        )

    def start() -> int:
        try:
            result = _run_either(call, words, image, dry_run=False)
        except ToolError as error:
            return tell_failure(error, "run")
        return result.code

    return Answer(code=watch_and_run(start, call.arguments.values["watch-files"], call.task()))


def _with_way_to_image(call: Call, error: ToolError, word: str) -> ToolError:
    """`error` of a command that is not there, with what to do if `word` was meant as an image."""
    if _misses_command(call, error) and re.fullmatch(r"[a-z0-9][a-z0-9._-]*", word):
        hint = f"if `{word}` is an image: `shipway pull {word}` gets it, then `shipway run {word}:latest …`"
        error.hints = (*error.hints, hint)
    return error


def _run_either(call: Call, words: RunWords, image: str, *, dry_run: bool) -> RunResult:
    if image:
        from shipway.verbs.run_image import run_image

        return run_image(words, call.task(), image, dry_run=dry_run)
    from shipway.verbs.run import run_command

    return run_command(words, call.task(), dry_run=dry_run)


def _is_image(call: Call, words: RunWords, error: ToolError) -> bool:
    """Whether the first word, which turned out to be no command, is the name of a stored image."""
    if not _misses_command(call, error):
        return False
    from shipway.verbs.run_image import is_stored

    return is_stored(words.argv[0], call.task())


def _misses_command(call: Call, error: ToolError) -> bool:
    """Whether there is no such command, or no project that could have it."""
    return error.code is ExitCode.COMMAND_NOT_FOUND or (error.code is ExitCode.SPEC and not _has_spec(call))


def _has_spec(call: Call) -> bool:
    from shipway.verbs.find import find_folder, has_spec

    return has_spec(find_folder(call.settings.directory))


def read_words(call: Call, *, shell: bool, detach: bool = False) -> RunWords:
    """What the options of `options_running` say. `detach`: as if that option were there.

    Raises:
        ToolError: one of them is wrong.
    """
    from shipway.verbs.invocation import LifeWords, read_life
    from shipway.verbs.run import RunWords

    arguments, values = call.arguments, call.arguments.values
    if values["init"] is False:
        raise UsageError(
            "every container has an init, which costs nothing", hints=["leave `--init=false` out"]
        )
    life = LifeWords(
        name=arguments.text("name"),
        detach=detach or arguments.flag("detach"),
        interactive=arguments.flag("interactive"),
        rm=arguments.flag("rm"),
        restart=arguments.text("restart"),
        log_driver=arguments.text("log-driver"),
        log_options=values.get("log-opt", ()),
    )
    return RunWords(
        argv=arguments.words,
        shell=shell,
        env=values["env"],
        env_files=values["env-file"],
        secrets=values["secret"],
        mounts=values["mount"],
        workdir=arguments.text("workdir"),
        hostname=arguments.text("hostname"),
        network=arguments.text("network"),
        shm_size=values["shm-size"],
        memory=values["memory"],
        cpus=values["cpus"],
        pids=values["pids"],
        keep=arguments.text("keep"),
        read_only=arguments.flag("read-only"),
        volumes=values["volume"],
        tmpfs=values["tmpfs"],
        ports=values["publish"],
        ulimits=values["ulimit"],
        user=arguments.text("user"),
        groups=values["group-add"],
        entrypoint=values["entrypoint"],
        pid=arguments.text("pid"),
        ipc=arguments.text("ipc"),
        cpuset=arguments.text("cpuset-cpus"),
        cpu_shares=values["cpu-shares"],
        memory_swap=values["memory-swap"],
        gpus=_gpus(call),
        editable=not arguments.flag("no-editable"),
        display=arguments.flag("display"),
        engine=call.settings.engine,
        tty=_wants_terminal(call),
        life=read_life(life),
        restart_said=bool(life.restart),
    )


def _gpus(call: Call) -> str:
    value = call.arguments.values["gpus"]
    if value == "":
        raise UsageError("`--gpus` cannot be empty", hints=["write `--gpus all`, or leave it out"])
    return str(value or "")


def _wants_terminal(call: Call) -> bool:
    """Whether the command gets a terminal: where we have one, and in the background only when it is asked for."""
    asked, refused = call.arguments.flag("tty"), call.arguments.flag("no-tty")
    if asked and refused:
        raise UsageError("`--tty` and `--no-tty` contradict each other", hints=["leave out one of them"])
    if call.arguments.flag("detach"):
        return asked
    if is_terminal() or refused:
        return not refused
    if asked:
        call.emit(
            Note("a terminal was asked for, and there is none here: the command gets none either", "warning")
        )
    return False


def is_terminal() -> bool:
    """Whether people type and read here."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _find_image(call: Call, words: RunWords) -> tuple[str, RunWords]:
    """The stored image that the first word names, as in `docker run`, and the words without it; else no image.

    A name without a tag may be a command as well. Where there is no spec, it is the image if this machine has no such command:
    an environment that is inferred would be built only to find that out.

    Raises:
        NotFound: the word can be nothing else, and no such image is stored.
    """
    first = words.argv[0]
    bare = not (":" in first or "/" in first)
    if first.startswith(("/", ".")) or (bare and _has_spec(call)):
        return "", words
    from shipway.verbs.run_image import is_image_first, is_stored, require_stored

    if bare:
        if not is_image_first(first, call.task()):
            return "", words
        call.emit(Note(_NO_COMMAND.format(first)))
    elif looks_like_image(first):
        require_stored(first, call.task())
    elif not is_stored(first, call.task()):
        return "", words
    rest = words.argv[1:]
    return first, words._replace(argv=rest[1:] if rest[:1] == ("--",) else rest)


COMMANDS: dict[str, Callable[[Call], Answer]] = {"run": _run, "shell": _shell}
