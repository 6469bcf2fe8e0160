"""Where the output of a command goes: to its log, and to everybody who is attached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.run.life.log_write import LogFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.run.life.log_write import Lost, Sink
    from shipway.run.life.peers import Peer

_FULL = 1 << 20
"""Bytes that wait for one reader before the command waits, or before they are dropped for that reader."""


class Output:
    """The output of one command."""

    def __init__(self, sink: Sink):
        self._sink = sink
        self._peers: list[Peer] = []
        self._wait_for_room: list[Callable[[], None]] = []

    def feed(self, stream: int, data: bytes) -> None:
        """One piece from stream 1 or 2. A reader that is behind loses it, unless the command was started for that very reader."""
        self._sink.write(stream, data)
        for peer in tuple(self._peers):
            if peer.lossless or peer.waiting < _FULL:
                peer.send_frame(stream, data)

    @property
    def stalled(self) -> bool:
        """Whether the command has to wait for the reader that it was started for."""
        return any(peer.lossless and peer.waiting >= _FULL for peer in self._peers)

    @property
    def place(self) -> tuple[int, int] | None:
        """Where in its log files the next piece goes (`LogFiles.place`); None where it has none, or writes them later."""
        return self._sink.place if isinstance(self._sink, LogFiles) else None

    @property
    def lost(self) -> Lost:
        """What is not in the log, and is not said there."""
        return self._sink.lost

    def owe(self, lost: Lost) -> None:
        """Have the log say that this was lost before."""
        self._sink.owe(lost)

    def attach(self, peer: Peer, on_leave: Callable[[], None]) -> None:
        """Send what comes from now on to `peer`, too."""
        self._peers.append(peer)

        def leave() -> None:
            if peer in self._peers:
                self._peers.remove(peer)
            self._look()
            on_leave()

        peer.on_close = leave
        peer.on_sent = self._look

    def when_room(self, call: Callable[[], None]) -> None:
        """Call `call` once, when the command need not wait any more."""
        self._wait_for_room.append(call)

    def _look(self) -> None:
        if self._wait_for_room and not self.stalled:
            calls, self._wait_for_room = self._wait_for_room, []
            for call in calls:
                call()

    def tell(self, note: str) -> None:
        """Something that whoever is attached should know now."""
        for peer in self._peers:
            peer.send({"note": note})

    def end(self, code: int, note: str = "") -> None:
        """Nothing more comes: tell all who are attached. `note`: what they should know besides."""
        peers, self._peers = self._peers, []
        for peer in peers:
            peer.on_close = peer.on_sent = None
            peer.send({"exit": code, "note": note})
            peer.finish()
        self._sink.close()
