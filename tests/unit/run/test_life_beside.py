"""Who shares the network of another: its end is noticed once, kept, and said with what to do; engines are believed by `inspect`."""

import json
import os
import threading

import pytest

from shipway.run.life.beside import explain_lost, find_lost, following, forget_lost, mark_lost
from shipway.run.life.loop import Loop
from shipway.run.life.model import State, Status
from shipway.run.life.oci_beside import (
    find_lost_networks,
    find_owner,
    following_owner,
    is_lost,
    parse_network_modes,
)
from shipway.run.life.oci_status import parse_time
from shipway.run.oci.docker import DOCKER
from shipway.run.oci.program import Program

STARTED = "2026-11-28T15:02:{:02}.461299344Z"


def container(identity, mode, second, state="running", pid=0):
    """As `container inspect` of Docker 28 and Podman 4.3 have it."""
    return {
        "Id": identity,
        "HostConfig": {"NetworkMode": mode},
        "State": {"Status": state, "Pid": pid, "StartedAt": STARTED.format(second)},
    }


@pytest.fixture
def engine(tmp_path):
    """A program that knows the containers that it is given."""

    def make(*containers):
        for one in containers:
            (tmp_path / one["Id"]).write_text(json.dumps(one))
        program = tmp_path / "docker"
        program.write_text(
            f"#!/bin/sh\ncd {tmp_path}; shift 2; echo '['; join=''\n"
            'for one; do if [ -e "$one" ]; then printf %s "$join"; cat "$one"; join=,; else gone=1; fi; done\n'
            "echo ']'; [ -z \"$gone\" ] || { echo 'no such container' >&2; exit 1; }\n"
        )
        program.chmod(0o755)
        return Program(DOCKER, str(program))

    return make


def test_it_is_kept_until_it_joins_anew(tmp_path):
    forget_lost(str(tmp_path))
    assert find_lost(str(tmp_path)) == ""
    mark_lost(str(tmp_path), "first")
    assert find_lost(str(tmp_path)) == "first"
    forget_lost(str(tmp_path))
    assert find_lost(str(tmp_path)) == ""
    mark_lost(f"{tmp_path}/nowhere", "first")


def test_what_is_said():
    text = explain_lost("first", "second")
    assert "`first`, whose network `second` shares, has ended" in text
    assert "`shipway restart second`" in text
    assert "shipway restart" not in explain_lost("first")


def test_the_end_is_noticed_once_in_a_loop():
    reader, writer = os.pipe()
    loop, heard = Loop(), []
    with following(reader, loop, lambda: heard.append(1)):
        os.close(writer)
        loop.turn()
        loop.after(0, lambda: None)
        loop.turn()
    assert heard == [1]
    os.close(reader)


def test_the_end_is_noticed_in_a_thread_which_ends_with_the_block():
    reader, writer = os.pipe()
    heard = threading.Event()
    with following(reader, None, heard.set):
        pass
    assert not heard.is_set()
    with following(reader, None, heard.set):
        os.close(writer)
        assert heard.wait(10)
    os.close(reader)


@pytest.mark.parametrize(
    ("owner", "lost"),
    [
        (Status(State.RUNNING, started=5.0), False),
        (Status(State.PAUSED, started=5.0), False),
        (Status(State.RUNNING, started=15.0), True),
        (Status(State.RESTARTING, started=5.0), True),
        (Status(State.EXITED, started=5.0), True),
        (None, True),
    ],
)
def test_a_network_is_lost_with_that_start_of_its_owner(owner, lost):
    assert is_lost(Status(State.RUNNING, started=10.0), owner) is lost
    assert not is_lost(Status(State.EXITED, started=10.0), owner)


def test_as_an_engine_knows_them(engine):
    program = engine(
        container("own", "bridge", 1, "exited"),
        container("hosts", "host", 1, "exited"),
        container("again", "bridge", 30),
        container("there", "none", 1),
        container("a", "container:own", 2),
        container("b", "container:hosts", 2),
        container("c", "container:again", 2),
        container("d", "container:there", 2),
        container("e", "container:gone", 2),
        container("f", "bridge", 2),
    )
    mine = {one: Status(State.RUNNING, started=parse_time(STARTED.format("02"))) for one in "abcdef"}
    assert find_lost_networks(program, mine) == {"a", "c", "e"}
    assert find_owner(program, "a") == "own"
    assert find_owner(program, "f") == ""
    assert parse_network_modes("not json") == {}


def test_a_process_of_another_machine_is_not_followed(engine):
    """Its number is that of somebody else here."""
    program = engine(container("far", "bridge", 1, pid=os.getpid()))
    with following_owner(program, "far", None, pytest.fail):
        pass
