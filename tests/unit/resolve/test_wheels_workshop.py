"""What has no wheel: sdists, commits and folders, with a builder that stands for the sandbox."""

import hashlib
import os
import subprocess
from dataclasses import replace

import pytest

from shipway.core.digest import BlobDigest, TreeKey
from shipway.core.errors import BuildError, ConflictError, FetchError, HostileInput, NotFound, SpecError
from shipway.host.http import Fetcher
from shipway.host.indexes import read_indexes
from shipway.lock.model import Lock, TargetLock
from shipway.resolve.wheel_builder import BuiltWheel
from shipway.resolve.wheel_request import WheelRequest
from shipway.resolve.wheels import resolve_wheels
from shipway.sources.drift import find_source_drift
from shipway.sources.git import parse_git_address
from shipway.sources.trees import read_folder, read_sdist, tree_digest
from shipway.sources.values import SourceFile
from shipway.spec.model import LocalProject, Origin, Wish
from shipway.testing.package_index import PackageIndex
from shipway.testing.packages import make_sdist, make_wheel

AMD64 = "linux/amd64"
PYPROJECT = '[build-system]\nrequires = ["backend>=1"]\nbuild-backend = "backend"\n[project]\nname = "{0}"\nversion = "{1}"\n'


class FakeBuilder:
    """Makes a wheel whose name, version and dependencies stand in the sources; records each job."""

    def __init__(self, folder):
        self.folder, self.jobs, self.needs = folder, [], []
        self.tag = "py3-none-any"

    def build_wheel(self, job):
        self.jobs.append(job)
        if self.needs:
            return BuiltWheel(needs=tuple(self.needs.pop()))
        files = {file.path: file.data.decode() for file in job.files}
        words = files.get("build.txt", "").split()
        name, version = words[0], words[1]
        filename, body = make_wheel(name, version, requires=words[2:], tag=self.tag)
        path = os.path.join(self.folder, hashlib.sha256(body).hexdigest())
        with open(path, "wb") as file:
            file.write(body)
        return BuiltWheel(filename=filename, path=path, sha256=BlobDigest.of(body), size=len(body))


def request(*texts, target="cpu", projects=(), python="3.11"):
    wishes = tuple(Wish(text=t, origin=Origin(file="req.txt", line=n)) for n, t in enumerate(texts, 1))
    return WheelRequest(
        target=target, platform=AMD64, python=python, glibc=(2, 36), wishes=wishes, projects=projects
    )


def sdist_files(name, version, *needs):
    return {"pyproject.toml": PYPROJECT.format(name, version), "build.txt": " ".join([name, version, *needs])}


@pytest.fixture
def index():
    with PackageIndex() as running:
        running.add_wheel("backend", "1.5")
        running.add_wheel("lib", "1.0")
        running.add_wheel("lib", "2.0")
        for version in ("1.0", "2.0", "3.0"):
            running.add_sdist("src-only", version, files=sdist_files("src-only", version, "lib<2"))
        yield running


@pytest.fixture
def builder(tmp_path):
    return FakeBuilder(str(tmp_path))


@pytest.fixture
def resolve(index, builder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def go(*requests, **options):
        environ = {
            "HOME": str(tmp_path),
            "SHIPWAY_INDEX_DEFAULT": index.simple_url,
            "PATH": os.environ["PATH"],
        }
        options.setdefault("builder", builder)
        return resolve_wheels(
            requests,
            indexes=read_indexes(environ),
            fetcher=Fetcher(environ=environ),
            environ=environ,
            project_dir=str(tmp_path / "project"),
            allow_file=True,
            **options,
        )

    return go


def versions(got):
    return {wheel.name: wheel.version for wheel in got.wheels_of("cpu", AMD64)}


# --- sdists


def test_newest_sdist_is_built_and_its_own_needs_are_met(resolve, builder):
    got = resolve(request("src-only"))
    assert versions(got) == {"src-only": "3.0", "lib": "1.0"}
    assert [(job.name, job.version) for job in builder.jobs] == [("src-only", "3.0")]
    assert [wheel.name for wheel in builder.jobs[0].requires] == ["backend"]


def test_lock_holds_source_wheel_and_build_environment_by_hash(index, resolve):
    got = resolve(request("src-only<3"))
    (source,) = got.sources
    assert (source.kind, source.id, source.index) == ("sdist", "sdist:src-only=2.0", "default")
    assert source.sha256 == BlobDigest.of(index.pages["/files/src_only-2.0.tar.gz"].body)
    assert source.build_requires == ("backend-1.5-py3-none-any.whl",)
    wheel = next(wheel for wheel in got.wheels if wheel.name == "src-only")
    assert (wheel.source, wheel.index) == (source.id, "")
    assert "backend" in {wheel.name for wheel in got.wheels}
    assert "backend" not in versions(got)


def test_what_was_compiled_fits_the_c_library_that_it_was_linked_with(resolve, builder):
    """Backends call it `linux_x86_64`, which says nothing about that."""
    builder.tag = "cp311-cp311-linux_x86_64"
    got = resolve(request("src-only"), request("src-only", target="gpu"))
    names = {wheel.filename for wheel in got.wheels if wheel.source}
    assert names == {"src_only-3.0-cp311-cp311-manylinux_2_36_x86_64.whl"}
    assert len(builder.jobs) == 1
    older = replace(request("src-only", target="gpu"), glibc=(2, 31))
    got = resolve(request("src-only"), older)
    assert {wheel.filename for wheel in got.wheels if wheel.source} == names | {
        "src_only-3.0-cp311-cp311-manylinux_2_31_x86_64.whl"
    }


def test_two_targets_share_one_build(resolve, builder):
    resolve(request("src-only"), request("src-only", "lib", target="gpu"))
    assert len(builder.jobs) == 1


def test_backend_that_asks_for_more(resolve, builder):
    builder.needs = [["lib>=2"]]
    resolve(request("src-only"))
    assert {wheel.name for wheel in builder.jobs[-1].requires} == {"backend", "lib"}


def test_without_a_builder_the_reason_is_said(resolve):
    with pytest.raises(
        ConflictError, match="`src-only` has no wheel that fits, and nothing can be built here"
    ):
        resolve(request("src-only"), builder=None)


def test_wheel_is_preferred_to_a_newer_sdist(index, resolve, builder):
    index.add_sdist("lib", "9.0", files=sdist_files("lib", "9.0"))
    assert versions(resolve(request("lib")))["lib"] == "2.0"
    assert builder.jobs == []


@pytest.mark.parametrize("evil", ["../../etc/x", "other-1.0/x", "/abs"])
def test_hostile_sdist_is_refused(tmp_path, evil):
    _, body = make_sdist("src-only", "1.0", files={})
    import gzip
    import io
    import tarfile

    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name in ("src-only-1.0/a", evil):
            archive.addfile(tarfile.TarInfo(name))
    (tmp_path / "s").write_bytes(gzip.compress(sink.getvalue()))
    with pytest.raises(HostileInput):
        read_sdist(str(tmp_path / "s"), "src-only-1.0.tar.gz")
    assert body


# --- folders


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in sdist_files("mine", "0.1", "lib").items():
        (folder / name).write_text(text)
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").write_text("")
    (folder / "env" / "big").write_text("x" * 100)
    return folder


def test_local_project(resolve, builder, project, index):
    index.add_wheel("mine", "99.0")
    got = resolve(request(projects=(LocalProject(path=".", origin=Origin(file="shipway.toml")),)))
    assert versions(got) == {"mine": "0.1", "lib": "2.0"}
    assert sorted(file.path for file in builder.jobs[0].files) == ["build.txt", "pyproject.toml"]
    assert (got.sources[0].kind, got.sources[0].path) == ("local", ".")
    assert str(project) not in repr(got)


def test_digest_of_a_folder_knows_content_and_mode_only(project):
    before = tree_digest(read_folder(str(project)))
    os.utime(project / "build.txt", (1, 1))
    assert tree_digest(read_folder(str(project))) == before
    (project / "build.txt").chmod(0o755)
    assert tree_digest(read_folder(str(project))) != before


def test_change_of_a_local_project_is_noticed_and_our_own_lock_is_none(resolve, project):
    asked = request(projects=(LocalProject(path=".", origin=Origin(file="shipway.toml")),))
    lock = lock_of(resolve(asked), asked)
    (project / "shipway.lock").write_text("{}")
    (project / "build").mkdir()
    (project / "build" / "x").write_text("result")
    assert find_source_drift(lock, str(project)) == ()
    (project / "build.txt").write_text("mine 0.1")
    assert find_source_drift(lock, str(project)) == ("the sources of `mine` in `.` changed",)


def test_ignore_file_of_a_project_is_obeyed(project):
    (project / "runs").mkdir()
    (project / "runs" / "log").write_text("x")
    (project / "src" / "build").mkdir(parents=True)
    (project / "src" / "build" / "__init__.py").write_text("")
    (project / ".dockerignore").write_text("runs\n*.tmp\n")
    (project / "a.tmp").write_text("")
    paths = {file.path for file in read_folder(str(project))}
    assert paths == {".dockerignore", "build.txt", "pyproject.toml", "src/build/__init__.py"}


def test_folder_without_a_project(resolve, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a.txt").write_text("")
    with pytest.raises(BuildError, match="neither"):
        resolve(request(projects=(LocalProject(path=".", origin=Origin(file="shipway.toml")),)))
    with pytest.raises(SpecError, match="no Python project"):
        read_folder(str(tmp_path / "nothing"))


# --- git


def git(folder, *arguments):
    env = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": "n", f"GIT_{who}_EMAIL": "e@x", f"GIT_{who}_DATE": "2001-01-01T00:00:00Z"}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], env=env, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main", ".")
    for name, text in sdist_files("app", "1.0", "lib").items():
        (folder / name).write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "tag", "v1")
    (folder / "build.txt").write_text("app 2.0 lib")
    git(folder, "commit", "-qam", "two")
    return folder


def lock_of(got, asked):
    requested = tuple(f"pip:{wish.text} < {wish.origin}" for wish in asked.wishes)
    target = TargetLock(
        name="cpu",
        platform=AMD64,
        base="debian:bookworm",
        requested=requested,
        wheels=got.targets["cpu", AMD64],
    )
    return Lock(
        name="x", inputs=TreeKey.of(b""), epoch=0, wheels=got.wheels, sources=got.sources, targets=(target,)
    )


@pytest.mark.needs_tool("git")
def test_git_commit_is_locked(resolve, repository, index):
    index.add_wheel("app", "99.0")
    asked = request(f"app @ git+file://{repository}@v1")
    got = resolve(asked)
    assert versions(got) == {"app": "1.0", "lib": "2.0"}
    (source,) = got.sources
    assert (source.kind, source.commit) == ("git", git(repository, "rev-parse", "v1"))


@pytest.mark.needs_tool("git")
def test_branch_stays_at_its_locked_commit_until_upgraded(resolve, repository):
    asked = request(f"app @ git+file://{repository}@main")
    got = resolve(asked)
    lock = lock_of(got, asked)
    (repository / "build.txt").write_text("app 3.0")
    git(repository, "commit", "-qam", "three")
    assert versions(resolve(asked, previous=lock))["app"] == "2.0"
    assert versions(resolve(asked, previous=lock, upgrade=frozenset()))["app"] == "3.0"


@pytest.mark.needs_tool("git")
def test_hooks_and_configuration_of_the_caller_do_not_run(resolve, repository, tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        (template / hook).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (template / hook).chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[core]\nhooksPath = {template}\n[init]\ntemplateDir = {template.parent}\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template.parent))
    resolve(request(f"app @ git+file://{repository}"))
    assert not marker.exists()


@pytest.mark.needs_tool("git")
@pytest.mark.parametrize("wanted", ["nothing-like-it", "0" * 40])
def test_reference_that_does_not_exist(resolve, repository, wanted):
    with pytest.raises(NotFound, match=wanted):
        resolve(request(f"app @ git+file://{repository}@{wanted}"))


@pytest.mark.needs_tool("git")
def test_repository_that_does_not_exist(resolve, tmp_path):
    with pytest.raises(NotFound, match="no git repository"):
        resolve(request(f"app @ git+file://{tmp_path}/nowhere"))


@pytest.mark.parametrize(
    "address",
    [
        "git+file:///x",
        "git+ext::sh -c x",
        "git+https://h/x@--upload-pack=x",
        "git+https://h/x@a..b",
        "git+https://h/x#subdirectory=../..",
    ],
)
def test_addresses_that_are_refused(address):
    with pytest.raises((SpecError, HostileInput)):
        parse_git_address(address)


def test_password_of_an_address_is_not_kept():
    address = parse_git_address("git+https://user:s3cret@example.test/x.git@main#subdirectory=sub")
    assert (address.url, address.reference, address.subdirectory) == (
        "https://example.test/x.git",
        "main",
        "sub",
    )


@pytest.mark.needs_tool("git")
def test_names_that_git_or_another_file_system_reads_differently(resolve, repository):
    blob = git(repository, "rev-parse", "HEAD:build.txt")
    for names in (["a", "A"], [".GIT"], ["git~1"]):
        listing = "".join(f"100644 blob {blob}\t{name}\n" for name in names)
        done = subprocess.run(
            ["git", "-C", str(repository), "mktree"],
            input=listing,
            text=True,
            capture_output=True,
            check=True,
            env={"PATH": os.environ["PATH"]},
        )
        commit = git(repository, "commit-tree", "-m", "evil", done.stdout.strip())
        git(repository, "branch", "-f", "evil", commit)
        # git's own check of objects refuses some of them, ours the others
        with pytest.raises((HostileInput, FetchError)):
            resolve(request(f"app @ git+file://{repository}@evil"))


def test_executable_bit_is_part_of_a_source_file():
    files = [SourceFile(path="a", mode=mode, data=b"x") for mode in (0o644, 0o755)]
    assert tree_digest(files[:1]) != tree_digest(files[1:])
