"""Packages added to an image of others leave the very files that they leave when the whole system is made at once."""

import subprocess
import sys

import pytest

from shipway.core.overlay import stack
from shipway.lock.parse import parse_lock
from shipway.plan.model import TreeKind
from shipway.plan.target import plan_target
from shipway.store.store import Store
from shipway.verbs.context import host_platform

pytestmark = [pytest.mark.needs_userns, pytest.mark.needs_network]

BELOW = ["apt", "python3"]
ADDED = ["hello", "openssh-server", "less"]
"""A user and keys of its own, alternatives, debconf's answers, and a program with nothing of all that."""


def shipway(folder, *words):
    command = [sys.executable, "-m", "shipway", "-q", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_project(folder, base, packages, more=""):
    folder.mkdir()
    listed = ", ".join(f'"{name}"' for name in packages)
    (folder / "shipway.toml").write_text(f'name = "{folder.name}"\nbase = "{base}"\napt = [{listed}]\n{more}')
    return folder


def shown(folder):
    """Every path of the built environment but the project's files, with all that is said of it but its time."""
    lock = parse_lock((folder / "shipway.lock").read_text())
    plan = plan_target(lock, "default", host_platform())
    requests = [one for one in plan.trees if one.kind is not TreeKind.FILES]
    trees = [Store.open().find_tree(one.key).manifest() for one in requests]
    found = {one.entry.path: one.entry for one in stack(trees)}
    whole = {
        path: found[one.target]._replace(path=path) if one.kind == "h" else one for path, one in found.items()
    }
    return {path: entry._replace(mtime=0) for path, entry in whole.items()}


def test_added_to_an_image_is_as_made_at_once(shared_store, tmp_path, monkeypatch):
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    below = write_project(tmp_path / "below", "debian:bookworm", BELOW)
    shipway(below, "save", f"{tmp_path}/base/")
    pip = 'pip = ["iniconfig==2.0.0"]\n'
    over = write_project(tmp_path / "over", "oci:../base", ADDED, pip)
    whole = write_project(tmp_path / "whole", "debian:bookworm", [*BELOW, *ADDED], pip)
    shipway(whole, "build")
    digest = shipway(over, "build")
    made, expected = shown(over), shown(whole)
    of_below = {"work", "work/shipway.lock", "work/shipway.toml"}
    assert {path: made[path] for path in made if path not in of_below} == expected
    assert (
        shipway(over, "run", "--", "python", "-c", "import iniconfig; print(iniconfig.__name__)")
        == "iniconfig\n"
    )
    lock = parse_lock((over / "shipway.lock").read_text())
    assert {"apt", "libc6", "python3"} & {deb.name for deb in lock.debs} == set()
    assert shipway(over, "build", "--locked") == digest
