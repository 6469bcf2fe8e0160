"""What the registry client does with registries that fail, lie, or want to know what is not theirs. `builders.md` 3.2, registry row."""

import base64
import json
import subprocess
from dataclasses import replace

import pytest
from registry_world import CONFIG, LAYER, MANIFEST, MANIFEST_TYPE, QUICK, blob_of, open_at

from shipway.core.digest import Digest
from shipway.core.errors import (
    ExitCode,
    FetchError,
    HashMismatch,
    HostileInput,
    NotFound,
    OfflineError,
    ToolError,
)
from shipway.core.events import Note
from shipway.core.reference import parse_reference
from shipway.host.location import Auth
from shipway.host.registries import Place, RegistrySettings
from shipway.image.registry.model import AccessRefused, Descriptor
from shipway.image.registry.pull import fetch_blobs
from shipway.image.registry.push import push
from shipway.testing.registry import FakeRegistry, Trick

USER = Auth(user="ada", password="s3cret-word")
DIGEST = Digest.of(LAYER)
BLOB = f"/v2/team/thing/blobs/{DIGEST}$"
UPLOAD = "/v2/team/thing/blobs/uploads/[0-9]+$"


@pytest.fixture
def registry():
    with FakeRegistry() as running:
        fill(running)
        yield running


def fill(running):
    running.add_blob("team/thing", LAYER)
    running.add_blob("team/thing", CONFIG)
    running.add_manifest("team/thing", "v1", MANIFEST, MANIFEST_TYPE)


def thing(registry):
    return f"{registry.host}/team/thing:v1"


def remember(tmp_path, *hosts, auth=USER, **entry):
    """Keep credentials for `hosts` in Docker's configuration."""
    entry = entry or {"auth": auth.header.partition(" ")[2]}
    (tmp_path / ".docker").mkdir(exist_ok=True)
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": dict.fromkeys(hosts, entry)}))


def manifest(registry, tmp_path, **more):
    with open_at(thing(registry), tmp_path, **more) as opened:
        return opened.get_manifest(parse_reference(thing(registry)))


def fetch(registry, tmp_path, **more):
    path = tmp_path / "blob"
    with open_at(thing(registry), tmp_path, **more) as opened:
        opened.fetch_blob(DIGEST, len(LAYER), str(path))
    return path.read_bytes()


def send(registry, tmp_path, *blobs, to="team/new:v1", **more):
    reference = f"{registry.host}/{to}"
    with open_at(reference, tmp_path, push=True, **more) as opened:
        blobs = blobs or (blob_of(LAYER), blob_of(CONFIG))
        return push(opened, parse_reference(reference), blobs, MANIFEST, MANIFEST_TYPE)


def credentials_seen(registry):
    return {seen.headers["authorization"] for seen in registry.seen if "authorization" in seen.headers}


# --- honest


def test_pull_and_push(registry, tmp_path):
    got = manifest(registry, tmp_path)
    assert (got.body, got.media_type, got.digest) == (MANIFEST, MANIFEST_TYPE, Digest.of(MANIFEST))
    assert fetch(registry, tmp_path) == LAYER
    done = send(registry, tmp_path)
    assert done.digest == Digest.of(MANIFEST)
    assert done.sent == len(LAYER) + len(CONFIG)
    assert registry.repository("team/new").blobs[DIGEST] == LAYER
    assert registry.repository("team/new").manifests["v1"] == (MANIFEST_TYPE, MANIFEST)


def test_what_is_there_is_not_sent_and_what_is_near_is_mounted(registry, tmp_path):
    again = send(registry, tmp_path, to="team/thing:v2")
    assert (again.sent, again.uploaded, len(again.present)) == (0, (), 2)
    near = [blob_of(LAYER, mount_from=("team/none", "team/thing")), blob_of(CONFIG)]
    done = send(registry, tmp_path, *near)
    assert (done.mounted, done.sent) == ((DIGEST,), len(CONFIG))
    assert not registry.asked("PATCH", "nothing")


def test_fetching_many(registry, tmp_path):
    wanted = [(Descriptor(media_type="x", digest=Digest.of(data), size=len(data)), str(tmp_path / name))
              for name, data in (("layer", LAYER), ("config", CONFIG))]  # fmt: skip
    with open_at(thing(registry), tmp_path) as opened:
        assert sorted(path for _, path in fetch_blobs(opened, wanted)) == sorted(path for _, path in wanted)
    assert (tmp_path / "layer").read_bytes() == LAYER


def test_nothing_is_asked_offline(registry, tmp_path):
    with pytest.raises(OfflineError):
        open_at(thing(registry), tmp_path, settings=RegistrySettings(offline=True))
    assert not registry.seen


def test_a_name_without_registry_needs_a_default(registry, tmp_path):
    with pytest.raises(ToolError) as caught:
        open_at("team/thing:v1", tmp_path)
    assert caught.value.code == ExitCode.USAGE
    with open_at("team/thing:v1", tmp_path, SHIPWAY_REGISTRY=registry.host) as opened:
        assert opened.list_tags() == ("v1",)


# --- failures


@pytest.mark.parametrize("trick", [Trick.ERROR, Trick.BUSY, Trick.SILENT])
def test_a_passing_failure_is_passed(registry, tmp_path, trick):
    registry.order("GET", "/manifests/", trick, Trick.HONEST)
    registry.order("GET", BLOB, trick, Trick.HONEST)
    assert manifest(registry, tmp_path).body == MANIFEST
    assert fetch(registry, tmp_path) == LAYER


@pytest.mark.parametrize("trick", [Trick.ERROR, Trick.BUSY, Trick.SILENT, Trick.TRUNCATE])
def test_a_lasting_failure_ends_after_bounded_attempts_and_leaves_no_file(registry, tmp_path, trick):
    registry.order("GET", "/manifests/", trick)
    with pytest.raises(FetchError) as caught:
        manifest(registry, tmp_path)
    assert registry.host in caught.value.message
    assert len(registry.asked("GET", "/manifests/")) == 3
    if (
        trick is Trick.TRUNCATE
    ):  # a blob that breaks is continued, which every attempt brings nearer to its end
        return
    registry.order("GET", BLOB, trick)
    with pytest.raises(FetchError):
        fetch(registry, tmp_path)
    assert not (tmp_path / "blob").exists()
    assert len(registry.asked("GET", BLOB)) == 3


def test_a_broken_blob_is_continued(registry, tmp_path):
    registry.order("GET", BLOB, Trick.TRUNCATE, Trick.TRUNCATE, Trick.HONEST)
    assert fetch(registry, tmp_path) == LAYER
    ranges = [seen.headers.get("range") for seen in registry.asked("GET", BLOB)]
    assert ranges[0] is None
    assert all(text and int(text[6:-1]) > 0 for text in ranges[1:])


def test_a_broken_upload_is_continued_where_the_registry_stands(registry, tmp_path):
    registry.order("PATCH", UPLOAD.replace("thing", "new"), Trick.CUT, Trick.HONEST)
    done = send(registry, tmp_path, blob_of(LAYER))
    assert done.uploaded == (DIGEST,)
    assert registry.repository("team/new").blobs[DIGEST] == LAYER
    ranges = [seen.headers["content-range"] for seen in registry.asked("PATCH", "/team/new/")]
    assert ranges == [f"0-{len(LAYER) - 1}", f"{len(LAYER) // 2}-{len(LAYER) - 1}"]


def test_a_forgotten_upload_is_begun_anew(registry, tmp_path):
    registry.order("PATCH", "/uploads/", Trick.CUT, Trick.HONEST)
    registry.order("GET", "/uploads/", Trick.GONE)
    assert send(registry, tmp_path, blob_of(LAYER)).uploaded == (DIGEST,)
    assert registry.repository("team/new").blobs[DIGEST] == LAYER
    assert len(registry.asked("POST", "/uploads/")) == 2


def test_an_upload_that_is_cut_for_ever_ends(registry, tmp_path):
    registry.order("PATCH", "/uploads/", Trick.CUT)
    with pytest.raises(FetchError):
        send(registry, tmp_path, blob_of(LAYER))
    assert len(registry.asked("PATCH", "/uploads/")) <= 20
    assert not registry.repository("team/new").manifests


def test_a_lost_answer_to_the_last_request_is_no_failure(registry, tmp_path):
    registry.order("PUT", "/uploads/", Trick.TRUNCATE, Trick.HONEST)
    registry.say("PUT", "/uploads/", Content_Length="5")  # never comes, so the first answer is incomplete
    with open_at(f"{registry.host}/team/new:v1", tmp_path, push=True) as opened:
        opened.push_blob(DIGEST, len(LAYER), blob_of(LAYER).open)
    assert registry.repository("team/new").blobs[DIGEST] == LAYER


def test_the_first_failure_stops_the_rest(registry, tmp_path):
    registry.order("PATCH", "/uploads/", Trick.DENIED)
    blobs = [blob_of(bytes([number]) * 1000) for number in range(40)]
    with pytest.raises(AccessRefused):
        send(registry, tmp_path, *blobs)
    assert len(registry.asked("POST", "/uploads/")) < 40


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/uploads/"), ("PATCH", "/uploads/"), ("PUT", "/uploads/"), ("PUT", "/manifests/")],
)
@pytest.mark.parametrize("trick", [Trick.SILENT, Trick.ERROR, Trick.BUSY])
def test_whatever_stalls_or_fails_in_a_push_it_ends_and_leaves_no_name(
    registry, tmp_path, method, path, trick
):
    registry.order(method, path, trick)
    with pytest.raises(FetchError) as caught:
        send(registry, tmp_path, blob_of(LAYER), limits=replace(QUICK, silence=0.4, rounds=2))
    assert registry.host in caught.value.message
    assert len(registry.asked(method, path)) <= 2
    assert not registry.repository("team/new").manifests


@pytest.mark.parametrize("trick", [Trick.SILENT, Trick.ERROR, Trick.BUSY])
def test_a_push_passes_a_passing_failure(registry, tmp_path, trick):
    for method, path in (("HEAD", "/blobs/"), ("POST", "/uploads/"), ("PATCH", "/uploads/"), ("PUT", "/")):
        registry.order(method, path, trick, Trick.HONEST)
    assert send(registry, tmp_path, blob_of(LAYER)).digest == Digest.of(MANIFEST)
    assert registry.repository("team/new").blobs[DIGEST] == LAYER


def test_bytes_that_drip_are_not_waited_for(registry, tmp_path):
    registry.order("GET", "/(manifests|blobs)/", Trick.DRIP)
    with pytest.raises(FetchError, match="slower than"):
        manifest(registry, tmp_path)
    with pytest.raises(FetchError) as caught:
        fetch(registry, tmp_path)
    assert not (tmp_path / "blob").exists()
    assert registry.host in str(vars(caught.value))


def test_an_upload_that_never_moves_is_given_up_and_leaves_no_manifest(registry, tmp_path):
    registry.order("PATCH", "/uploads/", Trick.ERROR)
    with pytest.raises(FetchError):
        send(registry, tmp_path, blob_of(LAYER))
    assert len(registry.asked("PATCH", "/uploads/")) == 3
    assert not registry.repository("team/new").manifests


def test_a_registry_that_takes_no_large_request_gets_smaller_ones(registry, tmp_path, monkeypatch):
    monkeypatch.setattr("shipway.image.registry.upload._SMALLER", 300_000)
    registry.order("PATCH", "/uploads/", Trick.TOO_LARGE, Trick.HONEST)
    send(registry, tmp_path, blob_of(LAYER))
    assert registry.repository("team/new").blobs[DIGEST] == LAYER
    assert [seen.headers["content-length"] for seen in registry.asked("PATCH", "/uploads/")][1:] == [
        "300000"
    ] * 3 + ["124000"]


def test_missing_things(registry, tmp_path):
    with open_at(thing(registry), tmp_path) as opened:
        with pytest.raises(NotFound) as caught:
            opened.get_manifest(parse_reference(f"{registry.host}/team/thing:v9"))
        assert "team/thing:v9" in caught.value.message
        assert opened.find_digest(parse_reference(f"{registry.host}/team/thing:v9")) is None
        with pytest.raises(NotFound):
            opened.fetch_blob(Digest.of(b"gone"), 4, str(tmp_path / "blob"))
    assert not (tmp_path / "blob").exists()


def test_a_registry_that_is_gone_is_named(tmp_path):
    with FakeRegistry() as running:
        host = running.host
    with pytest.raises(FetchError) as caught, open_at(f"{host}/a:b", tmp_path) as opened:
        opened.list_tags()
    assert host in caught.value.message


# --- lies


def test_bytes_that_are_not_the_digest(registry, tmp_path):
    registry.order("GET", BLOB, Trick.WRONG)
    with pytest.raises(HashMismatch) as caught:
        fetch(registry, tmp_path)
    assert DIGEST in caught.value.message
    assert not (tmp_path / "blob").exists()


def test_a_size_that_is_not_the_descriptors(registry, tmp_path):
    with open_at(thing(registry), tmp_path) as opened, pytest.raises(FetchError):
        opened.fetch_blob(DIGEST, len(LAYER) - 1, str(tmp_path / "blob"))
    assert not (tmp_path / "blob").exists()


def test_a_manifest_that_is_not_its_digest(registry, tmp_path):
    held = f"{registry.host}/team/thing@{Digest.of(MANIFEST)}"
    registry.order("GET", "/manifests/", Trick.WRONG)
    with pytest.raises(HashMismatch), open_at(held, tmp_path) as opened:
        opened.get_manifest(parse_reference(held))


def test_a_digest_header_that_lies(registry, tmp_path):
    registry.say("GET", "/manifests/", Docker_Content_Digest=Digest.of(b"other"))
    with pytest.raises(HashMismatch):
        manifest(registry, tmp_path)
    registry.say("PUT", "/manifests/", Docker_Content_Digest=Digest.of(b"other"))
    with pytest.raises(HostileInput):
        send(registry, tmp_path)


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/vnd.oci.image.index.v1+json"])
def test_a_manifest_of_another_kind_than_it_says(registry, tmp_path, kind):
    registry.say("GET", "/manifests/", Content_Type=kind)
    with pytest.raises(HostileInput) as caught:
        manifest(registry, tmp_path)
    assert kind in caught.value.message


def test_a_page_for_people(registry, tmp_path):
    registry.order("GET", "/manifests/", Trick.HTML)
    registry.order("GET", BLOB, Trick.HTML)
    with pytest.raises(HostileInput):
        manifest(registry, tmp_path)
    with pytest.raises(FetchError):
        fetch(registry, tmp_path)


def test_a_manifest_without_end(registry, tmp_path):
    registry.add_manifest("team/thing", "v1", b"[" * (5 << 20), MANIFEST_TYPE)
    with pytest.raises(FetchError) as caught:
        manifest(registry, tmp_path)
    assert "more than" in caught.value.message
    assert len(registry.asked("GET", "/manifests/")) == 1


def test_a_manifest_that_is_deep_or_no_object(registry, tmp_path):
    for body in (b"[" * 100_000, b"[]", b"\xff", b""):
        registry.add_manifest("team/thing", "v1", body, MANIFEST_TYPE)
        with pytest.raises(HostileInput):
            manifest(registry, tmp_path)


def test_lists_of_many_pages_and_without_end(registry, tmp_path):
    for number in range(7):
        registry.add_manifest("team/thing", f"t{number}", MANIFEST, MANIFEST_TYPE)
    registry.page_size = 2
    with open_at(thing(registry), tmp_path) as opened:
        assert len(opened.list_tags()) == 8
        assert opened.list_repositories() == ("team/thing",)
    registry.say("GET", "/tags/list", Link="</v2/team/thing/tags/list?n=1&last=t1>; rel=next")
    with pytest.raises(HostileInput), open_at(thing(registry), tmp_path) as opened:
        opened.list_tags()


@pytest.mark.parametrize(
    "target", ["http://localhost:1/v2/team/thing/tags/list", "/v2/other/tags/list", "//127.0.0.2/x"]
)
def test_a_list_that_goes_on_elsewhere(registry, tmp_path, target):
    registry.say("GET", "/tags/list", Link=f'<{target}>; rel="next"')
    with pytest.raises(HostileInput), open_at(thing(registry), tmp_path) as opened:
        opened.list_tags()


def test_wrong_bytes_of_our_own_never_become_a_blob(registry, tmp_path):
    for wrong in (LAYER[:-1] + b"x", LAYER[:-1], LAYER + b"x"):
        with pytest.raises(HashMismatch):
            send(registry, tmp_path, blob_of(LAYER, actual=wrong))
    assert not registry.repository("team/new").blobs
    assert not registry.repository("team/new").manifests
    assert all(len(data) < len(LAYER) for data in registry.uploads.values())


# --- credentials


@pytest.mark.parametrize("how", ["basic", "token"])
def test_login_by_either_way(tmp_path, how):
    with FakeRegistry(**{how: USER}) as running:
        fill(running)
        with pytest.raises(AccessRefused) as caught:
            manifest(running, tmp_path)
        assert f"shipway login {running.host}" in caught.value.hints[0]
        remember(tmp_path, running.host)
        assert manifest(running, tmp_path).body == MANIFEST
        assert fetch(running, tmp_path) == LAYER
        assert send(running, tmp_path).sent == len(LAYER) + len(CONFIG)


def test_a_wrong_password_is_tried_once(tmp_path):
    with FakeRegistry(token=USER) as running:
        fill(running)
        remember(tmp_path, running.host, auth=Auth(user="ada", password="other-word"))
        with pytest.raises(AccessRefused) as caught:
            manifest(running, tmp_path)
        assert len(running.asked("GET", "/token")) == 1
        assert "other-word" not in str(vars(caught.value))


def test_an_identity_token_buys_tokens(tmp_path):
    with FakeRegistry(token=USER) as running:
        fill(running)
        remember(tmp_path, running.host, identitytoken=USER.password)
        assert manifest(running, tmp_path).body == MANIFEST
        assert len(running.asked("POST", "/token")) == 1


def test_tokens_carry_no_more_rights_than_the_task(tmp_path):
    with FakeRegistry(token=USER) as running:
        fill(running)
        remember(tmp_path, running.host)
        manifest(running, tmp_path)
        assert [seen.query["scope"] for seen in running.asked("GET", "/token")] == [
            ("repository:team/thing:pull",)
        ]


def test_a_token_that_is_too_old_is_replaced_once(tmp_path):
    with FakeRegistry(token=USER) as running:
        fill(running)
        remember(tmp_path, running.host)
        with open_at(thing(running), tmp_path) as opened:
            opened.get_manifest(parse_reference(thing(running)))
            running.tokens = {"of-another-time"}
            opened.get_manifest(parse_reference(thing(running)))
            running.tokens = {"of-a-third", "and", "more"}
            opened.fetch_blob(DIGEST, len(LAYER), str(tmp_path / "blob"))
        assert len(running.asked("GET", "/token")) == 3


@pytest.mark.parametrize(
    "scope",
    [
        "repository:team/thing:pull,push",
        "repository:other:pull",
        "registry:catalog:*",
        "repository:team/thing:*",
        "admin",
    ],
)
def test_more_rights_than_needed_are_refused(tmp_path, scope):
    with FakeRegistry(token=USER) as running:
        fill(running)
        remember(tmp_path, running.host)
        running.say(
            "GET",
            "/manifests/",
            WWW_Authenticate=f'Bearer realm="http://{running.host}/token",scope="{scope}"',
        )
        with pytest.raises(HostileInput) as caught:
            manifest(running, tmp_path)
        assert scope in caught.value.message
        assert not running.asked("GET", "/token")


def test_a_foreign_realm_gets_no_credentials(tmp_path):
    with FakeRegistry(token=USER) as thief, FakeRegistry(token=USER) as running:
        fill(running)
        running.realm = f"http://localhost:{thief.host.rpartition(':')[2]}/token"
        remember(tmp_path, running.host)
        with pytest.raises(AccessRefused) as caught:
            manifest(running, tmp_path)
        assert "localhost" in caught.value.message
        assert not thief.seen


def test_a_realm_that_the_user_has_named_gets_them(tmp_path):
    with FakeRegistry(token=USER) as server, FakeRegistry(token=USER) as running:
        fill(running)
        running.tokens = server.tokens
        port = server.host.rpartition(":")[2]
        running.realm = f"http://localhost:{port}/token"
        remember(tmp_path, running.host)
        place = Place(name=running.host, token_hosts=(f"localhost:{port}",))
        settings = RegistrySettings(places={running.host: place}, environ={"HOME": str(tmp_path)})
        assert manifest(running, tmp_path, settings=settings).body == MANIFEST
        assert credentials_seen(server) == {USER.header}


def test_without_credentials_a_foreign_realm_may_be_asked(tmp_path):
    with FakeRegistry() as server, FakeRegistry(token=USER) as running:
        fill(running)
        running.tokens = server.tokens
        running.realm = f"http://localhost:{server.host.rpartition(':')[2]}/token"
        assert manifest(running, tmp_path).body == MANIFEST
        assert credentials_seen(server) == set()


@pytest.mark.parametrize(
    "realm",
    ["", "ftp://127.0.0.1/token", "file:///etc/passwd", "http://u:p@127.0.0.1/token", "http://127.0.0.1/ x"],
)
def test_a_realm_that_is_no_address(tmp_path, realm):
    with FakeRegistry(token=USER) as running:
        fill(running)
        running.say("GET", "/manifests/", WWW_Authenticate=f'Bearer realm="{realm}"')
        with pytest.raises(HostileInput):
            manifest(running, tmp_path)


def test_a_token_that_would_be_a_header_is_refused(tmp_path):
    for token in ("a\r\nX-Evil: 1", "a b", "é", 7, None, "x" * 70_000):
        with FakeRegistry() as server, FakeRegistry(token=USER) as running:
            fill(running)
            server.add_manifest("t", "t", json.dumps({"token": token}).encode(), "application/json")
            running.realm = f"http://{server.host}/v2/t/manifests/t"
            with pytest.raises(FetchError) as caught:
                manifest(running, tmp_path)
            assert "usable token" in caught.value.message


def test_a_token_server_that_answers_without_sense_is_told(tmp_path):
    for body in (b"[" * 100_000, b"[]", b"", b"<html>", b'{"token": {}}'):
        with FakeRegistry() as server, FakeRegistry(token=USER) as running:
            fill(running)
            server.repository("t").manifests["t"] = ("application/json", body)
            running.realm = f"http://{server.host}/v2/t/manifests/t"
            with pytest.raises(FetchError) as caught:
                manifest(running, tmp_path)
            assert "usable token" in caught.value.message


def test_service_and_scope_cannot_add_to_the_question(tmp_path):
    with FakeRegistry(token=USER) as running:
        fill(running)
        remember(tmp_path, running.host)
        value = f'Bearer realm="http://{running.host}/token",service="x&scope=repository:other:push\\" y"'
        running.say("GET", "/manifests/", WWW_Authenticate=value)
        assert manifest(running, tmp_path).body == MANIFEST
        (seen,) = running.asked("GET", "/token")
        assert seen.query["scope"] == ("repository:team/thing:pull",)
        assert seen.query["service"] == ('x&scope=repository:other:push" y',)


def test_a_redirect_elsewhere_sees_no_credential(tmp_path):
    with FakeRegistry() as cdn, FakeRegistry(basic=USER) as running:
        fill(running)
        fill(cdn)
        remember(tmp_path, running.host, cdn.host)
        running.elsewhere = f"http://{cdn.host}"
        running.order("GET", BLOB, Trick.HONEST, Trick.REDIRECT)
        with open_at(thing(running), tmp_path) as opened:
            opened.get_manifest(parse_reference(thing(running)))
            opened.fetch_blob(DIGEST, len(LAYER), str(tmp_path / "blob"))
            opened.fetch_blob(DIGEST, len(LAYER), str(tmp_path / "blob"))
        assert len(cdn.asked("GET", BLOB)) == 1
        assert credentials_seen(cdn) == set()


def test_an_upload_is_never_sent_elsewhere(registry, tmp_path):
    with FakeRegistry() as thief:
        for where in (
            f"http://{thief.host}/v2/x/blobs/uploads/1",
            f"https://{registry.host}/v2/x/blobs/uploads/1",
            "//169.254.169.254/x",
        ):
            registry.say("POST", "/uploads/", Location=where)
            with pytest.raises(HostileInput) as caught:
                send(registry, tmp_path, blob_of(LAYER))
            assert "nothing was sent" in caught.value.message
        assert not thief.seen


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/uploads/"), ("PATCH", "/uploads/"), ("PUT", "/uploads/"), ("PUT", "/manifests/")],
)
def test_what_is_sent_is_never_redirected(tmp_path, method, path):
    with FakeRegistry() as thief, FakeRegistry(basic=USER) as running:
        remember(tmp_path, running.host)
        running.elsewhere = f"http://{thief.host}"
        running.order(method, path, Trick.REDIRECT)
        with pytest.raises(FetchError):
            send(running, tmp_path)
        assert not thief.seen


def test_a_secret_that_is_repeated_does_not_get_into_the_error(tmp_path):
    for how in ("basic", "token"):
        with FakeRegistry(**{how: USER}) as running:
            fill(running)
            remember(tmp_path, running.host)
            with open_at(thing(running), tmp_path) as opened:
                opened.get_manifest(parse_reference(thing(running)))
                running.order("GET", "/manifests/", Trick.DENIED)
                with pytest.raises(AccessRefused) as caught:
                    opened.get_manifest(parse_reference(thing(running)))
            text = str(vars(caught.value))
            assert "DENIED" in text
            for secret in (USER.password, base64.b64encode(b"ada:s3cret-word").decode(), *running.tokens):
                assert secret not in text


def test_netrc_is_not_for_registries(tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password s3cret-word\n")
    with FakeRegistry(basic=USER) as running:
        fill(running)
        with pytest.raises(AccessRefused):
            manifest(running, tmp_path)
        assert credentials_seen(running) == set()


# --- schemes, proxies and mirrors


def test_a_proxy_of_the_environment_is_used(registry, tmp_path):
    more = {"SHIPWAY_INSECURE_REGISTRIES": "hub.example.org", "HTTP_PROXY": f"http://{registry.host}"}
    reference = parse_reference("hub.example.org/team/thing:v1")
    with open_at(reference.text, tmp_path, **more) as opened:
        assert opened.get_manifest(reference).body == MANIFEST
    assert registry.seen[0].headers["host"] == "hub.example.org"


@pytest.fixture
def certificate(tmp_path):
    path = tmp_path / "company.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hub", "-keyout", path.with_suffix(".key"),
         "-out", path, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_suffix(".key").read_bytes())
    return str(path)


@pytest.mark.needs_tool("openssl")
def test_a_company_certificate_is_needed_and_enough(certificate, tmp_path):
    with FakeRegistry(certificate=certificate, token=USER) as running:
        fill(running)
        running.realm = f"https://{running.host}/token"
        remember(tmp_path, running.host)
        places = {running.host: Place(name=running.host, url=f"https://{running.host}")}
        strange = RegistrySettings(places=places, environ={"HOME": str(tmp_path)})
        with pytest.raises(FetchError) as caught:
            manifest(running, tmp_path, settings=strange)
        assert "certificate" in caught.value.message
        assert not running.seen
        known = RegistrySettings(places=places, environ={"HOME": str(tmp_path), "SSL_CERT_FILE": certificate})
        assert manifest(running, tmp_path, settings=known).body == MANIFEST
        with FakeRegistry() as thief:
            fill(thief)
            running.elsewhere = f"http://{thief.host}"
            running.order("GET", BLOB, Trick.REDIRECT)
            with pytest.raises(FetchError) as caught:
                fetch(running, tmp_path, settings=known)
            running.realm = f"http://{thief.host}/token"
            running.tokens = {"none"}
            with pytest.raises(HostileInput):
                manifest(running, tmp_path, settings=known)
            assert not thief.seen


def test_plain_http_is_for_loopback_and_what_was_named(tmp_path):
    def base(name, **environ):
        with open_at(f"{name}/a:b", tmp_path, **environ) as opened:
            return opened._own.origin

    assert base("hub.example.org") == "https://hub.example.org"
    assert base("10.0.0.1:5000") == "https://10.0.0.1:5000"
    assert base("127.0.0.1:5000") == "http://127.0.0.1:5000"
    assert base("localhost:5000") == "http://localhost:5000"
    assert base("localhost.example.org") == "https://localhost.example.org"
    assert base("10.0.0.1:5000", SHIPWAY_INSECURE_REGISTRIES="10.0.0.1:5000") == "http://10.0.0.1:5000"


def test_mirrors_come_first_with_their_own_credentials_and_pushes_pass_them_by(tmp_path):
    with FakeRegistry() as mirror, FakeRegistry() as running:
        fill(running)
        mirror.add_manifest("team/thing", "v1", MANIFEST, MANIFEST_TYPE)
        remember(tmp_path, running.host)
        place = Place(name=running.host, mirrors=(f"http://{mirror.host}",))
        settings = RegistrySettings(places={running.host: place}, environ={"HOME": str(tmp_path)})
        assert manifest(running, tmp_path, settings=settings).body == MANIFEST
        assert not running.seen
        assert fetch(running, tmp_path, settings=settings) == LAYER  # the mirror lacks it
        mirror.order("GET", "/manifests/", Trick.WRONG)
        notes = []
        assert manifest(running, tmp_path, settings=settings, emit=notes.append).body == MANIFEST
        assert any(isinstance(note, Note) and mirror.host in note.text for note in notes)
        before = len(mirror.seen)
        send(running, tmp_path, settings=settings)
        assert len(mirror.seen) == before
        assert credentials_seen(mirror) == set()


def test_a_mirror_that_lacks_a_blob_does_not_hide_that_the_registry_waits_for_a_password(tmp_path):
    with FakeRegistry() as mirror, FakeRegistry(token=USER) as running:
        fill(running)
        remember(tmp_path, running.host)
        place = Place(name=running.host, mirrors=(f"http://{mirror.host}",))
        settings = RegistrySettings(places={running.host: place}, environ={"HOME": str(tmp_path)})
        assert fetch(running, tmp_path, settings=settings) == LAYER
        assert credentials_seen(mirror) == set()


def test_referrers(registry, tmp_path):
    sbom = json.dumps(
        {"mediaType": MANIFEST_TYPE, "artifactType": "text/spdx", "subject": {"digest": Digest.of(MANIFEST)}}
    ).encode()
    registry.add_manifest("team/thing", "sbom", sbom, MANIFEST_TYPE)
    with open_at(thing(registry), tmp_path) as opened:
        found = opened.referrers(Digest.of(MANIFEST))
        assert [(it.digest, it.artifact_type) for it in found] == [(Digest.of(sbom), "text/spdx")]
        assert opened.referrers(Digest.of(b"other")) == ()


def test_what_goes_before_a_name_is_the_hosts_business(tmp_path):
    with FakeRegistry(token=USER) as running:
        running.add_manifest("proxy/library/thing", "v1", MANIFEST, MANIFEST_TYPE)
        remember(tmp_path, "https://login.example.org/v1/")
        place = Place(
            name="hub.example.org",
            url=f"http://{running.host}/proxy",
            namespace="library",
            login="https://login.example.org/v1/",
        )
        settings = RegistrySettings(places={place.name: place}, environ={"HOME": str(tmp_path)})
        with open_at("hub.example.org/thing:v1", tmp_path, settings=settings) as opened:
            assert opened.get_manifest(parse_reference("hub.example.org/thing:v1")).body == MANIFEST
        with open_at("hub.example.org/team/thing:v1", tmp_path, settings=settings) as opened:
            assert opened.find_digest(parse_reference("hub.example.org/team/thing:v1")) is None
        assert running.asked("HEAD", "^/v2/proxy/team/thing/manifests/v1$")
        assert [seen.query["scope"][0] for seen in running.asked("GET", "/token")] == [
            "repository:proxy/library/thing:pull",
            "repository:proxy/team/thing:pull",
        ]
