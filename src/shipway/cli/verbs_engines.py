"""The verbs about other engines."""

from __future__ import annotations

from shipway.cli.option import CHOICE, DRY_RUN, JSON, LOCKING, Option, Takes, Verb

ENGINE_VERBS = (
    Verb(
        "give", "Hand the image to Docker or Podman, for their own commands",
        "Builds the project's image if need be, or takes a stored one with `--image`, moves what the engine lacks, "
        "and prints the engine's id of it. `run --engine` does so by itself, with an image that lacks the project's files.",
        (("shipway give docker --name digits:dev", "for `docker run --rm digits:dev`, the project's files included"),
         ("shipway give podman --image team/base:1", "a stored image under its own name")),
        (Option("image", "Hand over this stored image instead of the project's", Takes.VALUE, "", "REF"),
         Option("name", "What the image is called there; the default is what it is called here", Takes.VALUE, "", "REF"),
         Option("account", "Add an account of this name with your numbers and a home folder, for programs that start "
                "containers as a user with a name", Takes.VALUE, "", "NAME"),
         *CHOICE, *LOCKING, DRY_RUN, JSON), "ENGINE", ("docker", "podman"), home="commands_engines",
    ),
)  # fmt: skip
