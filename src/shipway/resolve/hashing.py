"""Digests that an index does not state: the file is fetched once and hashed."""

from __future__ import annotations

import os

from shipway.host.http import Fetcher
from shipway.host.location import Location
from shipway.host.scratch import scratch_folder
from shipway.resolve.simple_api import file_location


def hash_file(fetcher: Fetcher, root: Location, place: str, filename: str) -> tuple[str, int]:
    """sha256 (hex) and size of the file at `place` (URL or path), which the index at `root` links to.

    Raises:
        FetchError: it cannot be had.
    """
    url = place if "://" in place else "file://" + os.path.abspath(place)
    with scratch_folder("hash-") as folder:
        source = file_location(root, url)
        got = fetcher.fetch([source], os.path.join(folder, "file"), None, None, name=filename)
    return got.sha256.hex, got.size
