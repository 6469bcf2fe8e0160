"""Clients of pages: JSON by HTTP, and a kernel's messages by WebSocket (RFC 6455)."""

import base64
import http.client
import json
import os
import socket
import struct
import uuid
from urllib.parse import urlsplit


def ask(url, path, method="GET", token="", body=None):
    """Status and decoded answer of one request to the server of `url`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    headers = {"Authorization": f"token {token}"} if token else {}
    connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, json.loads(
        data
    ) if answer.headers.get_content_type() == "application/json" else data


def run_in_kernel(url, token, code):
    """What `code` prints in a new kernel."""
    status, kernel = ask(url, "/api/kernels", "POST", token, {"name": "python3"})
    assert status == 201, kernel
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as link:
        _shake_hands(link, parts.netloc, f"/api/kernels/{kernel['id']}/channels", token)
        ident = uuid.uuid4().hex
        header = {
            "msg_id": ident,
            "msg_type": "execute_request",
            "session": uuid.uuid4().hex,
            "username": "",
            "version": "5.3",
        }
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
        }
        _send(link, json.dumps(message).encode())
        stream, printed = link.makefile("rb"), ""
        while True:
            found = json.loads(_receive(stream))
            if found.get("parent_header", {}).get("msg_id") != ident:
                continue
            kind, content = found["msg_type"], found["content"]
            printed += content["text"] if kind == "stream" else ""
            assert kind != "error", content
            if kind == "status" and content["execution_state"] == "idle":
                return printed


def _shake_hands(link, host, path, token):
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13", f"Authorization: token {token}", "", "",
    )  # fmt: skip
    link.sendall("\r\n".join(lines).encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += link.recv(1)
    assert b" 101 " in answer, answer


def _send(link, data):
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    link.sendall(b"\x81" + struct.pack(">BH", 0x80 | 126, len(data)) + mask + masked)


def _receive(stream):
    """The next whole text message; control frames between are passed over."""
    whole = b""
    while True:
        first, length = stream.read(2)
        length &= 0x7F
        if length >= 126:
            length = struct.unpack(">H" if length == 126 else ">Q", stream.read(2 if length == 126 else 8))[0]
        data = stream.read(length)
        if first & 0x0F <= 2:
            whole += data
            if first & 0x80:
                return whole
