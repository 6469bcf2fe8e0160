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
    with WebSocket(url, f"/api/kernels/{kernel['id']}/channels", token) as link:
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
        link.send(json.dumps(message).encode())
        printed = ""
        while True:
            found = json.loads(link.receive())
            if found.get("parent_header", {}).get("msg_id") != ident:
                continue
            kind, content = found["msg_type"], found["content"]
            printed += content["text"] if kind == "stream" else ""
            assert kind != "error", content
            if kind == "status" and content["execution_state"] == "idle":
                return printed


class WebSocket:
    """One connection to the server of `url`, by text messages."""

    def __init__(self, url, path, token=""):
        parts = urlsplit(url)
        self._link = socket.create_connection((parts.hostname, parts.port), timeout=120)
        self._stream = self._link.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
            *([f"Authorization: token {token}"] if token else []), "", "",
        )  # fmt: skip
        self._link.sendall("\r\n".join(lines).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self._stream.read(1)
        assert b" 101 " in answer, answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()
        self._link.close()

    def send(self, data):
        """One whole text message of less than 64 KiB."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self._link.sendall(b"\x81" + struct.pack(">BH", 0x80 | 126, len(data)) + mask + masked)

    def receive(self):
        """The next whole text message; control frames between are passed over."""
        whole = b""
        while True:
            first, length = self._stream.read(2)
            length &= 0x7F
            if length >= 126:
                size = 2 if length == 126 else 8
                length = int.from_bytes(self._stream.read(size), "big")
            data = self._stream.read(length)
            if first & 0x0F <= 2:
                whole += data
                if first & 0x80:
                    return whole
