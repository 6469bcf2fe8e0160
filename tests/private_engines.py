"""Engines of a test's own: a Docker daemon, Podman's storage, a registry, each in a folder that nobody else uses.

The first two are gone at the end, and are yielded as the variables by which an engine's program finds them.
"""

import contextlib
import errno
import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from shipway.host.files import remove_tree

_BYTES_OF_SOCKET_PATH = 104
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{base}/graph"
runroot = "{base}/run"
"""
# As root Podman asks for more than a machine that holds CAP_SYS_RESOURCE back allows.
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=16000:16000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "{base}/tmp"
[network]
network_config_dir = "{base}/net"
"""


@contextlib.contextmanager
def private_docker(*before: str):
    """A Docker daemon without networks of its own, which any user may use. `before`: words of a program that starts it."""
    base = _make_folder("docker")
    socket = f"{base}/s"
    assert len(socket) < _BYTES_OF_SOCKET_PATH
    words = [
        *before,
        "dockerd",
        "--data-root",
        f"{base}/data",
        "--exec-root",
        f"{base}/exec",
        "--pidfile",
        f"{base}/pid",
    ]
    words += ["-H", f"unix://{socket}", "--bridge=none", "--iptables=false"]
    with open(f"{base}/log", "w") as log:
        daemon = subprocess.Popen(words, stdout=log, stderr=log)
    settings = {"DOCKER_HOST": f"unix://{socket}", "DOCKER_CONFIG": f"{base}/config"}

    def answers() -> bool:
        assert daemon.poll() is None, Path(f"{base}/log").read_text()
        return _finished("docker", settings, "version").returncode == 0

    try:
        wait_until(answers, 60)
        os.chmod(socket, 0o666)
        yield settings
    finally:
        daemon.terminate()
        daemon.wait(60)
        _remove(base)


@contextlib.contextmanager
def private_podman():
    """Podman with images in a folder of its own, and without systemd."""
    base = _make_folder("podman")
    settings = {}
    for variable, text in (("CONTAINERS_STORAGE_CONF", _STORAGE), ("CONTAINERS_CONF", _CONTAINERS)):
        settings[variable] = f"{base}/{variable.lower()}"
        Path(settings[variable]).write_text(text.format(base=base))
    try:
        yield settings
    finally:
        _finished("podman", settings, "rm", "--all", "--force")
        _remove(base)


@contextlib.contextmanager
def distribution(folder, auth=None, port=0):
    """A registry with its data below `folder`; `host:port` and its process."""
    folder.mkdir(exist_ok=True)
    port = port or _free_port()
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

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_until(answers)
        yield f"127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(10)


PRIVATE = {"docker": private_docker, "podman": private_podman}


def call_engine(program: str, settings: dict[str, str], *words: str, **options) -> str:
    """What `program`, which must succeed, prints."""
    done = _finished(program, settings, *words, **options)
    assert done.returncode == 0, (
        f"{' '.join(words)}\n{done.stdout.decode()[-3000:]}\n{done.stderr.decode()[-6000:]}"
    )
    return done.stdout.decode().strip()


def wait_until(holds, seconds: float = 20) -> None:
    """Wait for a condition of another process; fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def _make_folder(engine: str) -> str:
    # On a disk that overlayfs can use, and open, for other users' containers.
    base = tempfile.mkdtemp(prefix=f"shipway-{engine}-", dir="/var/tmp")
    os.chmod(base, 0o755)
    return base


def _finished(
    program: str, settings: dict[str, str], *words: str, **options
) -> subprocess.CompletedProcess[bytes]:
    environ = {**os.environ, **settings}
    return subprocess.run([program, *words], env=environ, capture_output=True, check=False, **options)


def _remove(base: str) -> None:
    """Remove the folder once nothing of the engine works in it, with what an engine that was killed, or its build, left mounted.

    What Podman starts at the end of a container outlives `podman rm`, and writes and mounts in the folder.
    """
    wait_until(lambda: not _of_engine(base))

    def is_removed() -> bool:
        places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for place in sorted((place for place in places if place.startswith(f"{base}/")), reverse=True):
            subprocess.run(["umount", place], capture_output=True, check=False)
        try:
            remove_tree(base)
        except OSError as problem:
            if problem.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                raise
            return False
        return True

    wait_until(is_removed)


def _of_engine(base: str) -> list[str]:
    """The command lines of the processes that were told of the folder, in their words or in their variables."""
    told = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            words = (process / "cmdline").read_bytes()
            if os.fsencode(base) in words + (process / "environ").read_bytes():
                told.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return told
