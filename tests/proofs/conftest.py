"""What several proofs begin with: a folder in memory, and a Docker daemon that knows Debian as mmdebstrap makes it."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from export_world import docker

from private_engines import private_docker
from shipway.host.lock import FileLock
from shipway.host.mirrors import read_mirrors

_SIZE = 4 << 30
"""Bytes that the folder in memory may take; a root with its packages and its tar takes less than two."""


@pytest.fixture
def in_memory(tmp_path):
    """A folder of a test that runs as root, in memory where there is plenty."""
    with _memory_at(tmp_path / "in-memory") as folder:
        yield folder


@pytest.fixture(scope="session")
def docker_with_debian(session_folder, tmp_path_factory):
    """A private engine with `debian:bookworm`. What exported files have in common is built in it once."""
    tar = session_folder / "debian.tar"
    lock = FileLock(f"{tar}.lock")
    lock.acquire()
    try:
        if not tar.exists():
            with _memory_at(tmp_path_factory.mktemp("debian") / "in-memory") as folder:
                _make_debian(folder, f"{tar}.new")
            os.rename(f"{tar}.new", tar)
    finally:
        lock.release()
    with private_docker() as engine:
        docker(engine, "import", str(tar), "debian:bookworm")
        yield engine


@contextlib.contextmanager
def _memory_at(folder):
    """The new `folder`, in memory where there is plenty: on a disk, dpkg waits for each file that it unpacks."""
    folder.mkdir()
    free = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    if int(free[1]) << 10 < 3 * _SIZE:
        yield folder
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=755", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def _make_debian(folder, tar):
    """What exported files call `debian:bookworm`, from the archive."""
    mirrors = read_mirrors(os.environ)
    main, security = mirrors.of("debian")[0], mirrors.of("debian-security")[0]
    lines = [
        f"deb {main} bookworm main",
        f"deb {main} bookworm-updates main",
        f"deb {security} bookworm-security main",
    ]
    sources = folder / "sources.list"
    sources.write_text("\n".join(lines) + "\n")
    options = ("--quiet", "--variant=minbase", "--format=tar", '--aptopt=Acquire::Check-Valid-Until "false"')
    subprocess.run(
        ["mmdebstrap", *options, "bookworm", tar, str(sources)],
        check=True,
        timeout=300,
        stdout=sys.stderr,
        env={**os.environ, "TMPDIR": str(folder)},
    )
