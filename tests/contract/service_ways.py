"""Ways to an engine's service besides its socket: a TCP port, and a secure shell server on loopback for one test."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from private_engines import wait_until

_DAEMON = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {base}/host
AuthorizedKeysFile {base}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
SetEnv {environ}
"""
_CLIENT = """\
IdentityFile {base}/key
IdentitiesOnly yes
UserKnownHostsFile {base}/known
GlobalKnownHostsFile none
StrictHostKeyChecking yes
"""


@contextlib.contextmanager
def forwarded(path: str):
    """A port on loopback that leads to the socket `path`, as `127.0.0.1:PORT`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=_forward, args=(listener, path))
        accepting.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


@contextlib.contextmanager
def secure_shell(base: Path, environ: dict[str, str]):
    """A server for root on loopback, whose sessions have `environ`: its port, and the PATH by which `ssh` finds the key.

    Nothing of the real home is read: neither keys nor known hosts.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for name in ("host", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", base / name]
        subprocess.run(command, check=True, capture_output=True)
    host_key = (base / "host.pub").read_text()
    (base / "known").write_text(f"[127.0.0.1]:{port} {host_key}")
    (base / "client").write_text(_CLIENT.format(base=base))
    words = " ".join(f"{name}={value}" for name, value in environ.items())
    (base / "daemon").write_text(_DAEMON.format(base=base, port=port, environ=words))
    (base / "bin").mkdir()
    wrapper = base / "bin/ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {base}/client "$@"\n')
    wrapper.chmod(0o755)
    os.makedirs("/run/sshd", exist_ok=True)  # which it wants, and a machine without systemd lacks
    with open(base / "log", "w") as log:
        command = [shutil.which("sshd", path="/usr/sbin"), "-D", "-e", "-f", base / "daemon"]
        daemon = subprocess.Popen(command, stderr=log)
    try:
        login = [wrapper, "-p", str(port), "root@127.0.0.1", "true"]
        wait_until(lambda: subprocess.run(login, capture_output=True, check=False).returncode == 0)
        yield port, f"{base}/bin:{os.environ['PATH']}"
    finally:
        daemon.terminate()
        daemon.wait(20)


def _forward(listener, path):
    running = []
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            running.append(threading.Thread(target=_connect, args=(near, path)))
            running[-1].start()
    for thread in running:
        thread.join()


def _connect(near, path):
    with near, socket.socket(socket.AF_UNIX) as other:
        other.connect(path)
        back = threading.Thread(target=_copy, args=(other, near))
        back.start()
        _copy(near, other)
        back.join()


def _copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
