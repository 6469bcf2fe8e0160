"""Answers at the door of a run that is thrown away: a supervisor for as long as the command that waits for it."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Any

from shipway.core.errors import ExitCode
from shipway.run.life.commands import Commands
from shipway.run.life.desk import Desk
from shipway.run.life.loop import Loop
from shipway.run.life.peers import Peer, accept
from shipway.sandbox import control

if TYPE_CHECKING:
    import _socket

    from shipway.run.model import RunRequest
    from shipway.sandbox.launch import Running


def answer_until_end(door: _socket.socket, request: RunRequest, running: Running) -> None:
    """Answer until the sandbox has its result; `running.wait` then needs no waiting."""
    loop = Loop()
    assert running.control is not None
    commands = Commands(loop, running.control)
    watch = running.watch
    desk = Desk(loop, request, commands, running)
    listener = socket.socket(fileno=door.detach())
    ended: list[int] = []

    def answer(peer: Peer, words: dict[str, Any]) -> None:
        if words.get("do") in ("signal", "stop"):
            commands.signal(control.MAIN, int(words.get("number", signal.SIGTERM)))
            if words["do"] == "stop":
                loop.after(
                    float(words.get("patience", 10)), lambda: commands.signal(control.MAIN, signal.SIGKILL)
                )
            else:
                peer.send({"ok": True})
                peer.finish()
        elif not desk.answer(peer, words):
            text = "it ends with the command that started it; one with a name can do this"
            peer.send({"error": text, "code": ExitCode.ENGINE})
            peer.finish()

    def greet(_: int) -> None:
        connection = accept(listener)
        if connection is not None:
            Peer(loop, connection, answer)

    loop.watch(listener.fileno(), greet)
    loop.watch(running.answer, ended.append)
    if watch is not None:
        loop.watch(watch.fd, lambda _: watch.read())
    loop.run(lambda: bool(ended))
    desk.close()
    listener.close()
