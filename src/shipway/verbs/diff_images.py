"""The sides of a `diff` that no lock is behind: finished images, and containers of Docker and Podman."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shipway.core.errors import NotFound
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shipway.core.events import Emit
    from shipway.plan.diff import Named, Package, Side
    from shipway.plan.sizes import SizedLayer
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task
    from shipway.verbs.image_view import ImageView

_AT_START = frozenset(
    {".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf",
     "proc", "run", "run/.containerenv", "sys"}
)  # fmt: skip
"""What these engines make in every container before its command starts."""
_GIVEN = {
    "HOME": "",
    "HOSTNAME": "",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "xterm",
    "container": "podman",
}
"""Variables that Podman gives a container whose image has none of that name; empty where the value differs each time."""


def read_image(text: str, task: Task) -> Side:
    """The stored image `text`, or the one in the file or folder of that path.

    Raises:
        NotFound: there is neither.
        HostileInput, HashMismatch: what the file holds contradicts itself.
    """
    from shipway.verbs.image_view import view_image

    return _side_of(view_image(text, task, facts=True), f"image:{text}")


def read_engine_image(engine: str, name: str, task: Task) -> Side:
    """An image in an engine's own store, or the image that the container `name` began with.

    Raises:
        NotFound: the engine has none of that name.
        EngineError: it is not installed, or does not answer.
    """
    from shipway.verbs.engine_view import view_engine_image

    return _side_of(view_engine_image(engine, name, task, facts=True), f"{engine} image {name}")


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
    from shipway.verbs.engine_view import find_engine, inspect

    program = find_engine(engine)
    facts = inspect(program, "container", name)
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
    config = _container_config(facts, inspect(program, "image", str(facts.get("Image", ""))))
    return Side(
        label=label,
        packages=_versions(packages.there),
        config=config,
        settings=config,
        trees=_mark_start(_named([layer])),
        finished=True,
    )


def read_as_finished(side: Side, trees: Sequence[Tree], emit: Emit) -> Side:
    """`side` with packages and facts as a finished image of `trees` (bottom first) would show them."""
    from shipway.image.base_facts import read_facts
    from shipway.image.base_files import files_of_trees
    from shipway.image.contents import read_packages, tree_files
    from shipway.plan.diff import describe_facts

    env = {key[4:]: value for key, value in side.settings.items() if key.startswith("env.")}
    return replace(
        side,
        packages=_versions(read_packages([tree_files(tree) for tree in trees], emit).there),
        facts=describe_facts(read_facts(files_of_trees(trees), env)),
    )


def _side_of(view: ImageView, label: str) -> Side:
    from shipway.plan.diff import Side, describe_facts, read_settings

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
        facts=describe_facts(view.base),
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


def _container_config(facts: dict[str, Any], image: dict[str, Any]) -> dict[str, str]:
    from shipway.plan.diff import read_settings

    config, theirs = facts.get("Config") or {}, image.get("Config") or {}
    env = dict(text.split("=", 1) for text in config.get("Env") or [] if "=" in text)
    own = {text.partition("=")[0] for text in theirs.get("Env") or []}
    words = {"entrypoint": _words(config.get("Entrypoint")), "command": _words(config.get("Cmd"))}
    settings = read_settings(
        f"{image.get('Os', '')}/{image.get('Architecture', '')}",
        [(name, value) for name, value in env.items() if name in own or not _is_given(name, value)],
        config.get("WorkingDir") or "",
        words,
    )
    labels = {f"label.{name}": value for name, value in (config.get("Labels") or {}).items()}
    return settings | {
        key: str(value) for key, value in {"user": config.get("User"), **labels}.items() if value
    }


def _is_given(name: str, value: str) -> bool:
    return _GIVEN.get(name) in ("", value)


def _words(value: Any) -> list[str]:
    """Podman before 5 writes an entry point as one text."""
    return [value] if isinstance(value, str) and value else [str(one) for one in value or []]
