"""A network of the container's own by pasta or slirp4netns, its ports, its end; and the namespaces of another container."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from sandbox_world import make_small_root, python_script, shell, system_ops

sys.path.append(str(Path(__file__).parents[1] / "contract"))
from life_world import LifeWorld, store_image

from private_engines import wait_until
from shipway.core.errors import EngineError
from shipway.run import bridge
from shipway.run.model import Account, HostFile, Limits, Network, Port, RunRequest, Top
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


@pytest.mark.needs_root  # who else may open /dev/net/tun differs from machine to machine
@pytest.mark.needs_tool("pasta", "slirp4netns")
@pytest.mark.parametrize("program", bridge.PROGRAMS)
def test_ports_are_shown_and_go_with_the_container(program, monkeypatch):
    monkeypatch.setattr(bridge, "PROGRAMS", (program,))
    port = free_port()
    with bridge.opened_bridge(request(Port(8000, port))) as (settled, join):
        text = settled.files[0].data.decode()
        assert text.startswith("nameserver ")
        assert "127.0.0.53" not in text
        assert "search x" in text
        running = launch.start(python_script(SERVE, join=join))
        wait_until(lambda: heard(port) == b"hello from inside")
        with (
            pytest.raises(EngineError, match="another program listens there"),
            bridge.opened_bridge(request(Port(1, port))),
        ):
            pass
        running.kill()
    assert heard(port) == b""
    with socket.create_server(("127.0.0.1", port)):
        pass  # nobody has it any more


@pytest.mark.needs_root
@pytest.mark.needs_tool("pasta", "slirp4netns")
@pytest.mark.parametrize("program", bridge.PROGRAMS)
def test_the_program_ends_with_whoever_asked_for_it(program, monkeypatch):
    """Killed hard, the caller leaves no program and no port."""
    monkeypatch.setattr(bridge, "PROGRAMS", (program,))
    port = free_port()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with bridge.opened_bridge(request(Port(8000, port))):
            os.write(writer, b"x")
            signal.pause()
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == b"x"
    os.close(reader)
    words = f"127.0.0.1/{port}:8000" if program == "pasta" else "slirp4netns"
    assert any(words in text for text in command_lines())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_until(lambda: not any(words in text for text in command_lines()))


def command_lines():
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return found


def test_neither_program_is_a_refusal_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(bridge, "find_tool", lambda name: None)
    with pytest.raises(EngineError, match="neither is installed") as caught, bridge.opened_bridge(request()):
        pass
    assert "slirp4netns" in caught.value.hints[0]


def test_command_lines():
    fds = {"user": 7, "net": 8}
    ports = (Port(80, 8080), Port(53, 5353, "0.0.0.0", "udp"))
    words = bridge.render_words(bridge.Bridge("pasta", "/p"), ports, fds, ready=9, folder="/f")
    line = " ".join(words)
    assert "-t 127.0.0.1/8080:80 -u 0.0.0.0/5353:53 -T none -U none" in line
    assert line.endswith("--userns /proc/self/fd/7 --netns /proc/self/fd/8")
    assert ("--runas 0:0" in line) == (os.geteuid() == 0)
    words = bridge.render_words(bridge.Bridge("slirp4netns", "/s"), ports, fds, ready=9, folder="/f")
    assert words[-3:] == ["--netns-type=path", "/proc/self/fd/8", "tap0"]
    assert "--disable-host-loopback" in words


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
        world.background("first", "sh", "-c", "exec sleep 1234")
        script = (
            "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null || cat $p/cmdline; echo; done"
        )
        done = world.call("run", "--image", "life:1", "--pid", "container:first", "--", "sh", "-c", script)
        assert "1234" in done.stdout
        refused = world.call("run", "--image", "life:1", "--pid", "container:none", "--", "true", code=125)
        assert "no container `none`" in refused.stderr
    finally:
        world.close()
