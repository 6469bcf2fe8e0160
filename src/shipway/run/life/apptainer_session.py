"""One run of a container's command in Apptainer: it makes and holds the container, which our sandbox enters with every command.

So streams, terminals, exit codes and signals are as in our own engine, and none of them passes through Apptainer.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.host.files import remove_tree, translating_disk_errors
from shipway.run.apptainer import SCRATCH, STEERING, render_environ, render_holding
from shipway.run.apptainer_engine import require_apptainer
from shipway.run.life.held import Held, write_holding_program
from shipway.run.life.session import Ended, Session
from shipway.run.model import Network, Top
from shipway.run.mounting import make_mount_sources
from shipway.run.run_files import write_run_files
from shipway.run.top.merged import opened_root
from shipway.sandbox.model import Request

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.run.life.held import Entry
    from shipway.sandbox.model import SandboxFailure

_RUN = "run"


class ApptainerSession(Session):
    """See `Session`."""

    _held: Held | None = None
    """From the start of Apptainer to the end of the container."""
    _words: tuple[str, ...] = ()
    _program = ""
    """The file that waits inside, while it is needed."""
    _ended_by = 0
    """The signal by which it was ended before its command ran."""

    def _prepare(self, state: str, emit: Emit) -> None:
        words = render_holding(
            self.request, root="", folder=self._folders.run, program=""
        )  # before anything is made
        path = require_apptainer()
        assert self._merge is not None
        if self.request.top is not Top.READ_ONLY and not self._folders.upper:
            raise EngineError(
                f"Apptainer cannot keep what a container writes on the file system of `{self._folders.run}`",
                hints=("set XDG_STATE_HOME to a folder on a local disk", "or write nothing: `--read-only`"),
            )
        make_mount_sources(self.request, state)
        root = self._stack.enter_context(opened_root(self.request, state, self._merge, emit))
        self._stack.callback(self._remove_program)
        self._make_files()
        words = render_holding(
            self.request, root=root, folder=self._folders.run, program=os.path.basename(self._program)
        )
        self._words = (path, *words)

    def _make_files(self) -> None:
        folder = self._folders.run
        with translating_disk_errors(f"write below `{folder}`"):
            for name, _ in SCRATCH:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(f"{folder}/{name}")
                    os.chmod(f"{folder}/{name}", 0o1777)  # noqa: S103 - inside it is /tmp and its like; the folder is closed to others
            remove_tree(f"{folder}/files")
            write_run_files(folder, self.request)
            self._program = f"{folder}/{_RUN}/{write_holding_program(f'{folder}/{_RUN}')}"

    def _remove_program(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._program)

    def _begin(self) -> None:
        self._held = held = Held(self._words, render_environ(self.request._replace(env=()), os.environ))
        self._stack.callback(held.close)
        self._loop.watch(held.fd, lambda _: self._enter(held))

    def _enter(self, held: Held) -> None:
        """It is whole, or has failed: go in with the command."""
        self._loop.forget(held.fd)
        entry = held.enter()
        self._remove_program()
        if self._ended_by:
            self._end(Ended(128 + self._ended_by))
            return
        error = _not_made(held) if entry is None else self._not_kept(entry)
        if entry is None or error is not None:
            self._end(Ended(125, error=error))
            return
        own = tuple((name, value) for name, value in entry.environ.items() if name.startswith(STEERING))
        self._join = entry.namespaces
        self._plan(self.request._replace(env=(*own, *self.request.env)))
        self._try()

    def _not_kept(self, entry: Entry) -> EngineError | None:
        """Why what it writes could not be told afterwards; None where the kernel's own overlay keeps it."""
        if self.request.top is Top.READ_ONLY or entry.root == "overlay":
            return None
        return EngineError(
            f"Apptainer stacks folders by {entry.root} here, whose notes of what was removed shipway cannot read",
            hints=(
                "use `--engine native`",
                "or write nothing: `--read-only`",
                "Linux 5.11 has it without that",
            ),
        )

    def _sandbox(self) -> Request:
        """The command, in the world that is there."""
        return Request(
            (),
            self.request.argv,
            env=dict(self.request.env),
            cwd=self.request.cwd,
            network="host" if self.request.network is Network.HOST else "none",
            tty=self.request.tty,
            control=True,
            relay=False,
            forward_signals=False,
            join=self._join,
        )

    def _refused(self, failure: SandboxFailure) -> None:
        """What our sandbox has started does not end with it alone, and would keep the streams open."""
        if self._held is not None:
            self._held.kill()
        super()._refused(failure)

    def signal(self, number: int) -> None:
        """As of a session; before the command runs, what would end it ends the container."""
        if self.desk is None and self._held is not None and number in (signal.SIGTERM, signal.SIGKILL):
            self._ended_by = self._ended_by or number
            self._held.kill()
        super().signal(number)


def _not_made(held: Held) -> EngineError:
    return EngineError(
        "Apptainer could not make the container",
        hints=("`shipway doctor` checks this host", "use `--engine native`, which needs nothing"),
        detail=held.errors(),
    )
