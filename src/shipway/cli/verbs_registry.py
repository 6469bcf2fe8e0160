"""The verbs about registries: who one is there, and what is there."""

from __future__ import annotations

from shipway.cli.option import DRY_RUN, JSON, Option, Takes, Verb

REGISTRY_VERBS = (
    Verb(
        "login", "Log in to an image registry",
        "Checks user and password at the registry and keeps them where Docker, Podman and Skopeo find them: in the credential "
        "helper that Docker's configuration names, else in `REGISTRY_AUTH_FILE` or Docker's `config.json`. Never on the command "
        "line: the password is asked for, or read from standard input.",
        (("shipway login hub.example.org", "be asked for user and password"),
         ("cat token | shipway login -u ada --password-stdin hub.example.org", "for scripts")),
        (Option("username", "The user", Takes.VALUE, "u", "NAME"),
         Option("password-stdin", "Read the password or token from standard input"), DRY_RUN),
        "REGISTRY", home="commands_registry",
    ),
    Verb(
        "logout", "Forget the credentials of an image registry",
        "Removes them from every file and helper that keeps them.",
        (("shipway logout hub.example.org", "log out"),), (DRY_RUN,), "REGISTRY", home="commands_registry",
    ),
    Verb(
        "search", "Find repositories in an image registry, or the tags of one",
        "Asks the registry's own search. Of a registry without one, shows the repositories in its catalog whose name holds "
        "`WORD`; without `WORD`, the whole catalog. With `--tags`, `WORD` is an image's name whose tags are shown.",
        (("shipway search --registry hub.example.org torch", "repositories with `torch` in their name"),
         ("shipway search --tags hub.example.org/team/digits", "the tags of one repository")),
        (Option("registry", "The registry; the default is SHIPWAY_REGISTRY or the host's configuration", Takes.VALUE, "", "HOST"),
         Option("tags", "Show the tags of the repository `WORD`"), JSON),
        "[WORD]", home="commands_registry",
    ),
)  # fmt: skip
