"""The commands beside a container's own that have a name, a log and an end of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from shipway.core.errors import ExitCode
from shipway.host.clock import now
from shipway.run.life.commands import Calls
from shipway.run.life.log_write import open_sink
from shipway.run.life.model import Service
from shipway.run.life.output import Output
from shipway.run.life.streams import DYING, Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.run.life.commands import Commands
    from shipway.run.life.desk import Desk
    from shipway.run.life.loop import Loop
    from shipway.run.life.peers import Peer
    from shipway.run.life.witness import Witness
    from shipway.run.model import LogOptions

_TERM, _KILL = 15, 9


class Running:
    """A service that runs."""

    def __init__(self, service: Service, number: int, output: Output, streams: Streams):
        self.service = service
        self.number = number
        self.output = output
        self.streams = streams


class Services:
    """All of one container, for as long as its sandbox lives."""

    def __init__(
        self, loop: Loop, folder: str, log: LogOptions, witness: Witness, on_use: Callable[[], None]
    ):
        """`on_use`: called before a service is started."""
        self._on_use = on_use
        self._witness = witness
        self._loop = loop
        self._folder = folder
        self._log = log
        self.running: dict[str, Running] = {}
        self._over: dict[str, Service] = {}

    def list(self) -> list[Service]:
        """Those that run, and how the others of this start of the container ended."""
        here = [one.service for one in self.running.values()]
        return sorted([*here, *(one for name, one in self._over.items() if name not in self.running)])

    def start(self, peer: Peer, words: dict[str, Any], desk: Desk) -> None:
        """Start the service that `words` name, and tell `peer` when it runs."""
        name = str(words["name"])
        if name in self.running:
            peer.send({"error": f"`{name}` runs already", "code": ExitCode.ENGINE})
            peer.finish()
            return
        self._on_use()
        told = desk.words_of(words)
        try:
            output = Output(open_sink(self._folder, name, self._log))
        except OSError as problem:
            peer.send({"error": f"its log cannot be made: {problem.strerror}", "code": ExitCode.ENGINE})
            peer.finish()
            return
        streams = Streams(self._loop, output, self._witness.holding(name, output))
        tty = told["tty"]
        ends = _null() if tty else streams.make_pipes(interactive=bool(words.get("interactive")))
        service = Service(name, told["argv"], 0, now(), tty)
        tell = desk.teller()

        def started(pid: int, fds: list[int]) -> None:
            if fds:
                streams.take_terminal(fds[0])
            self.running[name].service = service._replace(pid=pid)
            peer.send({"started": pid})
            peer.finish()

        def failed(sentence: str, code: int) -> None:
            del self.running[name]
            streams.finish(lambda: output.end(code))
            peer.send({"error": sentence, "code": code})
            peer.finish()

        def ended(code: int) -> None:
            one = self.running.pop(name)
            reason = tell(code)
            self._over[name] = one.service._replace(pid=0, ended=now(), code=code, reason=reason)
            streams.finish(lambda: output.end(code, reason), DYING if desk.commands.closed else 0.0)

        number = desk.commands.start(told, ends, Calls(started, failed, ended))
        self.running[name] = Running(service, number, output, streams)
        for fd in set(ends):
            os.close(fd)

    def stop(self, peer: Peer, name: str, patience: float, commands: Commands) -> None:
        """End a service: asked to, then made to. `peer` is told when it is over."""
        one = self.running.get(name)
        if one is None:
            peer.send({"error": f"no service `{name}` runs", "code": ExitCode.NOT_FOUND})
            peer.finish()
            return
        commands.signal(one.number, _TERM)

        def look() -> None:
            if self.running.get(name) is one:
                commands.signal(one.number, _KILL)

        self._loop.after(patience, look)
        self._tell_end(peer, name, one)

    def _tell_end(self, peer: Peer, name: str, one: Running) -> None:
        def look() -> None:
            if self.running.get(name) is one:
                self._loop.after(_LOOK_AGAIN, look)
                return
            over = self._over.get(name)
            peer.send({"exit": over.code if over else 0})
            peer.finish()

        look()


_LOOK_AGAIN = 0.02


def _null() -> tuple[int, int, int]:
    fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    return fd, fd, fd
