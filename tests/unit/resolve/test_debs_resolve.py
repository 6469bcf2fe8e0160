"""The whole way of a request, offline: an archive that the test makes and signs, and in it this machine's own apt."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest
from archive_samples import DATE, Archive, keyring_of, make_key, mirrors_for
from host_programs import files_of

from shipway.core.errors import ConflictError, NotFound
from shipway.host.http import Fetcher
from shipway.lock.model import Lock
from shipway.resolve.deb_locations import deb_locations, describe_locations
from shipway.resolve.debs import DebRequest, resolve_debs
from shipway.resolve.solver_run import Solver
from shipway.spec.model import Base, Origin, Wish
from shipway.store.store import Store

pytestmark = [pytest.mark.needs_userns, pytest.mark.needs_tool("apt-get")]

SUITES = ("noble", "noble-updates", "noble-security")
BASE = Base(distribution="ubuntu", suite="noble")


def table_files():
    found = {}
    for name in ("cputable", "ostable", "tupletable", "abitable"):
        path = f"/usr/share/dpkg/{name}"
        if os.path.exists(path):
            with open(path, "rb") as stream:
                found[path.lstrip("/")] = (stream.read(), 0o644)
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An archive of tiny packages, a host that knows it, and a store."""
    folder = tmp_path_factory.mktemp("world")
    key = make_key()
    (folder / "keyring.pgp").write_bytes(keyring_of(key))
    archive = Archive(folder / "archive", key)
    add = archive.add
    add(
        "noble",
        {"Package": "apt", "Version": "2", "Depends": "libapt"},
        files=files_of("apt-get", "/usr/lib/apt/methods/http"),
    )
    add("noble", {"Package": "libapt", "Version": "2"})
    add("noble", {"Package": "dpkg", "Version": "1", "Essential": "yes"}, files=table_files())
    add("noble", {"Package": "base-files", "Version": "1", "Essential": "yes", "Pre-Depends": "awk"})
    add("noble", {"Package": "mawk", "Version": "1", "Provides": "awk"})
    add("noble", {"Package": "gawk", "Version": "1", "Provides": "awk"})
    add(
        "noble",
        {
            "Package": "tool",
            "Version": "1.0",
            "Depends": "libtool1",
            "Recommends": "manual",
            "Source": "tools",
        },
    )
    add("noble", {"Package": "libtool1", "Version": "1.0"})
    add("noble", {"Package": "manual", "Version": "1.0"})
    add("noble", {"Package": "mail-a", "Version": "1", "Conflicts": "mail-b"})
    add("noble", {"Package": "mail-b", "Version": "1"})
    add("noble", {"Package": "needy", "Version": "1", "Depends": "tool (>= 9)"})
    add("noble", {"Package": "universal", "Version": "1"}, component="universe")
    add("noble-updates", {"Package": "libtool1", "Version": "1.1"})
    for suite in SUITES:
        archive.publish(suite)
    return (
        archive,
        mirrors_for(archive.folder, keyring=folder / "keyring.pgp"),
        Store.open(str(folder / "store")),
    )


def wishes(*names):
    return tuple(Wish(text=name, origin=Origin(file="shipway.toml", line=3, key="apt")) for name in names)


def request(*names, target="cpu", recommends=False):
    return DebRequest(
        target=target, platform="linux/amd64", base=BASE, names=wishes(*names), recommends=recommends
    )


def resolve(world, *requests, **options):
    _, mirrors, store = world
    return resolve_debs(
        requests,
        fetcher=Fetcher(),
        store=store,
        mirrors=mirrors,
        host_platform="linux/amd64",
        now=DATE + timedelta(days=1),
        **options,
    )


def names_of(resolution, target="cpu"):
    return [name.partition("=")[0] for name in resolution.targets[target, "linux/amd64"]]


def version_of(resolution, name):
    return {deb.name: deb.version for deb in resolution.debs}[name]


def test_the_essential_set_and_what_it_needs(world):
    assert names_of(resolve(world, request())) == ["base-files", "dpkg", "gawk"]


def test_a_wish_on_top(world):
    found = resolve(world, request("tool"))
    assert names_of(found) == ["base-files", "dpkg", "gawk", "libtool1", "tool"]
    tool = next(deb for deb in found.debs if deb.name == "tool")
    assert tool.depends == ("libtool1",)
    assert tool.source == "tools"
    assert tool.path == "pool/main/tool_1.0_amd64.deb"
    assert tool.archive == "ubuntu"
    assert next(deb for deb in found.debs if deb.name == "base-files").depends == ("gawk",)


def test_the_newest_suite_wins(world):
    assert version_of(resolve(world, request("tool")), "libtool1") == "1.1"


def test_a_wish_does_not_change_the_base(world):
    assert names_of(resolve(world, request("mawk"))) == ["base-files", "dpkg", "gawk", "mawk"]


def test_recommended_packages_only_when_asked(world):
    assert "manual" in names_of(resolve(world, request("tool", recommends=True)))


def test_a_version_and_a_suite_by_name(world):
    assert version_of(resolve(world, request("libtool1=1.0")), "libtool1") == "1.0"
    assert version_of(resolve(world, request("libtool1/noble")), "libtool1") == "1.0"


def test_universe_belongs_to_ubuntu(world):
    assert "universal" in names_of(resolve(world, request("universal")))


def test_twins_share_versions(world):
    found = resolve(world, request("libtool1=1.0"), request("tool", target="gpu"))
    assert version_of(found, "libtool1") == "1.0"
    assert len([deb for deb in found.debs if deb.name == "libtool1"]) == 1
    assert "tool" in names_of(found, "gpu")


def test_twins_that_want_two_versions(world):
    with pytest.raises(ConflictError, match=r"`cpu` wants `libtool1=1.0`, target `gpu`"):
        resolve(world, request("libtool1=1.0"), request("libtool1=1.1", target="gpu"))


def lock_of(resolution):
    from shipway.core.digest import key_of

    return Lock(name="x", inputs=key_of({}), epoch=0, archives=resolution.archives, debs=resolution.debs)


def test_adding_a_package_moves_no_other(world):
    previous = lock_of(resolve(world, request("libtool1=1.0")))
    assert version_of(resolve(world, request("tool"), previous=previous), "libtool1") == "1.0"
    upgraded = resolve(world, request("tool"), previous=previous, upgrade=frozenset({"libtool1"}))
    assert version_of(upgraded, "libtool1") == "1.1"
    assert version_of(resolve(world, request("tool"), previous=previous, upgrade=None), "libtool1") == "1.1"


def test_a_typing_mistake_gets_the_nearest_name(world):
    with pytest.raises(NotFound) as caught:
        resolve(world, request("tol"))
    assert "`tol` does not exist in `ubuntu:noble` (shipway.toml:3 (apt))" in caught.value.message
    assert "`tool`" in caught.value.hints[0]


def test_a_missing_version_lists_those_there_are(world):
    with pytest.raises(NotFound) as caught:
        resolve(world, request("libtool1=7"))
    assert "1.0" in caught.value.hints[0]
    assert "1.1" in caught.value.hints[0]


def test_a_virtual_package_names_its_providers(world):
    with pytest.raises(NotFound) as caught:
        resolve(world, request("awk"))
    assert "gawk, mawk" in caught.value.hints[0]


@pytest.mark.parametrize("text", ["Bad_Name", "a b", "--yes", "tool;rm", "tool=", ""])
def test_what_is_no_package_name_never_reaches_apt(world, text):
    with pytest.raises(NotFound, match="no package name"):
        resolve(world, request(text))


def test_a_missing_suite(world):
    with pytest.raises(NotFound, match="unavailable"):
        resolve(world, request("tool/unavailable"))


def test_packages_that_exclude_each_other(world):
    with pytest.raises(ConflictError) as caught:
        resolve(world, request("mail-a", "mail-b"))
    assert "`mail-a` (shipway.toml:3 (apt))" in caught.value.message
    assert "Conflicts: mail-b" in caught.value.detail


def test_a_dependency_that_cannot_be_had(world):
    with pytest.raises(ConflictError) as caught:
        resolve(world, request("needy"))
    assert "`needy`" in caught.value.message
    assert "tool (>= 9)" in caught.value.detail


def test_the_same_question_is_answered_from_memory(world, monkeypatch):
    first = resolve(world, request("tool"))
    monkeypatch.setattr("shipway.resolve.debs._Group._ask", None)
    assert resolve(world, request("tool")) == first


def test_locations_are_mirrors_then_snapshots(world):
    found = resolve(world, request("tool"))
    tool = next(deb for deb in found.debs if deb.name == "tool")
    archive, mirrors, _ = world
    with_snapshot = type(mirrors)(
        urls=mirrors.urls,
        snapshots={"ubuntu": ("http://snap.example/@SNAPSHOTID@",)},
        keyrings=mirrors.keyrings,
    )
    locations = deb_locations(tool, found.archives, with_snapshot)
    assert [one.url for one in locations] == [
        f"file://{archive.folder}/pool/main/tool_1.0_amd64.deb",
        "http://snap.example/20260701T120000Z/pool/main/tool_1.0_amd64.deb",
    ]
    assert "snap.example" in describe_locations(tool, locations)


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("chroot", marks=pytest.mark.needs_root),
        pytest.param("proot", marks=pytest.mark.needs_tool("proot")),
    ],
)
def test_hosts_that_refuse_mounts_choose_the_same(world, mode, monkeypatch):
    expected = resolve(world, request("tool"))
    monkeypatch.setattr("shipway.store.store.Store.record", lambda *_: None)
    init = Solver.__init__
    monkeypatch.setattr(Solver, "__init__", lambda *args, **options: init(*args, **{**options, "mode": mode}))
    assert resolve(world, request("tool")) == expected


def status_of(*packages):
    """A dpkg status with `name version` or `name version state` each, and what every image of the suite has."""
    stanzas = []
    for text in ("base-files 1", "dpkg 1", "gawk 1", *packages):
        name, version, *state = text.split()
        fields = [
            f"Package: {name}",
            f"Status: {' '.join(state) or 'install ok installed'}",
            f"Version: {version}",
        ]
        stanzas.append("\n".join([*fields, "Architecture: amd64", "Maintainer: a", "Description: d", ""]))
    return "\n".join(stanzas).encode()


def over(world, status, *names):
    return resolve(world, replace(request(*names), installed=status))


def test_over_an_image_only_what_it_lacks_is_chosen(world):
    assert names_of(over(world, status_of(), "tool")) == ["libtool1", "tool"]
    assert names_of(over(world, status_of("libtool1 1.0"), "tool")) == ["tool"]
    assert names_of(over(world, status_of("tool 0.9"), "tool")) == []
    assert names_of(over(world, status_of("tool 1.0 deinstall ok config-files"), "tool")) == [
        "libtool1",
        "tool",
    ]


def test_what_an_image_has_from_elsewhere_need_not_be_in_the_archive(world):
    assert names_of(over(world, status_of("cuda-toolkit 12.4"), "cuda-toolkit", "manual")) == ["manual"]
    with pytest.raises(NotFound, match="cuda-toolkit"):
        over(world, status_of(), "cuda-toolkit")


@pytest.mark.parametrize(("has", "wanted"), [("1.0", "1.1"), ("1.1", "1.0")])
def test_a_version_that_is_named_is_taken_whatever_the_image_has(world, has, wanted):
    found = over(world, status_of(f"libtool1 {has}"), f"libtool1={wanted}")
    assert version_of(found, "libtool1") == wanted


def test_what_the_image_has_is_never_removed(world):
    with pytest.raises(
        ConflictError, match=r"`mail-a` \(shipway.toml:3 \(apt\)\).*without removing `mail-b`"
    ):
        over(world, status_of("mail-b 1"), "mail-a")
