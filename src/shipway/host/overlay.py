"""The marks that overlay file systems leave in an upper folder (kernel: filesystems/overlayfs.rst)."""

from __future__ import annotations

import contextlib
import os

_OPAQUE = ("user.overlay.opaque", "trusted.overlay.opaque")


def is_opaque(path: str) -> bool:
    """Whether the folder `path` of an upper hides the folder below it."""
    for name in _OPAQUE:
        with contextlib.suppress(OSError):
            if os.getxattr(path, name, follow_symlinks=False) == b"y":
                return True
    return False
