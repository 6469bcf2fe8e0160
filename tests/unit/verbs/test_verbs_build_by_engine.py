"""`build --engine`: what the engine is given, from where, and what is refused before it starts."""

import functools
import json
import os
import shutil
import stat
from dataclasses import replace

import pytest

from shipway.cli.app import execute
from shipway.core.errors import ExitCode, NotFound, OfflineError, ToolError
from shipway.export.model import read_contents
from shipway.host.mirrors import read_mirrors
from shipway.lock.model import PythonLock
from shipway.lock.parse import parse_lock
from shipway.run.oci.build import BuildSecret
from shipway.verbs.build_by_engine import ByEngineRequest, run_build_by
from shipway.verbs.build_supply import read_supply
from shipway.verbs.context import LockMode, Task
from shipway.verbs.project import read_project

MIRRORS = "http://one.example.org/debian http://me:hidden-word@two.example.org/debian file:///srv/debian"
RECORDS = """\
printf '%s\\n' "$@" >"$NOTES/line"
while [ "$1" != --iidfile ]; do shift; done
cp "${2%/id}"/* "$NOTES"
env >"$NOTES/environment"
printf 'sha256:%064d' 7 >"$2"
"""


@pytest.fixture
def project(tmp_path, repository):
    folder = tmp_path / "digits"
    shutil.copytree(os.path.join(repository, "examples", "digits"), folder)
    return folder


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """Where a stand-in for Podman leaves what it was given. The host has mirrors and indexes of three kinds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "podman"
    program.write_text(f"#!/bin/sh\n{RECORDS}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    notes = tmp_path / "notes"
    notes.mkdir()
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("certificates\n")
    for name, value in (
        ("PATH", f"{folder}:{os.environ['PATH']}"),
        ("NOTES", str(notes)),
        ("SHIPWAY_MIRROR_DEBIAN", MIRRORS),
        ("SHIPWAY_MIRROR_DEBIAN_SECURITY", "http://me:hidden-word@two.example.org/security"),
        ("SHIPWAY_INDEX_DEFAULT", "https://me:hidden%40word@index.example.org/simple file:///srv/simple"),
        ("SSL_CERT_FILE", str(bundle)),
        ("PIP_CONFIG_FILE", os.devnull),
        ("PIP_EXTRA_INDEX_URL", ""),
    ):
        monkeypatch.setenv(name, value)
    # This machine's own apt knows mirrors, too.
    nothing = functools.partial(read_mirrors, root=str(tmp_path))
    monkeypatch.setattr("shipway.verbs.network.read_mirrors", nothing)
    return notes


def task(project, **changes):
    made = Task(directory=str(project), platform="linux/amd64", mode=LockMode.LOCKED)
    return made._replace(**changes)


def build(project, *, notices=None, **words):
    emit = (notices if notices is not None else []).append
    return run_build_by(ByEngineRequest(engine="podman", **words), task(project, emit=emit))


def test_the_engine_gets_the_exported_dockerfile_and_what_this_host_knows(project, notes, monkeypatch):
    said = []
    result = build(project, tag="team/digits:1", cache_from=("example.org/digits",), notices=said)
    assert result.image == "sha256:" + "0" * 63 + "7"
    assert execute(["-C", str(project), "export", "dockerfile", "-o", str(notes / "exported"), "-q"]) == 0
    assert (notes / "Dockerfile").read_text() == (notes / "exported").read_text()
    ours = (notes / "Dockerfile.dockerignore").read_text()
    assert ours == (notes / "exported.dockerignore").read_text()

    line = (notes / "line").read_text().split("\n")
    assert line[:5] == ["build", "--tag", "team/digits:1", "--platform", "linux/amd64"]
    assert line[-2] == str(project)
    environment = dict(
        row.partition("=")[::2] for row in (notes / "environment").read_text().splitlines() if "=" in row
    )
    assert environment["DEBIAN_MIRROR"] == "http://one.example.org/debian"
    assert environment["DEBIAN_SECURITY_MIRROR"] == "http://one.example.org/debian"
    conf = (notes / "secret-pip").read_text().splitlines()
    assert conf == ["[global]", "index-url = https://me:hidden%40word@index.example.org/simple"]
    assert f"id=certs,src={os.environ['SSL_CERT_FILE']}" in line
    assert "hidden" not in "".join(line)
    assert "hidden" not in environment["DEBIAN_MIRROR"]
    assert [event.text for event in said if "password" in event.text] == [
        f"the mirror `http://two.example.org/{name}` wants a password, which the engine would keep: it is not told to the build"
        for name in ("debian", "security")
    ]


def test_what_the_caller_gives_comes_before_what_the_host_knows(project, notes, tmp_path):
    own = tmp_path / "own.conf"
    own.write_text("[global]\n")
    result = build(
        project,
        arguments=("DEBIAN_MIRROR=http://mine.example.org", "http_proxy=http://proxy:3128"),
        secrets=(f"type=file,id=pip,source={own}",),
        dry_run=True,
    )
    assert result.line.count("DEBIAN_MIRROR") == 1
    assert f"id=pip,src={own}" in result.line
    assert "http_proxy" in result.variables
    assert [name for name, _ in result.files] == ["Dockerfile", "Dockerfile.dockerignore"]
    assert not list(notes.iterdir())


def test_a_dry_run_says_the_line_and_starts_nothing(project, notes, capsys):
    words = ["-C", str(project), "build", "--engine", "podman", "--dry-run", "--tag", "digits:1"]
    assert execute(words) == 0
    out, err = capsys.readouterr()
    first, *rest = out.splitlines()
    assert first.startswith("podman build --tag digits:1 --platform linux/amd64 --build-arg DEBIAN_MIRROR ")
    assert first.endswith(
        f"--iidfile BUILD/id --ignorefile BUILD/Dockerfile.dockerignore --file BUILD/Dockerfile {project}"
    )
    assert any(row.startswith("BUILD/secret-pip (") for row in rest)
    assert rest[-1] == "set for the program: DEBIAN_MIRROR DEBIAN_SECURITY_MIRROR"
    assert "would be built by podman as `digits:1`" in err
    assert execute([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "shipway.engine-build/1"
    assert (document["image"], document["dry_run"], document["tag"]) == (None, True, "digits:1")
    assert document["command"][:2] == ["podman", "build"]
    assert not list(notes.iterdir())


@pytest.mark.parametrize(
    "verb", [["build", "--engine", "podman"], ["export", "requirements"], ["vendor", "x"]]
)
def test_a_dry_run_of_any_verb_writes_no_lock(project, notes, verb, monkeypatch):
    lock = project / "shipway.lock"
    made = parse_lock(lock.read_text(), file="shipway.lock")
    monkeypatch.setattr("shipway.resolve.lock_spec.resolve_spec", lambda *words: made)
    lock.unlink()
    words = ["-C", str(project), *verb, "--platform", "linux/amd64"]
    assert execute([*words, "--locked", "--dry-run"]) == ExitCode.LOCK_STALE
    assert execute([*words, "--dry-run"]) == 0
    assert not lock.exists()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"arguments": ("BOTSTRAP=x",)}, "has no argument `BOTSTRAP`"),
        ({"arguments": ("UNSET_ONE",)}, "`UNSET_ONE` is not set here"),
        ({"secrets": ("id=token,env=A_TOKEN",)}, "uses the secret `token`"),
        ({"secrets": ("src=/x",)}, "is no secret"),
        ({"secrets": ("id=pip,src=/x,mode=0400",)}, "is no secret"),
        ({"secrets": ("id=pip,src=/x,src=/y",)}, "is no secret"),
        ({"secrets": ("id=pip",)}, "is not one file"),
        ({"secrets": ("id=pip,src=/nonexistent",)}, "is not there"),
        ({"tag": "Digits"}, "lower case"),
        ({"tag": "digits@sha256:" + "0" * 64}, "names a digest"),
        ({"cache_to": ("type=inline",)}, "without `type=`"),
    ],
)
def test_a_wrong_word_is_named_before_the_engine_starts(project, notes, words, what):
    with pytest.raises(ToolError, match=what) as caught:
        build(project, **words)
    assert caught.value.code is ExitCode.USAGE
    assert caught.value.hints
    assert not list(notes.iterdir())


def test_offline_it_is_refused(project, notes):
    with pytest.raises(OfflineError, match="fetches packages by itself"):
        run_build_by(ByEngineRequest(engine="podman"), task(project, offline=True))


def test_a_platform_that_is_not_locked_is_named(project, notes):
    with pytest.raises(NotFound, match="linux/arm64"):
        run_build_by(
            ByEngineRequest(engine="podman"), task(project, platform="linux/arm64", mode=LockMode.FROZEN)
        )


def test_what_was_collected_is_said_to_be_unused(project, notes):
    said = []
    run_build_by(ByEngineRequest(engine="podman"), task(project, vendor="/x.tar", emit=said.append))
    assert any("what was collected is not used: `podman` fetches by itself" in event.text for event in said)


def test_a_folder_of_wheels_is_not_seen_by_steps(project, notes, monkeypatch):
    lock = parse_lock((project / "shipway.lock").read_text(), file="shipway.lock")
    contents = read_contents(lock, "cpu", "linux/amd64")
    first, *others = contents.wheels
    contents = replace(contents, wheels=(replace(first, index="corp"), *others))
    monkeypatch.setenv("SHIPWAY_INDEX_CORP", "file:///srv/corp")
    said = []
    read_supply(contents, read_project(str(project), said.append), said.append)
    assert any("the index `corp` is a folder of this host" in event.text for event in said)
    monkeypatch.setenv("SHIPWAY_INDEX_CORP", "https://corp.example.org/simple")
    secrets = read_supply(contents, read_project(str(project), said.append), said.append).secrets
    [conf] = [secret.text for secret in secrets if secret.id == "pip"]
    assert conf.endswith("extra-index-url =\n    https://corp.example.org/simple\n")


def test_a_stand_alone_interpreter_is_told_by_its_address(project, notes, tmp_path, monkeypatch):
    lock = parse_lock((project / "shipway.lock").read_text(), file="shipway.lock")
    contents = read_contents(lock, "cpu", "linux/amd64")
    python = PythonLock(
        version="3.12",
        executable="/opt/python/bin/python3.12",
        origin="standalone",
        filename="cpython-3.12.4+20240713-x86_64-unknown-linux-gnu-install_only.tar.gz",
    )
    contents = replace(contents, target=replace(contents.target, python=python))
    places = "https://far.example.org/releases/download/20240713/" + python.filename
    monkeypatch.setattr(
        "shipway.resolve.interpreter.list_standalone",
        lambda environ: [_Build(python.filename, places)],
    )
    supply = read_supply(contents, read_project(str(project), print), print)
    assert dict(supply.arguments)["PYTHON_URL"] == places


class _Build:
    def __init__(self, filename, url):
        self.filename, self.url = filename, url


def test_a_host_that_configures_nothing_gives_nothing(project, notes, monkeypatch):
    monkeypatch.setenv("SHIPWAY_INDEX_DEFAULT", "")
    lock = parse_lock((project / "shipway.lock").read_text(), file="shipway.lock")
    contents = read_contents(lock, "cpu", "linux/amd64")
    secrets = read_supply(contents, read_project(str(project), print), print).secrets
    assert secrets == (BuildSecret(id="certs", file=os.environ["SSL_CERT_FILE"]),)


def test_only_the_option_itself_chooses_an_engine(project, notes, capsys, monkeypatch):
    for words, what in (
        (["--tag", "X:1"], "`X:1`"),
        (["--engine", "native", "--no-cache"], "`--no-cache` is for"),
        (["--engine", "podman", "--repair"], "`--repair` is not for `--engine podman`"),
    ):
        assert execute(["-C", str(project), "build", *words]) == ExitCode.USAGE
        assert what in capsys.readouterr().err
    monkeypatch.setenv("SHIPWAY_ENGINE", "podman")
    asked = []
    monkeypatch.setattr("shipway.verbs.build.run_build", lambda *words, **more: asked.append(1) or _done())
    assert execute(["-C", str(project), "build"]) == 0
    assert asked
    assert not list(notes.iterdir())


def _done():
    from shipway.verbs.build import BuildResult

    return BuildResult(
        name="x",
        target="cpu",
        platform="linux/amd64",
        digest="sha256:" + "0" * 64,
        config_digest="",
        layers=1,
        built=0,
        trees=1,
    )


@pytest.mark.parametrize(
    ("words", "how"),
    [([], "plain"), (["-q"], "quiet"), (["--progress", "json"], "quiet"), (["--progress", "tty"], "auto")],
)
def test_the_engine_shows_its_own_progress(project, notes, monkeypatch, words, how):
    asked = []
    monkeypatch.setattr(
        "shipway.verbs.build_by_engine.run_engine_build",
        lambda build, tool, environ: asked.append(build.progress) or "sha256:" + "0" * 64,
    )
    assert execute(["-C", str(project), "build", "--engine", "podman", *words]) == 0
    assert asked == [how]
