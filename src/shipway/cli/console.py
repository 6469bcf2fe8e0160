"""The two streams. Data goes to standard output, talk to standard error; nothing else in shipway writes to either."""

from __future__ import annotations

import io
import sys
import threading
from typing import TYPE_CHECKING

from shipway.core.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_STYLES = {
    "error": "\033[1;31m",
    "warning": "\033[1;33m",
    "hint": "\033[1;36m",
    "strong": "\033[1m",
    "faint": "\033[2m",
}


class NoOutput(io.TextIOBase):
    """What stands for a standard output that was closed by whoever started us."""

    def write(self, text: str) -> int:
        """Say so, unless there is nothing to write."""
        if not text:
            return 0
        raise ToolError(
            "there is no standard output to write to", hints=("send it somewhere: `>FILE`, `| less`",)
        )


class Console:
    """Writes whole lines, also from several threads. Knows whether colour is wanted and how wide lines may be."""

    def __init__(self, *, color: bool, verbosity: int = 0):
        """`verbosity`: below 0 says only errors, below -1 not even warnings."""
        self.color = color
        self.verbosity = verbosity
        self.lock = threading.RLock()
        self.writer: Callable[[str], None] = _to_stderr
        """Who writes talk now; a moving bar replaces it while it is shown."""

    def data(self, text: str) -> None:
        """Write `text` to standard output at once."""
        sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
        sys.stdout.flush()

    def talk(self, text: str) -> None:
        """Write the line `text` to standard error."""
        with self.lock:
            self.writer(text)

    def note(self, text: str, level: str = "info") -> None:
        """Say one sentence of a verb, unless it is to be quiet."""
        if level == "info" and self.verbosity < 0:
            return
        if level == "warning" and self.verbosity < -1:
            return
        self.talk(f"{self.styled('warning:', 'warning')} {text}" if level == "warning" else text)

    def styled(self, text: str, style: str) -> str:
        """`text` in a style of the terminal, or as it is without colour."""
        return f"{_STYLES[style]}{text}\033[0m" if self.color else text


def _to_stderr(line: str) -> None:
    if sys.stderr is None:  # closed by whoever started us
        return
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Aligned columns; the column numbers in `right` are aligned to the right. Pure."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [cell.rjust(widths[i]) if i in right else cell.ljust(widths[i]) for i, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"
