"""The verb that writes a target down for other tools."""

from __future__ import annotations

from shipway.cli.option import CHOICE, DRY_RUN, FROZEN, JSON, LOCKED, Complete, Option, Takes, Verb

KINDS = ("dockerfile", "apptainer", "devcontainer", "compose", "requirements", "pylock", "sbom", "makefile")
FORMATS = {
    "sbom": ("spdx", "cyclonedx"),
    "apptainer": ("def", "sif", "squashfs"),
    "devcontainer": ("dockerfile", "image"),
}
"""Of the kinds that have several; the first is the default."""

EXPORT = (
    Verb(
        "export", "Write a locked target down for another tool",
        "Prints a Dockerfile, an Apptainer definition, a development container, a Compose file, pip's requirements, "
        "`pylock.toml`, a bill of materials or a Makefile. All of them name the locked packages, by sha256 where the format can. "
        "Compose file and Makefile are for all targets unless one is named.",
        (("shipway export dockerfile -o Dockerfile", "a Dockerfile, and the list of files that stay out of it"),
         ("shipway export requirements -t cpu", "what pip needs, with hashes"),
         ("shipway export sbom --format cyclonedx -o sbom.json", "a bill of materials"),
         ("shipway export apptainer --format sif -o model.sif", "the image itself, for `apptainer run model.sif`")),
        (Option("output", "Write to `FILE` instead of standard output", Takes.VALUE, "o", "FILE", complete=Complete.FILE),
         Option("format", "Of `sbom`: `spdx` or `cyclonedx`. Of `apptainer`: `def`, or the image as `sif` or `squashfs`. Of "
                "`devcontainer`: `dockerfile`, which docker builds, or `image`, which shipway hands over",
                Takes.VALUE, "", "FORMAT", tuple(form for forms in FORMATS.values() for form in forms)),
         Option("force", "Replace a file that was not exported by shipway", short="f"),
         *CHOICE, LOCKED, FROZEN, DRY_RUN, JSON),
        "KIND", KINDS, home="commands_export",
    ),
)  # fmt: skip
