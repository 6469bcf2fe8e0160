"""System calls that fail on order: the N-th call from now, once or from then on."""

from __future__ import annotations

import builtins
import contextlib
import errno
import os
import sys

from shipway.host import _libc

CALLS = (
    "open", "write", "read", "mkdir", "rename", "unlink", "rmdir", "fsync", "fchmod", "chmod", "link", "listdir",
    "scandir", "utime", "lstat", "pwrite",
)  # fmt: skip
WRITING = {"open", "write", "mkdir", "rename", "link", "fsync", "syncfs", "renameat2", "pwrite"}
"""What a full disk can refuse."""
NOTHING = 0
_OURS = os.sep + "shipway" + os.sep
"""Only calls that the package makes fail; the tests' own do not."""


class Faults:
    """Counts calls; call number `at` fails with `number`, and every later one too when `lasting`."""

    def __init__(self, at, number, *, only=None, lasting=False):
        self.at, self.number, self.only, self.lasting = at, number, only, lasting
        self.seen = 0
        self.failed = []

    def call(self, name, real):
        def wrapped(*args, **more):
            if (self.only is None or name in self.only) and _OURS in sys._getframe(1).f_code.co_filename:
                self.seen += 1
                if self.seen == self.at or (self.lasting and self.seen > self.at > NOTHING):
                    self.failed.append(name)
                    raise OSError(self.number, os.strerror(self.number))
            return real(*args, **more)

        return wrapped

    @contextlib.contextmanager
    def installed(self):
        """In force inside."""
        saved = [(os, name, getattr(os, name)) for name in CALLS]
        saved += [(_libc, name, getattr(_libc, name)) for name in ("syncfs", "renameat2")]
        saved.append((builtins, "open", builtins.open))
        for place, name, real in saved:
            setattr(place, name, self.call(name, real))
        try:
            yield self
        finally:
            for place, name, real in saved:
                setattr(place, name, real)


NAMES = {
    errno.ENOSPC: "full disk",
    errno.EDQUOT: "quota",
    errno.EIO: "I/O error",
    errno.EMFILE: "too many files",
    errno.EINTR: "signal",
}
