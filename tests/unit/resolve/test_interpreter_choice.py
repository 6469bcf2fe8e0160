"""Which Python a target gets."""

import hashlib
import json

import pytest

from shipway.core.digest import BlobDigest
from shipway.core.errors import NotFound, SpecError
from shipway.host.http import Fetcher
from shipway.lock.model import Deb
from shipway.resolve.interpreter import (
    base_pythons,
    choose_interpreter,
    exact_version,
    interpreter_wishes,
    python_locations,
)
from shipway.spec.model import Base, Target
from shipway.testing.file_server import FileServer

AMD64, ARM64 = "linux/amd64", "linux/arm64"


def deb(name, version):
    nothing = BlobDigest.of(b"")
    return Deb(
        name=name,
        version=version,
        architecture="amd64",
        sha256=nothing,
        size=1,
        path="p",
        archive="debian",
        source=name,
    )


BOOKWORM = (
    deb("python3", "3.11.2-1+b1"),
    deb("python3.11", "3.11.2-6+deb12u6"),
    deb("python3.11-minimal", "3.11.2-6+deb12u6"),
)


def target(python="", suite="bookworm", distribution="debian"):
    return Target(name="cpu", base=Base(distribution=distribution, suite=suite), python=python)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Stand-alone builds on loopback: what uv lists, and where the archives are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with FileServer() as server:
        entries = {}
        for arch in ("x86_64", "aarch64"):
            for minor, patch, pre in ((12, 3, ""), (12, 4, ""), (13, 0, "rc1"), (8, 20, "")):
                version = f"3.{minor}.{patch}{pre}"
                name = f"cpython-{version}+20240701-{arch}-unknown-linux-gnu-install_only_stripped.tar.gz"
                path = f"/up/releases/download/20240701/{name}"
                url = server.put(path, f"archive {name}".encode()).replace("+", "%2B")
                entries[f"cpython-{version}-linux-{arch}-gnu"] = {
                    "name": "cpython",
                    "arch": {"family": arch, "variant": None},
                    "os": "linux",
                    "libc": "gnu",
                    "major": 3,
                    "minor": minor,
                    "patch": patch,
                    "prerelease": pre,
                    "url": url,
                    "sha256": None,
                    "variant": None,
                    "build": "20240701",
                }
        server.list = tmp_path / "downloads.json"
        server.entries = entries
        server.list.write_text(json.dumps(entries))
        server.environ = {"HOME": str(tmp_path), "UV_PYTHON_DOWNLOADS_JSON_URL": str(server.list)}
        yield server


def choose(mirror, wanted, platform=AMD64, debs=BOOKWORM, **more):
    environ = {**mirror.environ, **more}
    return choose_interpreter(
        target(wanted), platform, debs, fetcher=Fetcher(environ=environ), environ=environ
    )


@pytest.mark.parametrize(
    ("python", "suite", "expected"),
    [
        ("", "bookworm", ["python3"]),
        ("", "sid", ["python3"]),
        ("3.11", "bookworm", ["python3"]),
        ("3.11.2", "bookworm", ["python3"]),
        ("3.12", "bookworm", []),
        ("3.14", "sid", ["python3"]),
    ],
)
def test_os_packages_that_bring_it(python, suite, expected):
    assert [wish.text for wish in interpreter_wishes(target(python, suite))] == expected


def test_second_python_of_an_archive():
    assert interpreter_wishes(target("3.11", "jammy", "ubuntu"))[0].text == "python3.11"


@pytest.mark.parametrize("python", ["", "3.11", "3.11.2"])
def test_the_bases_own(python):
    chosen = choose_interpreter(target(python), AMD64, BOOKWORM)
    assert (chosen.version, chosen.executable, chosen.origin) == ("3.11", "/usr/bin/python3.11", "base")
    assert exact_version(chosen, BOOKWORM) == "3.11.2"


def test_default_of_several():
    debs = (*BOOKWORM, deb("python3.9-minimal", "3.9.1-1"))
    assert list(base_pythons(debs)) == ["3.11", "3.9"]


def test_no_version_at_all():
    with pytest.raises(SpecError, match="banana"):
        interpreter_wishes(target("banana"))


def test_base_without_python():
    with pytest.raises(NotFound, match="python3"):
        choose_interpreter(target(), AMD64, ())


def test_standalone_newest_of_the_minor_version_by_hash(mirror):
    chosen = choose(mirror, "3.12")
    body = mirror.pages["/up/releases/download/20240701/" + chosen.filename].body
    assert "3.12.4" in chosen.filename
    assert chosen.sha256 == BlobDigest.of(body)
    assert (chosen.version, chosen.executable, chosen.origin) == (
        "3.12",
        "/opt/python/bin/python3.12",
        "standalone",
    )
    assert exact_version(chosen, ()) == "3.12.4"
    assert "127.0.0.1" not in repr(chosen)


def test_standalone_of_another_platform_and_exact_version(mirror):
    assert "3.12.3" in choose(mirror, "3.12.3", ARM64).filename
    assert "aarch64" in choose(mirror, "3.12.3", ARM64).filename


def test_digest_from_the_sums_beside_it(mirror):
    name = "cpython-3.12.4+20240701-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz"
    mirror.put(
        "/up/releases/download/20240701/SHA256SUMS",
        f"{'a' * 64}  other\n{'b' * 64}  {name}\n".encode(),
        "text/plain",
    )
    assert choose(mirror, "3.12").sha256.hex == "b" * 64
    assert mirror.asked("/up/releases/download/20240701/" + name) == []


def test_digest_from_the_list(mirror):
    for entry in mirror.entries.values():
        entry["sha256"] = hashlib.sha256(entry["url"].encode()).hexdigest()
    mirror.list.write_text(json.dumps(mirror.entries))
    choose(mirror, "3.12")
    assert mirror.requests == []


def test_mirror_is_asked_first_and_found_again_at_run_time(mirror):
    chosen = choose(mirror, "3.12")
    with FileServer() as other:
        environ = {**mirror.environ, "UV_PYTHON_INSTALL_MIRROR": other.url + "/m"}
        places = python_locations(chosen, environ)
        assert [place.url.split("/")[2] for place in places] == [
            f"127.0.0.1:{other.port}",
            f"127.0.0.1:{mirror.port}",
        ]
        assert places[0].url.startswith(other.url + "/m/20240701/cpython-3.12.4")


def test_build_that_uv_no_longer_lists_is_found_by_its_name(mirror):
    chosen = choose(mirror, "3.12")
    left = {key: entry for key, entry in mirror.entries.items() if "3.12.4" not in key}
    mirror.list.write_text(json.dumps(left))
    assert python_locations(chosen, mirror.environ)[0].url.endswith(
        "/20240701/cpython-3.12.4%2B20240701-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz"
    )


@pytest.mark.parametrize("wanted", ["3.7", "3.12.99", "3.13"])
def test_version_that_nobody_has(mirror, wanted):
    with pytest.raises(NotFound, match=wanted) as caught:
        choose(mirror, wanted)
    assert any("3.11.2" in hint for hint in caught.value.hints)
    assert any("stand-alone" in hint for hint in caught.value.hints)


def test_a_base_of_musl_gets_a_build_of_musl(mirror):
    name = "cpython-3.12.3+20240701-x86_64-unknown-linux-musl-install_only_stripped.tar.gz"
    url = mirror.put(f"/up/releases/download/20240701/{name}", b"musl").replace("+", "%2B")
    one = {**mirror.entries["cpython-3.12.3-linux-x86_64-gnu"], "libc": "musl", "url": url}
    mirror.list.write_text(json.dumps({**mirror.entries, "cpython-3.12.3-linux-x86_64-musl": one}))
    fetcher = Fetcher(environ=mirror.environ)
    chosen = choose_interpreter(
        target("3.12"), AMD64, (), libc="musl", fetcher=fetcher, environ=mirror.environ
    )
    assert (chosen.filename, chosen.sha256) == (name, BlobDigest.of(b"musl"))
    assert "musl" not in choose(mirror, "3.12").filename
    assert [place.url for place in python_locations(chosen, mirror.environ)] == [url]
