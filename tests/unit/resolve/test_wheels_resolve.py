"""Requests -> wheels, with the real uv against an index on loopback."""

import dataclasses
import json
import os

import pytest

from shipway.core.digest import BlobDigest, TreeKey
from shipway.core.errors import ConflictError, FetchError, HashMismatch, NotFound, OfflineError, SpecError
from shipway.core.events import Note
from shipway.host.http import Fetcher
from shipway.host.indexes import read_indexes
from shipway.lock.model import Lock, TargetLock
from shipway.resolve.twins import check_twins
from shipway.resolve.wheel_request import WheelRequest
from shipway.resolve.wheels import resolve_wheels
from shipway.spec.model import IndexSource, Origin, Wish
from shipway.testing.file_server import Behaviour
from shipway.testing.package_index import PackageIndex

AMD64, ARM64 = "linux/amd64", "linux/arm64"


def request(target, *texts, platform=AMD64, python="3.11", glibc=(2, 36), constraints=(), indexes=()):
    return WheelRequest(
        target=target,
        platform=platform,
        python=python,
        glibc=glibc,
        wishes=tuple(Wish(text=t, origin=Origin(file="req.txt", line=n)) for n, t in enumerate(texts, 1)),
        constraints=tuple(
            Wish(text=t, origin=Origin(file="constraints.txt", line=n)) for n, t in enumerate(constraints, 1)
        ),
        indexes=tuple(indexes),
    )


def lock_of(resolution, requests):
    targets = tuple(
        TargetLock(
            name=r.target,
            platform=r.platform,
            base="debian:bookworm",
            wheels=resolution.targets[r.target, r.platform],
        )
        for r in requests
    )
    return Lock(name="x", inputs=TreeKey.of(b""), epoch=0, wheels=resolution.wheels, targets=targets)


@pytest.fixture
def index():
    with PackageIndex() as running:
        running.add_wheel("app", "1.0", requires=["lib>=1"])
        running.add_wheel("app", "2.0", requires=["lib>=2"], extras={"gpu": ["cuda-bits"]})
        for version in ("1.0", "2.0", "2.1"):
            running.add_wheel("lib", version)
        running.add_wheel("cuda-bits", "12.0")
        yield running


@pytest.fixture
def resolve(index, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    notes = []

    def go(*requests, environ=None, urls=None, folders=None, offline=False, **options):
        given = {
            "HOME": str(tmp_path),
            "SHIPWAY_INDEX_DEFAULT": index.simple_url,
            "PATH": os.environ["PATH"],
            **(environ or {}),
        }
        table = read_indexes(given, urls=urls, folders=folders)
        fetcher = Fetcher(environ=given, offline=offline)
        return resolve_wheels(
            requests, indexes=table, fetcher=fetcher, environ=given, emit=notes.append, **options
        )

    go.notes = notes
    return go


def versions(resolution, target="cpu", platform=AMD64):
    return {wheel.name: wheel.version for wheel in resolution.wheels_of(target, platform)}


def test_newest_versions_with_their_hashes_and_edges(index, resolve):
    got = resolve(request("cpu", "app"))
    assert versions(got) == {"app": "2.0", "lib": "2.1"}
    app = got.wheels[0]
    body = index.pages["/files/app-2.0-py3-none-any.whl"].body
    assert (app.sha256, app.size, app.index, app.depends) == (
        BlobDigest.of(body),
        len(body),
        "default",
        ("lib",),
    )


def test_no_address_is_in_the_result(index, resolve):
    text = repr(resolve(request("cpu", "app")))
    assert "127.0.0.1" not in text
    assert "http" not in text


def test_nothing_asked_asks_nobody(index, resolve):
    assert resolve(request("cpu")).targets == {("cpu", AMD64): ()}
    assert index.requests == []


def test_twins_share_what_they_can(resolve):
    pair = (request("cpu", "app", "lib<2.1"), request("gpu", "app[gpu]"))
    got = resolve(*pair)
    assert versions(got, "cpu") == {"app": "2.0", "lib": "2.0"}
    assert versions(got, "gpu") == {"app": "2.0", "lib": "2.0", "cuda-bits": "12.0"}
    assert check_twins(lock_of(got, pair)) == []


def test_targets_that_contradict_differ_only_where_they_must(index, resolve):
    index.add_wheel("free", "1.0")
    index.add_wheel("free", "2.0", requires=["lib>=2.1"])
    pair = (request("cpu", "app", "lib==2.0"), request("gpu", "app", "lib==2.1", "free<3"))
    got = resolve(*pair)
    differences = check_twins(lock_of(got, pair))
    assert [(d.name, d.versions) for d in differences] == [("lib", ("2.0", "2.1"))]
    assert any(
        isinstance(n, Note) and n.level == "warning" and "cannot share" in n.text for n in resolve.notes
    )


def test_two_pythons_and_two_platforms_in_one_resolution(index, resolve):
    index.remove_file("lib", "lib-2.1-py3-none-any.whl")
    for tag in (
        "cp311-cp311-manylinux_2_28_x86_64",
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp311-cp311-manylinux_2_28_aarch64",
    ):
        index.add_wheel("fast", "1.0", tag=tag)
    got = resolve(
        request("a", "fast"), request("a", "fast", platform=ARM64), request("b", "fast", python="3.12")
    )
    assert got.targets["a", AMD64] == ("fast-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",)
    assert got.targets["a", ARM64] == ("fast-1.0-cp311-cp311-manylinux_2_28_aarch64.whl",)
    assert got.targets["b", AMD64] == ("fast-1.0-cp312-cp312-manylinux_2_28_x86_64.whl",)


def test_version_whose_wheels_need_a_newer_c_library_is_passed_over_aloud(index, resolve):
    index.add_wheel("fast", "1.0", tag="cp311-cp311-manylinux_2_28_x86_64")
    index.add_wheel("fast", "2.0", tag="cp311-cp311-manylinux_2_39_x86_64")
    assert versions(resolve(request("cpu", "fast")))["fast"] == "1.0"
    assert any("fast 2.0 has no wheel" in note.text and note.level == "warning" for note in resolve.notes)
    assert versions(resolve(request("cpu", "fast", glibc=(2, 41))))["fast"] == "2.0"


def test_wheel_tagged_for_any_linux_is_refused(index, resolve):
    index.add_wheel("fast", "1.0", tag="cp311-cp311-linux_x86_64")
    with pytest.raises(ConflictError, match=r"no wheel for Python 3\.11"):
        resolve(request("cpu", "fast"))


def test_markers_are_those_of_the_container(index, resolve):
    index.add_wheel(
        "marked",
        "1.0",
        requires=[
            'lib; sys_platform == "linux"',
            'app; sys_platform == "win32"',
            'app; python_version < "3.11"',
        ],
    )
    assert versions(resolve(request("cpu", "marked"))) == {"marked": "1.0", "lib": "2.1"}


def test_exact_python_decides_full_version_markers(index, resolve):
    index.add_wheel("marked", "1.0", requires=['lib; python_full_version < "3.11.4"'])
    assert "lib" in versions(resolve(request("cpu", "marked", python="3.11.2")))
    assert "lib" not in versions(resolve(request("cpu", "marked", python="3.11.9")))


def test_constraints_hold_without_asking(resolve):
    assert versions(resolve(request("cpu", "app", constraints=["lib<2.1", "cuda-bits==1"]))) == {
        "app": "2.0",
        "lib": "2.0",
    }


def test_hashes_of_a_wish_choose_the_file_or_refuse(index, resolve):
    index.add_wheel("fast", "1.0", tag="cp311-cp311-manylinux_2_28_x86_64")
    index.add_wheel("fast", "1.0")
    plain = "sha256:" + BlobDigest.of(index.pages["/files/fast-1.0-py3-none-any.whl"].body).hex
    asked = request("cpu", "fast")

    def wanting(*hashes):
        return dataclasses.replace(asked, wishes=(dataclasses.replace(asked.wishes[0], hashes=hashes),))

    assert resolve(wanting(plain)).wheels[0].filename == "fast-1.0-py3-none-any.whl"
    assert "manylinux" in resolve(asked).wheels[0].filename
    with pytest.raises(HashMismatch, match=r"req\.txt:1"):
        resolve(wanting("sha256:" + "0" * 64))


def test_hashes_hold_where_the_index_states_none(resolve):
    with PackageIndex(json_api=False, hashes=False) as plain:
        plain.add_wheel("old", "1.0")
        asked = request("cpu", "old")
        wish = dataclasses.replace(asked.wishes[0], hashes=("sha256:" + "0" * 64,))
        with pytest.raises(HashMismatch):
            resolve(
                dataclasses.replace(asked, wishes=(wish,)),
                environ={"SHIPWAY_INDEX_DEFAULT": plain.simple_url},
            )


def test_many_versions_that_do_not_fit_are_told_once(index, resolve):
    for minor in range(30):
        index.add_wheel("fast", f"2.{minor}", tag="cp311-cp311-manylinux_2_39_x86_64")
    index.add_wheel("fast", "1.0")
    assert versions(resolve(request("cpu", "fast")))["fast"] == "1.0"
    assert len([note for note in resolve.notes if "has no wheel" in note.text]) == 1


# --- what is kept, what is renewed


def test_locked_versions_stay_when_something_is_added(index, resolve):
    first = request("cpu", "app")
    lock = lock_of(resolve(first), [first])
    index.add_wheel("lib", "3.0")
    index.add_wheel("new", "1.0")
    more = request("cpu", "app", "new")
    assert versions(resolve(more, previous=lock)) == {"app": "2.0", "lib": "2.1", "new": "1.0"}
    assert versions(resolve(more, previous=lock, upgrade=frozenset({"new"})))["lib"] == "2.1"
    assert versions(resolve(more, previous=lock, upgrade=frozenset({"LIB"})))["lib"] == "3.0"
    assert versions(resolve(more, previous=lock, upgrade=frozenset()))["lib"] == "3.0"


def test_locked_file_stays_when_the_index_has_a_better_one(index, resolve):
    first = request("cpu", "lib")
    lock = lock_of(resolve(first), [first])
    index.add_wheel("lib", "2.1", tag="cp311-abi3-manylinux_2_17_x86_64")
    assert resolve(first, previous=lock).wheels == lock.wheels
    assert resolve(first, upgrade=frozenset()).wheels != lock.wheels


def test_locked_version_moves_only_as_far_as_it_must(index, resolve):
    first = request("cpu", "app<2")
    lock = lock_of(resolve(first), [first])
    index.add_wheel("lib", "3.0")
    assert versions(resolve(request("cpu", "app>=2"), previous=lock))["lib"] == "2.1"


def test_yanked_version_is_not_chosen_but_kept_where_pinned(index, resolve):
    index.add_wheel("lib", "9.0", yanked="broken")
    assert versions(resolve(request("cpu", "lib")))["lib"] == "2.1"
    assert versions(resolve(request("cpu", "lib==9.0")))["lib"] == "9.0"
    assert any("yanked" in note.text for note in resolve.notes)


# --- where packages come from


def test_find_links_constraints_and_unnamed_indexes_of_the_host_stay_out(tmp_path, resolve):
    with PackageIndex() as other:
        other.add_wheel("lib", "99.0")
        (tmp_path / "links").mkdir()
        (tmp_path / "links" / "lib-98.0-py3-none-any.whl").write_bytes(
            other.pages["/files/lib-99.0-py3-none-any.whl"].body
        )
        (tmp_path / "c.txt").write_text("lib<1\n")
        environ = {
            "PIP_EXTRA_INDEX_URL": other.simple_url,
            "UV_INDEX": "other=" + other.simple_url,
            "PIP_FIND_LINKS": str(tmp_path / "links"),
            "UV_FIND_LINKS": str(tmp_path / "links"),
            "UV_CONSTRAINT": str(tmp_path / "c.txt"),
            "UV_EXCLUDE_NEWER": "2001-01-01",
            "UV_RESOLUTION": "lowest",
        }
        assert versions(resolve(request("cpu", "lib"), environ=environ))["lib"] == "2.1"
        assert other.requests == []


def test_index_that_the_spec_names_serves_only_its_packages(resolve):
    with PackageIndex(auth=("user", "s3cret")) as corp:
        corp.add_wheel("lib", "7.0")
        corp.add_wheel("app", "7.0")
        source = IndexSource(alias="my-corp", packages=("lib",))
        environ = {"SHIPWAY_INDEX_MY_CORP": corp.simple_url.replace("://", "://user:s3cret@")}
        got = resolve(request("cpu", "app", indexes=[source]), environ=environ)
    assert versions(got) == {"app": "2.0", "lib": "7.0"}
    assert {wheel.name: wheel.index for wheel in got.wheels} == {"app": "default", "lib": "my-corp"}
    assert [index.alias for index in got.indexes] == ["default", "my-corp"]
    assert "s3cret" not in repr(got)


def test_index_without_packages_comes_first(resolve):
    with PackageIndex() as corp:
        corp.add_wheel("lib", "0.5")
        got = resolve(
            request("cpu", "lib", indexes=[IndexSource(alias="corp", url=corp.simple_url)]),
            urls={"corp": corp.simple_url},
        )
    assert got.wheels[0].index == "corp"


@pytest.mark.parametrize("packages", [("lib",), ()])
def test_folder_that_the_spec_names(packages, index, resolve, tmp_path):
    (tmp_path / "wheels").mkdir()
    with PackageIndex() as other:
        other.add_wheel("lib", "5.0")
        (tmp_path / "wheels" / "lib-5.0-py3-none-any.whl").write_bytes(
            other.pages["/files/lib-5.0-py3-none-any.whl"].body
        )
    source = IndexSource(alias="vendored", folder="wheels", packages=packages)
    got = resolve(request("cpu", "lib", indexes=[source]), folders={"vendored": str(tmp_path / "wheels")})
    assert [(w.version, w.index, w.size > 0) for w in got.wheels] == [("5.0", "vendored", True)]
    assert got.indexes[0].folder == "wheels"
    assert str(tmp_path) not in repr(got)


def test_html_index_without_hashes(resolve):
    with PackageIndex(json_api=False, hashes=False) as plain:
        plain.add_wheel("old", "1.0")
        body = plain.pages["/files/old-1.0-py3-none-any.whl"].body
        got = resolve(request("cpu", "old"), environ={"SHIPWAY_INDEX_DEFAULT": plain.simple_url})
    assert got.wheels[0].sha256 == BlobDigest.of(body)
    assert got.wheels[0].size == len(body)


def test_second_address_of_the_default_index_when_the_first_is_down(index, resolve):
    with PackageIndex() as gone:
        dead = gone.simple_url
    environ = {
        "SHIPWAY_INDEX_DEFAULT": f"{dead} {index.simple_url}",
        "UV_HTTP_TIMEOUT": "2",
        "UV_HTTP_RETRIES": "0",
    }
    assert versions(resolve(request("cpu", "app"), environ=environ))["app"] == "2.0"
    assert any("the next one is asked" in note.text for note in resolve.notes)


# --- what bad input gets


def test_unknown_package_names_its_line_and_a_near_name(resolve):
    first = request("cpu", "app")
    lock = lock_of(resolve(first), [first])
    with pytest.raises(NotFound, match=r"`libb`[\s\S]*req\.txt:1") as caught:
        resolve(request("cpu", "libb"), previous=lock)
    assert any("`lib`" in hint for hint in caught.value.hints)


def test_unknown_version_lists_those_there_are(resolve):
    with pytest.raises(NotFound, match=r"lib==7[\s\S]*req\.txt:1") as caught:
        resolve(request("cpu", "lib==7"))
    assert any("2.1, 2.0, 1.0" in hint for hint in caught.value.hints)


def test_conflict_tells_the_chain(resolve):
    with pytest.raises(ConflictError) as caught:
        resolve(request("cpu", "app==2.0", "lib<2"))
    assert "`app==2.0` is asked for by req.txt:1" in caught.value.message
    assert "`lib<2` is asked for by req.txt:2" in caught.value.message
    assert "needs `lib>=2`" in caught.value.message
    assert "shipway-resolution" not in caught.value.message + caught.value.detail


def test_python_that_is_too_old(index, resolve):
    index.add_wheel("modern", "1.0", requires_python=">=3.12")
    with pytest.raises(ConflictError, match=r"Python>=3\.12") as caught:
        resolve(request("cpu", "modern"))
    assert any("3.11" in hint for hint in caught.value.hints)


@pytest.mark.parametrize(
    "text", ["foo bar", "lib >=", "lib @ https://example.invalid/lib.whl", "lib @ file:///tmp/lib.whl"]
)
def test_what_is_no_requirement_is_refused_with_its_line(resolve, text):
    with pytest.raises(SpecError, match=r"req\.txt:1"):
        resolve(request("cpu", text))


@pytest.mark.parametrize("behaviour", [Behaviour.ERROR, Behaviour.HTML, Behaviour.TRUNCATE])
def test_index_that_misbehaves(index, resolve, behaviour):
    index.order("/simple/lib/", behaviour)
    with pytest.raises((FetchError, NotFound)) as caught:
        resolve(request("cpu", "lib"), environ={"UV_HTTP_TIMEOUT": "3", "UV_HTTP_RETRIES": "0"})
    assert caught.value.hints


def test_index_that_wants_credentials(resolve):
    with PackageIndex(auth=("u", "p")) as private:
        private.add_wheel("lib", "1.0")
        with pytest.raises(FetchError, match="credentials"):
            resolve(request("cpu", "lib"), environ={"SHIPWAY_INDEX_DEFAULT": private.simple_url})


def test_offline_without_cache(resolve):
    with pytest.raises(OfflineError):
        resolve(request("cpu", "lib"), offline=True)


def test_index_that_the_host_does_not_know(resolve):
    with pytest.raises(NotFound, match="corp"):
        resolve(
            request("cpu", "lib", indexes=[IndexSource(alias="corp", packages=("lib",))]), urls={"corp": ""}
        )


def test_result_is_the_same_every_time(resolve):
    pair = (request("cpu", "app"), request("gpu", "app[gpu]"))
    one, two = resolve(*pair), resolve(*pair)
    assert json.dumps(repr(one)) == json.dumps(repr(two))
