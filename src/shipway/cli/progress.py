"""Events -> what a person sees of long work: lines with a heartbeat, moving bars on a terminal, or JSON lines.

Numbers are kept in `Phase` values; a renderer only shows them. Bars need `rich`, which is imported when the first
phase begins, so commands with nothing to do never pay for it.
"""

from __future__ import annotations

import json
import signal
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from shipway.core.events import Began, Did, Ended, Event, Moved, Note
from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.cli.console import Console

HEARTBEAT = 10.0
"""Seconds between two plain lines of one phase."""
_WORTH_A_LINE = 1.0
"""Seconds; a phase that is over sooner and moved little is not spoken of."""
_WORTH_BYTES = 1 << 20
_IDLE = 2.0
"""Seconds without news, after which a phase that nobody announced counts as over."""


class Phase:
    """What has happened in one phase so far."""

    def __init__(self, name: str, count: int, size: int, now: float):
        self.name = name
        self.count = count
        self.size = size
        self.began = now
        self.done = 0
        self.bytes = 0
        self.last = ""
        """The artifact that moved or was finished last."""
        self.moved = now
        """When that was."""
        self.announced = True
        """It was said to begin, so it will be said to end. Others are over when nothing has moved for a while."""

    def is_over(self, now: float) -> bool:
        """Whether nobody will say that it ends and it seems to have ended."""
        return not self.announced and now - self.moved > _IDLE

    def rate(self, now: float) -> float:
        """Bytes in a second since the phase began."""
        return self.bytes / max(now - self.began, 0.001)

    def left(self, now: float) -> float | None:
        """Seconds to go at the present rate, or None where nothing tells."""
        rate = self.rate(now)
        if not self.size or not self.bytes or rate <= 0 or now - self.began < 1:
            return None
        return max(self.size - self.bytes, 0) / rate


def render_duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds tenths matter
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def render_phase(phase: Phase, now: float) -> str:
    """One line of a phase that goes on: `download: 12/137 artifacts, 45.2 MiB of 310.0 MiB, 21.0 MiB/s, 12 s left (numpy)`."""
    parts = [f"{phase.done}/{phase.count}" if phase.count else f"{phase.done} done"]
    if phase.bytes or phase.size:
        parts.append(render_size(phase.bytes) + (f" of {render_size(phase.size)}" if phase.size else ""))
        parts.append(f"{render_size(int(phase.rate(now)))}/s")
    left = phase.left(now)
    parts.append(
        f"{render_duration(left)} left"
        if left is not None
        else f"{render_duration(now - phase.began)} so far"
    )
    return f"{phase.name}: {', '.join(parts)}" + (f" ({shown(phase.last, 60)})" if phase.last else "")


def render_end(phase: Phase, now: float) -> str:
    """One line of a phase that is over."""
    parts = [f"{phase.done or phase.count} done"] if phase.done or phase.count else ["done"]
    if phase.bytes:
        parts.append(render_size(phase.bytes))
    parts.append(render_duration(now - phase.began))
    return f"{phase.name}: {', '.join(parts)}"


def _new_phase(event: Began | Moved | Did | Ended, now: float) -> Phase:
    if isinstance(event, Began):
        name, count, size = event
        return Phase(name, count, size, now)
    phase = Phase(event.phase, 0, 0, now)
    phase.announced = False
    return phase


class Progress:
    """The listener of one run: keeps the numbers, hands notes to the console, and calls the hooks of its kind."""

    def __init__(self, console: Console, clock: Callable[[], float] = monotonic):
        self.console = console
        self.clock = clock
        self.phases: dict[str, Phase] = {}

    def __call__(self, event: Event) -> None:
        """Take one event; from any thread."""
        with self.console.lock:
            if isinstance(event, Note):
                self.noted(event)
                return
            now = self.clock()
            for idle in [phase for phase in self.phases.values() if phase.is_over(now)]:
                self.forget(idle)
            phase = self.phases.get(event.phase)
            if isinstance(event, Began) or phase is None:
                phase = self.phases[event.phase] = _new_phase(event, now)
            if isinstance(event, Moved):
                phase.bytes += event.bytes
                phase.last, phase.moved = event.name, now
            elif isinstance(event, Did):
                phase.done += 1
                phase.last, phase.moved = event.name, now
            self.happened(event, phase, now)
            if isinstance(event, Ended):
                self.forget(phase)

    def forget(self, phase: Phase) -> None:
        """The phase is over."""
        self.phases.pop(phase.name, None)

    def noted(self, note: Note) -> None:
        """A sentence of a verb."""
        self.console.note(note.text, note.level)

    def happened(self, event: Event, phase: Phase, now: float) -> None:
        """Something moved; shows nothing here."""

    def close(self) -> None:
        """No more events will come."""


class PlainProgress(Progress):
    """Lines: one when a phase has taken a second, one every ten seconds after that, one when it is over.

    A phase that is over sooner and moved little says nothing. Lines also come while nothing is reported.
    """

    def __init__(
        self, console: Console, clock: Callable[[], float] = monotonic, heartbeat: float = HEARTBEAT
    ):
        super().__init__(console, clock)
        self.heartbeat = heartbeat
        self.due: dict[str, float] = {}
        """Phase -> when it speaks next."""
        self.over = threading.Event()
        self.beat: threading.Thread | None = None

    def happened(self, event: Event, phase: Phase, now: float) -> None:
        """Say what is due."""
        if isinstance(event, Began):
            self.due[phase.name] = now + _WORTH_A_LINE
            if self.beat is None:
                self.beat = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
                self.beat.start()
        elif isinstance(event, Ended):
            if phase.bytes >= _WORTH_BYTES or now - phase.began >= _WORTH_A_LINE:
                self.console.note(render_end(phase, now))
        else:
            self.tick(now)

    def forget(self, phase: Phase) -> None:
        """The phase is over."""
        super().forget(phase)
        self.due.pop(phase.name, None)

    def tick(self, now: float) -> None:
        """Say a line for every phase that was silent for too long."""
        with self.console.lock:
            for phase in self.phases.values():
                if not phase.is_over(now) and now >= self.due.setdefault(
                    phase.name, phase.began + _WORTH_A_LINE
                ):
                    self.due[phase.name] = now + self.heartbeat
                    self.console.note(render_phase(phase, now))

    def close(self) -> None:
        """Stop the heartbeat."""
        self.over.set()
        if self.beat:
            self.beat.join()

    def _beat(self) -> None:
        # Signals are the main thread's, which may be waiting for just them.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while not self.over.wait(min(self.heartbeat, _WORTH_A_LINE) / 2):
            self.tick(self.clock())


class JsonProgress(Progress):
    """Every event as one JSON line on standard error."""

    def noted(self, note: Note) -> None:
        """One line."""
        self.console.talk(json.dumps({"event": "note", "text": note.text, "level": note.level}))

    def happened(self, event: Event, phase: Phase, now: float) -> None:
        """One line."""
        del phase, now
        self.console.talk(json.dumps({"event": type(event).__name__.lower(), **event._asdict()}))


class _Status:
    """What a bar says of its phase, at each moment at which it is drawn: also of one that is silent, time passes."""

    def __init__(self, phase: Phase, clock: Callable[[], float]):
        self.phase, self.clock = phase, clock

    def __str__(self) -> str:
        return render_phase(self.phase, self.clock()).partition(": ")[2]


class BarProgress(Progress):
    """Moving bars, one for each phase that goes on; a line stays behind when it ends."""

    def __init__(self, console: Console, clock: Callable[[], float] = monotonic):
        super().__init__(console, clock)
        self.bars: Any = None
        self.tasks: dict[str, Any] = {}

    def happened(self, event: Event, phase: Phase, now: float) -> None:
        """Move the phase's bar."""
        if self.console.verbosity < 0:
            return
        if isinstance(event, Ended):
            self._end(phase, now)
            return
        if self.bars is None:
            self._start()
        if phase.name not in self.tasks:
            self.tasks[phase.name] = self.bars.add_task(
                phase.name,
                total=phase.size or phase.count or None,
                status=_Status(phase, self.clock),
            )
        moved = phase.bytes if phase.size else phase.done
        total = phase.size or phase.count or None
        self.bars.update(self.tasks[phase.name], completed=moved, total=total)

    def close(self) -> None:
        """Take the bars away."""
        if self.bars is not None:
            self.bars.stop()
            self.bars = None
            self.console.writer = self.before

    def _start(self) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bars

        screen = RichConsole(
            stderr=True, no_color=not self.console.color, highlight=False, markup=False, emoji=False
        )
        columns = (
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=24),
            TextColumn("{task.fields[status]}", markup=False),
        )  # fmt: skip
        self.bars = Bars(*columns, console=screen, transient=True, refresh_per_second=8)
        self.bars.start()
        self.before = self.console.writer
        self.console.writer = lambda line: _above(screen, line)

    def _end(self, phase: Phase, now: float) -> None:
        worth = phase.bytes >= _WORTH_BYTES or now - phase.began >= _WORTH_A_LINE
        if phase.name in self.tasks and worth:
            self.console.note(render_end(phase, now))

    def forget(self, phase: Phase) -> None:
        """The phase is over."""
        super().forget(phase)
        task = self.tasks.pop(phase.name, None)
        if self.bars is not None and task is not None:
            self.bars.remove_task(task)
        if not self.tasks:
            self.close()


def _above(screen: Any, line: str) -> None:
    from rich.text import Text

    screen.print(Text.from_ansi(line), soft_wrap=True)


def open_progress(kind: str, console: Console) -> Progress:
    """The listener for `--progress kind`."""
    kinds: dict[str, type[Progress]] = {
        "plain": PlainProgress,
        "tty": BarProgress,
        "json": JsonProgress,
        "quiet": Progress,
    }
    return kinds[kind](console)
