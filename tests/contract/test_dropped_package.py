"""The day an archive drops a locked package: other mirrors, snapshots and caches first; then it is named; `--repair` replaces it.

Through the real command line, offline, with an archive that the test makes and signs from this machine's own programs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "unit" / "resolve"), str(TESTS / "unit" / "build")]

from archive_samples import Archive, keyring_of, make_key
from host_programs import files_of
from mini_debian import base_files
from test_debs_resolve import table_files

pytestmark = [pytest.mark.needs_userns, pytest.mark.needs_tool("apt-get")]

SUITES = ("noble", "noble-updates", "noble-security")
SPEC = 'name = "small"\nbase = "ubuntu:noble"\napt = ["greeting", "steady"]\ncommand = ["cat", "/usr/share/greeting"]\n'
VANISHED, OK = 17, 0


class World:
    """An archive, a project, and a host that knows them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.archive = Archive(folder / "mirror", make_key())
        (folder / "keyring.pgp").write_bytes(keyring_of(self.archive.key))
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "shipway.toml").write_text(SPEC)
        add = self.archive.add
        add("noble", {"Package": "base", "Version": "1", "Essential": "yes"}, files=base_files())
        add("noble", {"Package": "dpkg", "Version": "1", "Essential": "yes"}, files=table_files())
        add(
            "noble",
            {"Package": "apt", "Version": "2"},
            files=files_of("apt-get", "/usr/lib/apt/methods/http"),
        )
        add("noble", {"Package": "steady", "Version": "1"}, files={"usr/share/steady": (b"still 1\n", 0o644)})
        self.offer("1.0")

    def offer(self, version: str) -> None:
        """The archive's only `greeting` is of this version from now on."""
        kept = [
            one for one in self.archive.packages.get(("noble", "main"), []) if one["Package"] != "greeting"
        ]
        gone = [
            one for one in self.archive.packages.get(("noble", "main"), []) if one["Package"] == "greeting"
        ]
        for one in gone:
            os.unlink(self.folder / "mirror" / one["Filename"])
        self.archive.packages["noble", "main"] = kept
        files = {"usr/share/greeting": (f"hello {version}\n".encode(), 0o644)}
        self.archive.add("noble", {"Package": "greeting", "Version": version}, files=files)
        now = datetime.now(UTC) - timedelta(hours=1)
        for suite in SUITES:
            self.archive.publish(suite, date=now)

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`shipway` in the project, on a host whose only mirror is ours."""
        host = {
            **os.environ,
            "SHIPWAY_MIRROR_UBUNTU": f"file://{self.folder}/mirror",
            "SHIPWAY_KEYRING_UBUNTU": str(self.folder / "keyring.pgp"),
            "SHIPWAY_STORE": str(self.folder / "store"),
            **env,
        }
        script = "import sys; from shipway.cli.main import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", script, "-C", str(self.project), *words],
            capture_output=True, text=True, env=host, stdin=subprocess.DEVNULL, check=False, timeout=300,
        )  # fmt: skip

    def forget(self) -> None:
        """A new machine: nothing in the store."""
        subprocess.run(["rm", "-rf", str(self.folder / "store")], check=True)

    def locked(self) -> dict[str, str]:
        """Package -> version in the lock."""
        import json

        return {
            deb["name"]: deb["version"]
            for deb in json.loads((self.project / "shipway.lock").read_text())["debs"]
        }


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    done = made.run("lock")
    assert done.returncode == OK, done.stderr
    assert made.locked() == {"base": "1", "dpkg": "1", "greeting": "1.0", "steady": "1"}
    return made


def test_what_vanished_is_named_and_repair_replaces_only_that(world):
    world.offer("1.1")
    world.forget()
    done = world.run("build")
    assert done.returncode == VANISHED, done.stderr
    assert "greeting 1.0" in done.stderr
    assert "--repair" in done.stderr
    assert world.locked()["greeting"] == "1.0"
    done = world.run("lock", "--repair")
    assert done.returncode == OK, done.stderr
    assert world.locked() == {"base": "1", "dpkg": "1", "greeting": "1.1", "steady": "1"}
    done = world.run("run")
    assert (done.returncode, done.stdout) == (OK, "hello 1.1\n"), done.stderr


def test_the_first_command_of_the_readme_goes_on_working(world):
    world.offer("1.1")
    world.forget()
    done = world.run("run", "--repair")
    assert (done.returncode, done.stdout) == (OK, "hello 1.1\n"), done.stderr
    assert "greeting 1.0" in done.stderr
    assert world.locked()["steady"] == "1"


def test_a_store_that_has_it_needs_no_archive(world):
    assert world.run("build").returncode == OK
    world.offer("1.1")
    done = world.run("run")
    assert (done.returncode, done.stdout) == (OK, "hello 1.0\n"), done.stderr


def test_another_mirror_and_a_snapshot_are_tried_before_giving_up(world):
    other = world.folder / "other"
    shutil.copytree(world.folder / "mirror", other)
    world.offer("1.1")
    world.forget()
    mirrors = f"file://{world.folder}/mirror file://{other}"
    done = world.run("run", SHIPWAY_MIRROR_UBUNTU=mirrors)
    assert (done.returncode, done.stdout) == (OK, "hello 1.0\n"), done.stderr
    world.forget()
    # A snapshot service has a folder per moment; ours has the same content for every one.
    import json

    moments = {
        one["date"].replace("-", "").replace(":", "")
        for one in json.loads((world.project / "shipway.lock").read_text())["archives"]
    }
    for moment in moments:
        os.symlink(other, world.folder / moment)
    done = world.run("run", SHIPWAY_SNAPSHOT_UBUNTU=f"file://{world.folder}/@SNAPSHOTID@")
    assert (done.returncode, done.stdout) == (OK, "hello 1.0\n"), done.stderr


def test_a_package_whose_bytes_changed_is_refused_and_nothing_is_lost(world):
    world.forget()
    path = next((world.folder / "mirror/pool/main").glob("greeting_1.0*"))
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    done = world.run("build")
    assert done.returncode == 16, done.stderr
    assert "greeting" in done.stderr
    path.write_bytes(good)
    assert world.run("build").returncode == OK
