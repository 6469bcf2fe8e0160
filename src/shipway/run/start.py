"""From an environment and what was asked to a `RunRequest`: reads this host, changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.run.environ import needs_certificates
from shipway.run.facts import read_certificates, read_groups, read_host_facts
from shipway.run.places import bytecode_folder, cache_folder, home_folder
from shipway.run.request import plan_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.run.model import Environment, Invocation, RunRequest


def read_run(
    environment: Environment, asked: Invocation, *, environ: Mapping[str, str], state: str
) -> RunRequest:
    """The container that `asked` means on this host, now.

    Raises:
        ToolError: as `plan_run`.
    """
    host = read_host_facts(environ)
    if asked.groups or ":" in (asked.user or environment.options.user):
        host = host._replace(groups=read_groups())
    bundle = read_certificates(host) if needs_certificates(environment, host) else b""
    project = environment.project
    request = plan_run(
        environment,
        asked,
        host,
        home=home_folder(state, project),
        bytecode=bytecode_folder(state, project, environment.lowers),
        cache=cache_folder(state),
        certificates=bundle,
    )
    if not (asked.display or environment.options.display):
        return request
    from shipway.run.display import with_display  # noqa: PLC0415 - most runs show nothing

    return with_display(request, environ, dict(asked.env), asked=asked.display)
