"""The registry on loopback, and the archive that takes its place."""

import hashlib
import http.client
import io
import json
import os
import signal
import tarfile
from pathlib import Path

import pytest

from shipway.core.digest import DiffId
from shipway.image.hand_over import join_portable
from shipway.image.loopback import find_owner, parse_range, serving
from shipway.image.oci import ImageConfig, ImageLayer, render_image
from shipway.image.portable import PortableLayer

CONTENTS = (bytes(range(256)) * 40, b"second" * 900)


def make_image():
    layers = [
        ImageLayer(name=str(at), diff_id=DiffId.of(data), size=len(data), packages=(), reason="")
        for at, data in enumerate(CONTENTS)
    ]
    config = ImageConfig(platform="linux/amd64", env=(), workdir="/", command=(), epoch=0)

    def writer(data):
        def write(sink):
            for at in range(0, len(data), 1000):
                sink.write(memoryview(data)[at : at + 1000])

        return write

    portable = [PortableLayer(DiffId.of(data), len(data), writer(data)) for data in CONTENTS]
    return join_portable(render_image(config, tuple(layers)), portable, platform="linux/amd64")


@pytest.fixture
def registry():
    taken = []
    with serving(make_image(), taken.append) as served:
        served.seen = taken
        yield served


def ask(registry, path, method="GET", **headers):
    host, _, _ = registry.reference.partition("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_what_a_pull_asks_for(registry):
    image = registry.manifest
    assert ask(registry, "/v2/")[0] == 200
    status, headers, body = ask(registry, "/v2/shipway/image/manifests/latest")
    assert (status, body) == (200, image)
    assert headers["Docker-Content-Digest"] == registry.digest
    document = json.loads(body)
    assert ask(registry, f"/v2/shipway/image/blobs/{document['config']['digest']}")[2] == registry.config
    for layer, data in zip(document["layers"], CONTENTS, strict=True):
        status, headers, body = ask(registry, f"/v2/shipway/image/blobs/{layer['digest']}")
        assert (status, int(headers["Content-Length"]), body) == (200, len(data), data)
        assert f"sha256:{hashlib.sha256(body).hexdigest()}" == layer["digest"]
    assert [layer.size for layer in registry.seen] == [len(data) for data in CONTENTS]


def test_no_signal_ends_in_a_thread_of_ours(registry):
    """A container starts while the engine's connections may still be open; its signals belong to the main thread."""
    others = {int(task) for task in os.listdir("/proc/self/task")}
    host, _, _ = registry.reference.partition("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/v2/")
    connection.getresponse().read()
    mine = os.getpid()
    threads = {int(task) for task in os.listdir("/proc/self/task")} - {mine}
    assert threads - others  # the one of the open connection
    for task in threads:
        status = Path(f"/proc/self/task/{task}/status").read_text()
        blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
        assert blocked >> (signal.SIGTERM - 1) & 1
    connection.close()
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_heads_have_no_body_and_take_nothing(registry):
    status, headers, body = ask(registry, f"/v2/shipway/image/blobs/{DiffId.of(CONTENTS[0])}", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(CONTENTS[0])), b"")
    assert registry.seen == []


@pytest.mark.parametrize(
    ("text", "first", "last"), [("500-2499", 500, 2499), ("9999-", 9999, 10239), ("0-0", 0, 0)]
)
def test_a_pull_that_goes_on(registry, text, first, last):
    path = f"/v2/shipway/image/blobs/{DiffId.of(CONTENTS[0])}"
    status, headers, body = ask(registry, path, Range=f"bytes={text}")
    assert (status, body) == (206, CONTENTS[0][first : last + 1])
    assert headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENTS[0])}"


@pytest.mark.parametrize(
    "path",
    [
        "/", "/v2/other/image/manifests/latest", "/v2/shipway/image/manifests/new", "/v2/shipway/image/blobs/../../etc/passwd",
        f"/v2/shipway/image/blobs/{DiffId.of(b'x')}", "/v2/_catalog",
    ],
)  # fmt: skip
def test_there_is_nothing_else(registry, path):
    assert ask(registry, path)[0] == 404


def test_nothing_can_be_written(registry):
    assert ask(registry, "/v2/shipway/image/blobs/uploads/", "POST")[0] == 501


def test_other_users_of_this_machine_get_no_answer(registry, monkeypatch):
    monkeypatch.setattr("shipway.image.loopback.find_owner", lambda connections, port: os.geteuid() + 1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(registry, "/v2/")
    assert registry.asked == 0


def test_whose_a_connection_is():
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1\n"
        "   1: 0200007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 1 1\n"
    )
    assert [find_owner(table, port) for port in (8080, 8081, 1)] == [1000, None, None]


def test_ranges():
    assert parse_range("bytes=5-7", 10) == (5, 7)
    assert parse_range("bytes=5-70", 10) == (5, 9)
    assert [
        parse_range(text, 10)
        for text in ("", "bytes=-5", "bytes=7-5", "bytes=10-", "lines=1-2", "bytes=1-2,4-5")
    ] == [None] * 6


def test_the_archive_is_what_tar_readers_read():
    image, sink = make_image(), io.BytesIO()
    image.write_archive("shipway/x:y", sink)
    with tarfile.open(fileobj=io.BytesIO(sink.getvalue())) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}
    (listing,) = json.loads(files["manifest.json"])
    assert listing["RepoTags"] == ["shipway/x:y"]
    assert DiffId.of(files[listing["Config"]]) == image.image.config_digest
    assert [files[name] for name in listing["Layers"]] == list(CONTENTS)


def test_the_archive_leaves_out_what_is_known():
    image, sink = make_image(), io.BytesIO()
    image.write_archive("x:y", sink, without={DiffId.of(CONTENTS[0])})
    assert CONTENTS[0] not in sink.getvalue()
    assert CONTENTS[1] in sink.getvalue()
