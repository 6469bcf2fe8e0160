"""A command line of ours as another user: `life_driver.py UID WORD…`.

All modules are imported before the user changes, because another user may not be allowed to read this installation.
"""

import ctypes
import encodings.ascii  # noqa: F401
import importlib
import os
import pkgutil
import sys

import shipway
from shipway.cli.main import main

_SCRIPTS = ("shipway.__main__", "shipway.sandbox.sandbox")


def become(uid: int) -> None:
    for module in pkgutil.walk_packages(shipway.__path__, "shipway."):
        if module.name not in _SCRIPTS:
            importlib.import_module(module.name)
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    # Who changes its user loses /proc/self to root until it says that it may be looked at (prctl(2), PR_SET_DUMPABLE).
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)


if __name__ == "__main__":
    become(int(sys.argv[1]))
    sys.argv[1:] = sys.argv[2:]
    sys.exit(main())
