"""One lock, one image digest: whoever builds it, with whatever rights, wherever, whenever, in whatever order."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PLAIN = 61234
WITH_SUBUID = f"shipway-{os.getpid()}"


@dataclass(frozen=True)
class Way:
    """One way to build the same lock."""

    steps: tuple[str, ...] = ()
    user: str = "root"
    """`root`, `plain` (no account, no subordinate ids) or `subuid`."""
    env: dict[str, str] = field(default_factory=dict)
    note: str = ""
    """A word of what must be said about isolation."""


WAYS = {
    "another-folder-shuffled": Way(steps=("shuffle",)),
    "umask-and-locale": Way(
        steps=("umask",), env={"LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Tokyo"}
    ),
    "plain-user": Way(user="plain"),
    "user-with-subuid": Way(user="subuid"),
    "another-date": Way(env={"FAKETIME": "+400d"}),
    "root-without-user-namespaces": Way(steps=("no-user-namespaces",)),
    "root-without-mounts": Way(steps=("drop-sys-admin", "no-namespaces"), note="isolated"),
    "plain-user-without-namespaces": Way(user="plain", steps=("no-namespaces",), note="isolated"),
}


def interpreter(user: str) -> tuple[list[str], dict[str, str]]:
    """A Python that `user` may start, and where it finds shipway."""
    if user == "root":
        return [sys.executable], {}
    paths = [path for path in sys.path if path.endswith("site-packages")] + [str(HERE.parent.parent / "src")]
    return ["/usr/bin/python3"], {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture(scope="module")
def account():
    """An account with subordinate ids, gone afterwards."""
    subprocess.run(["useradd", "--create-home", "--base-dir", "/var/tmp", WITH_SUBUID], check=True)
    with open("/etc/subuid") as file:
        assert WITH_SUBUID in file.read()
    try:
        yield pwd.getpwnam(WITH_SUBUID).pw_uid
    finally:
        subprocess.run(["userdel", "--remove", WITH_SUBUID], check=True, capture_output=True)


@pytest.fixture(scope="module")
def places():
    """A folder that every user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="shipway-proof-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def environment(folder: Path, extra: dict[str, str]) -> dict[str, str]:
    kept = ("PATH", "PIP_CERT", "SSL_CERT_FILE", "PIP_INDEX_URL", "http_proxy", "https_proxy", "no_proxy")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("SHIPWAY_MIRROR_", "SHIPWAY_INDEX_"))
    }
    env |= {
        "HOME": str(folder / "home"),
        "SHIPWAY_STORE": str(folder / "store"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if "FAKETIME" in extra:
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        extra = extra | {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return env | extra


def build(folder: Path, way: Way, uid: int, lock: str | None = None) -> tuple[dict, str]:
    """Copy the project to `folder`, build it as `way` says; its `inspect --json`, and what was said while building."""
    shutil.copytree(HERE / "one_digest", folder / "project")
    (folder / "home").mkdir()
    if lock is not None:
        (folder / "project" / "shipway.lock").write_text(lock)
    if uid:
        subprocess.run(["chown", "-R", f"{uid}:{uid}", str(folder)], check=True)
    python, more = interpreter(way.user)
    steps = ",".join((*((f"uid={uid}",) if uid else ()), *way.steps))
    said = ""
    for words in (["build", *(["--locked"] if lock else [])], ["inspect", "--json"]):
        done = subprocess.run(
            [*python, str(HERE / "one_digest_driver.py"), steps, "-C", str(folder / "project"), "--progress", "plain", *words],
            env=environment(folder, dict(way.env)) | more,
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said += done.stderr
    return json.loads(done.stdout), said


@pytest.fixture(scope="module")
def first(places):
    """The lock, and the image that root builds from it."""
    folder = places / "first"
    folder.mkdir()
    found, _ = build(folder, Way(), 0)
    return (folder / "project" / "shipway.lock").read_text(), found


@pytest.mark.needs_root
@pytest.mark.needs_userns
@pytest.mark.needs_network
@pytest.mark.needs_tool("proot", "newuidmap", "faketime")
@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_one_lock_one_digest(name, first, places, account):
    way = WAYS[name]
    uid = {"root": 0, "plain": PLAIN, "subuid": account}[way.user]
    folder = places / name
    folder.mkdir()
    lock, expected = first
    found, said = build(folder, way, uid, lock)
    different = [
        (one["name"], one["diff_id"], other["diff_id"])
        for one, other in zip(expected["layers"], found["layers"], strict=True)
        if one["diff_id"] != other["diff_id"]
    ]
    assert different == []
    assert (found["digest"], found["config_digest"]) == (expected["digest"], expected["config_digest"])
    assert way.note in said
    if uid:
        strangers = subprocess.run(
            ["find", str(folder), "!", "-uid", str(uid)], capture_output=True, text=True, check=True
        ).stdout
        assert strangers == ""
