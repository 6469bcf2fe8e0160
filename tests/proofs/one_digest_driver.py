"""Runs shipway with other rights and habits: `one_digest_driver.py STEP,STEP… ARGUMENT…`. Not a test itself."""

from __future__ import annotations

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "privileged"))

import sandbox_world as world

from shipway.build import artifacts
from shipway.cli.main import main


def shuffle() -> None:
    """Artifacts come in any order."""
    fetch = artifacts._fetch_missing

    def shuffled(missing, context):
        found = list(fetch(missing, context))
        random.shuffle(found)
        yield from found

    artifacts._fetch_missing = shuffled


STEPS = {
    "shuffle": shuffle,
    "umask": lambda: os.umask(0o077),
    "drop-sys-admin": world.drop_sys_admin,
    "no-user-namespaces": world.refuse_user_namespaces,
    "no-namespaces": world.refuse_namespaces,
}

if __name__ == "__main__":
    for step in filter(None, sys.argv[1].split(",")):
        if step.startswith("uid="):
            world.become_user(int(step[4:]))()
        else:
            STEPS[step]()
    sys.argv = ["shipway", *sys.argv[2:]]
    sys.exit(main())
