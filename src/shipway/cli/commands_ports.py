"""The adapter of `port`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable


def _port(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_ports import describe_ways, ports_document, render_ports
    from shipway.verbs.port import list_ports
    from shipway.verbs.ssh import server_here

    result = list_ports(call.arguments.words, call.task())
    if call.json:
        return Answer(render_json("port", ports_document(result)))
    return Answer(render_ports(result), describe_ways(result, shlex.join(server_here())))


COMMANDS: dict[str, Callable[[Call], Answer]] = {"port": _port}
