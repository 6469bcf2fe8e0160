"""`inspect NAME` of a container, as text and as JSON."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from shipway.cli.show_life import container_document, describe_status
from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.verbs.inspect_container import Inspected, LogOptions, Restart


def render_inspected(found: Inspected) -> str:
    """A line for each fact."""
    container = found.container
    record = container.record
    lines = [
        f"container  {shown(container.name)} ({container.id})",
        f"status     {describe_status(container, time.time())}",
        f"engine     {container.engine}",
        f"from       {shown(record.image or container.target or 'default')}",
        f"project    {shown(container.project)}",
        *found.lines,
        f"at its end {'removed' if record.options.rm or not record.lasting else 'kept'}, {_restarts(record.options.restart)}",
        *([f"log        {_log(record.options.log, container.folder)}"] if record.lasting else []),
        *(f"service    {shown(service.name)}" for service in found.services),
        f"folder     {shown(container.folder)}",
    ]
    return "\n".join(lines) + "\n"


def _restarts(restart: Restart) -> str:
    kind = restart.kind.value
    if kind == "no":
        return "not started again"
    most = f", {restart.most} times at most" if restart.most else ""
    return f"started again: {kind}{most}"


def _log(log: LogOptions, folder: str) -> str:
    words = (
        f"{shown(folder)}/log/main.log" if log.driver in ("", "json-file", "local") else log.driver,
        f"{render_size(log.max_size)} a file" if log.max_size else "",
        f"{log.max_files} files" if log.max_files else "",
        log.mode,
        f"{render_size(log.buffer)} of buffer" if log.buffer else "",
        *(f"{shown(name)}={shown(value)}" for name, value in log.others),
    )
    return ", ".join(word for word in words if word)


def inspected_document(found: Inspected) -> dict[str, Any]:
    """The same for programs."""
    request, options = found.request, found.container.record.options
    return {
        **container_document(found.container),
        "services": [service.name for service in found.services],
        "directory": request.cwd,
        "user": {"name": request.account.name, "uid": request.account.uid, "gid": request.account.gid},
        "hostname": request.hostname,
        "network": f"container:{request.beside}" if request.beside else request.network.value,
        "ports": [port._asdict() for port in request.ports],
        "pid": request.pid_space or None,
        "ipc": request.ipc_space or None,
        "shm_size": request.shm_size,
        "limits": request.limits._asdict(),
        "ulimits": [limit._asdict() for limit in request.ulimits],
        "mounts": [
            {"source": mount.source, "target": mount.target, "read_only": mount.read_only}
            for mount in request.mounts
        ],
        "tmpfs": [one._asdict() for one in request.tmpfs],
        "gpus": request.gpus or None,
        "variables": [name for name, _ in request.env],
        "restart": {"kind": options.restart.kind.value, "most": options.restart.most},
        "rm": options.rm,
    }
