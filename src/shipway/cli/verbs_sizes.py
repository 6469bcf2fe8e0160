"""The verbs about sizes and differences."""

from __future__ import annotations

from shipway.cli.option import CHOICE, JSON, Verb

SIZES = (
    Verb(
        "size", "Show where the image's bytes are, and which it could do without",
        "Measures the built image per layer, package and cause, and finds duplicates, files that a higher layer hides, caches, "
        "documentation, compilers and CUDA libraries that are there twice. Reads manifests only.",
        (("shipway size", "tables, and what could go"), ("shipway size --json", "every package, for programs")),
        (*CHOICE, JSON), home="commands_sizes",
    ),
)  # fmt: skip
