"""`run --image` and `shell --image`: a stored image as it is, ours or of others, on any engine."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError, NotFound
from shipway.core.text import shown
from shipway.verbs.context import host_platform
from shipway.verbs.find import find_folder
from shipway.verbs.images import open_store, require_image
from shipway.verbs.invocation import read_invocation
from shipway.verbs.run import RunResult, Start, start_container

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.image.names import Named
    from shipway.image.portable import PortableImage
    from shipway.run.model import Environment
    from shipway.store.store import Store
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task
    from shipway.verbs.run import RunWords

PROJECT = "/work"
"""Where the caller's folder is seen inside, whatever the image holds."""


def run_image(words: RunWords, task: Task, image: str, *, dry_run: bool = False) -> RunResult:
    """Run a command in the stored image `image`, or its own one; the folder is mounted at `/work`.

    The image's command and working directory hold where the caller names none; its user does not, for the caller runs it.

    Raises:
        NotFound: there is no such image.
        EngineError: it is of another platform, or was collected meanwhile.
        ToolError: the container could not be made or started.
    """
    store = open_store(task.emit)
    named = require_image(store, image)
    facts = named.image.facts()
    if facts.platform.split("/")[:2] != host_platform().split("/"):
        raise EngineError(
            f"`{named.name}` is for {facts.platform}, this machine is {host_platform()}",
            hints=[f"pull it with --platform {host_platform()}"],
        )
    asked = read_invocation(words)
    if not asked.workdir:
        asked = asked._replace(workdir=facts.workdir or "/")
    if asked.argv and not asked.shell and asked.entrypoint is None:
        asked = asked._replace(argv=(*facts.entrypoint, *asked.argv))
    keys = [key for layer in reversed(named.image.layers) for key in reversed(layer.trees)]
    with store.use(keys) as use:
        if use.missing:
            raise NotFound(
                f"what `{named.name}` is made from is no longer in the store", hints=["pull or load it again"]
            )
        portable = partial(_portable, store, named, task)
        environment = _environment(named, task, use.trees)
        start = Start(environment, asked, words.engine, use.trees, portable, use.fds, named.name)
        return start_container(start, task, dry_run=dry_run, life=words.life, own=words.own)


def is_stored(word: str, task: Task) -> bool:
    """Whether `word`, which may also be a program's path, is the name of a stored image and no file of the caller's."""
    from shipway.core.errors import ToolError
    from shipway.core.reference import parse_reference
    from shipway.image.names import find_name

    if os.path.exists(os.path.join(find_folder(task.directory), word)):
        return False
    try:
        reference = parse_reference(word)
    except ToolError:
        return False
    return find_name(open_store(task.emit), reference.text) is not None


def is_image_first(word: str, task: Task) -> bool:
    """Whether `word` is a stored image's name rather than a command, where nobody has looked for commands yet.

    A name that this machine has a program of (`python`) is a command first.
    """
    from shipway.host.proc import find_tool

    return find_tool(word) is None and is_stored(word, task)


def require_stored(word: str, task: Task) -> None:
    """Make sure that `word`, which is written as an image is, is stored.

    Raises:
        NotFound: it is not.
    """
    if is_stored(word, task):
        return
    name = shown(word)
    raise NotFound(
        f"there is no image `{name}` here",
        hints=[
            f"get it: `shipway pull {name}`, or `shipway load FILE`; `shipway images` lists what there is",
            f"if it is a command of the project: `shipway run -- {name}`",
        ],
    )


def _portable(store: Store, named: Named, task: Task) -> PortableImage:
    from shipway.image.hand_over import make_stored_portable

    return make_stored_portable(store, named.image, task.emit)


def _environment(named: Named, task: Task, trees: Sequence[Tree]) -> Environment:
    """`trees`: the top one first."""
    from shipway.core.digest import Digest
    from shipway.core.reference import parse_reference
    from shipway.image.stored import canonical_manifest
    from shipway.run.facts import read_image_facts
    from shipway.run.model import Environment, ImageIds

    facts = named.image.facts()
    lowers = tuple(tree.root for tree in trees)
    reference = parse_reference(named.name)
    manifest = canonical_manifest(named.image.config, named.image.layers)
    return Environment(
        project=find_folder(task.directory),
        name=reference.repository.rpartition("/")[2],
        target="",
        lowers=lowers,
        keys=tuple(tree.key for tree in trees),
        env=facts.env,
        workdir=PROJECT,
        command=(*facts.entrypoint, *facts.command),
        facts=read_image_facts(lowers),
        bytecode=True,
        image=ImageIds(named.image.config_digest, Digest.of(manifest)),
    )
