"""A finished tree without the kinds of files that its target leaves out (`slim`), as dpkg's `path-exclude` does it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from shipway.build.capture import finish_times
from shipway.core.manifest import DIRECTORY, HARDLINK, WHITEOUT, Manifest
from shipway.core.waste import find_waste
from shipway.host.files import translating_disk_errors

if TYPE_CHECKING:
    from collections.abc import Mapping


def leave_out(root: str, manifest: Manifest, inputs: Mapping[str, Any]) -> Manifest:
    """Remove from the tree below `root` what its `inputs` leave out, and say what is left.

    Directories stay, and so does a file that a hard link outside its kind shares.

    Raises:
        NoSpace, StoreError: the disk refuses.
    """
    kinds = frozenset(inputs.get("slim", ())[1:])  # the first item is the version of the patterns
    if not kinds:
        return manifest
    out = {
        entry.path
        for entry in manifest.entries
        if entry.kind not in (DIRECTORY, WHITEOUT) and find_waste(entry.path, kinds)
    }
    out -= {entry.target for entry in manifest.entries if entry.kind == HARDLINK and entry.path not in out}
    kept = Manifest(entry for entry in manifest.entries if entry.path not in out)
    folders = {os.path.dirname(path) for path in out}
    with translating_disk_errors("leave out files"):
        for path in out:
            os.unlink(os.path.join(root, path))
        finish_times(
            root, [entry for entry in kept.entries if entry.kind == DIRECTORY and entry.path in folders]
        )
    return kept
