"""What is attached to images at registries, with the referrers API and without: push, inspect, pull, and what lies there."""

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit" / "image"))
sys.path.append(str(Path(__file__).parents[1] / "unit" / "export"))
from export_examples import LOCK
from image_samples import descriptor, own_image

from private_engines import distribution
from shipway.cli.app import execute
from shipway.core.digest import Digest, canonical_json
from shipway.core.errors import ExitCode, FetchError, HashMismatch, HostileInput, ToolError
from shipway.core.reference import parse_reference
from shipway.host.registries import read_registry_settings
from shipway.image.attached import EMPTY, EMPTY_TYPE, SPDX_TYPE, Attachment
from shipway.image.oci import MANIFEST_TYPE
from shipway.image.registry.attach import attach, fetch_attached, list_attached
from shipway.image.registry.client import open_registry
from shipway.image.registry.model import Descriptor
from shipway.store.store import Store
from shipway.testing.registry import FakeRegistry, Trick
from shipway.verbs.context import Task
from shipway.verbs.images import Chosen
from shipway.verbs.inspect_remote import inspect_remote
from shipway.verbs.pull import run_pull
from shipway.verbs.push import PushOptions, run_push
from shipway.verbs.search import run_tags

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
KINDS = ["sbom.spdx", "sbom.cyclonedx", "provenance"]
ALL = PushOptions(attach=("sbom", "provenance"))
TASK = Task(platform="linux/amd64")
SUBJECT = b'{"an":"image"}'
NOTE = Attachment(media_type=SPDX_TYPE, body=b'{"spdx":1}')


@pytest.fixture(params=["api", "tag"])
def registry(request):
    with FakeRegistry() as running:
        running.lists_referrers = request.param == "api"
        yield running


@pytest.fixture
def plain():
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A project whose image needs no build: the folder of its spec."""
    (tmp_path / "shipway.toml").write_text('name = "x"\n')
    image = own_image(Store.open())
    planned = SimpleNamespace(lock=LOCK, plan=SimpleNamespace(target="full", platform="linux/amd64"))
    monkeypatch.setattr(
        "shipway.verbs.several.choose_image",
        lambda task, text, name="": Chosen(parse_reference(name), image, planned),
    )
    return TASK._replace(directory=str(tmp_path))


def opened(registry, *, push=False):
    reference = parse_reference(f"{registry.host}/team/thing:1")
    settings = read_registry_settings({"HOME": "/nonexistent"}, root="/nonexistent")
    return open_registry(reference, settings=settings, push=push)


def subject_of(registry, body=SUBJECT):
    digest = registry.add_manifest("team/thing", "1", body, MANIFEST_TYPE)
    return Descriptor(media_type=MANIFEST_TYPE, digest=Digest(digest), size=len(body))


# --- push


def test_a_push_attaches_what_is_asked_for_and_sends_nothing_twice(registry, project):
    name = f"{registry.host}/team/model:1"
    pushed = run_push(project, name, options=ALL)
    [image] = pushed.images
    assert pushed.digest == image.digest
    assert [one.kind for one in image.attached] == KINDS
    held = registry.repositories["team/model"].manifests
    for one in image.attached:
        document = json.loads(held[one.digest][1])
        assert document["subject"] == {
            "mediaType": MANIFEST_TYPE, "digest": pushed.digest, "size": len(held[pushed.digest][1])
        }  # fmt: skip
        assert document["artifactType"] == one.artifact_type
        assert document["config"] == {"mediaType": EMPTY_TYPE, "digest": Digest.of(EMPTY), "size": 2}
        [layer] = document["layers"]
        assert Digest.of(registry.repositories["team/model"].blobs[layer["digest"]]) == layer["digest"]
    tag = pushed.digest.replace(":", "-")
    assert (tag in held) != registry.lists_referrers
    before = len(registry.asked("POST", "/uploads/"))
    listed = held.get(tag)
    assert run_push(project, name, options=ALL).images == pushed.images
    assert len(registry.asked("POST", "/uploads/")) == before
    assert held.get(tag) == listed


def test_the_tag_is_moved_when_everything_is_there(registry, project):
    registry.order("PUT", "/manifests/sha256", Trick.HONEST, Trick.HONEST, Trick.DENIED)
    with pytest.raises(FetchError) as caught:
        run_push(project, f"{registry.host}/team/model:1", options=ALL)
    assert "`--attach none`" in caught.value.hints[-1]
    assert "1" not in registry.repositories["team/model"].manifests


def test_the_statement_is_about_what_was_pushed(registry, project):
    pushed = run_push(project, f"{registry.host}/team/model:1", options=PushOptions(attach=("provenance",)))
    [one] = pushed.images[0].attached
    held = registry.repositories["team/model"]
    manifest = json.loads(held.manifests[one.digest][1])
    assert manifest["annotations"]["in-toto.io/predicate-type"] == "https://slsa.dev/provenance/v1"
    statement = json.loads(held.blobs[manifest["layers"][0]["digest"]])
    assert statement["subject"][0]["digest"] == {"sha256": Digest(pushed.digest).hex}


def test_the_spec_says_what_is_attached_and_the_command_line_may_differ(plain, project):
    name = f"{plain.host}/team/model:1"
    assert run_push(project, name).images[0].attached == ()
    Path(project.directory, "shipway.toml").write_text('name = "x"\n[push]\nattach = ["provenance"]\n')
    assert [one.kind for one in run_push(project, name).images[0].attached] == ["provenance"]
    assert run_push(project, name, options=PushOptions(attach=())).images[0].attached == ()


def test_a_dry_run_says_what_would_be_attached_and_asks_nobody(plain, project):
    result = run_push(project, f"{plain.host}/team/model:1", options=ALL, dry_run=True)
    assert (result.digest, result.attach) == ("", ("provenance", "sbom"))
    assert plain.seen == []


def test_nothing_can_be_said_about_a_stored_image(plain):
    with pytest.raises(ToolError, match="stands in no lock") as caught:
        run_push(TASK, f"{plain.host}/team/model:1", image="mine:1", options=ALL)
    assert caught.value.code == ExitCode.USAGE
    assert plain.seen == []


def test_lists_of_attachments_are_no_images(plain, project):
    plain.lists_referrers = False
    name = f"{plain.host}/team/model"
    run_push(project, f"{name}:1", options=ALL)
    assert len(plain.repositories["team/model"].manifests) > 3
    assert run_tags(name, offline=False, emit=lambda event: None).tags == ("1",)


# --- what others have attached


def test_the_entries_of_others_stay_in_the_index(plain):
    plain.lists_referrers = False
    subject = subject_of(plain)
    tag = subject.digest.replace(":", "-")
    other = descriptor(b"signature", "application/x-signature", artifactType="x/y", platform={"os": "z"})
    index = canonical_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [other]})
    plain.add_manifest("team/thing", tag, index, INDEX_TYPE)
    with opened(plain, push=True) as registry:
        [done] = attach(registry, subject, [NOTE], epoch=0)
        entries = json.loads(plain.repositories["team/thing"].manifests[tag][1])["manifests"]
        assert entries[0] == other
        assert (entries[1]["digest"], entries[1]["artifactType"]) == (done.digest, SPDX_TYPE)
        assert [one.digest for one in list_attached(registry, subject.digest)] == [
            other["digest"],
            done.digest,
        ]


@pytest.mark.parametrize("kind", [INDEX_TYPE, MANIFEST_TYPE])
def test_what_is_no_list_is_not_overwritten(plain, kind):
    plain.lists_referrers = False
    subject = subject_of(plain)
    tag = subject.digest.replace(":", "-")
    plain.add_manifest("team/thing", tag, b'{"manifests": 7}', kind)
    with opened(plain, push=True) as registry, pytest.raises((FetchError, HostileInput)):
        attach(registry, subject, [NOTE], epoch=0)
    assert plain.repositories["team/thing"].manifests[tag][1] == b'{"manifests": 7}'


def test_many_pages_are_read_and_none_elsewhere(plain):
    subject = subject_of(plain)
    documents = [Attachment(media_type=SPDX_TYPE, body=b"%d" % number) for number in range(5)]
    plain.page_size = 2
    with opened(plain, push=True) as registry:
        done = attach(registry, subject, documents, epoch=0)
        assert {one.digest for one in list_attached(registry, subject.digest)} == {one.digest for one in done}
        plain.say("GET", "/referrers/", Link='<http://127.0.0.2/v2/x>; rel="next"')
        with pytest.raises(HostileInput, match="another place"):
            list_attached(registry, subject.digest)
        plain.say("GET", "/referrers/", Link=f'</v2/team/thing/referrers/{subject.digest}>; rel="next"')
        with pytest.raises(HostileInput, match="without end"):
            list_attached(registry, subject.digest)


@pytest.mark.parametrize("trick", [Trick.HTML, Trick.GONE])
def test_an_answer_that_is_no_list_leads_to_the_tag(plain, trick):
    subject = subject_of(plain)
    plain.order("GET", "/referrers/", trick)
    with opened(plain) as registry:
        assert list_attached(registry, subject.digest) == ()
    assert plain.asked("GET", f"/manifests/{subject.digest.replace(':', '-')}$")


def test_who_may_not_see_is_told_so(plain):
    subject = subject_of(plain)
    plain.order("GET", "/referrers/", Trick.DENIED)
    with opened(plain) as registry, pytest.raises(FetchError, match="refuses access"):
        list_attached(registry, subject.digest)


# --- documents


def attached_to(plain, subject, change=None, body=NOTE.body):
    """An attachment in the registry, honest unless `change` alters it; as it is listed."""
    plain.add_blob("team/thing", body)
    document = {
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": SPDX_TYPE,
        "config": descriptor(EMPTY, EMPTY_TYPE), "layers": [descriptor(body, SPDX_TYPE)],
        "subject": {"mediaType": MANIFEST_TYPE, "digest": subject.digest, "size": subject.size},
    }  # fmt: skip
    if change:
        change(document)
    plain.add_manifest("team/thing", "about", json.dumps(document).encode(), MANIFEST_TYPE)


def test_a_document_is_what_its_digest_says(plain, tmp_path):
    subject = subject_of(plain)
    attached_to(plain, subject)
    with opened(plain) as registry:
        [one] = list_attached(registry, subject.digest)
        fetch_attached(registry, subject.digest, one, str(tmp_path / "a"))
        assert (tmp_path / "a").read_bytes() == NOTE.body
        plain.order("GET", "/blobs/", Trick.WRONG)
        with pytest.raises(HashMismatch):
            fetch_attached(registry, subject.digest, one, str(tmp_path / "b"))
    assert not (tmp_path / "b").exists()


def to_another(document):
    document["subject"]["digest"] = Digest.of(b"another")


def to_none(document):
    del document["subject"]


def without_document(document):
    document["layers"] = []


def too_large(document):
    document["layers"][0]["size"] = 1 << 40


def from_elsewhere(document):
    document["layers"][0]["urls"] = ["http://127.0.0.1/x"]


@pytest.mark.parametrize("change", [to_another, to_none, without_document, too_large, from_elsewhere])
def test_an_attachment_that_lies_is_refused_before_its_document_is_fetched(plain, tmp_path, change):
    subject = subject_of(plain)
    attached_to(plain, subject, change)
    held = plain.repositories["team/thing"].manifests["about"][1]
    entry = {**descriptor(held, MANIFEST_TYPE), "artifactType": SPDX_TYPE}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}).encode()
    plain.lists_referrers = False
    plain.add_manifest("team/thing", subject.digest.replace(":", "-"), index, INDEX_TYPE)
    with opened(plain) as registry:
        [one] = list_attached(registry, subject.digest)
        with pytest.raises(HostileInput):
            fetch_attached(registry, subject.digest, one, str(tmp_path / "a"))
    assert not plain.asked("GET", "/blobs/")
    assert list(tmp_path.iterdir()) == []


# --- inspect and pull


def test_inspect_lists_and_pull_fetches_what_is_attached(registry, project, tmp_path):
    name = f"{registry.host}/team/model:1"
    pushed = run_push(project, name, options=ALL)
    seen = inspect_remote(Task(), name)
    assert (seen.name, seen.digest) == (name, pushed.digest)
    [image] = seen.images
    assert (image.platform, image.layers) == ("linux/amd64", 2)
    assert sorted(one.kind for one in image.attached) == sorted(KINDS)
    folder = tmp_path / "about"
    assert run_pull(TASK, name, attached=str(folder), dry_run=True).attached
    assert not folder.exists()
    pulled = run_pull(TASK, name, attached=str(folder))
    assert sorted(one.attached.kind for one in pulled.attached) == sorted(KINDS)
    assert {one.path for one in pulled.attached} == {str(path) for path in folder.iterdir()}
    held = registry.repositories["team/model"].blobs
    for path in folder.iterdir():
        assert f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" in held


def test_what_is_attached_to_a_whole_index_comes_too(plain, project, tmp_path):
    name = f"{plain.host}/team/model:1"
    pushed = run_push(project, name, options=PushOptions(index=True, attach=("provenance",)))
    assert pushed.digest != pushed.images[0].digest
    subject = Descriptor(media_type=INDEX_TYPE, digest=Digest(pushed.digest), size=1)
    plain.repositories["team/thing"] = plain.repositories["team/model"]
    with opened(plain, push=True) as registry:
        attach(registry, subject, [NOTE], epoch=0)
    seen = inspect_remote(Task(), name)
    assert [one.kind for one in seen.attached] == ["sbom.spdx"]
    assert [one.kind for one in seen.images[0].attached] == ["provenance"]
    pulled = run_pull(TASK, name, attached=str(tmp_path / "about"))
    assert [one.attached.kind for one in pulled.attached] == ["sbom.spdx", "provenance"]


def test_names_of_files_come_from_nobody_else(plain, project, tmp_path):
    name = f"{plain.host}/team/model:1"
    pushed = run_push(project, name)
    subject = Descriptor(media_type=MANIFEST_TYPE, digest=Digest(pushed.digest), size=1)

    def change(document):
        document["artifactType"] = "../../escape/type"
        document["layers"][0]["annotations"] = {"org.opencontainers.image.title": "../../escape"}

    plain.add_blob("team/model", NOTE.body)
    plain.repositories["team/thing"] = plain.repositories["team/model"]
    attached_to(plain, subject, change)
    pulled = run_pull(TASK, name, attached=str(tmp_path / "about"))
    [one] = pulled.attached
    assert Path(one.path).parent == tmp_path / "about"
    assert Path(one.path).name == f"attachment-{Digest(one.attached.digest).hex[:12]}.json"


def test_what_has_no_attachment_says_so(plain, project, tmp_path):
    name = f"{plain.host}/team/model:1"
    run_push(project, name)
    heard = []
    pulled = run_pull(TASK._replace(emit=heard.append), name, attached=str(tmp_path / "about"))
    assert pulled.attached == ()
    assert any("nothing is attached" in getattr(event, "text", "") for event in heard)


@pytest.mark.needs_tool("docker-registry")
def test_a_real_registry_without_the_api_keeps_and_lists_them(project, tmp_path):
    with distribution(tmp_path / "registry") as (host, _):
        name = f"{host}/team/model:1"
        pushed = run_push(project, name, options=ALL)
        again = run_push(project, name, options=ALL)
        assert (again.digest, again.sent) == (pushed.digest, 0)
        assert [one.kind for one in inspect_remote(Task(), name).images[0].attached] == KINDS
        pulled = run_pull(TASK, name, attached=str(tmp_path / "about"))
        assert [one.attached.kind for one in pulled.attached] == KINDS
        assert pulled.digest == pushed.digest


# --- as a user sees it


def test_a_user_pushes_looks_and_fetches(plain, project, capsys, tmp_path):
    name = f"{plain.host}/team/model:1"
    push = ["-C", project.directory, "push", name, "--platform", "linux/amd64"]
    assert execute([*push, "--attach", "sbom", "--attach", "provenance"]) == 0
    said = capsys.readouterr()
    digest = said.out.strip().rpartition("@")[2]
    assert said.out == f"{name}@{digest}\n"
    assert f"linux/amd64 {Digest(digest).hex[:12]}, attached: {', '.join(KINDS)}\n" in said.err
    assert execute(["inspect", "--remote", name]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[:2] == [["name", name], ["image", digest]]
    assert sorted(row[1] for row in rows if row[:1] == ["linux/amd64"] and row[1] in KINDS) == sorted(KINDS)
    assert execute(["inspect", "--remote", name, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert sorted(one["kind"] for one in document["images"][0]["attached"]) == sorted(KINDS)
    assert (
        execute(["pull", name, "--platform", "linux/amd64", "--attached", str(tmp_path / "about"), "--json"])
        == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert {one["path"] for one in document["attached"]} == {
        str(path) for path in (tmp_path / "about").iterdir()
    }
    assert execute([*push, "--attach", "none", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["attach"], document["digest"], document["images"][0]["attached"]) == ([], digest, [])


@pytest.mark.parametrize(
    "words",
    [
        ["push", "hub.example.org/a:1", "--attach", "none", "--attach", "sbom"],
        ["push", "hub.example.org/a:1", "--attach", "signature"],
        ["push", "hub.example.org/a:1", "--platform", "all", "--image", "mine:1"],
        ["push", "hub.example.org/a:1", "--attach", "sbom", "--image", "mine:1"],
        ["save", "x.tar", "--platform", "all", "--image", "mine:1"],
        ["inspect", "--remote"],
    ],
)
def test_what_contradicts_itself_is_said_before_anything_is_done(words, capsys):
    assert execute(words) == ExitCode.USAGE
    said = capsys.readouterr()
    assert (said.out, "hint:" in said.err) == ("", True)
