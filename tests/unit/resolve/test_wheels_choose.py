"""Which file fits, what uv's lock says, what an index page holds, how twins are compared: all without effects."""

import dataclasses

import pytest

from shipway.core.digest import BlobDigest, TreeKey
from shipway.core.errors import FetchError, ToolError
from shipway.host.http import Response
from shipway.lock.model import Lock, TargetLock, Wheel
from shipway.resolve.choose import describe_misfit, find_wheel, name_built, wheel_platforms
from shipway.resolve.simple_api import parse_project, versions
from shipway.resolve.twins import check_twins
from shipway.resolve.uv_lock import packages_of, parse_uv_lock
from shipway.resolve.uv_project import render_preferences
from shipway.resolve.wheel_request import WheelRequest

AMD64, ARM64 = "linux/amd64", "linux/arm64"


def pick(*tags, platform=AMD64, python="3.11", glibc=(2, 36)):
    found = find_wheel([f"x-1.0-{tag}.whl" for tag in tags], platform, python, glibc)
    return found and found.removeprefix("x-1.0-").removesuffix(".whl")


@pytest.mark.parametrize(
    ("tags", "best"),
    [
        (["py3-none-any", "cp311-cp311-manylinux_2_17_x86_64"], "cp311-cp311-manylinux_2_17_x86_64"),
        (["cp39-abi3-manylinux2014_x86_64", "py3-none-any"], "cp39-abi3-manylinux2014_x86_64"),
        (
            ["cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_34_x86_64"],
            "cp311-cp311-manylinux_2_34_x86_64",
        ),
        (["cp311-cp311-manylinux_2_37_x86_64", "py3-none-any"], "py3-none-any"),
        (["py2.py3-none-any", "py2-none-any"], "py2.py3-none-any"),
        (["1-py3-none-any", "2-py3-none-any"], "2-py3-none-any"),
        (
            ["cp311-cp311-manylinux_2_12_x86_64.manylinux2010_x86_64"],
            "cp311-cp311-manylinux_2_12_x86_64.manylinux2010_x86_64",
        ),
        (["cp311-cp311-linux_x86_64"], None),
        (["cp311-cp311-musllinux_1_2_x86_64"], None),
        (["cp312-cp312-manylinux_2_17_x86_64"], None),
        (["cp311-cp311t-manylinux_2_17_x86_64"], None),
        (["cp312-abi3-manylinux_2_17_x86_64"], None),
        (["cp311-cp311-macosx_11_0_arm64", "cp311-cp311-win_amd64"], None),
        (["pp311-pypy311_pp73-manylinux_2_17_x86_64"], None),
    ],
)
def test_best_file(tags, best):
    assert pick(*tags) == best
    assert pick(*reversed(tags)) == best


@pytest.mark.parametrize(
    ("name", "glibc", "called"),
    [
        ("x-1-cp311-cp311-linux_x86_64.whl", (2, 36), "x-1-cp311-cp311-manylinux_2_36_x86_64.whl"),
        ("x-1-cp311-cp311-linux_x86_64.whl", (1, 2), "x-1-cp311-cp311-musllinux_1_2_x86_64.whl"),
        ("x-1-cp311-cp311-manylinux_2_17_x86_64.whl", (2, 36), "x-1-cp311-cp311-manylinux_2_17_x86_64.whl"),
        ("x-1-py3-none-any.whl", (2, 36), "x-1-py3-none-any.whl"),
    ],
)
def test_what_is_built_is_called_after_its_c_library(name, glibc, called):
    assert name_built(name, AMD64, glibc) == called


def test_other_platform_and_newer_base():
    tags = ["cp313-cp313-manylinux_2_39_aarch64", "cp313-cp313-manylinux_2_39_x86_64"]
    assert pick(*tags, platform=ARM64, python="3.13", glibc=(2, 41)) == tags[0]
    assert pick(*tags, python="3.13", glibc=(2, 41)) == tags[1]
    assert pick(*tags, python="3.13", glibc=(2, 36)) is None


def test_names_that_are_no_wheels_are_passed_over():
    assert (
        find_wheel(["x-1.0.tar.gz", "nonsense.whl", "x-1.0-py3-none-any.whl"], AMD64, "3.11", (2, 36))
        == "x-1.0-py3-none-any.whl"
    )


def test_platform_tags_end_where_wheels_began():
    assert wheel_platforms(ARM64, (2, 18)) == (
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    )
    assert wheel_platforms(AMD64, (2, 36))[-1] == "manylinux1_x86_64"


def test_misfit_is_described():
    assert "glibc 2.36 (there are: cp311-cp311-linux_x86_64)" in describe_misfit(
        ["x-1-cp311-cp311-linux_x86_64.whl"], AMD64, "3.11", (2, 36)
    )
    assert "no wheel at all" in describe_misfit([], AMD64, "3.11", (2, 36))
    newer = describe_misfit(["a-1-cp311-cp311-manylinux_2_39_x86_64.whl"], AMD64, "3.11", (2, 36))
    assert newer.endswith(
        "(there are: cp311-cp311-manylinux_2_39_x86_64), but a base with a newer C library could use one"
    )
    other = describe_misfit(["a-1-cp312-cp312-manylinux_2_39_x86_64.whl"], AMD64, "3.11", (2, 36))
    assert other.endswith("(there are: cp312-cp312-manylinux_2_39_x86_64)")


UV_LOCK = """
version = 1
requires-python = ">=3.11"

[[package]]
name = "shipway-resolution"
version = "0"
source = { virtual = "." }
[package.dev-dependencies]
t0 = [{ name = "a", extra = ["x"] }, { name = "w", marker = "sys_platform == 'win32'" }]

[[package]]
name = "a"
version = "1.0"
source = { registry = "https://index.test/simple" }
dependencies = [{ name = "b", version = "1.0", marker = "python_full_version < '3.12'" }, { name = "b", version = "2.0", marker = "python_full_version >= '3.12'" }]
wheels = [{ url = "https://files.test/a-1.0%2Bcpu-py3-none-any.whl", hash = "sha256:00", size = 7 }]
[package.optional-dependencies]
x = [{ name = "c" }]
y = [{ name = "d" }]

[[package]]
name = "b"
version = "1.0"
[[package]]
name = "b"
version = "2.0"
[[package]]
name = "c"
version = "1.0"
dependencies = [{ name = "a" }]
[[package]]
name = "d"
version = "1.0"
[[package]]
name = "w"
version = "1.0"
"""


def request(python="3.11"):
    return WheelRequest(target="cpu", platform=AMD64, python=python, glibc=(2, 36), wishes=())


def test_closure_follows_markers_and_extras():
    lock = parse_uv_lock(UV_LOCK)
    assert [(p.name, p.version) for p in packages_of(lock, "t0", request())] == [
        ("a", "1.0"),
        ("b", "1.0"),
        ("c", "1.0"),
    ]
    assert ("b", "2.0") in [(p.name, p.version) for p in packages_of(lock, "t0", request("3.12"))]
    assert packages_of(lock, "t9", request()) == ()
    (file,) = lock.packages[0].wheels
    assert (file.filename, file.sha256, file.size) == ("a-1.0+cpu-py3-none-any.whl", "00", 7)


def test_format_of_a_newer_uv_is_refused():
    with pytest.raises(ToolError, match="format 2"):
        parse_uv_lock("version = 2\n")


def test_preferences_name_only_versions_and_known_indexes():
    digest = BlobDigest.of(b"")
    wheels = [
        Wheel(name=n, version="1", filename=f"{n}.whl", sha256=digest, size=1, index=i)
        for n, i in (("a", "default"), ("b", "gone"), ("c", ""))
    ]
    text = render_preferences(wheels, {"default": "https://i.test/s"}, "3.11")
    assert [p.name for p in parse_uv_lock(text).packages] == ["a"]
    assert "whl" not in text


# --- index pages


def page(body, kind="application/vnd.pypi.simple.v1+json", url="https://i.test/simple/x/"):
    return Response(body=body, url=url, content_type=kind, headers={})


def test_json_page():
    body = (
        b'{"files": [{"filename": "x-2.0-py3-none-any.whl", "url": "../../f/x-2.0-py3-none-any.whl", "hashes": {"sha256": "aa"}, "size": 3},'
        b'{"filename": "x-10.0.tar.gz", "url": "https://o.test/x-10.0.tar.gz", "hashes": {}, "yanked": "bad"},'
        b'{"filename": "x-1.0.zip", "url": "file:///etc/passwd", "hashes": {}}]}'
    )
    files = parse_project(page(body))
    assert [(f.url, f.sha256, f.size, f.yanked) for f in files] == [
        ("https://i.test/f/x-2.0-py3-none-any.whl", "aa", 3, False),
        ("https://o.test/x-10.0.tar.gz", "", 0, True),
    ]
    assert versions(files) == ["2.0"]


def test_html_page():
    body = b'<html><a href="../f/x-2.0%2Bcpu-py3-none-any.whl#sha256=bb" data-requires-python="&gt;=3.8">x</a><a href="file:///etc/shadow">y</a></html>'
    (file,) = parse_project(page(body, "text/html"))
    assert (file.filename, file.sha256, file.requires_python) == ("x-2.0+cpu-py3-none-any.whl", "bb", ">=3.8")
    assert file.url == "https://i.test/simple/f/x-2.0%2Bcpu-py3-none-any.whl"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"files": [1]}', "application/json"),
        (b"\x89PNG", "image/png"),
    ],
)
def test_page_that_is_none(body, kind):
    with pytest.raises(FetchError):
        parse_project(page(body, kind))


# --- twins


def test_twins_differ_per_platform_only():
    def wheel(name, version, tag="py3-none-any"):
        return Wheel(
            name=name,
            version=version,
            filename=f"{name}-{version}-{tag}.whl",
            sha256=BlobDigest.of(b""),
            size=1,
        )

    a1, a2, b = wheel("a", "1"), wheel("a", "2"), wheel("b", "1")
    cpu = TargetLock(name="cpu", platform=AMD64, base="debian:bookworm", wheels=(a1.id, b.id))
    gpu = TargetLock(name="gpu", platform=AMD64, base="debian:bookworm", wheels=(a2.id, b.id))
    arm = dataclasses.replace(gpu, name="cpu", platform=ARM64)
    lock = Lock(name="x", inputs=TreeKey.of(b""), epoch=0, wheels=(a1, a2, b), targets=(cpu, gpu, arm))
    (difference,) = check_twins(lock)
    assert (difference.name, difference.versions, difference.platform) == ("a", ("1", "2"), AMD64)
    assert "cpu: a-1-py3-none-any.whl" in str(difference)
    assert check_twins(dataclasses.replace(lock, targets=(cpu, arm))) == []
