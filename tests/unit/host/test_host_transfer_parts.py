"""A location may be a part of a file: exactly those bytes, of that very file."""

import os

import pytest

from shipway.core.digest import BlobDigest
from shipway.core.errors import FetchError, HashMismatch
from shipway.host.http import Fetcher
from shipway.host.location import Location


def fetch(tmp_path, name, part, body):
    place = Location(f"file://{tmp_path}/{name}", part=part)
    return Fetcher(offline=True, environ={}).fetch(
        [place], str(tmp_path / "out"), BlobDigest.of(body), len(body)
    )


def test_only_the_part_is_taken(tmp_path):
    (tmp_path / "all").write_bytes(b"before" + b"part" + b"after")
    assert fetch(tmp_path, "all", (6, 4), b"part").size == 4
    assert (tmp_path / "out").read_bytes() == b"part"


def test_an_empty_part(tmp_path):
    (tmp_path / "all").write_bytes(b"x")
    fetch(tmp_path, "all", (1, 0), b"")
    assert (tmp_path / "out").read_bytes() == b""


def test_a_part_beyond_the_end_is_no_file(tmp_path):
    (tmp_path / "all").write_bytes(b"beforepa")
    with pytest.raises(FetchError, match="ended 2 bytes early"):
        fetch(tmp_path, "all", (6, 4), b"part")
    assert not (tmp_path / "out").exists()


def test_other_bytes_are_refused(tmp_path):
    (tmp_path / "all").write_bytes(b"beforePART")
    with pytest.raises(HashMismatch):
        fetch(tmp_path, "all", (6, 4), b"part")


def test_a_link_is_not_followed_to_a_part(tmp_path):
    (tmp_path / "all").write_bytes(b"part")
    os.symlink(tmp_path / "all", tmp_path / "link")
    with pytest.raises(FetchError):
        fetch(tmp_path, "link", (0, 4), b"part")
