"""The verb for data and weights."""

from __future__ import annotations

from shipway.cli.option import DRY_RUN, FROZEN, JSON, LOCKED, PLATFORM, TARGET, VENDOR, Verb

DATA = (
    Verb(
        "data", "List, fetch and check data and weights, and remove volumes",
        "`list` shows what the spec's `[data]` declares, with size and state, and all volumes. `fetch` brings what has an "
        "address or is on a model hub, as `run` does when it is missing. `verify` reads every byte. `rm` deletes volumes for "
        "good. Without a word, `list`.",
        (("shipway data", "what is declared, and whether it is here"),
         ("shipway data fetch --dry-run", "how much would be fetched"),
         ("shipway data rm checkpoints", "delete the volume `checkpoints`")),
        (TARGET, PLATFORM, LOCKED, FROZEN, VENDOR, DRY_RUN, JSON), "[list|fetch|verify|rm] [NAME...]",
        ("list", "fetch", "verify", "rm"), home="commands_data",
    ),
)  # fmt: skip
