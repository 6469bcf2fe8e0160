"""A container as `inspect` shows it."""

import json

import pytest

from shipway.cli.show_container import inspected_document, render_inspected
from shipway.run.describe import describe_run
from shipway.run.life.model import Container, Record, Service, State, Status
from shipway.run.model import (
    Environment,
    HostFacts,
    Invocation,
    LifeOptions,
    Limits,
    LogOptions,
    Port,
    Restart,
    RestartKind,
)
from shipway.run.request import plan_run
from shipway.verbs.inspect_container import Inspected, find_inspected

ENVIRONMENT = Environment("/p", "Digits", "cpu", ("/t",), ("k",), (), "/work")
ASKED = Invocation(
    ("sleep", "9"),
    env=(("TOKEN", "s3cret"),),
    limits=Limits(1 << 30, memory_swap=3 << 30),
    ports=(Port(80, 8080),),
)
LIFE = LifeOptions("dp", restart=Restart(RestartKind.ON_FAILURE, 3), log=LogOptions(max_size=1 << 20))


@pytest.fixture
def inspected():
    record = Record("abcdefabcdef", "dp", "native", ENVIRONMENT, ASKED, LIFE, made=1.0)
    container = Container(
        record, Status(State.EXITED, started=1.0, ended=2.0, code=135, reason="a bus error"), "/state/c"
    )
    request = plan_run(ENVIRONMENT, ASKED, HostFacts(1000, 1000, "ada", "ada"), home="/h", bytecode="/b")
    return Inspected(
        container, (Service("board", ("tb",), 5, 1.0),), request, describe_run(request, lasting=True)
    )


def test_it_says_what_was_decided_and_no_secret(inspected):
    text = render_inspected(inspected)
    for words in (
        "memory 1.0 GiB and 2.0 GiB of swap",
        "127.0.0.1:8080 is 80/tcp inside (this machine only)",
        "kept with the container",
        "exited (135) 20",
        " days ago, a bus error\n",
        "on-failure, 3 times at most",
        "/state/c/log/main.log, 1.0 MiB a file",
        "service    board",
    ):
        assert words in text
    assert "s3cret" not in text
    document = inspected_document(inspected)
    assert "s3cret" not in json.dumps(document)
    assert document["limits"]["memory_swap"] == 3 << 30
    assert document["ports"] == [{"container": 80, "host": 8080, "address": "127.0.0.1", "protocol": "tcp"}]
    assert document["restart"] == {"kind": "on-failure", "most": 3}


def test_names_of_images_and_of_nothing_are_no_containers():
    assert find_inspected("team/base:1") is None
    assert find_inspected("no-such-container") is None
