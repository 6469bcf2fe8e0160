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
        self.shipway = self._write_launcher()
        self.uv = os.path.join(self.bin, "uv")
        self.project = os.path.join(self.root, "project")
        shutil.copytree(os.path.join(HERE, "project"), self.project)
        home = os.path.join(self.root, "home")
        for folder in (home, self.file("uv-cache")):
            os.mkdir(folder)
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

    def _write_launcher(self) -> str:
        """The program as uv, and pip since 25, install it; older ones import `re` in it, which costs each command 4 ms."""
        path = self.file("shipway")
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                f"#!{sys.executable}\nimport sys\nfrom shipway.cli.main import start\nsys.exit(start())\n"
            )
        os.chmod(path, 0o755)
        return path

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

    def podman(self) -> list[str] | None:
        """The podman command line with a storage of its own, or None. Rows with it are for root."""
        program = shutil.which("podman")
        if program is None or os.geteuid() != 0:
            return None
        settings = self.file("podman.conf")
        if not os.path.exists(settings):
            with open(
                settings, "w", encoding="utf-8"
            ) as file:  # its own limits are more than some machines allow root
                file.write('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=16000:16000"]\n')
        storage = ["--root", self.file("podman"), "--runroot", self.file("podman-run")]
        how = ["--cgroup-manager", "cgroupfs", "--events-backend", "file"]
        return ["env", f"CONTAINERS_CONF={settings}", program, *storage, *how]

    def close(self) -> None:
        for command in self.at_the_end:
            subprocess.run(command, check=False, env={**os.environ, **self.env})
        if self.dockerd is not None:
            self.dockerd.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.dockerd.wait(20)
        with open("/proc/self/mounts") as mounts:
            left = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{self.root}/")]
        for path in reversed(left):
            subprocess.run(["umount", "-l", path], check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", self.root], check=False)


def _answers(command: list[str]) -> bool:
    return subprocess.run([*command, "version"], check=False, capture_output=True).returncode == 0
