"""`give`: a whole image for an engine's own commands, moved as a run moves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown
from shipway.verbs.account_layer import add_account
from shipway.verbs.images import choose_image, open_store

if TYPE_CHECKING:
    from shipway.core.reference import Reference
    from shipway.run.oci.command import Dialect
    from shipway.verbs.context import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveResult:
    """What the engine has now, or would have."""

    engine: str
    title: str
    """The engine's name for people."""
    name: str
    """As the engine lists it."""
    id: str
    """The engine's own id of the image; empty for a dry run of one that it lacks."""
    digest: str
    """Of the manifest over uncompressed layers."""
    present: bool
    """The engine had it before."""


def run_give(
    task: Task, engine: str, *, image: str = "", name: str = "", account: str = "", dry_run: bool = False
) -> GiveResult:
    """Hand the stored image `image`, or the project's, built if need be, to `engine`, where it is called `name`.

    `account` is the name of an account in it, with the caller's numbers; empty: none is added.

    Raises:
        ToolError: `name` is no name that an image can have there (USAGE), or there is no such image.
        EngineError: the engine is missing, does not answer, or cannot run the image.
    """
    from shipway.image.hand_over import make_stored_portable
    from shipway.run.model import ImageIds
    from shipway.run.oci.docker import DOCKER
    from shipway.run.oci.image import ensure_image, look_up
    from shipway.run.oci.podman import PODMAN
    from shipway.run.oci.program import require_program

    dialect = DOCKER if engine == DOCKER.name else PODMAN
    program = require_program(dialect)
    chosen = choose_image(task, image, name=name)
    called = _name_there(chosen.reference, dialect)
    store = open_store(task.emit)
    given = add_account(store, chosen.image, account) if account else chosen.image
    portable = make_stored_portable(store, given, task.emit)
    ids = ImageIds(portable.image.config_digest, portable.image.digest)
    before, _ = look_up(program, ids)
    return GiveResult(
        engine=engine,
        title=dialect.title,
        name=called,
        id=before if dry_run else ensure_image(program, portable, called, task.emit),
        digest=ids.manifest,
        present=bool(before),
    )


def _name_there(reference: Reference, dialect: Dialect) -> str:
    if reference.digest:
        raise ToolError(
            f"`{shown(reference.text)}` names a digest, which cannot be given to an image",
            hints=["say what it is to be called: `--name NAME:TAG`"],
            code=ExitCode.USAGE,
        )
    return reference.text if reference.registry else dialect.local + reference.text
