"""Podman as a plain user runs it, without root: ids are mapped, so that files have the same owner inside and outside."""

import os
import pwd
import subprocess
import tempfile
from pathlib import Path

import pytest
from engine_world import World, make_archive, make_root

from private_engines import private_podman

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_subuid,
    pytest.mark.needs_tool("podman", "runc", "newuidmap"),
]


@pytest.fixture(scope="module")
def user():
    """The first user of this machine with ids to map (subuid(5))."""
    for line in Path("/etc/subuid").read_text().splitlines():
        try:
            return pwd.getpwnam(line.partition(":")[0])
        except KeyError:
            continue
    raise AssertionError("needs_subuid promised one")


@pytest.fixture(scope="module")
def settings(user):
    """The variables of that user's own Podman."""
    with private_podman() as found:
        base = Path(found["CONTAINERS_CONF"]).parent
        mine = {**found, "HOME": f"{base}/home", "XDG_RUNTIME_DIR": f"{base}/runtime"}
        mine |= {f"XDG_{kind}_HOME": f"{base}/home/{kind}" for kind in ("CONFIG", "DATA", "CACHE")}
        for folder in (base, base / "home", base / "runtime"):
            folder.mkdir(exist_ok=True)
            os.chown(folder, user.pw_uid, user.pw_gid)
        (base / "runtime").chmod(0o700)
        yield mine
        for words in (
            ["rm", "--all", "--force"],
            ["system", "migrate"],
        ):  # the second ends what holds the namespace
            subprocess.run(
                ["podman", *words],
                env={**os.environ, **mine},
                user=user.pw_uid,
                group=user.pw_gid,
                extra_groups=[],
                check=True,
                capture_output=True,
                cwd="/",
            )


@pytest.fixture(scope="module")
def world(user, settings):
    with tempfile.TemporaryDirectory(prefix="shipway-contract-", dir="/var/tmp") as place:
        os.chmod(place, 0o755)
        make_root(Path(place) / "tree")
        make_archive(Path(place) / "tree")
        made = World(Path(place) / "tree", "podman", "podman", user.pw_uid, settings)
        yield made
        made.close()


def test_one_run_is_the_callers_in_all_that_shows(world, user):
    script = (
        "cat; echo $HOME; id -u; id -un; echo made > out; echo kept > ~/file; cat /proc/self/status; exit 7"
    )
    done = world.run("bash", "-c", script, stdin="typed\n")
    assert done.returncode == 7, done.stderr
    assert done.stdout.split()[:4] == ["typed", f"/home/{user.pw_name}", str(user.pw_uid), user.pw_name]
    assert "NoNewPrivs:\t1" in done.stdout
    assert "CapEff:\t0000000000000000" in done.stdout
    (home,) = (world.state / "homes").glob("*/home")
    for file in (world.project / "out", home / "file"):
        assert (file.stat().st_uid, file.stat().st_gid) == (user.pw_uid, user.pw_gid)
    assert (world.project / "out").read_text() == "made\n"
