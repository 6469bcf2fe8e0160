"""A store that came inside a container image: an overlay file system, where what lies below cannot simply be renamed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from crash_work import build

INSIDE = """
import os, sys
sys.path[:0] = sys.argv[1:3]
from crash_work import check_recovers, check_sound, damage, repair
from shipway.host import files
path = sys.argv[3] + "/store"
assert files.filesystem_type(path) == "overlay"
try:
    # The reason for this test. With redirect_dir the kernel could do it.
    name = os.listdir(path + "/trees-v1")[0]
    os.rename(path + "/trees-v1/" + name, path + "/trash/" + name)
    os.rename(path + "/trash/" + name, path + "/trees-v1/" + name)
    print("renamed")
except OSError as problem:
    assert problem.errno == 18
    print("refused")
check_sound(path)
damage(path)
assert repair(path)
check_recovers(path)
"""


@pytest.mark.needs_root
@pytest.mark.needs_tool("unshare", "mount")
def test_a_store_on_an_overlay(tmp_path):
    lower, upper, work, merged = (tmp_path / name for name in ("lower", "upper", "work", "merged"))
    for folder in (lower, upper, work, merged):
        folder.mkdir()
    build(str(lower / "store"))
    here = os.path.dirname(os.path.abspath(__file__))
    paths = [here, os.path.join(os.path.dirname(here), "unit", "store")]
    options = f"lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=off"
    done = subprocess.run(
        [
            *(
                "unshare",
                "-m",
                "sh",
                "-ec",
                f'mount -t overlay -o {options} overlay {merged} && exec "$@"',
                "sh",
            ),
            *(sys.executable, "-c", INSIDE, *paths, str(merged)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
