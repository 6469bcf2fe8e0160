"""`[data]` in what is exported: mounts where another tool can have them, and words where it cannot."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from shipway.core.events import Note
from shipway.core.text import shown
from shipway.export.options import describe_unmounted
from shipway.host.dirs import home_dir, state_dir
from shipway.run.places import volume_folder
from shipway.spec.model import MountRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.core.events import Emit
    from shipway.export.model import Contents
    from shipway.spec.model import DataSource, RunOptions, Spec


def with_data(run: RunOptions, data: Sequence[DataSource]) -> RunOptions:
    """`run` with the mounts of folders and volumes behind its own."""
    rules = [
        MountRule(
            source=one.folder or _volume(one.volume),
            target=one.target,
            read_only=one.read_only,
        )
        for one in data
        if not (one.fetched or one.copy)
    ]
    return replace(run, mounts=(*run.mounts, *rules))


def tell_of_data(targets: Sequence[Contents], spec: Spec, emit: Emit) -> None:
    """Say what is not mounted, and what has to be made before a mount works."""
    for sentence in describe_unmounted(targets):
        emit(Note(sentence.removesuffix("."), "warning"))
    names = {one.target.name for one in targets}
    volumes = {one.volume for target in spec.targets if target.name in names for one in target.data}
    for name in sorted(volumes - {""}):
        path = volume_folder(state_dir(), name)
        if not os.path.isdir(path):
            emit(Note(f"the volume `{name}` is made by the first run; before one: `mkdir -p {shown(path)}`"))


def _volume(name: str) -> str:
    """Its folder on this machine, below the home where it is there, as another reader's may be."""
    path, home = volume_folder(state_dir(), name), home_dir().rstrip("/")
    return f"~{path.removeprefix(home)}" if path.startswith(f"{home}/") else path
