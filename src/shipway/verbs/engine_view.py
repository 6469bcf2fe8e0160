"""What Docker and Podman have, as they say it, and their images as `size` and `diff` look at them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shipway.core.errors import EngineError, NotFound
from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.run.oci.program import Program
    from shipway.verbs.context import Task
    from shipway.verbs.image_view import ImageView

STORES = {"docker-daemon": "docker", "containers-storage": "podman"}
"""What stands before the colon of an image's name, with the engine that has it in its own store."""


def view_engine_image(engine: str, name: str, task: Task, *, facts: bool = False) -> ImageView:
    """The image `name` of an engine, or the one that its container `name` began with. Nothing of it is kept.

    Raises:
        NotFound: the engine has none of that name.
        EngineError: it is not installed, or does not answer.
        HostileInput, HashMismatch: what it writes contradicts itself.
    """
    from dataclasses import replace

    from shipway.host.scratch import scratch_folder
    from shipway.verbs.image_view import view_image

    program = find_engine(engine)
    container = inspect(program, "container", name)
    identity = str(container.get("Image", "")) if container else name
    if not container and not inspect(program, "image", name):
        raise NotFound(
            f"{program.dialect.title} has no image and no container `{shown(name)}`",
            hints=[f"see `{engine} images` and `{engine} ps --all`"],
        )
    with scratch_folder("view-") as folder:
        archive = f"{folder}/{engine}.tar"
        program.require("save", "--output", archive, identity)
        return replace(view_image(archive, task, facts=facts), name=name)


def find_engine(engine: str) -> Program:
    """The program of `docker` or `podman`.

    Raises:
        EngineError: it is not installed.
    """
    from shipway.run.oci.docker import DOCKER
    from shipway.run.oci.podman import PODMAN
    from shipway.run.oci.program import require_program

    return require_program(DOCKER if engine == "docker" else PODMAN)


def inspect(program: Program, kind: str, name: str) -> dict[str, Any]:
    """What the engine says of the `container` or `image` (`kind`) called `name`; empty when it has none.

    Raises:
        EngineError: it does not answer.
    """
    if name.startswith("-"):  # the engine would take it for an option
        return {}
    finished = program.ask(kind, "inspect", name)
    if finished.code != 0:
        complaint = finished.stderr.decode("utf-8", "replace").lower()
        if "no such" in complaint or "not known" in complaint or "no container with name" in complaint:
            return {}
        raise program.trouble(finished, kind, "inspect")
    try:
        (value,) = json.loads(finished.stdout)
    except ValueError as problem:
        raise EngineError(
            f"{program.dialect.title} says of `{shown(name)}` what is no JSON list of one object",
            hints=[f"see `{program.dialect.name} {kind} inspect`"],
        ) from problem
    return dict(value)
