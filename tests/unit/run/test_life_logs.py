"""Logs whose writer was killed or had no room, read again; and an engine's own words kept out of them."""

import errno
import json
import os
import shutil
from types import SimpleNamespace

import pytest

from shipway.run.life import log_write, records
from shipway.run.life.engine_words import WithoutTrouble
from shipway.run.life.log_read import Wanted, follow_log, read_log
from shipway.run.life.log_write import Lost, count_kept, open_sink
from shipway.run.life.model import State, Status
from shipway.run.life.oci_status import inspect_containers, says_missing
from shipway.run.model import LogOptions
from shipway.run.oci.docker import DOCKER
from shipway.run.oci.program import Program


def read(folder):
    return [(one.stream, one.data) for one in read_log(str(folder), "main", Wanted())]


@pytest.fixture
def sink(tmp_path):
    made = open_sink(str(tmp_path), "main", LogOptions())
    yield made
    made.close()


def test_what_has_no_entry_is_read_in_its_place(sink, tmp_path):
    sink.write(1, b"one\n")
    with open(tmp_path / "log/main.log", "ab") as log:
        log.write(b"two\n")
    again = open_sink(str(tmp_path), "main", LogOptions())
    again.write(2, b"three\n")
    assert read(tmp_path) == [(1, b"one\n"), (1, b"two\n"), (2, b"three\n")]
    again.close()


def test_what_a_killed_writer_left_is_adopted(sink, tmp_path):
    sink.write(1, b"one\n")
    with open(tmp_path / "log/main.log", "ab") as log:
        log.write(b"two")
    again = open_sink(str(tmp_path), "main", LogOptions())
    again.adopt(2)
    again.adopt(2)
    again.write(1, b"three\n")
    assert read(tmp_path) == [(1, b"one\n"), (2, b"two"), (1, b"three\n")]
    again.close()


def test_a_log_without_its_index_is_read(sink, tmp_path):
    sink.write(2, b"one\n")
    os.unlink(tmp_path / "log/main.idx")
    assert read(tmp_path) == [(1, b"one\n")]


def test_a_log_that_is_removed_while_it_is_followed_is_over(sink, tmp_path):
    alive = [True]
    sink.write(1, b"one\n")
    pieces = follow_log(str(tmp_path), "main", Wanted(), lambda: alive[0])
    assert next(pieces).data == b"one\n"
    shutil.rmtree(tmp_path / "log")
    assert next(pieces).data == b""
    alive[0] = False
    assert [one.data for one in pieces if one.data] == []


def test_bytes_by_stream_of_what_is_kept(sink, tmp_path):
    sink.write(1, b"one\n")
    sink.write(2, b"error\n")
    with open(tmp_path / "log/main.log", "ab") as log:
        log.write(b"half")
    assert count_kept(str(tmp_path), "main") == {1: 4, 2: 6}
    assert (tmp_path / "log/main.log").read_bytes() == b"one\nerror\n"


class Disk:
    """A disk with room for so many bytes."""

    def __init__(self, room):
        self.room = room

    def write(self, fd, data):
        count = min(len(data), self.room)
        if not count:
            raise OSError(errno.ENOSPC, "full")
        self.room -= count
        return os.write(fd, data[:count])


def test_what_was_lost_is_counted_and_said(sink, tmp_path, monkeypatch):
    disk = Disk(6)
    monkeypatch.setattr(log_write, "os", SimpleNamespace(**{**vars(os), "write": disk.write}))
    sink.write(1, b"one\ntwo\n")
    sink.write(1, b"three\n")
    assert sink.lost == Lost(8, 2)
    disk.room = 1000
    sink.write(1, b"four\n")
    sink.write(1, b"five\n")
    assert sink.lost == Lost()
    text = b"".join(data for _, data in read(tmp_path))
    said = b"[2 lines (8 bytes) of output were lost: the log could not be written]\n"
    assert text == b"one\ntw\n" + said + b"four\nfive\n"


def test_what_was_lost_before_is_said_later(sink, tmp_path):
    sink.owe(Lost(20, 3))
    sink.write(1, b"again\n")
    assert read(tmp_path)[0][1].startswith(b"[3 lines (20 bytes) of output were lost")


def test_a_status_is_written_on_a_full_disk(tmp_path, monkeypatch):
    records.write_status(str(tmp_path), Status(State.RUNNING, pid=4711, reason="long enough to be cut off"))

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(records, "write_atomic", full)
    records.write_status(str(tmp_path), Status(State.EXITED, code=3))
    assert records.read_status(str(tmp_path)) == Status(State.EXITED, code=3)
    (tmp_path / "new").mkdir()
    with pytest.raises(OSError, match="full"):
        records.write_status(str(tmp_path / "new"), Status())


class Taken:
    stalled = False

    def __init__(self):
        self.data = b""

    def feed(self, _, data):
        self.data += data


@pytest.mark.parametrize(("code", "kept"), [(0, b"x\nunexpected EOF\n"), (1, b"x\n")])
def test_an_engines_own_words_are_left_out_when_it_failed(code, kept):
    taken = Taken()
    words = WithoutTrouble(taken)
    words.feed(2, b"x\nunexpected EOF\n")
    assert taken.data == b"x\n"
    words.end(code)
    assert taken.data == kept


def test_words_like_an_engines_are_the_containers_when_more_comes():
    taken = Taken()
    words = WithoutTrouble(taken)
    words.feed(2, b"error response from daemon: no\n")
    words.feed(2, b"more\n")
    words.feed(1, b"unexpected EOF\n")
    assert taken.data == b"error response from daemon: no\nmore\nunexpected EOF\n"


def test_an_engine_without_its_socket_has_not_lost_a_container(tmp_path):
    """Docker's programs since 28 say so in these words."""
    text = (
        "failed to connect to the docker API at unix:///s; dial unix /s: connect: no such file or directory"
    )
    assert not says_missing(text)
    assert says_missing("Error response from daemon: No such container: 4711")
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\necho '[]'; echo '{text}' >&2; exit 1\n")
    program.chmod(0o755)
    with pytest.raises(Exception, match="Docker does not answer"):
        inspect_containers(Program(DOCKER, str(program)), ["4711"])


def test_halves_are_swept(tmp_path):
    base = tmp_path / "containers"
    (base / "0123456789ab").mkdir(parents=True)
    (base / "ba9876543210").mkdir()
    (base / "ba9876543210/container.json").write_text(json.dumps({"format": 99}))
    (base / "by-name").mkdir()
    (base / "by-name/gone").symlink_to("../0123456789ab")
    (base / "by-name/there").symlink_to("../ba9876543210")
    assert records.sweep_halves(str(tmp_path)) == (str(base / "0123456789ab"),)
    assert os.listdir(base / "by-name") == ["there"]
    assert records.sweep_halves(str(tmp_path / "nowhere")) == ()
