"""Callers whose names come from a directory service, and callers without a name, are who they are inside."""

import glob
import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "contract"))
from life_world import LifeWorld, store_image

pytestmark = pytest.mark.needs_userns


@pytest.fixture
def world(tmp_path):
    store_image(tmp_path / "layout", str(tmp_path / "store"))
    return LifeWorld(tmp_path, "native", str(tmp_path / "store"), {})


def ask(world, script, **environ):
    world.environ.update(environ)
    return world.call("run", "--image", "life:1", "--", "sh", "-c", script).stdout


def test_a_name_that_only_a_directory_service_knows(world, tmp_path):
    """The name service of the C library is asked, of which the files in `/etc` are but one part."""
    [library] = glob.glob("/usr/lib/*/libnss_wrapper.so*")[:1] or pytest.skip(
        "needs tool: libnss-wrapper is not installed"
    )
    (tmp_path / "passwd").write_text(f"LAB\\ada:x:{os.getuid()}:{os.getgid()}:Ada:/nfs/home/ada:/bin/zsh\n")
    (tmp_path / "group").write_text(f"LAB\\people:x:{os.getgid()}:\n")
    said = ask(
        world,
        "id -un; id -gn; printf '%s %s %s\\n' $HOME $USER $SHELL; cd; pwd; echo mine > /work/mine",
        SHELL="/bin/zsh",
        LD_PRELOAD=library,
        NSS_WRAPPER_PASSWD=str(tmp_path / "passwd"),
        NSS_WRAPPER_GROUP=str(tmp_path / "group"),
    )
    home = "/root" if os.getuid() == 0 else "/home/LAB_ada"
    assert said.splitlines() == ["LAB\\ada", "LAB\\people", f"{home} LAB\\ada /bin/bash", home]
    assert (world.project / "mine").stat().st_uid == os.getuid()


def test_history_and_settings_last(world):
    ask(world, "echo 'x = 1' > ~/.python_history; mkdir -p ~/.config/tool; echo y > ~/.config/tool/rc")
    assert ask(world, "cat ~/.python_history ~/.config/tool/rc") == "x = 1\ny\n"
    assert not list(world.project.iterdir())


def test_nobody_is_more_than_the_caller(world):
    assert ask(
        world,
        "cat /proc/self/status | while read a b; do case $a in CapEff:|NoNewPrivs:) echo $b;; esac; done",
    ).split() == [
        "0000000000000000",
        "1",
    ]
