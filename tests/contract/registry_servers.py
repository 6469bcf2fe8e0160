"""Debian's `docker-registry` (distribution 2.8) as tests start it."""

import contextlib
import json
import socket
import subprocess
import time

import pytest


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


@contextlib.contextmanager
def distribution(folder, auth=None, port=0):
    """A registry with its data below `folder`; `host:port` and its process."""
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of-this-test"},
        **({"auth": auth} if auth else {}),
    }
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        wait_for(port, process, folder / "log")
        yield f"127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port, process, log):
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    pytest.fail(f"docker-registry did not start: {log.read_text()}")
