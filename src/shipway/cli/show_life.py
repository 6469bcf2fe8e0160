"""Containers as text and JSON. Pure."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from shipway.cli.console import render_table
from shipway.cli.show_ports import address_of, port_document
from shipway.core.text import shown
from shipway.core.units import render_age, render_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.verbs.commit import CommitResult
    from shipway.verbs.containers import Container, Listed, Service
    from shipway.verbs.ending import TakenDown
    from shipway.verbs.happenings import Event
    from shipway.verbs.port import Port
    from shipway.verbs.starting import UpResult
    from shipway.verbs.usage import Process, Usage

_LONGEST = 40
_COMMENT, _FILES = 300, 20
_SIGNS = {"A": "+", "C": "~", "D": "-"}
_CHANGES = {"A": "added", "C": "changed", "D": "removed"}


def describe_up(result: UpResult) -> str:
    """A sentence, and what differs."""
    assert result.container is not None
    container = result.container
    words = {
        "made": f"`{container.name}` was made and runs",
        "started": f"`{container.name}` runs again as it was",
        "found": f"`{container.name}` runs already",
    }[result.done]
    if not result.differs:
        return f"{words}: `shipway exec {container.name} COMMAND` goes in"
    listed = "; ".join(result.differs)
    return f"{words}. It differs from what would be made now: {listed}. `shipway up --recreate` makes it anew"


def render_up_plan(result: UpResult) -> str:
    """What a dry run says."""
    if result.container is None:
        return "".join(f"{line}\n" for line in result.plan)
    name = result.container.name
    words = f"would start `{name}` again as it was" if result.done == "started" else f"`{name}` runs already"
    listed = "".join(f"it differs from what would be made now: {one}\n" for one in result.differs)
    return f"{words}\n{listed}"


def describe_down(result: TakenDown) -> str:
    """What was not said on the way: what stays, or that there was nothing to do."""
    if result.dry_run:
        return _plan_down(result)
    if not result.ended and not result.removed:
        return _describe_nothing(result)
    if not result.kept:
        return ""
    names = ", ".join(f"`{shown(name)}`" for name in result.kept)
    return f"kept with what they wrote: {names}; `shipway rm --ended` removes what has ended"


def _describe_nothing(result: TakenDown) -> str:
    if not result.others:
        return "nothing of this project runs"
    return f"nothing of that target runs; of others there are {', '.join(f'`{shown(name)}`' for name in result.others)}"


def _plan_down(result: TakenDown) -> str:
    names = dict.fromkeys([*result.ended, *result.removed])
    if not names:
        return _describe_nothing(result)
    done = (("end", result.ended), ("remove", result.removed))
    plans = {name: " and ".join(what for what, whom in done if name in whom) for name in names}
    return "\n".join(f"would {plan} `{shown(name)}`" for name, plan in plans.items())


def render_ps(listed: Sequence[Listed], now: float) -> str:
    """A table; services stand below their container."""
    rows: list[tuple[str, ...]] = []
    for container, services in listed:
        record = container.record
        rows.append(
            (
                shown(container.name),
                record.id[:12],
                container.engine,
                shown(record.image or container.target or "default"),
                _shortened(record.asked.argv or container.environment.command or ("(shell)",)),
                _age(now - record.made),
                describe_status(container, now),
                ", ".join(map(_describe_port, container.status.ports)),
            )
        )
        rows += [_service_row(container, service, now) for service in services]
    return render_table(("NAME", "ID", "ENGINE", "FROM", "COMMAND", "MADE", "STATUS", "PORTS"), rows)


def _service_row(container: Container, service: Service, now: float) -> tuple[str, ...]:
    name = f"  {shown(container.name)}/{shown(service.name)}"
    made = _age(now - service.started)
    return name, "", "", "", _shortened(service.argv), made, _describe_service(service, now), ""


def _describe_port(port: Port) -> str:
    """As `docker ps` writes it."""
    return f"{address_of(port)}->{port.container}/{port.protocol}"


def describe_status(container: Container, now: float) -> str:
    """`up 2 minutes`, `exited (0) 3 hours ago`."""
    status = container.status
    match status.state.value:
        case "running":
            again = f", started again {status.restarts} times" if status.restarts else ""
            lost = status.lost_network
            alone = f", without a way out since `{shown(lost)}` ended" if lost else ""
            return f"up {render_age(now - status.started)}{again}{alone}"
        case "exited":
            reason = f", {shown(status.reason)}" if status.reason else ""
            reason += ", out of memory" if status.code and status.memory_kills and not status.reason else ""
            return f"exited ({status.code}) {_age(now - status.ended)}{reason}"
        case "unknown":
            return f"unknown: {shown(status.reason)}"
        case "restarting":
            return f"waits to start again, exited ({status.code})"
        case other:
            return other


def _describe_service(service: Service, now: float) -> str:
    if service.ended:
        reason = f", {shown(service.reason)}" if service.reason else ""
        return f"exited ({service.code}) {_age(now - service.ended)}{reason}"
    return f"up {render_age(now - service.started)}"


def _shortened(argv: Sequence[str]) -> str:
    text = shown(" ".join(argv))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _age(seconds: float) -> str:
    return f"{render_age(seconds)} ago"


def container_document(container: Container) -> dict[str, Any]:
    """One container, without the values of its variables."""
    record, status = container.record, container.status
    return {
        "name": container.name,
        "id": container.id,
        "engine": container.engine,
        "project": container.project,
        "target": container.target or None,
        "image": record.image or None,
        "command": list(record.asked.argv),
        "state": status.state.value,
        "code": status.code if status.state.value == "exited" else None,
        "reason": status.reason or None,
        "restarts": status.restarts,
        "made": record.made,
        "started": status.started or None,
        "ended": status.ended or None,
        "ports": [port_document(port) for port in status.ports],
        "lost_network": status.lost_network or None,
        "lasting": record.lasting,
        "folder": container.folder,
        "log": f"{container.folder}/log/main.log" if record.lasting else None,
    }


def listed_document(listed: Listed) -> dict[str, Any]:
    """The same with its services."""
    return {
        **container_document(listed.container),
        "services": [_service_document(s) for s in listed.services],
    }


def _service_document(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "command": list(service.argv),
        "running": not service.ended,
        "code": service.code if service.ended else None,
        "reason": service.reason or None,
        "started": service.started,
        "ended": service.ended or None,
    }


def render_stats(found: Sequence[Usage]) -> str:
    """A table."""
    rows = [
        (shown(one.container.name), f"{one.cpu * 100:.0f} %", render_size(one.memory), str(one.processes), str(one.threads))
        for one in found
    ]  # fmt: skip
    return render_table(("NAME", "CPU", "MEMORY", "PROCESSES", "THREADS"), rows, right=(1, 2, 3, 4))


def usage_document(one: Usage) -> dict[str, Any]:
    """Processors' worth, bytes, counts."""
    return {
        "name": one.container.name,
        "id": one.container.id,
        "cpus": round(one.cpu, 3),
        "memory": one.memory,
        "processes": one.processes,
        "threads": one.threads,
    }


def render_top(found: Sequence[Process]) -> str:
    """A table."""
    rows = [
        (str(one.pid), str(one.parent), shown(one.user), one.state, f"{one.cpu:.1f} s", render_size(one.memory),
         shown(one.command)[:200])
        for one in found
    ]  # fmt: skip
    return render_table(
        ("PID", "PARENT", "USER", "STATE", "CPU", "MEMORY", "COMMAND"), rows, right=(0, 1, 4, 5)
    )


def process_document(one: Process) -> dict[str, Any]:
    """As the kernel says."""
    return {
        "pid": one.pid,
        "parent": one.parent,
        "user": one.user,
        "state": one.state,
        "cpu_seconds": one.cpu,
        "memory": one.memory,
        "threads": one.threads,
        "command": one.command,
    }


def render_event(event: Event, *, as_json: bool) -> str:
    """A line."""
    if as_json:
        return _json_line(event)
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(event.when))
    code = f" exit code {event.code}" if event.code is not None else ""
    detail = f" ({shown(event.detail)})" if event.detail else ""
    return f"{when} {event.what} {shown(event.name)} {event.id}{code}{detail}\n"


def _json_line(event: Event) -> str:
    value = {"schema": "shipway.event/1", **event._asdict()}
    return json.dumps({name: item for name, item in value.items() if item not in (None, "")}) + "\n"


def describe_commit(result: CommitResult) -> str:
    """What was made."""
    if not result.image:
        return ""
    return f"`{shown(result.image)}` is what `{shown(result.container)}` is now: {result.digest}"


def render_recipe(result: CommitResult) -> str:
    """Lines for a spec, with what they leave out as comments."""
    lines = [f"# what `{shown(result.container)}` has that its image had not"]
    lines += result.lines or ("# no package was installed by hand",)
    lines += [f"# {shown(one, _COMMENT)}" for one in result.missed]
    if result.files:
        lines.append(
            f"# and {len(result.files)} file{'' if len(result.files) == 1 else 's'} that came by no package:"
        )
        lines += [f"#   {_SIGNS[what]} {shown(path, _COMMENT)}" for path, what in result.files[:_FILES]]
        if len(result.files) > _FILES:
            lines.append(f"#   … `shipway diff {shown(result.container)}` lists all")
    return "\n".join(lines) + "\n"


def commit_document(result: CommitResult) -> dict[str, Any]:
    """The same as values."""
    return {
        "container": result.container,
        "image": result.image or None,
        "digest": result.digest or None,
        "spec": list(result.lines),
        "files": [{"path": path, "what": _CHANGES[what]} for path, what in result.files],
        "missed": list(result.missed),
    }
