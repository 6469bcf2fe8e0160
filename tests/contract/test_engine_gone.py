"""Docker's daemon ends in the middle of a pull, a load or a run: what is said, what is left, and that the next try works."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from engine_world import World, make_archive, make_root
from test_engine_hand_over import image_of

from private_engines import call_engine, private_docker, wait_until
from shipway.core.errors import EngineError, ExitCode
from shipway.core.events import Note
from shipway.image.hand_over import join_portable
from shipway.image.portable import PortableLayer
from shipway.run.oci.docker import DOCKER
from shipway.run.oci.image import ensure_image
from shipway.run.oci.program import Program

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_tool("docker", "dockerd")]


class Daemon:
    """A running daemon that can be killed, and started again as it was."""

    def __init__(self, settings):
        self.settings = settings
        self.base = Path(settings["DOCKER_HOST"].removeprefix("unix://")).parent
        self.pid = int((self.base / "pid").read_text())
        self.argv = Path(f"/proc/{self.pid}/cmdline").read_text().rstrip("\0").split("\0")
        self.again = None

    def end(self, number):
        os.kill(self.again.pid if self.again else self.pid, number)

    def answers(self):
        command = ["docker", "version"]
        environ = {**os.environ, **self.settings}
        return not subprocess.run(command, env=environ, capture_output=True, check=False).returncode

    def start(self):
        """As an administrator does. It throws away containers that the one before left running."""
        for file in ("pid", "exec/containerd/containerd.pid"):  # of processes that may not have been reaped
            (self.base / file).unlink(missing_ok=True)
        with open(self.base / "log", "a") as log:
            self.again = subprocess.Popen(self.argv, stdout=log, stderr=log)
        wait_until(self.answers, 60)

    def restore_live(self):
        """Have containers outlive it from now on."""
        self.argv.append("--live-restore")
        self.end(signal.SIGTERM)
        wait_until(lambda: not self.answers())
        self.start()

    def clean(self):
        """What a killed daemon leaves: its containers' keepers, and the mount that each daemon makes of its data."""
        if self.again:
            self.again.terminate()
            self.again.wait(60)
        keepers = subprocess.run(
            ["pgrep", "-f", f"containerd-shim.*{self.base}/"], capture_output=True, check=False
        )
        for pid in keepers.stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        while not subprocess.run(["umount", self.base / "data"], capture_output=True, check=False).returncode:
            pass

    def await_process(self):
        """The process id of the only container, which may already write when the daemon does not list it yet."""
        wait_until(lambda: call_engine("docker", self.settings, "ps", "--quiet"))
        container = call_engine("docker", self.settings, "ps", "--quiet")
        return call_engine("docker", self.settings, "inspect", "--format", "{{.State.Pid}}", container)

    def images(self):
        return call_engine("docker", self.settings, "images", "--all", "--quiet").split()


@pytest.fixture
def daemon(monkeypatch):
    with private_docker() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        running = Daemon(settings)
        yield running
        running.clean()


def ending_at(image, index, daemon):
    """`image`, whose layer `index` has only half its bytes when the daemon is killed."""
    layer = image.layers[index]

    def write(sink):
        class Halves:
            def write(self, data):
                sink.write(data[: len(data) // 2])
                daemon.end(signal.SIGKILL)
                wait_until(lambda: not daemon.answers())
                sink.write(data[len(data) // 2 :])

        layer.write(Halves())

    layers = list(image.layers)
    layers[index] = PortableLayer(layer.diff_id, layer.size, write)
    return join_portable(image.image, layers, platform=image.platform)


@pytest.mark.parametrize("way", ["pull", "load"])
def test_killed_while_it_takes_an_image(daemon, monkeypatch, way):
    if way == "load":
        monkeypatch.setattr(Program, "endpoint", lambda program: "tcp://elsewhere")
    program = Program(DOCKER, shutil.which("docker"))
    image, written = image_of(os.urandom(100_000), os.urandom(100_000))
    events = []
    with pytest.raises(EngineError, match="Docker went away while it took the image") as caught:
        ensure_image(program, ending_at(image, 1, daemon), "shipway/gone:t", events.append)
    assert caught.value.code is ExitCode.ENGINE
    assert "systemctl start docker" in caught.value.hints[0]
    assert not [event for event in events if isinstance(event, Note)], "no second way was tried"
    daemon.start()
    assert daemon.images() == []
    written.clear()
    assert ensure_image(program, image, "shipway/gone:t", [].append) == image.image.config_digest
    assert sorted(written) == [0, 1]


@pytest.fixture
def world(daemon):
    with tempfile.TemporaryDirectory(prefix="shipway-contract-", dir="/var/tmp") as place:
        os.chmod(place, 0o755)
        make_root(Path(place) / "tree")
        make_archive(Path(place) / "tree")
        made = World(Path(place) / "tree", "docker", "docker", 0, daemon.settings)
        yield made
        made.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_stopped_while_a_container_runs(daemon, world, number):
    """Killed, or stopped in good order, which ends the container first: the caller learns that it was not the command."""
    running = world.start(
        "bash", "-c", "echo half > result; echo ready; while [ ! -e go ]; do sleep 0.05; done"
    )
    assert running.stdout.readline() == "ready\n"
    pid = daemon.await_process()
    daemon.end(number)
    _, talk = running.communicate(timeout=60)
    assert running.returncode == ExitCode.ENGINE, talk
    assert "error: Docker went away while the container ran" in talk
    assert os.listdir(world.state / "runs") == []
    assert (world.project / "result").read_text() == "half\n"
    wait_until(lambda: not daemon.answers())
    daemon.start()
    assert world.sh("cat result") == "half\n"
    wait_until(lambda: call_engine("docker", daemon.settings, "ps", "--quiet") == "")
    (world.project / "go").touch()
    wait_until(lambda: is_over(pid))  # also one that its daemon has lost


def is_over(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_command_that_ends_itself_by_a_signal_is_not_taken_for_that(world):
    assert world.run("bash", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM
