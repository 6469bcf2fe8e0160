"""Instructions other than RUN -> what they become: variables, copies, the working directory, the command."""

from __future__ import annotations

import posixpath

from shipway.core.labels import find_label_fault
from shipway.core.secrets import looks_secret
from shipway.core.text import shown
from shipway.spec.dockerfile.habits import DROPPED_VARIABLES, PREDEFINED, SECRET_FILES
from shipway.spec.dockerfile.model import Instruction
from shipway.spec.dockerfile.state import Copied, State
from shipway.spec.dockerfile.words import expand, read_pairs, split_words

_SHELLS = frozenset({"bash", "sh", "zsh", "/bin/bash", "/bin/sh", "/usr/bin/bash", "/bin/zsh"})
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".txz", ".tar.zst")
_NO_PLACE = {
    "EXPOSE": "ports are those of the host's network; nothing has to be opened",
    "HEALTHCHECK": "nobody restarts a container of a research project; the command's exit code is the answer",
    "STOPSIGNAL": "signals reach the command itself",
    "ONBUILD": "",
    "MAINTAINER": "",
}


def read_arg(instruction: Instruction, state: State) -> None:
    """ARG."""
    for raw in split_words(instruction.text, state.record.source.escape):
        name, equals, text = raw.partition("=")
        default = expand(text, state.variables).text
        if looks_secret(name, default or "given"):
            _say_secret(name, "ARG", state)
            state.variables[name] = None
        elif name in state.arguments:
            state.variables[name] = state.arguments[name]
        elif equals:
            state.variables[name] = default
        else:
            state.variables[name] = state.global_arguments.get(name)
            if state.variables[name] is None and name not in PREDEFINED:
                state.record.left(
                    f"ARG `{shown(name)}` has no value", f"`--build-arg {shown(name)}=VALUE` gives it one"
                )
        state.from_arguments.add(name)
    state.record.nothing("arguments are replaced where they are used")


def _say_secret(name: str, kind: str, state: State) -> None:
    state.record.wrong(
        f"{kind} `{shown(name)}` holds a secret, which stays in the image's history for everybody who has it",
        "replace it where it was given; the spec passes it on when a container starts (`run.pass-env`)",
    )
    if kind == "ENV":
        items = state.record.draft.document.setdefault("run", {}).get("pass-env", [])
        state.record.put_in(
            "run", "pass-env", [*items, name] if name not in items else items, "it is a secret"
        )


def read_env(instruction: Instruction, state: State) -> None:
    """ENV."""
    escape = state.record.source.escape
    pairs = read_pairs(instruction.text, state.variables, escape)
    if pairs is None:
        state.record.wrong("`ENV NAME VALUE` is the old form", "write `ENV NAME=VALUE`")
        name, _, value = instruction.text.partition(" ")
        pairs = ((name, expand(value.strip(), state.variables, escape)),)
    for name, word in pairs:
        state.from_arguments.discard(name)
        if looks_secret(name, word.text or "given"):
            _say_secret(name, "ENV", state)
            state.variables[name] = None
            continue
        previous = state.variables.get(name)
        state.variables[name] = word.text
        if name == "DEBIAN_FRONTEND":
            state.record.wrong(
                "`DEBIAN_FRONTEND` stays set in every container", "set it in the RUN that needs it"
            )
        if name in DROPPED_VARIABLES:
            state.record.nothing(f"`{name}`: {DROPPED_VARIABLES[name]}")
        elif state.build_only:
            state.record.nothing("variables of a stage that is only copied from stay behind")
        elif unknown := [it for it in word.unknown if it != name]:
            state.record.left(
                f"`{shown(name)}` takes `{shown(unknown[0])}`, which has no value here", "write it into `env`"
            )
        else:
            text = word.text.strip(":") if previous is None and word.unknown else word.text
            state.variables[name] = text
            state.record.put_in("env", name, text, "it is set in the image")


def read_label(instruction: Instruction, state: State) -> None:
    """LABEL."""
    pairs = read_pairs(instruction.text, state.variables, state.record.source.escape)
    if pairs is None:
        name, _, value = instruction.text.partition(" ")
        pairs = ((name, expand(value.strip(), state.variables, state.record.source.escape)),)
    for name, word in pairs:
        fault = find_label_fault(name, word.text)
        if state.build_only:
            state.record.nothing("labels of a stage that is only copied from stay behind")
        elif word.unknown:
            state.record.left(
                f"`{shown(name)}` takes `{shown(word.unknown[0])}`, which has no value here",
                "write it into `labels`",
            )
        elif fault:
            state.record.left(f"`{shown(name)}` {fault[0]}", fault[1])
        else:
            state.record.put_in("labels", name, word.text, "it says something about the image")


def read_copy(instruction: Instruction, state: State) -> None:
    """COPY and ADD."""
    escape = state.record.source.escape
    raw = instruction.json or split_words(instruction.text, escape)
    words = tuple(expand(word, state.variables, escape).text for word in raw)
    if instruction.heredocs:
        state.record.left("a file is written in the Dockerfile itself", "put it into the project")
        return
    if len(words) < 2:  # noqa: PLR2004 - from and to
        state.record.left(f"{instruction.name} names no target", "write SOURCE and TARGET")
        return
    *sources, target = words
    if instruction.flag("from"):
        _copy_from(instruction.flag("from"), sources, state)
        return
    into = target.endswith("/") or target in (".", "./") or len(sources) > 1
    for source in sources:
        _copy_one(instruction, source, state.inside(target), state, into=into)


def _copy_from(stage: str, sources: list[str], state: State) -> None:
    record = state.record
    names = {posixpath.basename(source.rstrip("/")) for source in sources}
    if names <= {"uv", "uvx", "pip", "micromamba"}:
        record.nothing("nothing installs packages inside; the environment is made from the lock")
    elif any(
        word in source
        for source in sources
        for word in ("venv", "site-packages", "/install", "/wheels", "/.local", "/opt/conda", "dist")
    ):
        record.nothing(f"the Python packages of stage `{shown(stage)}` are part of the environment")
    else:
        record.left(
            f"files of stage or image `{shown(stage)}` are copied: {', '.join(f'`{shown(it, 40)}`' for it in sources[:3])}",
            "make them by a `[[build]]` command, or keep them in the project",
        )


def _copy_one(instruction: Instruction, source: str, target: str, state: State, *, into: bool) -> None:
    record = state.record
    if "://" in source or source.startswith("git@"):
        if not instruction.flag("checksum"):
            record.wrong(
                "ADD fetches an address without its checksum: what comes may change",
                "`ADD --checksum=sha256:…`",
            )
        record.left("a file is fetched", "keep it in the project, or use a package")
        return
    clean = posixpath.normpath(source.lstrip("/")) if source.strip("/") else "."
    if clean == ".." or clean.startswith("../"):
        record.wrong(
            f"`{shown(source)}` is outside the project; Docker refuses it", "copy it into the project"
        )
        return
    if instruction.name == "ADD":
        if clean.endswith(_ARCHIVES):
            record.left(f"ADD unpacks `{shown(clean)}`", "unpack it in the project")
            return
        record.wrong(
            "ADD unpacks archives and fetches addresses, which is not meant here", "`COPY` copies files"
        )
    name = posixpath.basename(clean)
    if name in SECRET_FILES or "authorized_keys" in name:
        record.wrong(
            f"`{shown(clean)}` holds keys or secrets, which are in the image for everybody who has it",
            "mount it when a container starts (`run.mounts`), and keep it out by `files.ignore`",
        )
    state.copies.append(Copied(source=clean, target=target, into=into, line=record.line))
    if not state.has(clean) and not any(char in clean for char in "*?["):
        record.left(f"`{shown(clean)}` is not in the project's folder", "add it, or correct the name")
    else:
        record.nothing("the project is at its working directory, in the image and when it runs")


def read_workdir(instruction: Instruction, state: State) -> None:
    """WORKDIR."""
    escape = state.record.source.escape
    word = expand(instruction.text, state.variables, escape)
    if word.unknown:
        state.record.left(
            f"WORKDIR takes `{shown(word.unknown[0])}`, which has no value here", "write `workdir`"
        )
        return
    if not word.text.startswith("/"):
        state.record.wrong("WORKDIR is relative to one further up, and moves with it", "write the whole path")
    state.workdir, state.workdir_line = state.inside(word.text), state.record.line
    state.record.nothing("it is the place of the steps below it, or `workdir`")


def read_user(instruction: Instruction, state: State) -> None:
    """USER."""
    state.user = expand(instruction.text, state.variables, state.record.source.escape).text
    state.record.nothing("you are yourself inside, never root")


def read_volume(instruction: Instruction, state: State) -> None:
    """VOLUME."""
    paths = instruction.json or split_words(instruction.text)
    listed = ", ".join(f"`{shown(path, 60)}`" for path in paths)
    state.record.wrong(
        f"VOLUME hides what later steps write at {listed}, and leaves nameless volumes on the host",
        f'mount a folder when it runs: `run.mounts = ["data:{shown(paths[0], 60) if paths else "/data"}"]`',
    )


def read_shell(instruction: Instruction, state: State) -> None:
    """SHELL."""
    if instruction.json:
        state.shell = instruction.json
    state.record.nothing("build commands name their shell")


def read_other(instruction: Instruction, state: State) -> None:
    """What has no place in a spec."""
    if instruction.name == "MAINTAINER":
        state.record.wrong("MAINTAINER is deprecated", "`LABEL org.opencontainers.image.authors=…`")
    elif instruction.name == "ONBUILD":
        state.record.left(
            "ONBUILD acts in builds that stand on this image", "write its instruction where it is meant"
        )
    else:
        state.record.nothing(_NO_PLACE[instruction.name])


def settle_command(entry: Instruction | None, command: Instruction | None, state: State) -> None:
    """ENTRYPOINT and CMD as the spec's `command`."""
    words: tuple[str, ...] = ()
    record = state.record
    for one in (entry, command):
        if one is None:
            continue
        record.line = one.line
        if one.json is None:
            record.wrong(
                f"{one.name} is run by a shell, which keeps signals such as Ctrl-C from the command",
                'write the words as a list: `["python", "train.py"]`',
            )
            part: tuple[str, ...] = ("sh", "-c", one.text)
        else:
            part = one.json
            if one is entry:
                record.nothing("it begins the `command`")
        if one is command and entry is not None and entry.json is None:
            record.wrong(
                "CMD has no effect beside an ENTRYPOINT that is run by a shell", "write ENTRYPOINT as a list"
            )
            continue
        words += part
    if not words:
        return
    if len(words) == 1 and words[0] in _SHELLS:
        record.nothing("`shipway shell` opens a shell")
    else:
        record.put("command", list(words), "what a container does when nothing else is said")
