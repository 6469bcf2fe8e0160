"""Runs one container as its own process: `engine_driver.py ORDER`, ORDER being a pickled dictionary. Started by the contract suite.

All modules are imported before the user changes, because another user may not be allowed to read this installation.
"""

import ctypes
import encodings.ascii  # noqa: F401
import json
import os
import pickle
import sys

import shipway.run.limits
import shipway.sandbox.filter
import shipway.sandbox.init
import shipway.sandbox.outside
import shipway.sandbox.probe  # noqa: F401
from shipway.core.errors import ToolError
from shipway.host import _libc, _removal  # noqa: F401
from shipway.run.engines import ENGINES
from shipway.run.facts import read_image_facts
from shipway.run.start import read_run
from shipway.sandbox import modes
from shipway.sandbox.model import SandboxFailure
from shipway.sandbox.trees import copy_tree


def force(mode: str) -> None:
    """Make this host look as if `mode` were the best that it allows."""

    def plan_modes(request):
        if mode in ("chroot", "proot") and request.merged_root is None:
            raise SandboxFailure("refused for a test", step="namespaces")
        return [mode]

    modes.plan_modes = plan_modes


def merge(lowers, target):
    (lower,) = lowers
    copy_tree(lower, target)


def main() -> int:
    with open(sys.argv[1], "rb") as file:
        order = pickle.load(file)
    events = []
    force(order["mode"])
    os.umask(0o077)
    if order["uid"] != os.getuid():
        os.setgroups([])
        os.setgid(order["uid"])
        os.setuid(order["uid"])
        # Who changes its user loses /proc/self to root until it says that it may be looked at (prctl(2), PR_SET_DUMPABLE).
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    environment = order["environment"]
    environment = environment._replace(facts=read_image_facts(environment.lowers))
    try:
        request = read_run(environment, order["asked"], environ=order["environ"], state=order["state"])
        engine = ENGINES[order["engine"]]
        outcome = engine.run(request, state=order["state"], runtime="", emit=events.append, merge=merge)
    except ToolError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return int(error.code)
    finally:
        with open(order["events"], "w") as file:
            json.dump([event.text for event in events], file)
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
