"""A window on a screen: an X client inside, a server with a cookie outside, and a picture of the screen."""

import os
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from life_world import IMAGE, LifeWorld, store_image

from private_engines import wait_until
from shipway.run.xauthority import COOKIE, LOCAL, Entry, render_xauthority

pytestmark = pytest.mark.needs_tool("Xvfb", "xmessage", "xwd")
ENGINES = (
    pytest.param("native", marks=pytest.mark.needs_userns),
    pytest.param("docker", marks=[pytest.mark.needs_root, pytest.mark.needs_tool("docker", "dockerd")]),
    pytest.param("podman", marks=[pytest.mark.needs_root, pytest.mark.needs_tool("podman", "runc")]),
)


class Screen:
    """An X server that lets nobody in without the cookie."""

    def __init__(self, folder: Path):
        self.authority = folder / "authority"
        other = Entry(LOCAL, b"elsewhere", "4711", COOKIE, os.urandom(16))
        cookies = [Entry(LOCAL, os.uname().nodename.encode(), "", COOKIE, os.urandom(16)), other]
        self.authority.write_bytes(render_xauthority(tuple(cookies)))
        self.authority.chmod(0o600)
        read, write = os.pipe()
        self.process = subprocess.Popen(
            [
                "Xvfb", "-displayfd", str(write), "-auth", str(self.authority), "-screen", "0", "320x240x24",
                "-nolisten", "tcp", "-noreset",
            ],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as answer:
            self.name = f":{answer.readline().strip()}"
        self.settings = {"DISPLAY": self.name, "XAUTHORITY": str(self.authority)}

    def picture(self) -> bytes:
        return subprocess.run(
            ["xwd", "-root", "-silent"], env={**os.environ, **self.settings}, capture_output=True, check=True
        ).stdout

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("display")
    store_image(folder / "layout", str(folder / "store"), more=("xmessage",))
    return str(folder / "store")


@pytest.fixture
def screen(tmp_path):
    made = Screen(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=ENGINES)
def world(request, services, store, screen, tmp_path):
    made = LifeWorld(tmp_path, request.param, store, {**services(request.param), **screen.settings})
    yield made
    made.close()


def test_a_window_is_on_the_screen(world, screen):
    empty = screen.picture()
    world.background("window", "xmessage", "-timeout", "60", "hello", options=("--display",))
    wait_until(lambda: screen.picture() != empty)
    assert world.call("exec", "window", "stat", "-c", "%a", "/etc/shipway-xauthority").stdout == "600\n"
    assert world.call("exec", "window", "ls", "/tmp/.X11-unix").stdout == f"X{screen.name[1:]}\n"
    authority = world.call("exec", "window", "cat", "/etc/shipway-xauthority", errors="surrogateescape")
    assert "4711" not in authority.stdout, "the right to another display"
    world.call("kill", "window")
    wait_until(lambda: screen.picture() == empty)


def test_without_the_right_the_same_client_is_refused(world, screen):
    empty = screen.picture()
    options = ("-e", "DISPLAY", "-v", "/tmp/.X11-unix:/tmp/.X11-unix:ro", "--image", IMAGE)
    done = world.call("run", *options, "--", "xmessage", "-timeout", "1", "hello", code=1)
    assert "display" in done.stderr
    assert screen.picture() == empty


def test_a_run_that_is_thrown_away(world):
    world.call("run", "--display", "--image", IMAGE, "--", "xmessage", "-timeout", "1", "hello")


def test_a_wayland_socket_lies_in_a_private_folder(world, tmp_path):
    del world.environ["DISPLAY"]
    folder = tmp_path / "session"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "wayland-1"))
        world.environ |= {"XDG_RUNTIME_DIR": str(folder), "WAYLAND_DISPLAY": "wayland-1"}
        script = "stat -c %a $XDG_RUNTIME_DIR; ls $XDG_RUNTIME_DIR; test -S $XDG_RUNTIME_DIR/$WAYLAND_DISPLAY"
        done = world.call("run", "--display", "--image", IMAGE, "--", "sh", "-c", script)
    assert done.stdout == "700\nwayland-1\n"


_DAEMON = """ListenAddress 127.0.0.1:{port}
HostKey {base}/host
PidFile none
AuthorizedKeysFile {base}/key.pub
StrictModes no
UsePAM no
PermitRootLogin yes
X11Forwarding yes
SetEnv XAUTHORITY={base}/forwarded
"""


@pytest.fixture
def login(tmp_path, screen):
    """Words before a command line that is run through `ssh -Y` with this screen."""
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (tmp_path / "daemon").write_text(_DAEMON.format(port=port, base=tmp_path))
    os.makedirs("/run/sshd", exist_ok=True)  # which it wants, and a machine without systemd lacks
    with open(tmp_path / "log", "w") as log:
        command = [shutil.which("sshd", path="/usr/sbin"), "-D", "-e", "-f", tmp_path / "daemon"]
        daemon = subprocess.Popen(command, stderr=log)
    options = ["StrictHostKeyChecking=no", f"UserKnownHostsFile={tmp_path}/known", "LogLevel=ERROR"]
    words = [
        "ssh", "-X", "-F", "none", "-i", f"{tmp_path}/key", "-p", str(port), *(f"-o{one}" for one in options), "127.0.0.1",
    ]  # fmt: skip
    environ = {**os.environ, **screen.settings}
    wait_until(
        lambda: (
            subprocess.run([*words, "true"], env=environ, capture_output=True, check=False).returncode == 0
        )
    )
    yield words
    daemon.terminate()
    daemon.wait(20)


@pytest.mark.needs_root
@pytest.mark.needs_tool("ssh", "sshd", "xauth")
def test_a_window_through_ssh(world, screen, login):
    """The display that OpenSSH makes at the other side, which is this machine again."""
    settings = {name: value for name, value in world.environ.items() if name not in screen.settings}
    assignments = [f"{name}={value}" for name, value in settings.items()]
    words = world.words(
        "run", "--display", "--image", IMAGE, "--", "sh", "-c", "echo $DISPLAY; exec xmessage hello"
    )
    empty = screen.picture()
    line = f"exec env {shlex.join(assignments)} {shlex.join(words)}"
    client = subprocess.Popen(
        [*login, line], env={**os.environ, **screen.settings}, stdout=subprocess.PIPE, text=True
    )
    wait_until(lambda: screen.picture() != empty or client.poll() is not None)
    assert client.poll() is None
    assert client.stdout.readline().startswith("localhost:1")
    client.terminate()
    client.communicate(timeout=20)
    wait_until(lambda: screen.picture() == empty)
