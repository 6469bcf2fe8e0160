"""The caller's screen for one container: which cookie, which socket, and what is said where there is none."""

import os
import socket

import pytest
from run_values import ENVIRONMENT, HOST, TRUE

from shipway.core.errors import EngineError, ToolError
from shipway.run import display
from shipway.run.apptainer import require_doable
from shipway.run.display import AUTHORITY, with_display
from shipway.run.model import Mount, Network, TmpfsMount
from shipway.run.mounting import make_places
from shipway.run.request import plan_run
from shipway.run.xauthority import (
    COOKIE,
    INTERNET,
    LOCAL,
    WILD,
    Entry,
    find_cookie,
    parse_xauthority,
    render_xauthority,
)

RECORDED = bytes.fromhex(
    "0100 0004 686f7374 0002 3130 0012 4d49542d4d414749432d434f4f4b49452d31 0010 00112233445566778899aabbccddeeff"
    "0000 0004 c0000207 0001 30   0012 4d49542d4d414749432d434f4f4b49452d31 0010 ffeeddccbbaa99887766554433221100"
)
"""Written by xauth 1.1.2: `add host/unix:10 …`, `add 192.0.2.7:0 …`."""
ENTRIES = (
    Entry(LOCAL, b"host", "10", COOKIE, bytes.fromhex("00112233445566778899aabbccddeeff")),
    Entry(INTERNET, bytes([192, 0, 2, 7]), "0", COOKIE, bytes.fromhex("ffeeddccbbaa99887766554433221100")),
)


def test_the_file_of_xauth_is_read_and_written():
    assert parse_xauthority(RECORDED) == ENTRIES
    assert render_xauthority(ENTRIES) == RECORDED
    assert parse_xauthority(b"") == ()


@pytest.mark.parametrize("size", [1, 3, 5, len(RECORDED) - 1])
def test_a_part_of_a_file_is_refused(size):
    with pytest.raises(ValueError, match="it ends inside an entry"):
        parse_xauthority(RECORDED[:size])


def entry(family, address, number="0", name=COOKIE):
    return Entry(family, address, number, name, address + number.encode())


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ((entry(LOCAL, b"old"), entry(LOCAL, b"mine")), 1),
        ((entry(LOCAL, b"old"),), 0),
        ((entry(WILD, b"", ""),), 0),
        ((entry(LOCAL, b"mine", "1"),), None),
        ((entry(LOCAL, b"mine", name="XDM-AUTHORIZATION-1"),), None),
        ((entry(INTERNET, b"\x7f\0\0\1"),), None),
    ],
)
def test_which_cookie_is_taken_for_a_display_of_this_host(entries, found):
    taken = find_cookie(entries, "0", host="mine", addresses=())
    assert taken == (None if found is None else entries[found])


def test_which_cookie_is_taken_for_another_host():
    assert find_cookie(ENTRIES, "0", host="host", addresses=(bytes([192, 0, 2, 7]),)) == ENTRIES[1]
    assert find_cookie(ENTRIES, "10", host="host", addresses=(bytes([192, 0, 2, 7]),)) is None


@pytest.fixture
def request_of():
    def plan(**asked):
        return plan_run(
            ENVIRONMENT,
            TRUE._replace(display=True, **asked),
            HOST,
            home="/state/home",
            bytecode="/state/bytecode",
        )

    return plan


@pytest.fixture
def sockets(tmp_path, monkeypatch):
    """A folder where an X server listens as display 0."""
    monkeypatch.setattr(display, "SOCKETS", str(tmp_path))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "X0"))
        yield tmp_path


def authority(folder, *entries):
    path = folder / "authority"
    path.write_bytes(render_xauthority(entries))
    return str(path)


def test_a_display_of_this_host(request_of, sockets):
    own = entry(LOCAL, os.uname().nodename.encode())
    environ = {"DISPLAY": "unix:0.0", "XAUTHORITY": authority(sockets, entry(LOCAL, b"x", "7"), own)}
    made = with_display(request_of(), environ, {})
    env = dict(made.env)
    assert (env["DISPLAY"], env["XAUTHORITY"], env["QT_X11_NO_MITSHM"]) == (":0.0", f"/{AUTHORITY}", "1")
    assert Mount(f"{sockets}/X0", f"{sockets}/X0", read_only=True) in made.mounts
    [file] = [file for file in made.files if file.path == AUTHORITY]
    assert file.mode == 0o600
    assert parse_xauthority(file.data) == (Entry(WILD, b"", "0", COOKIE, own.data),)
    assert made.display == "X display :0.0"
    assert made.notes == ()


def test_what_the_command_line_says_wins(request_of, sockets):
    environ = {"DISPLAY": ":0", "XAUTHORITY": authority(sockets, entry(WILD, b""))}
    assert dict(with_display(request_of(), environ, {"QT_X11_NO_MITSHM": "0"}).env)["QT_X11_NO_MITSHM"] == "0"


def test_no_cookie_is_said(request_of, sockets):
    made = with_display(request_of(), {"DISPLAY": ":0", "HOME": str(sockets)}, {})
    assert "holds no cookie for display `:0`" in made.notes[-1]
    assert "XAUTHORITY" not in dict(made.env)


def test_a_display_of_ssh_needs_the_network_of_the_host(request_of, tmp_path):
    environ = {"DISPLAY": "localhost:10.0", "XAUTHORITY": authority(tmp_path, entry(LOCAL, b"any", "10"))}
    request = request_of()
    made = with_display(request, environ, {})
    assert dict(made.env)["DISPLAY"] == "localhost:10.0"
    assert made.mounts == request.mounts
    for other, named in (
        (request._replace(network=Network.NONE), "--network none"),
        (request._replace(network=Network.BRIDGE), "--network bridge"),
        (request._replace(beside="db"), "--network container:db"),
    ):
        with pytest.raises(EngineError, match=named):
            with_display(other, environ, {})


def test_wayland(request_of, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "wayland-0"))
        made = with_display(
            request_of(), {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": str(tmp_path)}, {}
        )
    env = dict(made.env)
    assert (env["WAYLAND_DISPLAY"], env["XDG_RUNTIME_DIR"]) == ("wayland-0", "/tmp/runtime-1000")
    folder = tmp_path / "scratch"
    folder.mkdir()
    make_places(made, "/tmp", str(folder))
    assert (folder / "runtime-1000").stat().st_mode & 0o777 == 0o700
    assert (folder / "runtime-1000" / "wayland-0").is_file()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "neither `DISPLAY` (X) nor `WAYLAND_DISPLAY` is set"),
        ({"DISPLAY": "nonsense"}, "`DISPLAY` has a form that is not known: `nonsense`"),
        ({"DISPLAY": ":7"}, "there is no socket `"),
        ({"DISPLAY": ":0", "XAUTHORITY": "/nowhere"}, "`/nowhere`, cannot be read: it does not exist"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "`XDG_RUNTIME_DIR`, where its socket lies, is not set"),
        ({"WAYLAND_DISPLAY": "/nowhere/w"}, "there is no socket `/nowhere/w`"),
    ],
)
def test_what_is_missing_is_named_with_a_remedy(request_of, sockets, environ, said):
    with pytest.raises(EngineError) as raised:
        with_display(request_of(), environ, {})
    assert said in raised.value.message
    assert raised.value.hints


def test_a_file_of_another_kind_is_named(request_of, sockets):
    (sockets / "text").write_bytes(b"no such file")
    with pytest.raises(EngineError, match="is no Xauthority file: it ends inside an entry"):
        with_display(request_of(), {"DISPLAY": ":0", "XAUTHORITY": str(sockets / "text")}, {})


def test_what_excludes_a_screen(request_of, sockets):
    environ = {"DISPLAY": ":0", "XAUTHORITY": authority(sockets, entry(WILD, b""))}
    with pytest.raises(ToolError, match="not to the user `root`"):
        with_display(request_of(user="root"), environ, {})
    with pytest.raises(ToolError, match="which `--tmpfs /tmp` makes anew"):
        with_display(request_of(tmpfs=(TmpfsMount("/tmp"),)), environ, {})
    with pytest.raises(EngineError, match="Apptainer cannot be given your screen"):
        require_doable(with_display(request_of(), environ, {}))


def test_the_spec_asks_for_a_screen_where_there_is_one(request_of, sockets):
    request = request_of()
    without = with_display(request, {}, {}, asked=False)
    assert without._replace(notes=()) == request._replace(notes=())
    assert "so `[run] display` is without effect" in without.notes[-1]
    environ = {"DISPLAY": ":0", "XAUTHORITY": authority(sockets, entry(WILD, b""))}
    assert with_display(request, environ, {}, asked=False).display == "X display :0"
