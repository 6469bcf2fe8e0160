"""The samples of the store's unit tests serve here too."""

import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "unit", "store"))


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where there is such a place: thousands of syncs are waited for here, and no real power fails."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    folder = tempfile.mkdtemp(prefix="shipway-crash-", dir="/dev/shm")
    try:
        yield type(tmp_path)(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
