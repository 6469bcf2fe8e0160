"""Containers that live on, as a user types them: a stored image of the host's own programs, one engine, one home."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "unit" / "image"))
from image_samples import config_of, layer, write_layout

from private_engines import wait_until
from shipway.core.events import silent
from shipway.image.load import load_images
from shipway.image.names import put_name
from shipway.store.store import Store
from shipway.verbs.context import host_platform

IMAGE = "life:1"
PROGRAMS = (
    "sh", "bash", "cat", "cp", "env", "id", "kill", "ls", "mkdir", "pwd", "readlink", "rm", "sleep", "stat", "stty", "tar",
    "test", "touch", "tty", "true", "head", "yes", "seq", "df",
)  # fmt: skip


def program_layer(more: tuple[str, ...] = ()):
    """`PROGRAMS` and `more` with the libraries they load, and an empty `/etc`."""
    files = set()
    for name in (*PROGRAMS, *more):
        found = os.path.realpath(shutil.which(name, path="/usr/bin:/bin"))
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=False).stdout
        files |= {(f"/bin/{name}", found), *((path, path) for path in re.findall(r"(/\S+) \(0x", listed))}
    members = [(target[1:], Path(source).read_bytes()) for target, source in sorted(files)]
    folders = []
    for name in ("etc/", "opt/", "tmp/"):
        info = tarfile.TarInfo(name.rstrip("/"))
        info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp/" else 0o755
        folders.append((info, None))
    return layer(
        *folders,
        ("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n"),
        ("opt/tool", b"of the image\n"),
        *members,
    )


def store_image(folder: Path, path: str, more: tuple[str, ...] = ()) -> None:
    """Have `IMAGE` in the store `path`. `more`: further programs of this machine in it."""
    data = program_layer(more)
    os_name, architecture = host_platform().split("/")
    config = config_of(
        data,
        os=os_name,
        architecture=architecture,
        config={"Env": ["PATH=/bin", "OF_IMAGE=1"], "Cmd": ["/bin/sh"]},
    )
    write_layout(folder, data, config=config)
    store = Store.open(path)
    [loaded] = load_images(store, str(folder), platform=host_platform(), emit=silent)
    put_name(store, IMAGE, loaded.image)


class LifeWorld:
    """One home with one project folder and one engine."""

    def __init__(self, folder: Path, engine: str, store: str, settings: dict[str, str]):
        self.engine = engine
        self.project = folder / "project"
        self.project.mkdir()
        self.environ = {**os.environ, **settings, "SHIPWAY_ENGINE": engine, "SHIPWAY_STORE": store}
        self.names: list[str] = []

    def words(self, verb: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "shipway", "-C", str(self.project), verb, *words]

    def call(self, verb: str, *words: str, code: int | None = 0, stdin: str = "", **more):
        """One command line; fails unless it exits with `code` (None: any)."""
        done = subprocess.run(
            self.words(verb, *words),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=self.environ,
            **more,
        )
        assert code in (None, done.returncode), (words, done.returncode, done.stdout, done.stderr)
        return done

    def run(self, name: str, *argv: str, options: tuple[str, ...] = (), code: int = 0, **more):
        """`run --name` in the image."""
        self.names.append(name)
        return self.call("run", "--name", name, "--image", IMAGE, *options, "--", *argv, code=code, **more)

    def background(self, name: str, *argv: str, options: tuple[str, ...] = ()):
        """The same, detached."""
        return self.run(name, *argv, options=("-d", *options))

    def listed(self, name: str) -> dict | None:
        """What `ps` says of one."""
        found = json.loads(self.call("ps", "-a", "--json").stdout)["containers"]
        return next((one for one in found if one["name"] == name), None)

    def state(self, name: str) -> str:
        found = self.listed(name)
        return found["state"] if found else "gone"

    def await_state(self, name: str, state: str, seconds: float = 20) -> None:
        wait_until(lambda: self.state(name) == state, seconds)

    def close(self) -> None:
        for name in dict.fromkeys(self.names):
            self.call("rm", "--force", name, code=None)


class Terminal:
    """A terminal with a program at its other side."""

    def __init__(self, words: list[str], environ: dict[str, str], folder: str | None = None):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, env=environ, cwd=folder, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def expect(self, text: bytes, seconds: float = 20) -> bytes:
        """Read until `text` is there; what came before it. What is read is forgotten."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, self.seen
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError as problem:
                    raise AssertionError(self.seen) from problem
        before, _, self.seen = self.seen.partition(text)
        return before

    def finish(self, seconds: float = 60) -> tuple[str, int]:
        """Read to the program's end; what came, and its exit code."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:  # its last process has closed it
                    break
        return self.seen.decode("utf-8", "replace"), self.end()

    def end(self) -> int:
        """Wait for the program's end; its exit code."""
        code = self.process.wait(20)
        os.close(self.master)
        return code
