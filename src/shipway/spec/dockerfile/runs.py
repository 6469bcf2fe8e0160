"""RUN -> what its commands become: packages, nothing, a build command, or something that a person has to look at."""

from __future__ import annotations

import posixpath
import re

from shipway.core.text import shown
from shipway.spec.dockerfile.apt import APT, read_apt
from shipway.spec.dockerfile.habits import CONTEXT, NETWORK, NOTHING_TO_DO
from shipway.spec.dockerfile.model import Instruction
from shipway.spec.dockerfile.pip import CONDA, pip_words, read_conda, read_pip
from shipway.spec.dockerfile.report import holds_secret
from shipway.spec.dockerfile.shell import Simple, read_script
from shipway.spec.dockerfile.state import State, Step, clean_step

_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ash", "python", "python3", "perl"})
_SCRATCH = re.compile(
    r"(?:/tmp|/var/tmp|/var/cache|/var/lib/apt|/etc/apt|/root/\.cache|~/\.cache|\$HOME/\.cache)(?:/|\Z)"
)
_DOWNLOADS = re.compile(
    r"\.download\(|from_pretrained\(|hub\.load|urlretrieve\(|snapshot_download|load_dataset\(|-m (?:spacy|nltk\S*) download"
)
"""Words of Python that fetch data."""
_MOST_COMMANDS = 1000
_SHELL_FILES = (".bashrc", ".profile", ".bash_profile", ".zshrc", "bash.bashrc")
_ACCOUNTS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/sudoers")


def read_run(run: Instruction, state: State) -> None:
    """One RUN."""
    record = state.record
    given = any("type=secret" in mount or "type=ssh" in mount for mount in run.flag_values("mount"))
    if given:
        record.nothing(
            "a secret for packages comes from the host's own configuration; build commands get none"
        )
    if run.flag("security") == "insecure":
        record.wrong("the step has all rights over the host", "leave `--security=insecure` out")
    script = _script(run)
    if holds_secret(script):
        record.wrong(
            "a secret stands in the step, and stays in the image's history",
            "take it out and replace it where it was given; the step is not carried over",
        )
        return
    if run.json is not None:
        commands: tuple[Simple, ...] = (Simple(words=run.json, raw=script),)
        compound = False
    else:
        commands, compound = read_script(script, state.variables)
    if len(commands) > _MOST_COMMANDS:
        record.left("the step is too long to be read", "write what it installs into `apt` and `pip`")
        return
    if compound and _reads_packages(commands):
        record.left(
            "packages are installed under conditions or in a loop",
            "write those that are meant into `apt` and `pip`",
        )
        return
    _read_commands(run, script, commands, state, fetches=given, compound=compound)


def _script(run: Instruction) -> str:
    """What the shell gets; a heredoc that is the whole command is the script itself."""
    if run.json is not None:
        return " ".join(run.json)
    if len(run.heredocs) == 1 and re.fullmatch(r"""<<-?["']?[\w.-]+["']?""", run.text):
        return run.heredocs[0].text.removesuffix("\n")
    return "\n".join((run.text, *(f"{it.text}{it.name}" for it in run.heredocs)))


def _reads_packages(commands: tuple[Simple, ...]) -> bool:
    return any(
        it.program in APT | CONDA or pip_words(it.words) is not None or "apt-get" in it.words
        for it in commands
    )


def _read_commands(
    run: Instruction,
    script: str,
    commands: tuple[Simple, ...],
    state: State,
    *,
    fetches: bool,
    compound: bool,
) -> None:
    """Read each command; what is left of them becomes one build command."""
    record = state.record
    before, kept = state.workdir, []
    for command in commands:
        step, sudo = clean_step(command, run, commands)
        if sudo:
            record.wrong("`sudo` in a build: the step is root already", "leave `sudo` out")
        if step.program == "cd" and len(step.words) > 1:
            state.workdir = state.inside(step.words[1])
        if _pipes_into_shell(command, commands):
            record.wrong(
                "what was just downloaded is run without a look at it",
                "use the package of the distribution, or keep a copy with its checksum in the project",
            )
            fetches = True
        elif step.program in NETWORK or _DOWNLOADS.search(command.raw):
            _fetch(step, state)
            fetches = True
        elif not _read_known(step, state):
            kept.append(command)
    state.workdir = before
    if run.heredocs and script.startswith(run.text):
        kept = list(commands)
    _keep_rest(run, script, kept, commands, state, fetches=fetches, compound=compound)


def _read_known(step: Step, state: State) -> bool:
    """Whether the step is one that a spec has another way for; its findings are noted."""
    record, words, program = state.record, step.words, step.program
    if not words:
        return not step.command.writes
    if program in APT:
        read_apt(step, state)
    elif (after := pip_words(words)) is not None:
        read_pip(after, step, state)
    elif program in CONDA or (program == "uv" and words[1:2] in (("sync",), ("venv",), ("python",))):
        _read_environment(step, state)
    elif program == "chpasswd" or any(
        path in _ACCOUNTS or path.startswith("/etc/sudoers") for path in step.command.writes
    ):
        record.wrong(
            "accounts and rights are written into the image, for everybody who has it",
            "you are yourself inside, and need no password",
        )
    elif program == "chmod" and any(mode in ("777", "0777", "a+rwx", "ugo+rwx") for mode in words):
        record.wrong(
            "everybody may change these files", "files of the project belong to you; nothing is needed"
        )
    elif program in NOTHING_TO_DO and not step.command.writes:
        record.nothing(f"`{program}`: {NOTHING_TO_DO[program]}")
    elif program in ("rm", "rmdir", "find") and _cleans(words, state):
        record.nothing("caches and helpers are no part of the image")
    elif re.fullmatch(r"python(?:3(?:\.\d+)?)?", program) and words[1:3] in (
        ("-m", "venv"),
        ("-m", "virtualenv"),
    ):
        record.nothing("the environment is its own, and is made from the lock")
    elif re.fullmatch(r"python(?:3(?:\.\d+)?)?", program) and words[1:3] in (
        ("setup.py", "install"),
        ("setup.py", "develop"),
    ):
        read_pip(("install", "."), step, state)
    elif program == "ln" and words[-1].rpartition("/")[2] in ("python", "python3", "pip"):
        record.nothing("the environment's Python is on PATH by all its names")
    elif step.command.writes and all(posixpath.basename(it) in _SHELL_FILES for it in step.command.writes):
        record.nothing("files of shells belong to your own home folder inside")
    elif program == "mkdir":
        record.nothing("folders come with the files in them; those for data are mounted")
    else:
        return False
    return True


def _read_environment(step: Step, state: State) -> None:
    record = state.record
    if step.program in CONDA:
        read_conda(step, state)
    elif step.words[1:2] == ("sync",):
        if state.has("pyproject.toml"):
            source = "requirements" if "--no-install-project" in step.words else "projects"
            record.add(source, "pyproject.toml" if source == "requirements" else ".", "uv installs it")
        else:
            record.left("uv installs a project that is not in the folder", "add its `pyproject.toml`")
    else:
        record.nothing("the environment is its own, and is made from the lock")


def _cleans(words: tuple[str, ...], state: State) -> bool:
    paths = [word for word in words[1:] if not word.startswith("-")]
    copied = {
        posixpath.join(it.target, posixpath.basename(it.source)) if it.into else it.target
        for it in state.copies
    }
    return bool(paths) and all(
        _SCRATCH.match(path) or state.inside(path) in copied or state.project_path(path) is not None
        for path in paths
    )


def _pipes_into_shell(command: Simple, commands: tuple[Simple, ...]) -> bool:
    """Whether a download goes straight into an interpreter: by a pipe, or by `sh -c "$(curl …)"`."""
    program = next(
        (word for word in command.words if word.rpartition("/")[2] not in ("sudo", "-E", "env")), ""
    )
    if program.rpartition("/")[2] not in _SHELLS:
        return False
    if command.before == "|":
        at = commands.index(command)
        return any({"curl", "wget"} & {one.rpartition("/")[2] for one in it.words} for it in commands[:at])
    return bool(re.search(r"(?:\$\(|`|<\()\s*(?:curl|wget)\b", command.raw))


def _fetch(step: Step, state: State) -> None:
    record, words, program = state.record, step.words, step.program
    address = next((word for word in words if "://" in word or word.startswith("git@")), "")
    if program == "git" and words[1:2] == ("clone",):
        record.wrong("a repository is cloned as it is on the day of the build", "name the commit")
        record.left(
            f"`{shown(address, 80)}` is cloned",
            "`NAME @ git+ADDRESS@COMMIT` in `pip`, or a copy in the project",
        )
    elif program in ("add-apt-repository", "apt-key", "gpg"):
        record.left(
            f"`{program}` adds another archive of OS packages",
            "the spec takes packages from the base's archive",
        )
    elif program in ("curl", "wget", "aria2c"):
        if not step.runs("sha256sum", "shasum", "sha512sum", "b2sum", "gpg"):
            record.wrong(
                "a download is used without its checksum", "compare it with a checksum that you wrote down"
            )
        record.left(
            f"`{shown(address, 80) or program}` is fetched", "keep the file in the project, or use a package"
        )
    else:
        record.left(
            f"`{program}` fetches what no lock names",
            "use a package, or a `[[build]]` command with `network = true`, which two builds may see differently",
        )


def _keep_rest(
    run: Instruction,
    script: str,
    kept: list[Simple],
    commands: tuple[Simple, ...],
    state: State,
    *,
    fetches: bool,
    compound: bool,
) -> None:
    record = state.record
    rest = [it for it in kept if it.program not in CONTEXT and (it.words or it.writes)]
    if not rest:
        return
    shortened = shown(" ".join(" && ".join(it.raw for it in rest).split()), 80)
    if fetches:
        record.left(
            f"`{shortened}` stands on what the step fetched, or was given in secret",
            "write it as a `[[build]]` command once that is in the project",
        )
        return
    if state.build_only:
        record.left(
            f"`{shortened}` is run in a stage that is only copied from",
            "write it as a `[[build]]` command if its result is needed",
        )
        return
    whole = compound or len(kept) == len(commands) or any(it.before not in ("", "&&", ";") for it in commands)
    text = script if whole else " && ".join(it.raw for it in kept)
    if run.json is not None:
        argv = run.json
    else:
        folder = (
            f"cd {state.workdir}\n" if state.workdir not in ("/", "") and not _starts_there(state) else ""
        )
        values = "".join(
            f"{name}={_quoted(value)}\n"
            for name in sorted(state.from_arguments)
            if (value := state.variables.get(name)) is not None and re.search(rf"\$\{{?{name}\b", text)
        )
        argv = (*_shell(state), folder + values + text)
    record.command(argv, _inputs(kept, state), "it changes what packages do not bring")


def _starts_there(state: State) -> bool:
    """Whether the working directory is where the project stands, which is where build commands start anyway."""
    return any(copied.target == state.workdir for copied in state.copies) or not state.copies


def _shell(state: State) -> tuple[str, ...]:
    return (*state.shell[:-1], "-e", "-c") if state.shell[-1:] == ("-c",) else state.shell


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _inputs(kept: list[Simple], state: State) -> tuple[str, ...]:
    """Project files that the commands name; the whole project when it was copied and they name none."""
    named: dict[str, None] = {}
    before = state.workdir
    for command in kept:
        if command.program == "cd" and len(command.words) > 1:
            state.workdir = state.inside(command.words[1])
        for word in command.words[1:]:
            path = state.project_path("." if command.program == "cd" else word)
            if path not in (None, ".") and state.names is not None and state.has(path):
                named.setdefault(path)
    state.workdir = before
    if named:
        return tuple(named)
    return (".",) if any(it.source == "." for it in state.copies) else ()
