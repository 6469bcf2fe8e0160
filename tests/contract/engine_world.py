"""A small root file system out of the host's own programs, and one container in it, for the contract suite of engines."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from shipway.host.files import remove_tree
from shipway.run.model import Environment, Invocation, RunOptions

PROGRAMS = (
    "bash",
    "sh",
    "cat",
    "id",
    "env",
    "ls",
    "touch",
    "sleep",
    "mkdir",
    "stat",
    "df",
    "hostname",
    "rm",
    "readlink",
    "tty",
    "kill",
    "true",
)
USER = 61234
"""A plain user that nothing knows."""
_DRIVER = Path(__file__).with_name("engine_driver.py")
_LIBRARY = re.compile(r"(/\S+) \(0x")


def make_root(root: Path) -> None:
    """Copy `PROGRAMS` with the libraries they load below `root`, usr-merged."""
    for folder in ("usr/bin", "usr/lib", "usr/lib64", "etc", "var/tmp", "opt"):
        (root / folder).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for name in PROGRAMS:
        source = os.path.realpath(shutil.which(name))
        shutil.copy(source, root / "usr/bin" / name)
        for library in _LIBRARY.findall(
            subprocess.run(["ldd", source], capture_output=True, text=True, check=True).stdout
        ):
            target = root / ("usr" + re.sub(r"^/usr", "", library)).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(os.path.realpath(library), target)
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\nubuntu:x:61234:61234::/home/ubuntu:/bin/sh\n"
    )
    (root / "etc/group").write_text("root:x:0:\n")
    for folder in ("proc", "sys", "dev", "tmp"):
        (root / folder).mkdir()
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    (root / "opt/tool").write_text("from the environment\n")
    (root / "opt/data").write_text("not a program\n")


def make_archive(root: Path) -> Path:
    """The same root file system as a layer's tar, beside it."""
    archive = root.parent / "layer.tar"
    command = ["tar", "-C", root, "--sort=name", "--owner=0", "--group=0", "--mtime=@0", "-cf", archive, "."]
    subprocess.run(command, check=True)
    return archive


class World:
    """One project, one environment, one engine in one mode, one user."""

    def __init__(self, root: Path, engine: str, mode: str, uid: int, settings: dict[str, str]):
        self.settings = {**os.environ, **settings}
        self.engine, self.mode, self.uid = engine, mode, uid
        self._started: list[subprocess.Popen[str]] = []
        self.place = Path(tempfile.mkdtemp(prefix="shipway-contract-", dir="/var/tmp"))
        self.place.chmod(0o755)
        self.project, self.state = self.place / "my_project", self.place / "state"
        for folder in (self.project, self.state):
            folder.mkdir()
            self.give(folder)
        self.environment = Environment(
            project=str(self.project),
            name="My Project",
            target="cpu",
            lowers=(str(root),),
            keys=(),
            env=(("PATH", "/opt/venv/bin:/usr/bin:/bin"), ("FROM_IMAGE", "1")),
            workdir="/work/here",
        )
        self.archive = root.parent / "layer.tar"
        self._orders = 0

    def give(self, path: Path) -> None:
        """Make `path` the user's."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.uid)

    @property
    def gid(self) -> int:
        """The user's primary group."""
        return self.uid if os.geteuid() == 0 else os.getgid()

    def close(self) -> None:
        for running in self._started:  # of a test that failed; what they leave open would fail another one
            if running.poll() is None:
                running.kill()
            for stream in (running.stdout, running.stderr):
                stream.close()
            running.wait()
        # Not shutil's: overlayfs leaves a folder that not even its owner may enter.
        remove_tree(str(self.place))

    def order(
        self, *argv: str, environ: dict[str, str] | None = None, options: RunOptions | None = None, **asked
    ) -> list[str]:
        """A command line that runs one container."""
        self._orders += 1
        order = {
            "engine": self.engine,
            "mode": self.mode,
            "uid": self.uid,
            "environment": self.environment._replace(options=options or RunOptions()),
            "asked": Invocation(argv=argv, **asked),
            "environ": environ or {},
            "state": str(self.state),
            "archive": str(self.archive),
            "events": f"{self.place}/my_project.events",
        }
        events = self.place / "my_project.events"
        events.touch()
        self.give(events)
        path = self.place / f"order{self._orders}"
        path.write_bytes(pickle.dumps(order))
        return [sys.executable, str(_DRIVER), str(path)]

    def run(self, *argv: str, stdin: str = "", **more) -> subprocess.CompletedProcess[str]:
        """One container to its end."""
        return subprocess.run(
            self.order(*argv, **more),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=self.settings,
        )

    def sh(self, script: str, **more) -> str:
        """What a script prints inside; it must succeed."""
        done = self.run("bash", "-c", script, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *argv: str, **more) -> subprocess.Popen[str]:
        """A container that goes on."""
        running = subprocess.Popen(
            self.order(*argv, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.settings,
        )
        self._started.append(running)
        return running

    @property
    def events(self) -> list[str]:
        """What the caller was told in the last run."""
        return json.loads((self.place / "my_project.events").read_text())
