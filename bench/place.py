"""A temporary place with a home, a store and caches of its own, and the peers that this machine has."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Place:
    """Folders and programs of one run of the benchmarks."""

    def __init__(self) -> None:
        self.root = tempfile.mkdtemp(prefix="shipway-bench-")
        self.bin = os.path.dirname(sys.executable)
        self.shipway = os.path.join(self.bin, "shipway")
        self.uv = os.path.join(self.bin, "uv")
        self.project = os.path.join(self.root, "project")
        shutil.copytree(os.path.join(HERE, "project"), self.project)
        home = os.path.join(self.root, "home")
        os.mkdir(home)
        self.env = {
            "HOME": home,
            "SHIPWAY_STORE": os.path.join(self.root, "store"),
            "XDG_STATE_HOME": os.path.join(home, "state"),
            "XDG_DATA_HOME": os.path.join(home, "data"),
            "XDG_CACHE_HOME": os.path.join(home, "cache"),
            "UV_CACHE_DIR": os.path.join(self.root, "uv-cache"),
            "PYTHONDONTWRITEBYTECODE": "",  # compiling at every start is not what users have
            "PATH": f"{self.bin}:{os.environ['PATH']}",
        }
        self.dockerd: subprocess.Popen[bytes] | None = None
        self.at_the_end: list[list[str]] = []
        """Commands that stop what rows have started."""

    def file(self, name: str) -> str:
        return os.path.join(self.root, name)

    def ours(self, *words: str) -> list[str]:
        return [self.shipway, "-q", "-C", self.project, *words]

    def run(self, argv: list[str], env: dict[str, str] | None = None) -> str:
        """What `argv`, which must succeed, prints."""
        done = subprocess.run(
            argv,
            check=True,
            env={**os.environ, **(self.env if env is None else env)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        return done.stdout.decode("utf-8", "replace")

    def docker(self) -> list[str] | None:
        """The docker command line with an engine behind it, or None."""
        program = shutil.which("docker", path="/usr/bin:" + os.environ["PATH"])
        if program is None:
            return None
        if self.dockerd is not None:
            return [program, "-H", f"unix://{self.file('docker.sock')}"]
        if _answers([program]):
            return [program]
        daemon = shutil.which("dockerd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if daemon is None or os.geteuid() != 0:
            return None
        socket = f"unix://{self.file('docker.sock')}"
        words = ["--data-root", self.file("docker"), "--exec-root", self.file("docker-exec"), "-H", socket]
        words += ["--pidfile", self.file("docker.pid")]
        with open(self.file("dockerd.log"), "wb") as log:
            self.dockerd = subprocess.Popen(
                [daemon, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        command = [program, "-H", socket]
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if _answers(command):
                return command
            time.sleep(0.1)
        return None

    def close(self) -> None:
        for command in self.at_the_end:
            subprocess.run(command, check=False)
        if self.dockerd is not None:
            self.dockerd.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.dockerd.wait(20)
        if self.dockerd is not None:
            with open("/proc/self/mounts") as mounts:
                left = [line.split()[1] for line in mounts if line.split()[1].startswith(self.root)]
            for path in reversed(left):
                subprocess.run(["umount", "-l", path], check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", self.root], check=False)


def _answers(command: list[str]) -> bool:
    return subprocess.run([*command, "version"], check=False, capture_output=True).returncode == 0
