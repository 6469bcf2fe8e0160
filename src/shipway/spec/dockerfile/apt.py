"""apt's commands in a RUN."""

from __future__ import annotations

import re

from shipway.spec.dockerfile.habits import APT_MEANT, GONE_FROM_APT, PIP_OF_APT, PYTHON_OF_APT
from shipway.spec.dockerfile.state import State, Step
from shipway.spec.single import find_apt_name

_VERSIONED = re.compile(r"python(3\.\d{1,2})(?:-(?:dev|venv|distutils|minimal|full))?\Z", re.ASCII)
_WITH_VALUE = frozenset({"-t", "--target-release", "-o", "--option", "-c", "--config-file", "-a"})
APT = frozenset({"apt-get", "apt", "aptitude"})


def read_apt(step: Step, state: State) -> None:
    """One call of apt."""
    words, options = _split(step.words[1:])
    verb, names = (words[0], words[1:]) if words else ("", ())
    if verb == "update":
        _update(step, state)
    elif verb in ("install", "reinstall", "build-dep"):
        _install(names, options, step, state)
    elif verb in ("upgrade", "dist-upgrade", "full-upgrade"):
        state.record.wrong(
            f"`{step.program} {verb}` makes the image depend on the day of the build",
            "the lock names the newest version of each package; `shipway lock --upgrade` moves them",
        )
    elif verb in ("remove", "purge"):
        state.record.wrong(
            f"`{step.program} {verb}` in a later layer frees no space in the image",
            "leave these packages out of `apt`",
        )
    else:
        state.record.nothing("caches of apt are no part of the image")


def _split(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    plain: list[str] = []
    options: list[str] = []
    waiting = False
    for word in words:
        if waiting:
            waiting = False
        elif word.startswith("-"):
            options.append(word)
            waiting = word in _WITH_VALUE
        else:
            plain.append(word)
    return tuple(plain), tuple(options)


def _update(step: Step, state: State) -> None:
    if step.runs("apt-get", "apt", "aptitude", word="install"):
        state.record.nothing("the lock is made from the archive's signed index")
        return
    state.record.wrong(
        "the package index is updated in a step of its own: a cached layer keeps it while the archive moves on, "
        "and a later install asks for versions that are gone",
        "`apt-get update && apt-get install …` in one RUN; a spec has no such step",
    )


def _install(names: tuple[str, ...], options: tuple[str, ...], step: Step, state: State) -> None:
    record = state.record
    _check_habits(options, step, state)
    state.apt_lines.append(record.line)
    if state.build_only:
        record.nothing(
            "OS packages of a stage that is only copied from; wheels are built in a sandbox of their own"
        )
        return
    for name in names:
        _package(name, step, state)
    if any(name.startswith("python3-") and name not in PYTHON_OF_APT for name in names):
        record.left(
            "OS packages `python3-…` are for the base's own Python",
            "name them in `pip`, or write `system-site-packages = true`",
        )


def _check_habits(options: tuple[str, ...], step: Step, state: State) -> None:
    record = state.record
    short = "".join(option[1:] for option in options if not option.startswith("--"))
    quiet = {"--yes", "--assume-yes"} & set(options) or "y" in short or short.count("q") > 1
    if not quiet:
        record.wrong("apt is not told `-y`: it asks, and nobody answers", "`apt-get install -y …`")
    if "--no-install-recommends" not in options and not any(
        "Install-Recommends" in word and word.endswith(("0", "false", '"')) for word in step.words
    ):
        record.wrong(
            "apt is not told `--no-install-recommends`: it brings more than is asked for",
            "a spec leaves recommended packages out; `recommends = true` brings them",
        )
    cleaned = any("/var/lib/apt/lists" in word for it in step.all for word in it.words)
    if not cleaned and not step.caches:
        record.wrong(
            "the package index stays in the layer (some 20 to 50 MB)",
            "`rm -rf /var/lib/apt/lists/*` in the same RUN; a spec's layers hold packages only",
        )
    if not step.runs("apt-get", "apt", "aptitude", word="update") and not step.caches:
        record.wrong(
            "packages are installed without an index of the same step",
            "`apt-get update && apt-get install …` in one RUN",
        )
    if {"--allow-unauthenticated", "--force-yes", "--allow-downgrades"} & set(options):
        record.wrong(
            "signatures are not checked", "leave the option out; a lock is made from signed indexes only"
        )


def _package(name: str, step: Step, state: State) -> None:
    record = state.record
    versioned = _VERSIONED.match(name)
    bare = name.partition("=")[0]
    if bare in GONE_FROM_APT:
        record.wrong(
            f"`{bare}` was Python 2, which has had no fixes since 2020; present releases have no such package",
            "Python 3 comes with the environment",
        )
    if versioned:
        record.put("python", versioned[1], f"`{name}` asks for it")
    elif bare in PIP_OF_APT:
        record.add("pip", "pip", f"`{bare}` asks for it: `pip install` works in a container, too")
        record.wants_python = True
    elif bare in PYTHON_OF_APT:
        record.nothing(f"`{bare}`: Python and its tools come with the environment")
        record.wants_python = True
    elif bare in APT_MEANT:
        record.wrong(
            f"`{bare}` is gone from present releases", f"its name is `{APT_MEANT[bare]}`; the spec has that"
        )
        record.add("apt", APT_MEANT[bare], f"`{step.program} install` asks for it")
    elif find_apt_name(name):
        record.add("apt", name, f"`{step.program} install` asks for it")
    elif name.endswith(".deb"):
        record.left(f"`{name}` is a single package file", "use the package of the archive if there is one")
    else:
        record.left(
            f"`{name}` is no name of a package that can be told here", "write the package itself into `apt`"
        )
