"""What a target takes from its base image, and what has to be added."""

import pytest

from shipway.core.base_facts import BaseFacts, FoundPython
from shipway.core.digest import BlobDigest, DiffId, Digest, TreeKey
from shipway.core.errors import ConflictError, NotFound, SpecError
from shipway.core.events import Note
from shipway.lock.model import BaseImage, BaseLayer, Lock, TargetLock, Wheel
from shipway.resolve.bases import (
    FoundBase,
    check_bases,
    find_bases,
    find_python,
    libc_over,
    lock_python,
    made_at,
    packages_over,
    wishes_over,
)
from shipway.resolve.choose import describe_misfit, find_wheel, wheel_platforms
from shipway.spec.model import Base, Origin, Spec, Target, Wish

NAME = "docker://registry.example.org/team/base:1"
PLATFORM = "linux/amd64"
DEBIAN = {"distribution": "debian", "suite": "bookworm", "libc": "glibc", "libc_version": "2.36"}
ALPINE = {"distribution": "alpine", "suite": "", "release": "3.20", "libc": "musl", "libc_version": "1.2"}
OWN = FoundPython(version="3.11.9", executable="/usr/local/bin/python3.11")
NEEDED = ("libgcc-s1", "zlib1g")


def image(name=NAME, platform=PLATFORM, number=0, **more):
    layer = BaseLayer(
        diff_id=DiffId.of(b"l"), sha256=BlobDigest.of(b"b"), size=1, media_type="application/x", unpacked=1
    )
    digest = Digest.of(f"{name} {platform} {number}".encode())
    return BaseImage(name=name, platform=platform, manifest=digest, config=digest, layers=(layer,), **more)


def found(*pythons, debs=(), status=b"Package: dpkg\n", **facts):
    facts = {**DEBIAN, **facts}
    return FoundBase(image(), BaseFacts(pythons=pythons, debs=tuple(debs), **facts), status)


def wishes(*names):
    return tuple(Wish(text=name, origin=Origin(file="shipway.toml", line=3, key="apt")) for name in names)


def target(*apt, python="", pip=("iniconfig",), name="cpu"):
    return Target(name=name, base=Base(image=NAME), python=python, apt=wishes(*apt), pip=wishes(*pip))


def added(*args):
    return [wish.text for wish in wishes_over(*args, NEEDED)]


def test_only_what_is_missing_is_asked_for():
    base = found(OWN, debs=[("zlib1g", "1", "amd64")])
    assert added(target("git"), base) == ["git", "libgcc-s1"]
    assert added(target("git"), found(debs=[("zlib1g", "1", "amd64")])) == ["git", "libgcc-s1", "python3"]


def test_the_interpreter_of_the_base_is_used_if_it_fits():
    base = found(OWN, FoundPython(version="3.9", executable="/opt/py/bin/python3.9"))
    assert find_python(target(), base) is base.facts.pythons[0]
    assert find_python(target(python="3.11.9"), base) is base.facts.pythons[0]
    assert find_python(target(python="3.9"), base) is base.facts.pythons[1]
    assert find_python(target(python="3.12"), base) is None
    locked = lock_python(OWN)
    assert (locked.version, locked.executable, locked.origin) == ("3.11", "/usr/local/bin/python3.11", "base")


def test_the_suites_own_python_is_added_only_if_it_is_the_wanted_one():
    assert added(target(python="3.11"), found()) == [*NEEDED, "python3"]
    assert added(target(python="3.12"), found()) == [*NEEDED]


def test_half_of_debians_python_is_none():
    half = FoundPython(version="3.11.2", executable="/usr/bin/python3.11")
    minimal = ("python3.11-minimal", "3.11.2-6", "amd64")
    rest = ("libpython3.11-stdlib", "3.11.2-6", "amd64")
    assert find_python(target(), found(half, debs=[minimal])) is None
    assert find_python(target(), found(half, debs=[minimal, rest])) is half


def test_an_environment_of_others_lends_its_interpreter():
    inner = FoundPython(version="3.11", executable="/app/bin/python3.11", home="/usr/local/bin/python3.11")
    assert lock_python(inner).executable == "/usr/local/bin/python3.11"
    ours = FoundPython(version="3.11", executable="/opt/venv/bin/python3.11", home="/usr/bin/python3.11")
    with pytest.raises(SpecError, match="/opt/venv"):
        find_python(target(), found(ours))


@pytest.mark.parametrize(
    ("facts", "status"), [(ALPINE, b""), (DEBIAN, b""), ({**DEBIAN, "suite": ""}, b"Package: dpkg\n")]
)
def test_without_an_archive_nothing_is_added(facts, status):
    base = found(OWN, status=status, **facts)
    assert base.archive is None
    assert added(target(), base) == []


def test_os_packages_where_none_can_be_added_are_refused_with_the_wish():
    spec = Spec(name="x", file="", targets=(target("git"),), default_target="cpu")
    bare = found(status=b"", **ALPINE)
    with pytest.raises(SpecError, match=r"`git` \(shipway.toml:3 \(apt\)\).* is alpine 3.20"):
        find_bases(spec, [PLATFORM], lambda *_: bare, previous=None, upgrade=frozenset())


@pytest.mark.parametrize(
    ("upgrade", "kept"),
    [(frozenset(), True), ({"numpy"}, True), ({"base"}, False), ({NAME}, False), (None, False)],
)
def test_the_locked_image_is_kept_until_it_is_named(upgrade, kept):
    asked = []

    def find(name, platform, locked):
        asked.append((name, platform, locked))
        return found(OWN)

    old = image()
    previous = Lock(name="x", inputs=TreeKey.of(b""), epoch=0, bases=(old,))
    spec = Spec(name="x", file="", targets=(target(), target(name="gpu")), default_target="cpu")
    bases = find_bases(spec, [PLATFORM], find, previous=previous, upgrade=upgrade)
    assert asked == [(NAME, PLATFORM, old if kept else None)]
    assert sorted(bases) == [("cpu", PLATFORM), ("gpu", PLATFORM)]


def test_the_c_library_is_that_of_what_is_there_in_the_end():
    base = found(debs=[("libc6", "2.36-9", "amd64")])
    assert libc_over(base, packages_over(base, ())) == (2, 36)
    newer = packages_over(base, packages_over(found(debs=[("libc6", "2.41-1", "amd64")]), ()))
    assert libc_over(base, newer) == (2, 41)
    assert libc_over(found(status=b"", **ALPINE), ()) == (1, 2)
    with pytest.raises(NotFound, match="no C library"):
        libc_over(found(libc="", libc_version=""), ())


def test_wheels_for_musl():
    assert wheel_platforms(PLATFORM, (1, 2))[0] == "musllinux_1_2_x86_64"
    names = ["a-1-cp311-cp311-manylinux2014_x86_64.whl", "a-1-cp311-cp311-musllinux_1_1_x86_64.whl"]
    assert find_wheel(names, PLATFORM, "3.11", (1, 2)) == names[1]
    assert find_wheel(names, PLATFORM, "3.11", (2, 36)) == names[0]
    assert find_wheel(names[:1], PLATFORM, "3.11", (1, 2)) is None
    assert "with musl 1.2" in describe_misfit(names[:1], PLATFORM, "3.11", (1, 2))


def test_what_does_not_go_together_ends_the_lock_and_the_rest_is_told():
    wheel = Wheel(
        name="a",
        version="1",
        filename="a-1-cp311-cp311-manylinux_2_39_x86_64.whl",
        sha256=BlobDigest.of(b"a"),
        size=1,
    )
    locked = TargetLock(name="cpu", platform=PLATFORM, base=NAME, wheels=(wheel.id,), python=lock_python(OWN))
    lock = Lock(name="x", inputs=TreeKey.of(b""), epoch=0, wheels=(wheel,), targets=(locked,))
    said = []
    with pytest.raises(ConflictError, match="glibc"):
        check_bases(lock, {("cpu", PLATFORM): found(OWN)}, said.append)
    check_bases(lock, {("cpu", PLATFORM): found(OWN, libc_version="2.39")}, said.append)
    assert not [event for event in said if isinstance(event, Note)]


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-07-01T00:00:00Z", 1782864000),
        ("2026-07-01T00:00:00.123456789+02:00", 1782864000),
        ("1601-01-01T00:00:00Z", 0),
        ("", None),
        ("yesterday", None),
    ],
)
def test_when_a_base_was_made(created, expected):
    assert made_at(found()._replace(created=created)) == expected
