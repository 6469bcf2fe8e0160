"""`vendor`, `bundle` and builds from them, through the real command line: nothing but what was collected is there.

The archive is made and signed by the test; before a build it is taken away together with the store.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from test_dropped_package import OK, World

from shipway.core.ignore import VENDOR_INDEX
from shipway.testing.file_server import FileServer

pytestmark = [pytest.mark.needs_userns, pytest.mark.needs_tool("apt-get")]

USAGE, NOT_FOUND, MISMATCH, VANISHED, HOSTILE, OFFLINE = 2, 14, 16, 17, 19, 26


class Site(World):
    """A world whose archive can go away, and with it every way to a package."""

    def go_away(self) -> None:
        """No store, no archive, and mirrors that nobody answers at."""
        self.forget()
        shutil.rmtree(self.folder / "mirror", ignore_errors=True)

    def alone(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`shipway` where every mirror points nowhere."""
        return self.run(*words, SHIPWAY_MIRROR_UBUNTU="http://127.0.0.1:9/", **env)

    def done(self, *words: str) -> str:
        """Standard output of `shipway` that must succeed."""
        finished = self.run(*words)
        assert finished.returncode == OK, finished.stderr
        return finished.stdout

    def has_trees(self) -> bool:
        """Whether anything was built."""
        return any((self.folder / "store").glob("trees-v1/*"))

    @property
    def vendor(self) -> Path:
        return self.folder / "vendor"

    @property
    def bundle(self) -> Path:
        return self.folder / "all.tar"

    def artifact(self, name: str) -> Path:
        """The collected file of the package `name`."""
        for line in (self.vendor / VENDOR_INDEX).read_text().splitlines():
            if line.split()[-2:-1] == [name]:
                return self.vendor / line.split()[1]
        raise AssertionError(f"{name} is not in the index")


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A site whose project is locked; for copying only."""
    made = Site(tmp_path_factory.mktemp("locked"))
    made.done("lock")
    return made


@pytest.fixture
def site(locked, tmp_path):
    shutil.copytree(locked.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    made = copy.copy(locked)
    made.folder, made.project = tmp_path, tmp_path / "project"
    return made


def test_offline_build_from_a_folder_is_the_same_image(site):
    digest = site.done("-q", "build")
    site.forget()
    site.done("vendor", str(site.vendor))
    site.go_away()
    done = site.alone("-q", "--offline", "build", "--vendor", str(site.vendor))
    assert (done.returncode, done.stdout) == (OK, digest), done.stderr
    assert site.alone("--offline", "run").stdout == "hello 1.0\n"


def test_offline_build_from_a_bundle_needs_no_folder_and_is_the_same_image(site):
    digest = site.done("-q", "build")
    site.done("bundle", str(site.bundle))
    assert sorted(os.listdir(site.folder)) == ["all.tar", "keyring.pgp", "mirror", "project", "store"]
    site.go_away()
    done = site.alone("-q", "--offline", "build", SHIPWAY_VENDOR=str(site.bundle))
    assert (done.returncode, done.stdout) == (OK, digest), done.stderr


def test_bundle_is_the_same_bytes_whatever_it_is_made_from(site):
    site.done("bundle", str(site.bundle))
    site.done("vendor", str(site.vendor))
    site.go_away()
    again = site.folder / "again.tar"
    done = site.alone("--offline", "bundle", str(again), "--vendor", str(site.vendor))
    assert done.returncode == OK, done.stderr
    assert again.read_bytes() == site.bundle.read_bytes()
    with tarfile.open(again) as tar:
        assert tar.getnames()[0] == VENDOR_INDEX
    os.mkdir(site.folder / "unpacked")
    subprocess.run(["tar", "-xf", str(again), "-C", str(site.folder / "unpacked")], check=True)
    assert (site.folder / "unpacked" / VENDOR_INDEX).read_bytes() == (site.vendor / VENDOR_INDEX).read_bytes()
    done = site.alone("-q", "--offline", "build", "--vendor", str(site.folder / "unpacked"))
    assert done.returncode == OK, done.stderr


def test_everything_missing_is_named_before_anything_is_built(site):
    site.done("vendor", str(site.vendor))
    for name in ("steady", "greeting"):
        site.artifact(name).unlink()
    site.go_away()
    done = site.alone("--offline", "build", "--vendor", str(site.vendor))
    assert done.returncode == OFFLINE, done.stderr
    assert "greeting 1.0" in done.stderr
    assert "steady 1" in done.stderr
    assert "base 1" not in done.stderr
    assert not site.has_trees()


def test_offline_without_anything_names_all_packages(site):
    site.go_away()
    done = site.alone("--offline", "build")
    assert done.returncode == OFFLINE, done.stderr
    assert all(f"{name} 1" in done.stderr for name in ("base", "dpkg", "greeting", "steady"))
    assert "shipway vendor DIR" in done.stderr


def test_what_is_missing_comes_from_the_mirrors_when_they_may_be_asked(site):
    site.done("vendor", str(site.vendor))
    site.artifact("steady").unlink()
    site.forget()
    done = site.run("-q", "build", "--vendor", str(site.vendor))
    assert done.returncode == OK, done.stderr


def test_an_interrupted_collection_goes_on_and_damage_is_replaced(site):
    site.done("vendor", str(site.vendor))
    site.artifact("steady").unlink()
    damaged = site.artifact("greeting")
    good = damaged.read_bytes()
    damaged.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    cut = site.artifact("base")
    whole = cut.read_bytes()
    cut.write_bytes(whole[:100])
    (site.vendor / ".partial").mkdir()
    (site.vendor / VENDOR_INDEX).rename(site.vendor / ".partial" / "old")
    document = json.loads(site.done("vendor", "--json", str(site.vendor)))
    new = sorted(item["name"] for item in document["artifacts"] if item["new"])
    assert new == ["base 1", "greeting 1.0", "steady 1"]
    assert (damaged.read_bytes(), cut.read_bytes()) == (good, whole)
    assert sorted(os.listdir(site.vendor)) == [VENDOR_INDEX, "sha256", "tree"]
    document = json.loads(site.done("vendor", "--json", str(site.vendor)))
    assert not any(item["new"] for item in document["artifacts"])


def test_dry_run_says_what_would_be_fetched_and_writes_nothing(site):
    document = json.loads(site.done("vendor", "--dry-run", "--json", str(site.vendor)))
    assert document["schema"] == "shipway.vendor/1"
    assert [item["name"] for item in document["artifacts"]] == [
        "base 1",
        "dpkg 1",
        "greeting 1.0",
        "steady 1",
    ]
    assert all(item["new"] and item["size"] for item in document["artifacts"])
    assert not site.vendor.exists()
    assert "greeting 1.0" in site.done("bundle", "--dry-run", str(site.bundle))
    assert not site.bundle.exists()


def test_what_the_archive_dropped_is_named_and_the_rest_is_collected(site):
    site.forget()
    next((site.folder / "mirror").rglob("greeting_1.0*.deb")).unlink()
    done = site.run("vendor", str(site.vendor))
    assert done.returncode == VANISHED, done.stderr
    assert "greeting 1.0" in done.stderr
    assert len(os.listdir(site.vendor / "sha256")) == 3
    assert not (site.vendor / VENDOR_INDEX).exists()
    done = site.run("build", "--vendor", str(site.vendor))
    assert done.returncode == NOT_FOUND, done.stderr


def test_the_spec_names_the_folder_and_it_is_no_part_of_the_image(site):
    spec = site.project / "shipway.toml"
    spec.write_text('vendor = "third-party"\n' + spec.read_text())
    lock = (site.project / "shipway.lock").read_text()
    digest = site.done("-q", "build")
    site.done("vendor")
    site.go_away()
    done = site.alone("-q", "--offline", "build")
    assert (done.returncode, done.stdout) == (OK, digest), done.stderr
    assert (site.project / "shipway.lock").read_text() == lock
    assert (site.project / "third-party" / VENDOR_INDEX).exists()


@pytest.mark.parametrize("what", ["link", "fifo", "folder", "short"])
def test_a_folder_with_something_else_in_place_is_refused(site, what):
    site.done("vendor", str(site.vendor))
    path = site.artifact("steady")
    elsewhere = site.folder / "elsewhere"
    shutil.copy(path, elsewhere)
    path.unlink()
    if what == "link":
        path.symlink_to(elsewhere)
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.write_bytes(elsewhere.read_bytes()[:-1])
    site.go_away()
    done = site.alone("--offline", "build", "--vendor", str(site.vendor))
    assert done.returncode == (MISMATCH if what == "short" else HOSTILE), done.stderr
    assert not site.has_trees()


def test_other_bytes_of_the_same_size_are_refused(site):
    site.done("bundle", str(site.bundle))
    data = bytearray(site.bundle.read_bytes())
    at = data.rindex(b"debian-binary")
    data[at + 200] ^= 1
    site.bundle.write_bytes(data)
    site.go_away()
    done = site.alone("--offline", "build", "--vendor", str(site.bundle))
    assert done.returncode == MISMATCH, done.stderr


def test_damage_is_said_and_made_good_where_mirrors_may_be_asked(site):
    digest = site.done("-q", "build")
    site.done("vendor", str(site.vendor))
    path = site.artifact("steady")
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    site.forget()
    done = site.run("build", "--vendor", str(site.vendor))
    assert done.returncode == OK, done.stderr
    assert "`steady 1` in" in done.stderr
    assert "damaged" in done.stderr
    assert done.stdout.strip().endswith(digest.strip())


def test_a_folder_of_something_else_is_not_written_to(site):
    done = site.run("vendor", str(site.project))
    assert done.returncode == 1, done.stderr
    assert "shipway.lock" in done.stderr
    assert sorted(os.listdir(site.project)) == ["shipway.lock", "shipway.toml"]


def test_no_folder_is_a_usage_error(site):
    assert site.run("vendor").returncode == USAGE
    assert site.run("bundle", str(site.project)).returncode == USAGE


def test_a_bundle_in_the_project_is_said_to_go_into_its_image(site):
    done = site.run("bundle", str(site.project / "all.tar"))
    assert done.returncode == OK
    assert "add it to `ignore`" in done.stderr
    (site.project / ".dockerignore").write_text("*.tar\n")
    assert "ignore" not in site.run("bundle", str(site.project / "all.tar")).stderr


LABELS, WEIGHTS = b"cat\ndog\n", b"W" * 5000
DATA = """
[data.labels]
url = "{url}/labels.txt"
sha256 = "{labels}"
target = "/data/labels.txt"

[data.weights]
url = "{url}/weights.bin"
sha256 = "{weights}"
target = "/models/weights.bin"
how = "copy"
"""


@pytest.fixture
def with_data(site):
    """The site with data from a server of its own, which goes away with the archive."""
    with FileServer() as server:
        server.put("/labels.txt", LABELS)
        server.put("/weights.bin", WEIGHTS)
        spec = site.project / "shipway.toml"
        hashes = {
            "labels": hashlib.sha256(LABELS).hexdigest(),
            "weights": hashlib.sha256(WEIGHTS).hexdigest(),
        }
        spec.write_text(spec.read_text() + DATA.format(url=server.url, **hashes))
        site.done("lock")
        yield site, server


@pytest.mark.parametrize("form", ["vendor", "bundle"])
def test_data_travel_with_the_packages(with_data, form):
    site, server = with_data
    path = site.folder / form
    said = site.run(form, str(path)).stderr
    assert "data come along: 2 files, 4.9 KiB; `--no-data` leaves them out" in said
    site.go_away()
    asked = len(server.requests)
    look = ("cat", "/data/labels.txt", "/models/weights.bin")
    done = site.alone("--offline", "run", "--vendor", str(path), "--", *look)
    assert (done.returncode, done.stdout) == (OK, (LABELS + WEIGHTS).decode()), done.stderr
    assert len(server.requests) == asked


def test_data_that_stay_behind_are_named(with_data):
    site, server = with_data
    document = json.loads(site.done("vendor", "--json", "--no-data", str(site.vendor)))
    assert "data" not in {item["kind"] for item in document["artifacts"]}
    site.go_away()
    done = site.alone("--offline", "build", "--vendor", str(site.vendor))
    assert done.returncode == OFFLINE
    assert "weights.bin" in done.stderr
    assert "shipway vendor DIR" in done.stderr
    # Where the network may be asked, only they are fetched.
    done = site.alone("data", "fetch", "--vendor", str(site.vendor))
    assert done.returncode == OK, done.stderr
    assert {one.path for one in server.requests} == {"/labels.txt", "/weights.bin"}
