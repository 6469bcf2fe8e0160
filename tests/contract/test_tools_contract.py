"""Tools that come beside an environment, by real clients: OpenSSH's programs, Jupyter's and TensorBoard's protocols."""

import contextlib
import json
import os
import shlex
import socket
import subprocess
import threading

import pytest
from browser import CONTROL, SHIFT, browser, count_colours
from life_world import LifeWorld, Terminal
from web_clients import ask, run_in_kernel

from private_engines import PRIVATE, wait_until

ENGINES = (
    pytest.param("native", marks=pytest.mark.needs_userns),
    pytest.param("docker", marks=[pytest.mark.needs_root, pytest.mark.needs_tool("docker", "dockerd")]),
    pytest.param("podman", marks=[pytest.mark.needs_root, pytest.mark.needs_tool("podman", "runc")]),
)
pytestmark = [pytest.mark.needs_network, pytest.mark.needs_tool("ssh")]


@pytest.fixture(params=ENGINES)
def world(request, life_store, tmp_path):
    if request.param == "native":
        made = LifeWorld(tmp_path, request.param, life_store, {})
        yield made
        made.close()
        return
    with PRIVATE[request.param]() as settings:
        made = LifeWorld(tmp_path, request.param, life_store, settings)
        yield made
        made.close()


def _config(world):
    return os.path.join(world.environ["HOME"], ".ssh", "shipway", "config")


def test_a_container_is_a_host_of_ssh(world):
    """Commands, a terminal, files and forwarded ports, by OpenSSH's own programs."""
    world.background("far", "sleep", "1000")
    done = world.call("ssh", "far", "--", "sh", "-c", "echo $OF_IMAGE; cat; exit 7", stdin="typed", code=7)
    assert done.stdout == "1\ntyped"
    _check_terminal(world)
    _check_files(world)
    _check_forwarding(world)


def _check_terminal(world):
    terminal = Terminal(["ssh", "-F", _config(world), "far.shipway"], world.environ)
    terminal.type(b"tty; echo en''d; exit 5\n")
    assert b"/dev/pts/" in terminal.expect(b"end")
    assert terminal.end() == 5


def _check_files(world):
    """By `sftp`, and by `scp` as clients before OpenSSH 9 do it and as those since."""
    (world.project / "sent").write_text("bytes\n")
    sent, back, far = f"{world.project}/sent", world.project / "back", "far.shipway"
    batch = f"put {sent} /tmp/got\nget /tmp/got {back}\n"
    known = ("-q", "-F", _config(world))
    for calls, typed in (
        ([["sftp", *known, "-b", "-", far]], batch),
        ([["scp", *known, sent, f"{far}:/tmp/new"], ["scp", *known, f"{far}:/tmp/new", back]], ""),
        (
            [["scp", "-O", *known, sent, f"{far}:/tmp/old"], ["scp", "-O", *known, f"{far}:/tmp/old", back]],
            "",
        ),
    ):
        back.unlink(missing_ok=True)
        for words in calls:
            done = subprocess.run(
                words, input=typed, capture_output=True, text=True, check=False, env=world.environ
            )
            assert done.returncode == 0, (words, done.stderr)
        assert back.read_text() == "bytes\n"


def _check_forwarding(world):
    """A port from here to there, and one from there to here."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"from here")

        threading.Thread(target=answer, daemon=True).start()
        behind, port = server.getsockname()[1], _free_port()
        with _tunnel(
            ["ssh", "-N", "-F", _config(world), "-L", f"{port}:127.0.0.1:{behind}", "far.shipway"], world
        ):
            wait_until(lambda: _heard(port) == b"from here", 60)
        read = f"cat </dev/tcp/127.0.0.1/{port}"
        words = [
            "ssh",
            "-F",
            _config(world),
            "-o",
            "ExitOnForwardFailure=yes",
            "-R",
            f"{port}:127.0.0.1:{behind}",
        ]
        done = subprocess.run(
            [*words, "far.shipway", f"bash -c {shlex.quote(read)}"],
            capture_output=True,
            check=False,
            env=world.environ,
            timeout=30,
        )
        assert done.stdout == b"from here", done.stderr


@contextlib.contextmanager
def _tunnel(words, world):
    """A connection that only forwards ports, as long as it is needed."""
    process = subprocess.Popen(words, env=world.environ, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def _heard(port):
    """What a server says by itself; nothing where none listens yet."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as link:
        return link.makefile("rb").read()
    return b""


@pytest.mark.parametrize("world", ENGINES[:1], indirect=True)
def test_the_line_for_every_ssh_is_written_once_and_only_when_asked(world):
    world.background("far", "sleep", "1000")
    own = os.path.join(world.environ["HOME"], ".ssh", "config")
    shown = world.call("ssh", "--show", "far").stdout
    assert "ProxyCommand ssh " in shown
    assert not os.path.exists(own)
    again = world.call("ssh", "--install", "--dry-run", "far").stdout
    assert "would put one `Include` line" in again
    assert not os.path.exists(own)
    world.call("ssh", "--install", "far")
    world.call("ssh", "--install", "far")
    assert "includes that already" in world.call("code", "--install", "--dry-run", "far").stdout
    connect = json.loads(world.call("ssh", "--dry-run", "--json", "far").stdout)
    assert (connect["dry_run"], len(connect["plan"])) == (True, 1)
    with open(own, encoding="utf-8") as file:
        assert file.read().count("Include") == 1
    hosts = os.path.join(os.path.dirname(_config(world)), "hosts")
    world.call("rm", "--force", "far")
    world.background("near", "sleep", "1000")
    world.call("ssh", "--show", "near")
    assert os.listdir(hosts) == ["near.conf"]


@pytest.fixture
def project(life_store, tmp_path):
    """A container of a project with one Python package."""
    made = LifeWorld(tmp_path, "native", life_store, {})
    (made.project / "shipway.toml").write_text(
        'base = "debian:bookworm"\npython = "3.11"\npip = ["einops"]\n'
    )
    made.call("up", "--name", "pages")
    made.names.append("pages")
    yield made
    made.close()


_WRITE_EVENT = """
import glob, sys
sys.path.append(glob.glob("/opt/shipway/tensorboard-*/site")[0])
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
writer = EventFileWriter("/work/runs/first")
value = summary_pb2.Summary.Value(tag="loss", simple_value=0.5)
writer.add_event(event_pb2.Event(step=3, summary=summary_pb2.Summary(value=[value])))
writer.close()
"""


_CELL = """\
import einops; from IPython.display import HTML; print(6 * 7, einops.__file__)
HTML('<div id="block" style="background: #12ab34; width: 300px; height: 90px"></div>')"""
_BLOCK = bytes.fromhex("12ab34")


@pytest.mark.needs_userns
@pytest.mark.needs_tool("chromium")
def test_pages_answer_beside_a_lean_environment(project, tmp_path):
    """JupyterLab's REST and a kernel's messages, TensorBoard's API; both by token only, found again, and in no image.

    And both in a browser, as a user works with them.
    """
    started = json.loads(project.call("jupyter", "--json").stdout)
    token = started["url"].partition("token=")[2]
    assert started["tunnel"].startswith(f"ssh -N -L {started['port']}:127.0.0.1:{started['port']} ")
    assert ask(started["url"], "/api/contents")[0] == 403
    names = [one["name"] for one in ask(started["url"], "/api/contents", token=token)[1]["content"]]
    assert "shipway.toml" in names
    assert run_in_kernel(started["url"], token, "import einops; print(einops.__file__)").startswith(
        "/opt/venv/"
    )
    assert ask(started["url"], "/lab", token=token)[0] == 200
    again = json.loads(project.call("jupyter", "--json").stdout)
    assert (again["found"], again["url"]) == (True, started["url"])
    project.call("exec", "python", "-c", "import jupyterlab", code=1)
    assert (
        token not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    )
    board = _check_board(project)
    with browser(tmp_path) as page:
        _look_at_board(page, board)
        _work_in_notebook(page, started["url"], project)
    assert project.call("ssh", "--", "python", "-c", "print(6 * 7)").stdout == "42\n"
    _check_without_network(project)


def _check_without_network(project):
    """Where the page is on a loopback address of the container's own, the line that is printed leads there."""
    words = ("run", "-d", "--name", "quiet", "--network", "none", "--", "sleep", "1000")
    project.call(*words)
    project.names.append("quiet")
    started = json.loads(project.call("tensorboard", "--container", "quiet", "--json").stdout)
    path = "/" + started["url"].split("/", 3)[3]
    assert started["tunnel"].endswith(shlex.quote(started["here"]))
    assert _heard(started["port"]) == b""
    with _tunnel(shlex.split(started["here"]), project):
        wait_until(lambda: _answer(started["url"], f"{path}data/environment") == 200, 60)
        assert ask(started["url"], "/data/environment")[0] == 404
    again = json.loads(project.call("tensorboard", "--container", "quiet", "--json").stdout)
    assert (again["found"], again["url"]) == (True, started["url"])


def _answer(url, path):
    """The status, or 0 while nobody listens."""
    with contextlib.suppress(OSError):
        return ask(url, path)[0]
    return 0


def _check_board(project):
    url = project.call("tensorboard").stdout.strip()
    path = "/" + url.split("/", 3)[3].rstrip("/")
    assert ask(url, "/data/runs")[0] == 404
    project.call("exec", "python", "-c", _WRITE_EVENT)
    wait_until(lambda: ask(url, f"{path}/data/runs")[1] == ["first"], 20)
    points = ask(url, f"{path}/data/plugin/scalars/scalars?run=first&tag=loss")[1]
    assert [point[1:] for point in points] == [[3, 0.5]]
    return url


def _work_in_notebook(page, url, project):
    """A cell is typed and run in a new notebook, its output is read and seen, and the notebook is the caller's file."""
    page.open(url)
    page.click('.jp-LauncherCard[data-category="Notebook"]')
    page.await_true("document.querySelector('#jp-main-statusbar')?.innerText.includes('| Idle')")
    page.type(".jp-Notebook .cm-content", _CELL)
    _run_cell(page)
    assert page.read("document.querySelector('.jp-OutputArea-output').innerText").startswith("42 /opt/venv/")
    wait_until(lambda: _shows_output(count_colours(page.picture(".jp-OutputArea"))), 60)
    page.press("s", CONTROL)
    page.click(".jp-Dialog .jp-mod-accept")
    saved = project.project / "Untitled.ipynb"
    wait_until(lambda: saved.exists() and "12ab34" in saved.read_text(), 60)
    assert saved.stat().st_uid == os.getuid()


def _run_cell(page):
    """Once more, where the page had no kernel yet when it was asked."""
    for _ in range(5):
        page.click(".jp-Notebook .cm-content")
        page.press("Enter", SHIFT)
        if page.becomes("document.querySelector('#block') !== null", 20):
            return
    page.await_true("document.querySelector('#block') !== null", 0)


def _shows_output(colours):
    """The whole block, and letters, which have soft edges."""
    return colours.get(_BLOCK) == 300 * 90 and len(colours) > 10


def _look_at_board(page, url):
    page.open(url)
    page.await_true("document.querySelector('tb-webapp')?.innerText.includes('loss')")


@pytest.mark.needs_userns
def test_a_second_container_looks_into_the_first(project):
    """Traced, dumped and attached to by tools that the environment has not got; what is looked at goes on."""
    (project.project / "loop.py").write_text(
        "import time\ndef busy():\n    while True:\n        time.sleep(0.01)\nbusy()\n"
    )
    project.call("exec", "-d", "--service", "loop", "python", "loop.py")
    look = "pid=$(pgrep -f loop.py | head -1); "
    dumped = project.call("debug", "--", "sh", "-c", look + "py-spy dump --pid $pid").stdout
    assert "busy (" in dumped
    traced = project.call("debug", "pages", "sh", "-c", look + "timeout 1 strace -p $pid", code=None).stderr
    assert "clock_nanosleep(" in traced or "select(" in traced
    gdb = "gdb -batch -p $pid -ex bt; exit 6"
    attached = project.call("debug", "pages", "sh", "-c", look + gdb, code=6).stdout
    assert "PyEval" in attached or "nanosleep" in attached
    assert "loop" in project.call("ps").stdout
    project.call("exec", "sh", "-c", "command -v gdb", code=127)
