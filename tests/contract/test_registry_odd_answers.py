"""Bytes that are no honest HTTP: whatever a registry sends, each question ends in bounded time with an error of ours."""

import contextlib
import gzip
import socket
import threading

import pytest
from registry_world import LAYER, MANIFEST, MANIFEST_TYPE, blob_of, open_at

from shipway.core.digest import Digest
from shipway.core.errors import FetchError, HashMismatch, HostileInput
from shipway.core.reference import parse_reference
from shipway.image.registry.push import push

KIND = f"Content-Type: {MANIFEST_TYPE}\r\n".encode()
OK = b"HTTP/1.1 200 OK\r\n" + KIND
ENOUGH = 1 << 22
"""Bytes of an answer without end that are sent before the line is cut: more than any limit of ours on what it is for."""
ANSWERS = {
    "nothing": b"",
    "zeros": bytes(5000),
    "text": b"220 mail server ready\r\n" * 3,
    "TLS": b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3" + bytes(600),
    "status that is no number": b"HTTP/1.1 OK OK\r\n\r\n",
    "status of another age": b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
    "version that is none": b"HTTP/x.y 200 OK\r\n\r\n",
    "status line without end": b"HTTP/1.1 200 " + b"O" * ENOUGH,
    "header without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * ENOUGH,
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (ENOUGH // 6),
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * (ENOUGH // 25),
    "headers that are cut": OK + b"Content-Len",
    "negative length": OK + b"Content-Length: -5\r\n\r\n" + MANIFEST,
    "length that is no number": OK + b"Content-Length: 0x10\r\n\r\n" + MANIFEST[:-1],
    "length beyond everything": OK + b"Content-Length: 99999999999999999999999\r\n\r\n" + MANIFEST,
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n" + MANIFEST,
    "no length and a cut": OK + b"\r\n" + MANIFEST[:-5],
    "chunk that is no number": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + MANIFEST,
    "chunk that is negative": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n" + MANIFEST,
    "chunk line without end": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * ENOUGH,
    "chunk that is cut": OK + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n" + MANIFEST,
    "packed though nobody asked": OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(64 << 20)),
    "body without end": OK + b"\r\n" + b"[" * (2 * ENOUGH),
    "part that nobody asked for": b"HTTP/1.1 206 Partial\r\n" + KIND + b"Content-Range: bytes 5-9/10\r\n\r\n" + MANIFEST,
    "not changed": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "redirect to nowhere": b"HTTP/1.1 307 Moved\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
    "redirect to a file": b"HTTP/1.1 307 Moved\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "redirect to itself": b"HTTP/1.1 307 Moved\r\nLocation: /v2/team/thing/manifests/v1\r\nContent-Length: 0\r\n\r\n",
    "challenge that is none": b"HTTP/1.1 401 No\r\nWWW-Authenticate: " + b'Bearer realm="' * 400 + b"\r\n\r\n",
    "wait for ever": b"HTTP/1.1 429 Later\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n",
    "wait until a day that is none": b"HTTP/1.1 503 Later\r\nRetry-After: Mon, 99 Xxx 99999 99:99:99 +9999\r\nContent-Length: 0\r\n\r\n",
    "error that is deep": b"HTTP/1.1 400 No\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000,
    "error in an odd form": b'HTTP/1.1 400 No\r\nContent-Length: 25\r\n\r\n{"errors":[5,null,{"a":1}',
    "error of one text": b'HTTP/1.1 400 No\r\nContent-Length: 16\r\n\r\n{"errors":"abc"}',
    "error of numbers": b'HTTP/1.1 400 No\r\nContent-Length: 16\r\n\r\n{"errors":[1,2]}',
}  # fmt: skip


@contextlib.contextmanager
def answering(data):
    """A server that reads the head of a request, says `data`, and hangs up; `host:port`."""

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)  # for whoever keeps an idle connection
                asked = b""
                while b"\r\n\r\n" not in asked and (more := connection.recv(65536)):
                    asked += more
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(0.05)
                while connection.recv(65536):  # or unread bytes would turn the end into a reset
                    continue

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize("case", ANSWERS)
def test_every_question_ends_with_an_error(tmp_path, case):
    refused = (FetchError, HostileInput, HashMismatch)
    with answering(ANSWERS[case]) as host:
        reference = parse_reference(f"{host}/team/thing:v1")
        with pytest.raises(refused) as caught, open_at(reference.text, tmp_path) as opened:
            opened.get_manifest(reference)
        assert host in caught.value.message
        with pytest.raises(refused), open_at(reference.text, tmp_path) as opened:
            opened.fetch_blob(Digest.of(LAYER), len(LAYER), str(tmp_path / "blob"))
        with pytest.raises(refused), open_at(reference.text, tmp_path, push=True) as opened:
            push(opened, reference, [blob_of(LAYER)], MANIFEST, MANIFEST_TYPE)
    assert not (tmp_path / "blob").exists()
