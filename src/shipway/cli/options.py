"""Every verb, as one table. The parser, help, completions and reference pages are made from it."""

from __future__ import annotations

from shipway.cli.option import BUILDING, CHOICE, DRY_RUN, JSON, LOCKING, TARGET, Complete, Option, Takes, Verb
from shipway.cli.options_running import ENGINE, RUNNING, SEEING
from shipway.cli.verbs_data import DATA
from shipway.cli.verbs_engines import ENGINE_VERBS
from shipway.cli.verbs_export import EXPORT
from shipway.cli.verbs_images import IMAGES
from shipway.cli.verbs_import import IMPORTING
from shipway.cli.verbs_life import LIFE_VERBS
from shipway.cli.verbs_packages import PACKAGES
from shipway.cli.verbs_registry import REGISTRY_VERBS
from shipway.cli.verbs_sizes import SIZES
from shipway.cli.verbs_tools import TOOL_VERBS
from shipway.cli.verbs_vendor import VENDORING
from shipway.core.platform import PLATFORMS

CORE = (
    Verb(
        "init", "Write a spec from what the folder holds",
        "Reads `pyproject.toml`, `requirements*.txt`, `uv.lock`, `pylock*.toml`, `environment.yml`, `apt.txt`, `runtime.txt`, "
        "`.python-version` and the imports of the code, says which line led to what, and writes `shipway.toml`.",
        (("shipway init", "write `shipway.toml` here"), ("shipway init --dry-run", "only show what would be written"),
         ("shipway init --ci", "also check on every push that the project still works")),
        (Option("name", "Name of the project; the default is the folder's", Takes.VALUE, "", "NAME"),
         Option("force", "Replace a spec or workflow that is already there", short="f"),
         Option("ci", "Write a workflow for GitHub Actions that locks, builds, runs, and compares what is printed; a spec that "
                "is there stays"),
         Option("expect", "With `--ci`: the file with what is to be printed, recorded now if it is not there", Takes.VALUE, "",
                "FILE", complete=Complete.FILE), TARGET, DRY_RUN, JSON),
    ),
    Verb(
        "lock", "Choose every package by hash and write `shipway.lock`",
        "Does nothing when the lock matches the spec. All targets are resolved together, so shared packages have one version. "
        "Versions that are locked stay unless `--upgrade` frees them.",
        (("shipway lock", "make or update the lock"), ("shipway lock --upgrade numpy", "let only numpy move"),
         ("shipway lock --check", "exit with 11 and print what drifted when the lock is stale")),
        (Option("check", "Only compare; exit with 11 when the lock is stale"),
         Option("upgrade", "Choose new versions of everything, or of `NAME`", Takes.MAYBE, "U", "NAME"),
         Option("repair", "Replace only the locked artifacts that are offered nowhere any more"),
         Option("platform", "Lock for this platform too", Takes.VALUES, "", "PLATFORM", PLATFORMS), DRY_RUN, JSON),
    ),
    Verb(
        "build", "Build what is missing",
        "Locks when there is no lock or a stale one, fetches and unpacks what the store lacks, and prints the image's digest. "
        "With `--engine`, Docker or Podman builds what `shipway export dockerfile` writes, with this host's mirrors and indexes, "
        "and the image's id there is printed; the store then gets nothing.",
        (("shipway build", "build the default target"), ("shipway build -t gpu", "build the target `gpu`; no GPU is needed"),
         ("shipway --offline build --vendor digits.tar", "build without network from what `shipway bundle` wrote"),
         ("shipway build --tag team/digits:1 .", "build the project in this folder, and name its image"),
         ("shipway build --engine docker --tag team/digits:1", "let Docker build it")),
        (*CHOICE, *LOCKING, *BUILDING, DRY_RUN, JSON), "[DIR]", home="commands_build",
    ),
    Verb(
        "run", "Run a command in the container",
        "Builds what is missing first. The project is mounted at its working directory, files belong to you, and the exit code "
        "is the command's own. In a folder without a spec one is inferred, shown, and used from outside the folder.",
        (("shipway run -- python train.py", "run a script"),
         ("shipway run -t gpu --shm-size 8g -- python train.py --epochs 3", "run in another target with a larger `/dev/shm`"),
         ("shipway run", "run the spec's own command"),
         ("shipway run --rm -it -v ~/datasets:/data:ro -p 8888:8888 team/base:1 bash", "a stored image, in Docker's words")),
        (*CHOICE, *LOCKING, *RUNNING), "[COMMAND...]", home="commands_run", rest=True,
    ),
    Verb(
        "shell", "Open a shell in the container",
        "In the project's container while `up` has it running, or in `NAME`; else as `run`, in one that goes with the shell. "
        "It is your own shell where the image has it, else `bash`, else `sh`.",
        (("shipway shell", "look around inside"), ("shipway shell training", "in a container that runs"),
         ("shipway shell --keep scratch", "keep what you install by hand")),
        (*CHOICE, *LOCKING, *SEEING, DRY_RUN), "[NAME]", home="commands_run",
    ),
    Verb(
        "inspect", "Show the image: digest, layers, sizes, packages; or a container",
        "Describes the image that the lock means; digests are shown when it is built. With `REF`, describes a container of that "
        "name, with its limits in words, or a stored image: one that was named, loaded or pulled. With `--remote`, what a "
        "registry holds under `REF`, and what is attached.",
        (("shipway inspect", "a table of layers"), ("shipway inspect --json", "the same for programs"),
         ("shipway inspect team/base:1", "a stored image"), ("shipway inspect digits", "a container"),
         ("shipway inspect --remote registry.example.org/team/base:1", "what a registry holds")),
        (Option("remote", "Ask the registry instead of the store"), *CHOICE, JSON), "[REF]",
    ),
    Verb(
        "explain", "Say what would be done, layer by layer, and why",
        "Reads spec, lock and store and changes nothing. With `COMMAND`, or an engine other than our own, it also says how `run` "
        "would start what is built: the exact line of Docker, Podman or Apptainer.",
        (("shipway explain", "what `build` would do now"),
         ("shipway explain --engine docker -- python train.py", "the line of Docker for this command")),
        (*CHOICE, ENGINE, JSON), "[COMMAND...]", rest=True,
    ),
    Verb(
        "why", "Say who asked for a package, how large it is, and in which layer",
        "With `--rebuilt`, shows how the inputs of the last build differ from those of the next one.",
        (("shipway why libgl1", "the chain from your spec to the package"),
         ("shipway why --rebuilt", "why the next build has work to do")),
        (Option("rebuilt", "Compare the inputs of the last build with the present ones"), *CHOICE, JSON), "[NAME]",
    ),
    Verb(
        "verify", "Check the store against its digests and the image against the lock",
        "Reads every file in the store and writes the image's layers again to compare. Exits with 24 when something differs.",
        (("shipway verify", "check the store, and this project's image"),
         ("shipway verify --repair", "fetch and unpack damaged trees again")),
        (Option("repair", "Take out what is damaged, and make again what this project needs"), *CHOICE, DRY_RUN, JSON),
    ),
    Verb(
        "gc", "Free disk space",
        "Removes what no project pins, no container uses, and nobody has used lately.",
        (("shipway gc --dry-run", "see what would go"),
         ("shipway gc --older-than 30d", "remove what was not used for thirty days"),
         ("shipway gc --max-size 20g", "shrink the store to 20 GiB, least recently used first")),
        (Option("older-than", "Remove only what was not used for this long", Takes.VALUE, "", "AGE", kind="age"),
         Option("max-size", "Remove only until the store is this small", Takes.VALUE, "", "SIZE", kind="size"), DRY_RUN, JSON),
    ),
    Verb(
        "doctor", "Check what this machine can do, with a remedy for each problem",
        "Looks at the kernel, the file systems, the network's mirrors and other engines. "
        "Exits with 27 when something needed is missing.",
        (("shipway doctor", "the checks as a list"), ("shipway doctor --json", "the same for programs")),
        (JSON,),
    ),
    Verb(
        "completion", "Print the completion script of a shell",
        "Prints a script for the shell to read at its start.",
        (('eval "$(shipway completion bash)"', "for this bash"),
         ("shipway completion fish > ~/.config/fish/completions/shipway.fish", "for fish, for good")),
        (), "SHELL", ("bash", "zsh", "fish"),
    ),
)  # fmt: skip

VERBS: tuple[Verb, ...] = (
    *CORE,
    *PACKAGES,
    *LIFE_VERBS,
    *TOOL_VERBS,
    *VENDORING,
    *IMPORTING,
    *SIZES,
    *DATA,
    *IMAGES,
    *REGISTRY_VERBS,
    *ENGINE_VERBS,
    *EXPORT,
)
BY_NAME = {verb.name: verb for verb in VERBS}
