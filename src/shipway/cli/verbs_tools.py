"""The table of `ssh`, `ssh-proxy` and the tools that come beside an environment."""

from __future__ import annotations

from shipway.cli.option import JSON, TARGET, Option, Verb

TOOL_VERBS = (
    Verb(
        "ssh", "Connect to a container by ssh, or make it a host of ssh",
        "No port, no daemon, no root: the server inside talks by the streams of an exec. Without a name the project's own "
        "container is meant, and started if need be. The entry is in `~/.ssh/shipway/config`, as `NAME.shipway`.",
        (("shipway ssh", "a shell in the project's container"), ("shipway ssh digits -- nvidia-smi", "one command"),
         ("shipway ssh --install", "let every program that reads `~/.ssh/config` know it")),
        (Option("install", "Write the entry and one `Include` line into `~/.ssh/config`, and connect to nothing"),
         Option("show", "Write the entry, print how to use it from here and from another computer, and connect to nothing"),
         TARGET, JSON), "[NAME] [COMMAND...]", home="commands_tools",
    ),
    Verb(
        "ssh-proxy", "Serve one ssh connection by standard input and output",
        "What an entry of ssh names as its `ProxyCommand`; nobody types it.",
        (("ssh -o 'ProxyCommand shipway ssh-proxy digits' digits", "what an entry does"),), (), "NAME",
        home="commands_tools",
    ),
)  # fmt: skip
