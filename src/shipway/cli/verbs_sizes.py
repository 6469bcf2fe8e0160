"""The verbs about sizes and differences."""

from __future__ import annotations

from shipway.cli.option import CHOICE, JSON, Option, Verb

SIZES = (
    Verb(
        "size", "Show where the image's bytes are, and which it could do without",
        "Measures the built image per layer, package and cause, and finds duplicates, files that a higher layer hides, caches, "
        "documentation, compilers and CUDA libraries that are there twice. Reads manifests only.",
        (("shipway size", "tables, and what could go"), ("shipway size --json", "every package, for programs")),
        (*CHOICE, JSON), home="commands_sizes",
    ),
    Verb(
        "diff", "Show what differs between two targets, locks, commits of the lock, or an image and a container",
        "A side is a target, the path of a lock file, `git:REVISION` for the lock as it was committed there, or `kept:NAME` for "
        "what a container kept by `--keep NAME` made of its image. Compares packages, configuration, and files by their "
        "manifests where both sides are built. With one side, a container is compared with its image, anything else with the "
        "target now.",
        (("shipway diff cpu gpu", "two targets of this lock"), ("shipway diff git:HEAD", "what changed since the last commit"),
         ("shipway diff kept:scratch --files", "every file that a container changed")),
        (Option("files", "List every file that differs, however many"), *CHOICE, JSON), "A [B]", home="commands_sizes",
    ),
)  # fmt: skip
