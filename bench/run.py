"""Times whole commands against their peers and prints ratios: `python bench/run.py [ROW…] [--rounds N] [--write PAGE]`."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from image_rows import IMAGE_ROWS
from life_rows import LIFE_ROWS
from log_rows import LOG_ROWS
from place import Place
from rows import ROWS, Row
from timing import CommandFailed, Timed, human, time_in_turn

ALL = [*ROWS, *LIFE_ROWS, *LOG_ROWS, *IMAGE_ROWS]
GROUPS = {"images": IMAGE_ROWS, "life": LIFE_ROWS, "logs": LOG_ROWS}


def main() -> int:
    words = sys.argv[1:]
    page = words.pop(words.index("--write") + 1) if "--write" in words else ""
    rounds = int(words.pop(words.index("--rounds") + 1)) if "--rounds" in words else 0
    names = [row.name for word in words for row in GROUPS.get(word, ())]
    names += [word for word in words if word not in ("--write", "--rounds", *GROUPS)]
    unknown = set(names) - {row.name for row in ALL}
    if unknown:
        print(
            f"rows are: {', '.join(row.name for row in ALL)}; `images`, `life` and `logs` are all rows of these kinds",
            file=sys.stderr,
        )
        return 2
    place = Place()
    sections = []
    try:
        for row in ALL:
            if not names or row.name in names:
                sections.append(_section(row, place, rounds or row.rounds))
                print(sections[-1], flush=True)
    finally:
        place.close()
    if page:
        with open(page, "w") as file:
            file.write(_page(sections))
    return 0


def _section(row: Row, place: Place, rounds: int) -> str:
    try:
        timed, left_out = time_in_turn(row.make(place), rounds)
        notes = row.notes(place) if row.notes else ""
    except (CommandFailed, subprocess.CalledProcessError) as error:
        return f"## {row.about}\n\nNot measured:\n\n```text\n{error}\n```\n"
    ours, peers = timed[0], timed[1:]
    lines = [
        f"## {row.about}",
        "",
        "| command | median | fastest | ours / it | bar |",
        "|---|---|---|---|---|",
    ]
    lines.append(
        f"| {ours.name} | {human(ours.median)} | {human(min(ours.seconds))} | 1 | {_own_bar(row, ours)} |"
    )
    for peer in peers:
        ratio = ours.median / peer.median
        bar = row.bars.get(peer.name)
        verdict = "" if bar is None else f"{bar:g}: {'reached' if ratio <= bar else 'missed'}"
        lines.append(
            f"| {peer.name} | {human(peer.median)} | {human(min(peer.seconds))} | {ratio:.2f} | {verdict} |"
        )
    missing = [
        name
        for name in row.bars
        if name not in ("seconds", "memory") and name not in {one.name for one in peers}
    ]
    lines += [f"\nNot on this machine: {', '.join(missing)}."] if missing else []
    for reason in left_out:
        print(f"left out: {reason}", file=sys.stderr)
    lines += [f"\n{notes}"] if notes else []
    return "\n".join(lines) + "\n"


def _own_bar(row: Row, ours: Timed) -> str:
    said = []
    if "seconds" in row.bars:
        said.append(
            f"{human(row.bars['seconds'])}: {'reached' if ours.median <= row.bars['seconds'] else 'missed'}"
        )
    if "memory" in row.bars:
        reached = "reached" if ours.peak <= row.bars["memory"] else "missed"
        said.append(
            f"{row.bars['memory'] >> 20} MiB of memory: {reached} ({ours.peak >> 20} MiB in one process)"
        )
    return "; ".join(said)


def _page(sections: list[str]) -> str:
    machine = os.uname()
    return (
        "# Performance\n\n"
        f"Written by `python bench/run.py --write docs/reference/performance.md` on {time.strftime('%Y-%m-%d', time.gmtime())}: "
        f"{os.cpu_count()} CPUs, kernel {machine.release}, {machine.machine}, Python {sys.version.split()[0]}. "
        "Each row times whole commands in turn in one run on one machine; what counts is the ratio, not the seconds.\n\n"
        + "\n".join(sections)
    )


if __name__ == "__main__":
    sys.exit(main())
