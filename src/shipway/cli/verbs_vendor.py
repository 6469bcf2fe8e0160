"""The verbs that carry a project to where there is no network."""

from __future__ import annotations

from shipway.cli.option import CHOICE, DRY_RUN, FROZEN, JSON, LOCKED, VENDOR, Option, Verb

_OPTIONS = (
    *CHOICE, LOCKED, FROZEN, VENDOR,
    Option("no-data", "Leave out the data and weights that `[data]` fetches"),
    DRY_RUN, JSON,
)  # fmt: skip

VENDORING = (
    Verb(
        "vendor", "Collect everything that the lock names in a folder, to build without network",
        "Fetches OS packages, wheels, sdists, commits, interpreters, what wheels are built with, and data, of every target and "
        "platform unless some are named, each under its digest. What is there is checked and kept, so an interrupted collection "
        'goes on. `--vendor DIR` builds from it, and so does `vendor = "DIR"` in the spec. Never part of the image.',
        (("shipway vendor vendor", "collect in the folder `vendor`"),
         ("shipway vendor vendor --dry-run", "see what would be fetched, and how much")),
        _OPTIONS, "[DIR]", home="commands_vendor",
    ),
    Verb(
        "bundle", "Collect everything that the lock names in one file, to build without network",
        "As `vendor`, as one tar file that is the same, byte for byte, for the same lock. `--vendor FILE` builds from it without "
        "unpacking it.",
        (("shipway bundle digits.tar", "write one file"),
         ("shipway bundle digits.tar -t cpu", "only what the target `cpu` needs")),
        _OPTIONS, "FILE", home="commands_vendor",
    ),
)  # fmt: skip
