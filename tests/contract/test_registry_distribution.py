"""The registry client against Debian's `docker-registry` (distribution 2.8): everybody let in, htpasswd, and signed tokens."""

import base64
import contextlib
import functools
import json
import os
import secrets
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from registry_world import CONFIG, LAYER, MANIFEST, MANIFEST_TYPE, PATIENT, blob_of
from registry_world import open_at as open_with

from private_engines import distribution
from shipway.core.digest import Digest
from shipway.core.errors import FetchError, HashMismatch, NotFound
from shipway.core.reference import parse_reference
from shipway.host.location import Auth
from shipway.image.registry.model import AccessRefused
from shipway.image.registry.push import push

pytestmark = pytest.mark.needs_tool("docker-registry", "openssl", "htpasswd")
USER = Auth(user="ada", password="s3cret-word")


open_at = functools.partial(open_with, limits=PATIENT)


@contextlib.contextmanager
def token_server(folder):
    """Gives RS256 tokens, as distribution's specification says, to `USER` only; its URL, what it was asked, and its certificate."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True,
    )  # fmt: skip
    der = subprocess.run(
        ["openssl", "x509", "-in", folder / "cert.pem", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format, *args):  # noqa: A002
            pass

        def do_GET(self):
            query = parse_qs(urlsplit(self.path).query)
            asked.append((self.headers.get("Authorization"), query.get("scope", [])))
            good = self.headers.get("Authorization") == USER.header
            body = json.dumps({"token": self.token(query)} if good else {"errors": []}).encode()
            self.send_response(200 if good else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def token(self, query):
            access = []
            for scope in query.get("scope", []):
                kind, name, actions = scope.split(":")
                access.append({"type": kind, "name": name, "actions": actions.split(",")})
            now = int(time.time())
            claims = {
                "iss": "tokens", "sub": "ada", "aud": query["service"][0], "exp": now + 300, "nbf": now - 10, "iat": now,
                "jti": secrets.token_hex(8), "access": access,
            }  # fmt: skip
            head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
            text = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
            signed = subprocess.run(
                ["openssl", "dgst", "-sha256", "-sign", folder / "key.pem"],
                input=text.encode(),
                check=True,
                capture_output=True,
            )
            return f"{text}.{encoded(signed.stdout)}"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/token", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def remember(home, host):
    (home / ".docker").mkdir(exist_ok=True)
    entry = {"auth": USER.header.partition(" ")[2]}
    (home / ".docker" / "config.json").write_text(json.dumps({"auths": {host: entry}}))


def round_trip(host, home, tmp_path):
    """Push, push again, mount, list, pull; all as one user would."""
    first, second = parse_reference(f"{host}/team/first:v1"), parse_reference(f"{host}/team/second:v1")
    with open_at(first.text, home, push=True) as opened:
        done = push(opened, first, [blob_of(LAYER), blob_of(CONFIG)], MANIFEST, MANIFEST_TYPE)
        assert done.sent == len(LAYER) + len(CONFIG)
        again = push(opened, first, [blob_of(LAYER), blob_of(CONFIG)], MANIFEST, MANIFEST_TYPE)
        assert (again.sent, len(again.present)) == (0, 2)
    near = [blob_of(data, mount_from=("team/first",)) for data in (LAYER, CONFIG)]
    with open_at(second.text, home, push=True) as opened:
        done = push(opened, second, near, MANIFEST, MANIFEST_TYPE)
        assert (done.sent, len(done.mounted)) == (0, 2)
    with open_at(second.text, home) as opened:
        got = opened.get_manifest(second)
        assert (got.body, got.digest) == (MANIFEST, Digest.of(MANIFEST))
        assert opened.get_manifest(second.at(got.digest)).body == MANIFEST
        assert opened.find_digest(second) == got.digest
        assert opened.list_tags() == ("v1",)
        assert opened.list_repositories() == ("team/first", "team/second")
        assert opened.referrers(got.digest) == ()
        opened.fetch_blob(Digest.of(LAYER), len(LAYER), str(tmp_path / "layer"))
        with pytest.raises(NotFound):
            opened.fetch_blob(Digest.of(b"gone"), 4, str(tmp_path / "gone"))
    assert (tmp_path / "layer").read_bytes() == LAYER


def test_everybody(tmp_path):
    with distribution(tmp_path / "registry") as (host, _):
        round_trip(host, tmp_path, tmp_path)
        with open_at(f"{host}/team/bad:v1", tmp_path, push=True) as opened, pytest.raises(HashMismatch):
            opened.push_blob(Digest.of(b"right"), 5, lambda: iter([b"wrong"]))
        assert not os.path.exists(tmp_path / "registry/data/docker/registry/v2/repositories/team/bad/_layers")


def test_an_upload_survives_its_registry(tmp_path):
    """The registry is killed in the middle of a layer and started again; the layer arrives whole all the same."""
    data = LAYER * 12
    with contextlib.ExitStack() as stack:
        host, process = stack.enter_context(distribution(tmp_path / "registry"))

        def restart():
            process.kill()
            process.wait(10)
            stack.enter_context(distribution(tmp_path / "registry", port=int(host.rpartition(":")[2])))

        ends = iter([restart])

        def pieces():
            for at in range(0, len(data), 1 << 16):
                if at > len(data) // 2:
                    next(ends, lambda: None)()
                yield data[at : at + (1 << 16)]

        with open_at(f"{host}/team/thing:v1", tmp_path, push=True) as opened:
            opened.push_blob(Digest.of(data), len(data), pieces)
            assert opened.has_blob(Digest.of(data))


def test_htpasswd(tmp_path):
    hashed = subprocess.run(
        ["htpasswd", "-niB", USER.user], input=USER.password.encode(), check=True, capture_output=True
    )
    (tmp_path / "htpasswd").write_bytes(hashed.stdout)
    auth = {"htpasswd": {"realm": "tests", "path": str(tmp_path / "htpasswd")}}
    with distribution(tmp_path / "registry", auth) as (host, _):
        with pytest.raises(AccessRefused), open_at(f"{host}/a:b", tmp_path) as opened:
            opened.list_tags()
        remember(tmp_path, host)
        round_trip(host, tmp_path, tmp_path)


def test_signed_tokens(tmp_path):
    with token_server(tmp_path) as (realm, asked):
        auth = {
            "token": {
                "realm": realm,
                "service": "tests",
                "issuer": "tokens",
                "rootcertbundle": str(tmp_path / "cert.pem"),
            }
        }
        with distribution(tmp_path / "registry", auth) as (host, _):
            with pytest.raises(FetchError), open_at(f"{host}/a:b", tmp_path) as opened:
                opened.list_tags()
            remember(tmp_path, host)
            round_trip(host, tmp_path, tmp_path)
            scopes = {scope for _, found in asked for scope in found}
            assert scopes == {
                "repository:a:pull", "repository:team/first:pull,push", "repository:team/second:pull,push",
                "repository:team/first:pull", "repository:team/second:pull", "registry:catalog:*",
            }  # fmt: skip
