"""The verb that writes a target down for other tools."""

from __future__ import annotations

from shipway.cli.option import CHOICE, DRY_RUN, FROZEN, JSON, LOCKED, Complete, Option, Takes, Verb

KINDS = ("dockerfile", "apptainer", "devcontainer", "compose", "requirements", "pylock", "sbom", "makefile")
SBOM_FORMATS = ("spdx", "cyclonedx")

EXPORT = (
    Verb(
        "export", "Write a locked target down for another tool",
        "Prints a Dockerfile, an Apptainer definition, a development container, a Compose file, pip's requirements, "
        "`pylock.toml`, a bill of materials or a Makefile. All of them name the locked packages, by sha256 where the format can. "
        "Compose file and Makefile are for all targets unless one is named.",
        (("shipway export dockerfile -o Dockerfile", "a Dockerfile, and the list of files that stay out of it"),
         ("shipway export requirements -t cpu", "what pip needs, with hashes"),
         ("shipway export sbom --format cyclonedx -o sbom.json", "a bill of materials")),
        (Option("output", "Write to `FILE` instead of standard output", Takes.VALUE, "o", "FILE", complete=Complete.FILE),
         Option("format", "Of the bill of materials; the default is `spdx`", Takes.VALUE, "", "FORMAT", SBOM_FORMATS),
         Option("force", "Replace a file that was not exported by shipway", short="f"),
         *CHOICE, LOCKED, FROZEN, DRY_RUN, JSON),
        "KIND", KINDS, home="commands_export",
    ),
)  # fmt: skip
