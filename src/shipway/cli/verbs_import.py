"""The verbs that read what other tools have."""

from __future__ import annotations

from shipway.cli.option import DRY_RUN, JSON, Option, Takes, Verb

IMPORTING = (
    Verb(
        "import", "Read another tool's file and say what it becomes as a spec",
        "For `dockerfile`: says of each line what it becomes, what needs nothing, what is left to you and what is wrong with it, "
        "and shows the spec. The default FILE is `Dockerfile`. Nothing in it is run, and nothing is written without `--write`. "
        "Exits with 10 when the file cannot be read, or when something has to be corrected before its spec is one.",
        (("shipway import dockerfile", "say what `Dockerfile` becomes, and what is wrong with it"),
         ("shipway import dockerfile build/Dockerfile.cpu --write", "write `shipway.toml` from another file"),
         ("shipway import dockerfile --stage runtime --build-arg CUDA=12.4", "take one stage, with an argument's value")),
        (Option("write", "Write `shipway.toml` into the folder"),
         Option("force", "Replace a spec that is already there", short="f"),
         Option("stage", "The stage to take, by name or number; the default is the last one", Takes.VALUE, "", "NAME"),
         Option("build-arg", "Give an ARG its value, as for `docker build`", Takes.VALUES, "", "NAME=VALUE"),
         Option("name", "Name of the project; the default is the folder's", Takes.VALUE, "", "NAME"), DRY_RUN, JSON),
        "KIND [FILE]", ("dockerfile",), home="commands_import",
    ),
)  # fmt: skip
