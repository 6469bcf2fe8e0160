"""A network of the container's own by pasta or slirp4netns, its ports, its end; and the namespaces of another container."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sandbox_world import make_small_root, python_script, shell, system_ops

sys.path.append(str(Path(__file__).parents[1] / "contract"))
from life_world import LifeWorld, store_image

from private_engines import wait_until
from shipway.core.errors import EngineError
from shipway.run.model import Account, HostFile, Limits, Network, Port, RunRequest, Top
from shipway.run.network import bridge
from shipway.run.network.programs import PASTA, SLIRP
from shipway.sandbox import control, launch

pytestmark = pytest.mark.needs_userns
SERVE = """
import socket, sys
server = socket.create_server(("0.0.0.0", 8000))
while True:
    peer, _ = server.accept()
    peer.sendall(b"hello from inside")
    peer.close()
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def request(*ports):
    return RunRequest(
        project="/p", name="n", target="t", lowers=("/l",), files=(HostFile("etc/resolv.conf", b"nameserver 127.0.0.53\nsearch x\n"),),
        argv=("true",), env=(), cwd="/", account=Account(0, 0, "u", "u", "/root", "/bin/sh"), mounts=(), hostname="h",
        network=Network.BRIDGE, shm_size=1, limits=Limits(), top=Top.THROWN_AWAY, keep="", tty=False, skeleton="", ports=ports,
    )  # fmt: skip


def heard(port, address="127.0.0.1"):
    try:
        with socket.create_connection((address, port), 2) as connection:
            return connection.recv(100)
    except OSError:
        return b""


PROGRAMS = pytest.mark.parametrize("program", [PASTA, SLIRP])
TOOLS = pytest.mark.needs_tool("pasta", "slirp4netns")


class World:
    """A network that serves `SERVE`, by one program."""

    def __init__(self, folder, program, monkeypatch):
        monkeypatch.setattr(bridge, "order_programs", lambda *, routed: (program,))
        self.folder, self.notes, self.port = folder, [], free_port()
        self.mark = f"shipway-net-{self.port}-"
        monkeypatch.setattr(bridge, "FOLDERS", self.mark)

    def opened(self, *ports):
        asked = request(*(ports or (Port(8000, self.port),)))
        state, folder = str(self.folder / "state"), str(self.folder)
        return bridge.opened_bridge(asked, state=state, folder=folder, emit=self.notes.append)

    def processes(self):
        """Those of the program, which has its folder in its words."""
        return [pid for pid, text in command_lines() if self.mark in text]


@pytest.fixture
def world(tmp_path, program, monkeypatch):
    return World(tmp_path, program, monkeypatch)


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(path.parent.name), path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue


@pytest.mark.needs_root  # plain users: below
@pytest.mark.needs_tun
@TOOLS
@PROGRAMS
def test_ports_are_shown_and_go_with_the_container(world):
    with world.opened() as (settled, join):
        text = settled.files[0].data.decode()
        assert text.startswith("nameserver ")
        assert "127.0.0.53" not in text
        assert "search x" in text
        assert bridge.read_record(str(world.folder))[1] == (Port(8000, world.port),)
        running = launch.start(python_script(SERVE, join=join))
        wait_until(lambda: heard(world.port) == b"hello from inside")
        with pytest.raises(EngineError, match=r"\(process \d+\) listens there"), world.opened():
            pass
        running.kill()
    assert heard(world.port) == b""
    assert bridge.read_record(str(world.folder)) is None
    with socket.create_server(("127.0.0.1", world.port)):
        pass  # nobody has it any more
    assert world.notes == []


@pytest.mark.needs_root  # plain users: below
@pytest.mark.needs_tun
@TOOLS
@PROGRAMS
def test_many_ports_and_any_free_ones(world):
    ports = (Port(8000, world.port), Port(8001), Port(8000), Port(8001, 0, "127.0.0.1"))
    with world.opened(*ports) as (settled, join):
        numbers = [port.host for port in settled.ports]
        assert len(set(numbers)) == 4
        running = launch.start(python_script(SERVE, join=join))
        wait_until(lambda: heard(numbers[2]) == b"hello from inside")
        running.kill()
    assert [note.text for note in world.notes][
        1
    ] == f"port 8000/tcp is {numbers[2]} of 127.0.0.1 on this machine"
    with world.opened(*ports) as (again, _):
        assert [port.host for port in again.ports] == numbers


@pytest.mark.needs_root  # plain users: below
@pytest.mark.needs_tun
@TOOLS
@PROGRAMS
def test_the_program_ends_with_whoever_asked_for_it(world):
    """Killed hard, the caller leaves no program and no port."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with world.opened():
            os.write(writer, b"x")
            signal.pause()
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == b"x"
    os.close(reader)
    assert world.processes()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_until(lambda: not world.processes())
    wait_until(lambda: not list(Path(tempfile.gettempdir()).glob(f"{world.mark}*")))


@pytest.mark.needs_root  # plain users: below
@pytest.mark.needs_tun
@TOOLS
@PROGRAMS
def test_a_program_that_ends_is_started_again_on_the_same_network(world):
    with world.opened() as (_, join):
        running = launch.start(python_script(SERVE, join=join))
        wait_until(lambda: heard(world.port) == b"hello from inside")
        [program] = world.processes()
        os.kill(program, signal.SIGKILL)
        wait_until(lambda: set(world.processes()) - {program} and heard(world.port) == b"hello from inside")
        running.kill()
    assert "started again" in world.notes[0].text


@pytest.mark.needs_root  # plain users: below
@pytest.mark.needs_tun
@TOOLS
@PROGRAMS
@pytest.mark.parametrize("generation", [1, 2])
def test_when_a_guard_is_killed_nothing_is_left_and_it_is_told(world, generation):
    with world.opened():
        victim = world.processes()[0]
        ancestors = [int(line) for line in parents(victim)]
        guard = ancestors[ancestors.index(os.getpid()) - 1]
        keeper = ancestors[ancestors.index(os.getpid()) - 2]
        os.kill(guard if generation == 1 else keeper, signal.SIGKILL)
        wait_until(lambda: not world.processes())
        wait_until(lambda: os.waitid(os.P_PID, guard, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None)
    assert "was killed" in world.notes[0].text


def parents(pid):
    while pid:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@TOOLS
def test_as_a_plain_user(tmp_path):
    """With a network device that everybody may open, as distributions have it; else it is refused with the reason."""
    store_image(tmp_path / "layout", str(tmp_path / "store"))
    world = LifeWorld(tmp_path, "native", str(tmp_path / "store"), {})
    port = free_port()
    words = world.words("run", "--image", "life:1", "-p", f"{port}:80", "--", "cat", "/proc/net/route")
    if os.geteuid() == 0:
        device = tmp_path / "device"
        device.mkdir()
        script = (
            'mount -t tmpfs none "$1"; mknod -m 666 "$1/tun" c 10 200; mount --bind "$1/tun" /dev/net/tun; shift; '
            'chown -R 1234:1234 "$1"; chmod a+x $2; shift 2; exec setpriv --reuid 1234 --regid 1234 --clear-groups "$@"'
        )
        above = " ".join(map(str, tmp_path.parents[:3]))
        world.environ |= {"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "home/state")}
        words = ["unshare", "-m", "sh", "-c", script, "sh", str(device), str(tmp_path), above, *words]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=world.environ)
    if os.geteuid() == 0 or not bridge.tun_trouble():  # root makes a device of its own for the test
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) > 1
    else:
        assert done.returncode == 125
        assert "/dev/net/tun" in done.stderr


@pytest.mark.needs_root  # plain users: below
@pytest.mark.needs_tun
@TOOLS
def test_each_port_gets_the_program_that_can_show_it(tmp_path, monkeypatch):
    world = World(tmp_path, PASTA, monkeypatch)
    monkeypatch.setattr(bridge, "order_programs", lambda *, routed: (PASTA, SLIRP))
    monkeypatch.setattr(bridge, "read_version", lambda text: 0)
    with world.opened(Port(80, world.port, "0.0.0.0")):
        assert bridge.read_record(str(tmp_path))[0] == SLIRP
    with world.opened(Port(world.port, 0, protocol="udp")) as (settled, _):
        assert settled.ports[0].host == world.port
        assert bridge.read_record(str(tmp_path))[0] == PASTA
    with (
        pytest.raises(EngineError, match="same number only"),
        world.opened(Port(80, world.port, protocol="udp")),
    ):
        pass


def test_neither_program_is_a_refusal_that_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(bridge, "find_tool", lambda name: None)
    world = World(tmp_path, PASTA, monkeypatch)
    with pytest.raises(EngineError, match="neither is installed") as caught, world.opened():
        pass
    assert "slirp4netns" in caught.value.hints[0]


def test_a_sandbox_joins_another(tmp_path):
    root = make_small_root(str(tmp_path / "root"))
    reader, writer = os.pipe()
    first = launch.start(
        shell(system_ops(root), "cat; exit 5", control=True),
        stdin=reader,
        stdout=os.open(os.devnull, os.O_RDWR),
    )
    control.receive(first.control)
    control.send(first.control, ("namespaces", 1))
    message, fds = control.receive(first.control)
    there = dict(zip(message[2], fds, strict=True))
    join = {name: there[name] for name in ("user", "pid", "ipc")}
    out, into = os.pipe()
    script = "for p in /proc/[0-9]*; do read name < $p/comm; echo $name; done; sleep 100 & echo $$"
    result = launch.run(shell(system_ops(root), script, join=join), stdout=into)
    os.close(into)
    with open(out, "rb") as file:
        names = file.read().split()
    assert result.code == 0
    assert b"cat" in names
    assert int(names[-1]) > 2
    for fd in fds:
        os.close(fd)
    for fd in (reader, writer):
        os.close(fd)
    assert first.wait().code == 5


def test_beside_a_container(tmp_path):
    store_image(tmp_path / "layout", str(tmp_path / "store"))
    world = LifeWorld(tmp_path, "native", str(tmp_path / "store"), {})
    try:
        world.background("first", "sh", "-c", "exec sleep 1234", options=("--shm-size", "48m"))
        script = (
            "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null || cat $p/cmdline; echo; done"
        )
        done = world.call("run", "--image", "life:1", "--pid", "container:first", "--", "sh", "-c", script)
        assert "1234" in done.stdout
        script = "echo theirs >/dev/shm/from; df -k --output=size /dev/shm; cat /dev/shm/of"
        world.call("exec", "first", "sh", "-c", "echo first >/dev/shm/of")
        done = world.call("run", "--image", "life:1", "--ipc", "container:first", "--", "sh", "-c", script)
        assert done.stdout.split()[1:] == [str(48 << 10), "first"]
        assert world.call("exec", "first", "cat", "/dev/shm/from").stdout == "theirs\n"
        own = world.call("run", "--image", "life:1", "--", "sh", "-c", "ls /dev/shm")
        assert not own.stdout
        words = ("readlink", "/proc/self/ns/net")
        same = world.call("run", "--image", "life:1", "--network", "container:first", "--", *words)
        assert same.stdout.strip() == os.readlink("/proc/self/ns/net")
        refused = world.call("run", "--image", "life:1", "--pid", "container:none", "--", "true", code=125)
        assert "no container `none`" in refused.stderr
        alone = ("-p", "80", "--pid", "container:first", "--", "true")
        refused = world.call("run", "--image", "life:1", *alone, code=125)
        assert "--network container:first" in refused.stderr
        # What the first made outlives it where another shares it.
        world.background("third", "sleep", "1234", options=("--ipc", "container:first"))
        world.background("second", "sleep", "1234", options=("--pid", "container:first"))
        world.call("kill", "first")
        world.await_state("second", "exited")
        assert "`first`, whose processes it shares, has ended" in world.listed("second")["reason"]
        assert world.call("exec", "third", "cat", "/dev/shm/of").stdout == "first\n"
    finally:
        world.close()


@pytest.mark.needs_root  # plain users: below
@pytest.mark.needs_tun
@TOOLS
def test_ports_of_a_container_that_lives_on(tmp_path):
    store_image(tmp_path / "layout", str(tmp_path / "store"))
    world = LifeWorld(tmp_path, "native", str(tmp_path / "store"), {})
    port = free_port()
    try:
        world.background("first", "sleep", "1234", options=("-p", f"{port}:80", "-p", "0.0.0.0::53/udp"))
        [one, two] = json.loads(world.call("port", "first", "--json").stdout)["ports"]
        assert (one["host"], one["open"], one["listening"], one["loopback"]) == (port, True, False, True)
        assert two["firewall"][0] == f"sudo ufw allow {two['host']}/udp"
        assert f"127.0.0.1:{port}" in world.call("port", "first", "80").stdout
        assert f"-L {port}:127.0.0.1:{port}" in world.call("port", "first").stderr
        assert "shows no port 81" in world.call("port", "first", "81/tcp", code=None).stderr
        listed = json.loads(world.call("top", "--json", "first").stdout)["processes"]
        assert [process["command"] for process in listed] == ["sleep 1234"]
        world.call("restart", "first")
        assert json.loads(world.call("port", "first", "--json").stdout)["ports"][1]["host"] == two["host"]
        assert (
            "does not run" in (world.call("stop", "first") and world.call("port", "first", code=None)).stderr
        )
    finally:
        world.close()
    assert heard(port) == b""


def test_what_listens_in_this_machines_network_is_listed(tmp_path):
    store_image(tmp_path / "layout", str(tmp_path / "store"))
    world = LifeWorld(tmp_path, "native", str(tmp_path / "store"), {})
    try:
        world.background("first", "sleep", "1234")
        found = json.loads(world.call("port", "first", "--json").stdout)
        assert (found["shared_with_host"], found["ports"]) == (True, [])
    finally:
        world.close()
