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
)  # fmt: skip
