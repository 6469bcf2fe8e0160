"""The `[run]` part of a spec as values of the run room, which knows no specs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipway.run.model import RunOptions
    from shipway.verbs.project import Project


def read_run_options(project: Project, target: str) -> RunOptions:
    """How the spec wants containers of `target` to be run, with host paths made absolute."""
    from shipway.run.model import Limits, Mount, Network, RunOptions
    from shipway.verbs.project import require_target

    options = require_target(project.spec, target).run
    return RunOptions(
        mounts=tuple(
            Mount(absolute_source(rule.source, project.folder), rule.target, rule.read_only)
            for rule in options.mounts
        ),
        shm_size=options.shm_size,
        limits=Limits(memory=options.memory, cpus=options.cpus, pids=options.pids),
        network=Network(options.network.value),
        env=options.env,
        pass_env=options.pass_env,
        engine=options.engine,
    )


def absolute_source(source: str, folder: str) -> str:
    """A host path of the spec: `~` is the caller's home, anything relative is below the project."""
    return os.path.normpath(os.path.join(folder, os.path.expanduser(source)))
