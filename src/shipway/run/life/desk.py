"""What can be asked of every container that runs here, also of one that is thrown away: commands, signals, files, namespaces."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from shipway.core.errors import ExitCode
from shipway.host.clock import monotonic
from shipway.run.bus_error import explain_bus_error, find_sign
from shipway.run.life.commands import Calls
from shipway.run.life.left_terminal import LeftTerminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.run.life.commands import Commands
    from shipway.run.life.loop import Loop
    from shipway.run.life.peers import Peer
    from shipway.run.memory_kills import Meter
    from shipway.run.model import RunRequest
    from shipway.sandbox.launch import Running

_STREAMS = 3
_HANGUP = 1


class Desk:
    """Answers for one sandbox."""

    def __init__(self, loop: Loop, request: RunRequest, commands: Commands, running: Running):
        self._loop = loop
        self.request = request
        self.commands = commands
        self._running = running
        self._staying: list[Peer] = []

    def answer(self, peer: Peer, words: dict[str, Any]) -> bool:
        """Do what `words` ask for; False when that is nothing known here."""
        doing: dict[str, Callable[[Peer, dict[str, Any]], None]] = {
            "exec": self._execute,
            "write": self._write,
            "namespaces": self._namespaces,
            "stay": self._stay,
        }
        call = doing.get(str(words.get("do")))
        if call is None:
            return False
        call(peer, words)
        return True

    def close(self) -> None:
        """The sandbox is gone."""
        self.commands.close()
        for peer in self._staying:
            peer.close()

    def _stay(self, peer: Peer, words: dict[str, Any]) -> None:
        """Whoever asks for this wants to notice when the sandbox is gone: the connection ends then."""
        del words
        self._staying.append(peer)
        peer.send({"ok": True})

    def words_of(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the sandbox is told to start: the container's own variables and folder where nothing else is asked for."""
        cwd = str(asked.get("cwd") or "")
        return {
            "argv": tuple(map(str, asked["argv"])),
            "env": {**dict(self.request.env), **asked.get("env", {})},
            "cwd": cwd if cwd.startswith("/") else f"{self.request.cwd}/{cwd}" if cwd else self.request.cwd,
            "tty": bool(asked.get("tty")),
        }

    def _execute(self, peer: Peer, words: dict[str, Any]) -> None:
        fds = peer.take_fds()
        if len(fds) != _STREAMS:
            peer.send({"error": "three descriptors are needed", "code": ExitCode.ENGINE})
            peer.finish()
        else:
            terminal = LeftTerminal(self._loop)
            calls = _calls_for(peer, self.teller(), terminal)
            number = self.commands.start(self.words_of(words), fds, calls)
            self._follow(peer, number, terminal)
        for fd in fds:
            os.close(fd)

    def teller(self) -> Callable[[int], str]:
        """What says of a command that begins now how it ended, beside its code."""
        watch, meter = self._running.watch, self._meter()
        before = monotonic()

        def tell(code: int) -> str:
            if meter is not None and (told := meter.explain(code)):
                return told
            sign = find_sign(code, 0 if watch is None else watch.count(before))
            return explain_bus_error(self.request, sign) if sign is not None else ""

        return tell

    def _meter(self) -> Meter | None:
        """Of the memory of a container that has a cgroup of its own for it."""
        limit = self.request.limits.memory
        if not limit:
            return None
        from shipway.run.memory_kills import meter_of, own_mark  # noqa: PLC0415 - most containers have no limit

        return meter_of(self._running.pid, own_mark(), limit)

    def _follow(self, peer: Peer, number: int, terminal: LeftTerminal) -> None:
        """Pass signals on, and hang up when whoever asked has gone, unless it said that it only leaves."""

        def heard(frame: Any) -> None:
            said = frame.words()
            which = said.get("signal")
            if isinstance(which, int):
                self.commands.signal(number, which)
            elif said.get("left"):
                peer.on_close = None
                terminal.take_over()

        def gone() -> None:
            terminal.close()
            self.commands.signal(number, _HANGUP)

        peer.on_frame = heard
        peer.on_close = gone

    def _write(self, peer: Peer, words: dict[str, Any]) -> None:
        del words
        fds = peer.take_fds()
        if len(fds) == 1:
            self.commands.write(fds[0], _calls_for(peer))
        else:
            peer.send({"error": "one descriptor is needed", "code": ExitCode.ENGINE})
            peer.finish()
        for fd in fds:
            os.close(fd)

    def _namespaces(self, peer: Peer, words: dict[str, Any]) -> None:
        del words

        def answer(names: list[str], fds: list[int]) -> None:
            peer.send({"names": names}, fds)
            peer.finish()

        self.commands.ask_namespaces(answer)


def _nothing(_: int) -> str:
    return ""


def _calls_for(
    peer: Peer, tell: Callable[[int], str] = _nothing, terminal: LeftTerminal | None = None
) -> Calls:
    """Tell the one who asked, and nobody else. `tell`: what to say beside a code. `terminal`: what becomes of its own."""

    def started(pid: int, fds: list[int]) -> None:
        if terminal is not None:
            terminal.hold(fds)
        peer.send({"started": pid}, fds)
        for fd in fds:
            os.close(fd)

    def failed(sentence: str, code: int) -> None:
        peer.on_close = None
        peer.send({"error": sentence, "code": code})
        peer.finish()

    def ended(code: int) -> None:
        if terminal is not None:
            terminal.close()
        peer.on_close = None
        peer.send({"exit": code, "note": tell(code)})
        peer.finish()

    return Calls(started, failed, ended)
