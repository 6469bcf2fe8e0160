import os
from datetime import timedelta

import pytest
from archive_samples import DATE, Archive, keyring_of, make_key, mirrors_for

from shipway.core.errors import FetchError, HashMismatch, NotFound, SignatureError
from shipway.core.events import Note
from shipway.host.http import Fetcher
from shipway.host.mirrors import Mirrors
from shipway.resolve.archives import fetch_archives, plan_suites
from shipway.spec.model import Base
from shipway.store.store import Store

NOW = DATE + timedelta(days=2)
BASE = Base(distribution="ubuntu", suite="noble")


@pytest.fixture(scope="module")
def key():
    return make_key()


@pytest.fixture
def keyring(tmp_path, key):
    path = tmp_path / "keyring.pgp"
    path.write_bytes(keyring_of(key))
    return path


@pytest.fixture
def archive(tmp_path, key):
    archive = Archive(tmp_path / "archive", key)
    archive.add("noble", {"Package": "tool", "Version": "1"})
    archive.add("noble", {"Package": "extra", "Version": "1"}, component="universe")
    archive.add("noble-updates", {"Package": "tool", "Version": "2"})
    for suite in ("noble", "noble-updates", "noble-security"):
        archive.publish(suite)
    return archive


@pytest.fixture
def ask(tmp_path, keyring, archive):
    """Read the base; `said` collects what was said."""
    store = Store.open(str(tmp_path / "store"))

    def read(base=BASE, mirrors=None, now=NOW, architectures=("amd64",)):
        read.said = []
        return fetch_archives(
            base,
            architectures,
            fetcher=Fetcher(),
            store=store,
            mirrors=mirrors or mirrors_for(archive.folder, keyring=keyring),
            now=now,
            emit=read.said.append,
        )

    return read


def versions(archives, name):
    return sorted(r.version for one in archives for index in one.read("amd64") for r in index.records(name))


def test_suites_of_a_release_and_of_a_rolling_one():
    assert [(one.alias, one.suite) for one in plan_suites(Base(distribution="debian", suite="bookworm"))] == [
        ("debian", "bookworm"),
        ("debian", "bookworm-updates"),
        ("debian-security", "bookworm-security"),
    ]
    assert [one.suite for one in plan_suites(Base(distribution="debian", suite="sid"))] == ["sid"]


def test_ubuntu_is_read_by_the_same_code(ask, key):
    archives = ask()
    assert [one.lock.suite for one in archives] == ["noble", "noble-updates", "noble-security"]
    assert archives[0].lock.components == ("main", "universe")
    assert archives[0].lock.signers == (key.extract_certificate().fingerprint,)
    assert archives[0].lock.date == "2026-07-01T12:00:00Z"
    assert versions(archives, "tool") == ["1", "2"]
    assert versions(archives, "extra") == ["1"]


@pytest.mark.parametrize("suffix", [".xz", ".gz", ""])
def test_every_compression(ask, archive, suffix):
    archive.publish("noble", suffix=suffix)
    assert versions(ask(), "tool") == ["1", "2"]


def test_indexes_are_kept_by_digest(ask, archive):
    ask()
    for folder, _, names in os.walk(archive.folder):
        for name in names:
            if "by-hash" in folder:
                os.unlink(os.path.join(folder, name))
    assert versions(ask(), "tool") == ["1", "2"]


def test_no_longer_valid_names_the_date_to_pin(ask, archive):
    archive.publish("noble", valid_days=1)
    with pytest.raises(SignatureError) as caught:
        ask()
    assert "2026-07-02" in caught.value.message
    assert any('"ubuntu:noble@2026-07-01"' in hint for hint in caught.value.hints)


def test_no_longer_valid_is_accepted_for_a_pinned_date(ask, archive):
    archive.publish("noble", valid_days=1)
    assert ask(Base(distribution="ubuntu", suite="noble", date="2026-07-01"))


def test_a_release_later_than_the_pinned_date_is_refused(ask):
    with pytest.raises(SignatureError, match="after 2026-06-30"):
        ask(Base(distribution="ubuntu", suite="noble", date="2026-06-30"))


def test_the_snapshot_service_has_what_the_mirror_no_longer_has(ask, archive, keyring, tmp_path, key):
    old = Archive(tmp_path / "old" / "20260630T235959Z", key)
    old.add("noble", {"Package": "tool", "Version": "0.9"})
    for suite in ("noble", "noble-updates", "noble-security"):
        old.publish(suite, date=DATE - timedelta(days=5))
    mark = f"file://{tmp_path}/old/@SNAPSHOTID@"
    mirrors = Mirrors(
        urls={"ubuntu": (f"file://{archive.folder}",)},
        snapshots={"ubuntu": (mark,), "ubuntu-security": (mark,)},
        keyrings={"ubuntu": str(keyring)},
    )
    archives = ask(Base(distribution="ubuntu", suite="noble", date="2026-06-30"), mirrors)
    assert versions(archives, "tool") == ["0.9"]
    assert any(isinstance(event, Note) and event.level == "warning" for event in ask.said)


def test_a_release_from_the_future_is_refused(ask):
    with pytest.raises(SignatureError) as caught:
        ask(now=DATE - timedelta(days=1))
    assert any("clock" in hint for hint in caught.value.hints)


def test_another_suite_under_this_name_is_refused(ask, archive):
    archive.publish("noble", suite_name="jammy", codename="jammy")
    with pytest.raises(SignatureError, match="`jammy`"):
        ask()


def test_a_mirror_with_a_bad_signature_is_passed_over_aloud(ask, archive, keyring, tmp_path):
    bad = Archive(tmp_path / "bad", make_key("Evil <e@example.org>"))
    for suite in ("noble", "noble-updates", "noble-security"):
        bad.publish(suite)
    assert versions(ask(mirrors=mirrors_for(bad.folder, archive.folder, keyring=keyring)), "tool") == [
        "1",
        "2",
    ]
    assert any("no trusted signature" in event.text for event in ask.said)


def test_only_bad_signatures_end_it(ask, keyring, tmp_path):
    bad = Archive(tmp_path / "bad", make_key("Evil <e@example.org>"))
    bad.publish("noble")
    with pytest.raises(SignatureError):
        ask(mirrors=mirrors_for(bad.folder, keyring=keyring))


def test_an_index_that_is_not_what_was_signed_is_refused(ask, archive):
    archive.publish("noble", mangle=lambda data: bytes([data[0] ^ 1]) + data[1:])
    os.makedirs(f"{archive.folder}/dists/noble/main/binary-amd64", exist_ok=True)
    with pytest.raises((HashMismatch, FetchError)):
        ask()


def test_a_suite_that_nobody_has(ask):
    with pytest.raises(NotFound, match="`nobel`"):
        ask(Base(distribution="ubuntu", suite="nobel"))


def test_no_mirror_at_all(ask, keyring):
    with pytest.raises(NotFound) as caught:
        ask(mirrors=Mirrors(keyrings={"ubuntu": str(keyring)}))
    assert "SHIPWAY_MIRROR_UBUNTU" in caught.value.hints[0]


def test_an_architecture_that_the_suite_lacks(ask):
    with pytest.raises(NotFound, match="`arm64`"):
        ask(architectures=("arm64",))


def test_security_is_never_left_out_in_silence(ask, archive):
    os.unlink(f"{archive.folder}/dists/noble-security/InRelease")
    with pytest.raises(NotFound, match="noble-security"):
        ask()
