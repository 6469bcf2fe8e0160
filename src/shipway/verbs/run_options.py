"""The `[run]` part of a spec as values of the run room, which knows no specs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipway.run.model import Mount, RunOptions
    from shipway.spec.model import RunOptions as SpecOptions
    from shipway.spec.model import Target
    from shipway.verbs.project import Project


def read_run_options(project: Project, target: str) -> RunOptions:
    """How the spec wants containers of `target` to be run, with host paths made absolute.

    Raises:
        SpecError: a word has a form that only here is known to be wrong.
    """
    from shipway.core.errors import SpecError, ToolError
    from shipway.verbs.project import require_target

    wanted = require_target(project.spec, target)
    try:
        return _values(wanted.run, project.folder, _host_data(wanted, project.folder))
    except ToolError as error:
        raise SpecError(f"`[run]` of the spec: {error.message}", hints=error.hints) from error


def _host_data(target: Target, folder: str) -> tuple[Mount, ...]:
    """The mounts of data that are here already: folders of the host, and volumes."""
    from shipway.host.dirs import state_dir
    from shipway.run.model import Mount
    from shipway.run.places import volume_folder

    mounts = []
    for one in target.data:
        if one.folder:
            source = absolute_source(one.folder, folder)
            mounts.append(Mount(source, one.target, one.read_only or one.copy))
        elif one.volume:
            mounts.append(
                Mount(volume_folder(state_dir(), one.volume), one.target, one.read_only, owned=True)
            )
    return tuple(mounts)


def _values(options: SpecOptions, folder: str, data: tuple[Mount, ...]) -> RunOptions:
    from shipway.run.model import Limits, Mount, Network, RunOptions

    given = RunOptions(
        mounts=tuple(
            Mount(absolute_source(rule.source, folder), rule.target, rule.read_only)
            for rule in (*options.mounts, *options.secret_files)
        )
        + data,
        shm_size=options.shm_size,
        limits=Limits(
            options.memory, options.cpus, options.pids, "", options.cpu_shares, options.memory_swap
        ),
        network=Network(options.network.value),
        env=options.env,
        pass_env=options.pass_env,
        engine=options.engine,
        user=options.user,
        ipc_space="" if options.ipc == "private" else options.ipc,
        cache=options.cache,
        display=options.display,
        secrets=options.secret_variables,
    )
    if not (options.ports or options.ulimits or options.tmpfs or options.cpuset or options.restart):
        return given
    from shipway.run.life_words import parse_restart
    from shipway.run.model import Restart
    from shipway.run.mount_words import parse_tmpfs
    from shipway.run.option_words import parse_cpuset, parse_ports, parse_ulimit

    return given._replace(
        ports=tuple(port for text in options.ports for port in parse_ports(text)),
        ulimits=tuple(map(parse_ulimit, options.ulimits)),
        tmpfs=tuple(map(parse_tmpfs, options.tmpfs)),
        limits=given.limits._replace(cpuset=parse_cpuset(options.cpuset)),
        restart=parse_restart(options.restart) if options.restart else Restart(),
    )


def absolute_source(source: str, folder: str) -> str:
    """A host path of the spec: `~` is the caller's home, anything relative is below the project."""
    return os.path.normpath(os.path.join(folder, os.path.expanduser(source)))
