"""The end of a container that does not end when it is asked to."""

from __future__ import annotations

import contextlib
import glob
import os

from shipway.host.proc import Command, find_tool, run
from shipway.run.oci.command import CID
from shipway.run.places import runs_folder

_PATIENCE = 20.0
"""Seconds for an engine to kill it."""


def kill_in_engine(pid: int, state: str) -> bool:
    """Kill the container that our process `pid` has an engine run; False when there is none.

    It is no child of ours: the end of the engine's program, which we started, would leave it behind.
    """
    found = False
    for path in glob.glob(f"{glob.escape(runs_folder(state))}/{pid}-*/*{CID}"):
        program = find_tool(os.path.basename(path).removesuffix(CID))
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            identity = file.read().strip()
            if program and identity:
                done = run(Command(argv=(program, "kill", identity), env=os.environ), timeout=_PATIENCE)
                found = found or done.code == 0
    return found
