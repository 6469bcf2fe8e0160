"""The table of `add`, `remove`, `status` and `freeze`."""

from __future__ import annotations

from shipway.cli.option import DRY_RUN, JSON, PLATFORM, TARGET, Option, Takes, Verb

_ONLY = TARGET._replace(help="Only in this target of the spec; the default is all of them")
PACKAGES = (
    Verb(
        "add", "Add packages to the spec, the lock and the running container",
        "Python packages by name, OS packages as `apt:NAME`. Everything that is locked stays: the version is chosen that fits it "
        "in all targets. Where none does, nothing is changed, what would move is shown, and the exit code is 13. The spec, or "
        "the requirements file that it names, is edited in place; a folder without a spec gets one.",
        (("shipway add einops", "the newest version that fits what is locked"),
         ("shipway add 'jax[cuda12]==0.4.35' --move", "a certain version, whatever else has to move"),
         ("shipway add apt:ffmpeg --dry-run", "show what would change")),
        (Option("apt", "Add this OS package, as `apt:NAME` does", Takes.VALUES, "", "NAME"),
         Option("move", "Let packages that are locked move where they must, and change the spec's own pins of them"),
         _ONLY, PLATFORM, DRY_RUN, JSON), "[NAME...]", home="commands_packages",
    ),
    Verb(
        "remove", "Remove packages from the spec, the lock and the running container",
        "Python packages by name, OS packages as `apt:NAME`. What others need stays, which is said. Nothing else moves.",
        (("shipway remove einops", "out of all targets"), ("shipway remove -t gpu apt:ffmpeg", "out of one target")),
        (Option("apt", "Remove this OS package, as `apt:NAME` does", Takes.VALUES, "", "NAME"),
         _ONLY, PLATFORM, DRY_RUN, JSON), "[NAME...]", home="commands_packages",
    ),
    Verb(
        "status", "Show what differs between spec, lock and containers",
        "Names what was installed in the project's containers behind shipway's back, by `pip install` or `apt-get install`, and "
        "counts what else was written. `CONTAINER` is a container's name, or `kept:NAME` for what `--keep NAME` keeps.",
        (("shipway status", "everything of this project"), ("shipway status --check", "exit with 24 when something differs")),
        (Option("check", "Exit with 24 when spec, lock and containers do not say the same"), PLATFORM, JSON), "[CONTAINER]",
        home="commands_packages",
    ),
    Verb(
        "freeze", "Write what was installed in a container into the spec, or throw it away",
        "Python packages become pinned lines, OS packages names; then the lock is made, with the rest held, and the locked files "
        "take the place of the container's own. Without `NAME`, those are taken that nothing else of them requires.",
        (("shipway freeze --dry-run", "show the lines"), ("shipway freeze einops", "write one package"),
         ("shipway freeze --discard", "bring the locked files back instead")),
        (Option("container", "The container to look into; the default is the only one that has something", Takes.VALUE, "",
                "NAME"),
         Option("discard", "Throw away what was installed, instead of writing it down"),
         Option("move", "Let packages that are locked move where they must, and change the spec's own pins of them"),
         PLATFORM, DRY_RUN, JSON), "[NAME...]", home="commands_packages",
    ),
)  # fmt: skip
