"""pip, uv and conda in a RUN."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

from shipway.core.text import shown
from shipway.spec.dockerfile.habits import CONDA_MEANT, PIP_MEANT, TOOLS_OF_PIP
from shipway.spec.dockerfile.state import State, Step
from shipway.spec.dockerfile.words import word_set
from shipway.spec.grammar import alias_of, holds_credentials
from shipway.spec.requirement import Requirement, normal_name, parse_requirement

_WITH_VALUE = word_set(
    "-i --index-url --extra-index-url -f --find-links -r --requirement -c --constraint -e --editable -t --target "
    "--prefix --root --trusted-host --platform --python-version --timeout --default-timeout --retries --cache-dir "
    "--proxy --cert --log --python -p --no-binary --only-binary --upgrade-strategy --progress-bar --index --config-settings "
    "--default-index --torch-backend --index-strategy --link-mode"
)
_CONDA_VALUE = word_set("-n --name -c --channel -p --prefix -f --file --solver --override-channels-from")
_ADDRESS = re.compile(r"(?:git|hg|svn|bzr)\+|https?://", re.ASCII)
_EGG = re.compile(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)", re.ASCII)
_CONDA_SPEC = re.compile(
    r"(?:[\w/-]+::)?(?P<name>[A-Za-z0-9_.-]+?)\s*(?P<bound>(?:[=<>!~]{1,2}).+)?\Z", re.ASCII
)
_LONGEST = 2000
CONDA = frozenset({"conda", "mamba", "micromamba"})


def pip_words(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """What follows `pip`, `pip3`, `python -m pip` or `uv pip`; None when `words` is none of them."""
    name = words[0].rpartition("/")[2] if words else ""
    if re.fullmatch(r"pip(?:\d(?:\.\d+)?)?", name):
        return words[1:]
    if re.fullmatch(r"python(?:\d(?:\.\d+)?)?", name) and words[1:3] == ("-m", "pip"):
        return words[3:]
    return words[2:] if name == "uv" and words[1:2] == ("pip",) else None


def read_pip(words: tuple[str, ...], step: Step, state: State) -> None:
    """One call of pip; `words` follow its name."""
    if "install" not in words:
        state.record.nothing("nothing runs pip; the environment is made from the lock")
        return
    options, names = _split(words[words.index("install") + 1 :], _WITH_VALUE)
    _check_habits(options, step, state)
    wishes = _wishes(names, state)
    files = [value for name, value in options if name in ("-r", "--requirement")]
    local = [value for name, value in options if name in ("-e", "--editable")]
    if wishes or files or local or any(_is_local(name) for name in names):
        state.pip_lines.append(state.record.line)
    _read_indexes(options, wishes, state)
    for requirement in wishes:
        state.record.add("pip", str(requirement), "pip installs it")
    for path in files:
        _file(path, "requirements", state)
    for path in (value for name, value in options if name in ("-c", "--constraint")):
        _file(path, "constraint-files", state)
    for path in (*local, *(name for name in names if _is_local(name))):
        _project(path, state)


def _split(words: tuple[str, ...], with_value: frozenset[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Options with their values, and what is none."""
    options: list[tuple[str, str]] = []
    names: list[str] = []
    queue = list(reversed(words))
    while queue:
        word = queue.pop()
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            names.append(word)
        elif word in with_value:
            options.append((word, queue.pop() if queue else ""))
        elif word[:2] in with_value and not word.startswith("--"):
            options.append((word[:2], word[2:]))
        else:
            options.append((name, value) if equals else (word, ""))
    return options, names


def _is_local(name: str) -> bool:
    return name.startswith((".", "/")) and not name.endswith((".whl", ".tar.gz", ".zip"))


def _check_habits(options: list[tuple[str, str]], step: Step, state: State) -> None:
    given = {name for name, _ in options}
    no_cache = "--no-cache-dir" in given or "--no-cache" in given or step.caches
    if not no_cache and "PIP_NO_CACHE_DIR" not in state.variables and "uv" not in step.words[:1]:
        state.record.wrong(
            "pip keeps what it downloaded in the layer: `--no-cache-dir` is missing",
            "a spec's layers hold no caches",
        )
    if "--trusted-host" in given:
        state.record.wrong(
            "`--trusted-host` switches certificates off", "give the company's certificate to the host"
        )


def _wishes(names: list[str], state: State) -> list[Requirement]:
    found = []
    for text in names:
        if _is_local(text):
            continue
        requirement = _requirement(text, state)
        if requirement is not None:
            found.append(requirement)
    return found


def _requirement(text: str, state: State) -> Requirement | None:
    record = state.record
    if len(text) > _LONGEST:
        record.left(f"`{shown(text, 60)}` is too long for a requirement", "write what it means into `pip`")
        return None
    if _ADDRESS.match(text):
        return _from_address(text, state)
    try:
        requirement = parse_requirement(text)
    except ValueError as problem:
        record.left(f"`{shown(text, 60)}` is no requirement: {problem}", "write what it means into `pip`")
        return None
    if requirement.name in TOOLS_OF_PIP:
        record.wrong(
            f"`{requirement.name}` is installed for installing's sake: whatever is newest that day",
            "leave it out; nothing in the environment needs it",
        )
        return None
    meant = PIP_MEANT.get(requirement.name)
    if meant is not None:
        record.wrong(
            f"`{requirement.name}` is not the package that is meant",
            f"its name is `{meant.partition('[')[0]}`; the spec has that",
        )
        bound = "" if requirement.name == "sklearn" else ",".join(requirement.specifier)
        requirement = parse_requirement(
            f"{meant}{bound}{'; ' + requirement.marker if requirement.marker else ''}"
        )
    requirement = _with_own_cuda(requirement, state)
    if not requirement.specifier and not requirement.url:
        record.wrong(
            f"`{requirement.name}` has no version: two builds may differ",
            "the lock pins it; write a bound if the code needs one",
        )
    return requirement


def _with_own_cuda(requirement: Requirement, state: State) -> Requirement:
    """`jax[cuda12_local]` takes CUDA from the system, where a plain base has none."""
    local = [extra for extra in requirement.extras if re.fullmatch(r"cuda\d\d-local", extra)]
    if not local or state.foreign:
        return requirement
    own = tuple(
        sorted(extra.removesuffix("-local") if extra in local else extra for extra in requirement.extras)
    )
    state.record.wrong(
        f"`{requirement.name}[{local[0]}]` takes CUDA and cuDNN from the image, in whatever version that has",
        f"the spec has `{requirement.name}[{','.join(own)}]`, which brings those that it was built with",
    )
    return replace(requirement, extras=own)


def _from_address(text: str, state: State) -> Requirement | None:
    record = state.record
    if holds_credentials(text):
        record.wrong(
            "an address holds a user or password, which stay in the image's history",
            "write the address without them; `~/.netrc` has them on the host",
        )
        return None
    egg = _EGG.search(text)
    bare = text.partition("#")[0]
    last = posixpath.basename(re.sub(r"(?<=[^/])@[^/@]*\Z", "", bare).rstrip("/")).removesuffix(".git")
    name = egg[1] if egg else last.partition("-")[0] if last.endswith(".whl") else last
    try:
        requirement = parse_requirement(f"{name} @ {bare}")
    except ValueError:
        record.left(
            f"`{shown(bare, 80)}` does not tell which package it is", "write `NAME @ ADDRESS` into `pip`"
        )
        return None
    if bare.startswith("git+") and not re.search(r"@[0-9a-f]{40}\Z", bare):
        record.wrong("a branch or tag of a repository moves", "the lock names the commit")
    if not egg:
        record.nothing(f"the package's name `{requirement.name}` is taken from the address")
    return requirement


def _read_indexes(options: list[tuple[str, str]], wishes: list[Requirement], state: State) -> None:
    record = state.record
    for name, url in options:
        if name in ("-f", "--find-links"):
            record.left(
                f"wheels are looked for at `{shown(url, 80)}`",
                "name an index as `[indexes.ALIAS]` with `url`",
            )
        elif name in ("-i", "--index-url", "--extra-index-url", "--index", "--default-index"):
            if holds_credentials(url):
                record.wrong(
                    "the address of an index holds a user or password, which stay in the image's history",
                    "`~/.netrc`, or pip's or uv's own configuration, has them on the host",
                )
            elif not wishes or "://" not in url:
                record.left(
                    f"an index is named for what others ask for: `{shown(url, 80)}`",
                    "name it as `[indexes.ALIAS]` with `url` and `packages`",
                )
            else:
                if name == "--extra-index-url":
                    record.wrong(
                        "`--extra-index-url` takes each package from whichever index has the higher version",
                        "the spec says which packages come from that index",
                    )
                alias = alias_of(url)
                before = record.draft.document.get("indexes", {}).get(alias, {}).get("packages", [])
                packages = sorted({*before, *(it.name for it in wishes)})
                record.put_in("indexes", alias, {"url": url, "packages": packages}, "pip is told so")


def _file(path: str, key: str, state: State) -> None:
    record = state.record
    source = state.project_path(path)
    if source is None:
        record.left(
            f"`{shown(path)}` is not copied out of the project in front of this step",
            f"name the file in `{key}`",
        )
    elif not state.has(source):
        record.left(f"`{shown(source)}` is not in the project's folder", f"add it, and name it in `{key}`")
    else:
        record.add(key, source, "pip reads it")


def _project(path: str, state: State) -> None:
    record = state.record
    bare, _, extras = path.removesuffix("]").partition("[")
    source = state.project_path(bare) if bare.startswith(("/", ".")) else state.project_path(f"./{bare}")
    if source is None:
        record.left(
            f"`{shown(path)}` is not copied out of the project in front of this step",
            "name the project in `projects`",
        )
        return
    folder = "" if source == "." else source + "/"
    if state.names is not None and not any(
        folder + it in state.names for it in ("pyproject.toml", "setup.py", "setup.cfg")
    ):
        record.left(f"`{shown(source)}` holds no Python project", "name the folder that does in `projects`")
        return
    names = [normal_name(it.strip()) for it in extras.split(",") if it.strip()]
    record.add(
        "projects", {"path": source, "extras": names} if names else source, "pip builds and installs it"
    )


def read_conda(step: Step, state: State) -> None:
    """One call of conda, mamba or micromamba."""
    record = state.record
    words = step.words[1:]
    if words[:2] == ("env", "create") or words[:2] == ("env", "update"):
        record.left("packages come from conda's environment file", "`shipway init` reads `environment.yml`")
        return
    if not words or words[0] not in ("install", "create"):
        record.nothing("there is no conda; the environment is made from the lock")
        return
    _, names = _split(words[1:], _CONDA_VALUE)
    if not names:
        record.left("packages come from a file of conda's", "write what the code imports into `pip`")
        return
    state.pip_lines.append(record.line)
    record.wrong(
        "packages come from conda, whose builds and names are not those of the Python index",
        "the spec takes them from the Python index; check names and versions",
    )
    for text in names:
        _conda_package(text, state)


def _conda_package(text: str, state: State) -> None:
    record = state.record
    match = _CONDA_SPEC.match(text[:_LONGEST])
    if match is None:
        record.left(
            f"`{shown(text, 60)}` is no package that can be told here", "write what it means into `pip`"
        )
        return
    name, bound = match["name"].lower(), (match["bound"] or "")
    version = re.match(r"={1,2}\s*(\d[\w.]*)(\.\*)?(=.*)?\Z", bound)
    if name == "python":
        if version:
            record.put("python", ".".join(version[1].split(".")[:3]), "conda installs it")
        return
    meant = CONDA_MEANT.get(name, name)
    if not meant:
        record.nothing(f"`{name}`: wheels bring it, or nothing needs it")
        return
    if version:
        exact = bound.startswith("==") or version[3] or version[1].count(".") > 1
        bound = f"=={version[1]}" if exact else f"=={version[1]}.*"
    try:
        requirement = parse_requirement(f"{meant}{bound}")
    except ValueError:
        record.left(
            f"`{shown(text, 60)}` has a bound that the Python index does not know", "write it into `pip`"
        )
        return
    record.add("pip", str(requirement), "conda installs it")
