"""Overlay options and what the kernel shows of them: recorded lines of /proc/self/mountinfo."""

from __future__ import annotations

import pytest

from shipway.sandbox import SandboxFailure
from shipway.sandbox.overlay import PAGE_LIMIT, Layers, count_lowers, mount_overlay, render_options


def line(options: str) -> str:
    return f"521 480 0:61 / / rw,nosuid,nodev,relatime - overlay shipway {options}\n"


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ("rw,lowerdir=/a,upperdir=/u,workdir=/w", 1),
        ("rw,lowerdir=/a:/b:/c,upperdir=/u,workdir=/w,userxattr", 3),
        ("rw,lowerdir+=/a,lowerdir+=/b,upperdir=/u:x,workdir=/w", 2),
        ("ro,lowerdir=/a\\134:x:/b", 2),
        ("ro,lowerdir=/a\\134\\134:/b", 2),
        ("rw,lowerdir=" + ":".join(str(n) for n in range(500)), 500),
        ("rw,upperdir=/u", 0),
    ],
)
def test_lowers_are_counted(options, count):
    assert count_lowers(line(options)) == count


def test_optional_fields_before_the_dash():
    assert count_lowers("1 2 0:1 / / rw shared:7 master:3 - overlay s rw,lowerdir=/a:/b\n") == 2


def test_500_names_fit_a_page():
    options = render_options(Layers(range(500), 1, 2, volatile=True, userxattr=True))
    assert len(options) < PAGE_LIMIT
    assert options.startswith("userxattr,volatile,lowerdir=0:1:2:")
    assert options.endswith(":499,upperdir=u,workdir=w")


def test_what_would_be_cut_is_refused():
    with pytest.raises(OSError, match="bytes of overlay options"):
        render_options(Layers(range(1200), 1, 2, volatile=False, userxattr=False))


def test_volatile_needs_an_upper():
    assert render_options(Layers([1, 2], None, None, volatile=True, userxattr=False)) == "lowerdir=0:1"


@pytest.mark.parametrize("count", [0, 501])
def test_number_of_lowers_is_said(count, tmp_path):
    with pytest.raises(SandboxFailure, match=f"1 to 500 lower directories and was given {count}: merge"):
        mount_overlay(Layers(range(count), None, None, volatile=False, userxattr=True), 0, str(tmp_path))
