"""The sides of a `diff` that no lock is behind: finished images, and containers of Docker and Podman."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shipway.core.errors import EngineError, NotFound
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shipway.core.events import Emit
    from shipway.plan.diff import Named, Package, Side
    from shipway.plan.sizes import SizedLayer
    from shipway.run.oci_program import Program
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task
    from shipway.verbs.image_view import ImageView

_AT_START = frozenset(
    {".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf",
     "proc", "run", "run/.containerenv", "sys"}
)  # fmt: skip
"""What these engines make in every container before its command starts."""
_ENGINES_OWN = frozenset({"HOME", "HOSTNAME", "TERM", "container"})
"""Variables that Podman gives every container."""


def read_image(text: str, task: Task) -> Side:
    """The stored image `text`, or the one in the file or folder of that path.

    Raises:
        NotFound: there is neither.
        HostileInput, HashMismatch: what the file holds contradicts itself.
    """
    from shipway.verbs.image_view import view_image

    return _side_of(view_image(text, task), f"image:{text}")


def read_engine_image(engine: str, name: str, task: Task) -> Side:
    """An image in an engine's own store, or the image that the container `name` began with.

    Raises:
        NotFound: the engine has none of that name.
        EngineError: it is not installed, or does not answer.
    """
    from shipway.host.scratch import scratch_folder
    from shipway.verbs.image_view import view_image

    program = _program(engine)
    image = _inspect(program, "container", name)
    identity = str(image.get("Image", "")) if image else name
    if not image and not _inspect(program, "image", name):
        raise NotFound(
            f"{program.dialect.title} has no image and no container `{shown(name)}`",
            hints=[f"see `{engine} images` and `{engine} ps --all`"],
        )
    with scratch_folder("diff-") as folder:
        archive = f"{folder}/image.tar"
        program.require("save", "--output", archive, identity)
        return _side_of(view_image(archive, task), f"{engine} image {name}")


def read_container(engine: str, name: str, task: Task) -> Side:
    """The container `name` of an engine, running or not, as its file system is now.

    Raises:
        NotFound: the engine has none of that name.
        EngineError: it is not installed, or does not answer.
        HostileInput: the engine's archive of it is none.
    """
    from shipway.host.scratch import scratch_folder
    from shipway.image.contents import read_packages
    from shipway.image.exported import read_exported
    from shipway.plan.diff import Side
    from shipway.plan.sizes import SizedLayer
    from shipway.plan.split import split_manifest

    program = _program(engine)
    facts = _inspect(program, "container", name)
    if not facts:
        raise NotFound(
            f"{program.dialect.title} has no container `{shown(name)}`",
            hints=[f"see `{engine} ps --all`"],
        )
    label = f"{engine}:{name}"
    with scratch_folder("diff-") as folder:
        archive = f"{folder}/container.tar"
        program.require("export", "--output", archive, name)
        files = read_exported(archive, label)
    packages = read_packages([files], task.emit)
    layer = SizedLayer(label, "", split_manifest(files.manifest, packages.owners[0]))
    config = _container_config(facts, _inspect(program, "image", str(facts.get("Image", ""))))
    return Side(
        label=label,
        packages=_versions(packages.there),
        config=config,
        settings=config,
        trees=_mark_start(_named([layer])),
        finished=True,
    )


def find_packages(trees: Sequence[Tree], emit: Emit) -> dict[tuple[str, str], Package]:
    """The packages in `trees` (bottom first) as a finished image of them would show them."""
    from shipway.image.contents import read_packages, tree_files

    return _versions(read_packages([tree_files(tree) for tree in trees], emit).there)


def _side_of(view: ImageView, label: str) -> Side:
    from shipway.plan.diff import Side, read_settings

    facts = view.facts
    platform = "/".join(facts.platform.split("/")[:2])
    words = {"entrypoint": facts.entrypoint, "command": facts.command}
    settings = read_settings(platform, facts.env, facts.workdir, words)
    more = {"user": facts.user, **{f"label.{name}": value for name, value in facts.labels}}
    return Side(
        label=label,
        packages=_versions(view.packages),
        config=settings | {key: value for key, value in more.items() if value},
        settings=settings,
        trees=_named(view.layers),
        finished=True,
    )


def _versions(found: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], Package]:
    from shipway.plan.diff import Package

    return {key: Package(version, "") for key, version in found.items()}


def _named(layers: Iterable[SizedLayer]) -> tuple[Named, ...]:
    from shipway.plan.diff import Named
    from shipway.plan.sizes import UNOWNED

    return tuple(
        Named(layer.name if tree.kind == UNOWNED else tree.name, tree.manifest)
        for layer in layers
        for tree in layer.trees
    )


def _mark_start(trees: Sequence[Named]) -> tuple[Named, ...]:
    """The same with what every start makes told from what the command made."""
    from shipway.core.manifest import Manifest
    from shipway.plan.diff import Named

    theirs = [
        Named(tree.owner, Manifest(entry for entry in tree.manifest.entries if entry.path not in _AT_START))
        for tree in trees
    ]
    ours = Manifest(entry for tree in trees for entry in tree.manifest.entries if entry.path in _AT_START)
    return (Named("written at every start", ours), *theirs)


def _program(engine: str) -> Program:
    from shipway.run.docker import DOCKER
    from shipway.run.oci_program import require_program
    from shipway.run.podman import PODMAN

    return require_program(DOCKER if engine == "docker" else PODMAN)


def _inspect(program: Program, kind: str, name: str) -> dict[str, Any]:
    """What the engine says of a container or image; empty when it has none of that name."""
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


def _container_config(facts: dict[str, Any], image: dict[str, Any]) -> dict[str, str]:
    from shipway.plan.diff import read_settings

    config, theirs = facts.get("Config") or {}, image.get("Config") or {}
    env = [tuple(text.split("=", 1)) for text in config.get("Env") or [] if "=" in text]
    own = {text.partition("=")[0] for text in theirs.get("Env") or []}
    words = {"entrypoint": _words(config.get("Entrypoint")), "command": _words(config.get("Cmd"))}
    platform = f"{image.get('Os', '')}/{image.get('Architecture', '')}"
    settings = read_settings(
        platform,
        [(name, value) for name, value in env if name in own or name not in _ENGINES_OWN],
        config.get("WorkingDir") or "",
        words,
    )
    labels = {f"label.{name}": value for name, value in (config.get("Labels") or {}).items()}
    return settings | {
        key: str(value) for key, value in {"user": config.get("User"), **labels}.items() if value
    }


def _words(value: Any) -> list[str]:
    """Podman before 5 writes an entry point as one text."""
    return [value] if isinstance(value, str) and value else [str(one) for one in value or []]
