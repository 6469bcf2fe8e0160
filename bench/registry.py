"""Debian's registry on loopback, started anew with nothing in it: `python bench/registry.py FOLDER PORT [stop]`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time


def main() -> int:
    folder, port = sys.argv[1], int(sys.argv[2])
    _stop(f"{folder}/pid")
    shutil.rmtree(folder, ignore_errors=True)
    if sys.argv[3:] != ["stop"]:
        _start(folder, port)
    return 0


def _stop(path: str) -> None:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(path) as file:
        pid = int(file.read())
        os.kill(pid, signal.SIGTERM)
        while True:
            os.kill(pid, 0)
            time.sleep(0.02)


def _start(folder: str, port: int) -> None:
    os.makedirs(folder)
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": f"{folder}/data"}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of-this-run"},
    }
    with open(f"{folder}/config.yml", "w") as file:
        json.dump(config, file)  # JSON is YAML
    with open(f"{folder}/log", "wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", f"{folder}/config.yml"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    with open(f"{folder}/pid", "w") as file:
        file.write(str(process.pid))
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit(f"docker-registry did not start; see {folder}/log")


if __name__ == "__main__":
    sys.exit(main())
