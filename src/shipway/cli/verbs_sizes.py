"""The verbs about sizes and differences."""

from __future__ import annotations

from shipway.cli.option import CHOICE, DRY_RUN, JSON, Option, Takes, Verb
from shipway.cli.options_running import ENGINE
from shipway.core.waste import CAREFUL, Waste

SIZES = (
    Verb(
        "size", "Show where the image's bytes are, and which it could do without",
        "Measures the built image per layer, package and cause, and finds duplicates, files that a higher layer deletes, "
        "replaces or copies, caches, documentation, compilers, big data files, and CUDA libraries that are there twice. With an "
        "argument, a stored image, one in a file or folder, or in an engine's own store (`docker-daemon:NAME`, "
        "`containers-storage:NAME` for Podman's), which is read and not kept; its packages are those of the databases in it "
        "(dpkg, apk, pip, conda).",
        (("shipway size", "tables, and what could go"), ("shipway size team/base:1", "an image that was pulled or loaded"),
         ("shipway size image.tar", "what `docker save` wrote"), ("shipway size --json", "every package, for programs")),
        (*CHOICE, JSON), "[IMAGE]", home="commands_sizes",
    ),
    Verb(
        "diff", "Show what differs between two targets, locks, images, or a container and its image",
        "A side is a target, the path of a lock file, `git:REVISION` for the lock as it was committed there, a stored image "
        "or one in a file or folder (`image:NAME`), an image of an engine (`docker-daemon:NAME`, `containers-storage:NAME` for "
        "Podman's), a container that lives on, running or not, `kept:NAME` for what a container kept by `--keep NAME` made of "
        "its image, or any container of an engine (`docker:NAME`, `podman:NAME`). Compares packages, configuration, and files "
        "by their manifests where both sides are built. With one side, a container is compared with its image, anything else "
        "with the target now.",
        (("shipway diff digits", "what a container has changed"),
         ("shipway diff cpu gpu", "two targets of this lock"), ("shipway diff git:HEAD", "what changed since the last commit"),
         ("shipway diff team/base:1 team/base:2", "two stored images"),
         ("shipway diff kept:scratch --files", "every file that a container changed"),
         ("shipway diff docker:web", "what a container of Docker has changed")),
        (Option("files", "List every file that differs, however many"), *CHOICE, JSON), "A [B]", home="commands_sizes",
    ),
    Verb(
        "slim", "Add a target without what only a build needs, proved by a check",
        "Builds the target, runs the check in it, leaves out compilers that the spec asks for and kinds of files that are seldom "
        "needed, runs the check again, and only then writes the new target to the spec and the lock. The check's output goes to "
        "standard error. Exits with 24 when the check fails.",
        (("shipway slim -- python -m pytest -q", "add the target `slim`, when the tests pass in it"),
         ("shipway slim --keep tests --keep apt:make -- python -c 'import app'", "leave some things in"),
         ("shipway slim --dry-run", "show what would go, and about how much that is")),
        (Option("name", "Name of the new target; the default is `slim`, or `TARGET-slim`", Takes.VALUE, "", "NAME"),
         Option("keep", f"Leave in this package (`apt:NAME`), or this kind of files: {', '.join(CAREFUL)}",
                Takes.VALUES, "", "WHAT"),
         Option("also", "Leave out this kind of files, too", Takes.VALUES, "", "KIND",
                tuple(kind for kind in Waste if kind not in CAREFUL)),
         ENGINE._replace(help="What runs the check, whatever the spec or `SHIPWAY_ENGINE` says", default="`native`"),
         *CHOICE, DRY_RUN, JSON), "[COMMAND...]", home="commands_sizes", rest=True,
    ),
)  # fmt: skip
