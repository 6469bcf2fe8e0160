"""The rows of what containers write: logs of 100 MB written, read and followed, and streams, against docker and plain files."""

from __future__ import annotations

import sys
import time

from peers import FREE, NAME, away_docker, away_ours, docker_of, keep, shell, start_docker, start_ours
from place import Place
from rows import Row, ready
from timing import Contestant

_LOUD = "yes 'epoch 12 step 3456 loss 0.0123456789 accuracy 0.9876543210 seconds 1.2345 memory 12345 MiB' | head -c 100000000"
"""100 MB as fast as they are taken."""
_LINES = """\
import os
for step in range(1_000_000):
    os.write(1, (b"epoch 12 step %07d loss 0.0123456789" % step).ljust(99, b".") + b"\\n")
"""
"""100 MB line by line."""


def _written(place: Place, argv: list[str], name: str) -> list[Contestant]:
    """A program that writes 100 MB, from its start to its end: into the log of its container, and into a file."""
    ready(place)
    away = away_ours(place, NAME)
    place.at_the_end.append(away)
    ours = shell("{0} >/dev/null && {1} >/dev/null", start_ours(place, argv=argv), place.ours("wait", NAME))
    found = [Contestant(f"shipway run -d, {name}", ours, [away], place.env)]
    docker = docker_of(place)
    if docker:
        away = away_docker(docker, NAME)
        place.at_the_end.append(away)
        theirs = shell(
            "{0} >/dev/null && {1} >/dev/null", start_docker(docker, argv=argv), [*docker, "wait", NAME]
        )
        found.append(Contestant(f"docker run -d, {name}", theirs, [away], place.env))
    file = place.file("plain.log")
    plain = [sys.executable, *argv[1:]] if argv[0] == "python3" else argv
    return [
        *found,
        Contestant(
            "into a file, without a container",
            shell("{0} > " + file, plain),
            [["rm", "-f", file]],
            place.env,
        ),
    ]


def _log_written(place: Place) -> list[Contestant]:
    return _written(place, ["sh", "-c", _LOUD], "100 MB")


def _lines_written(place: Place) -> list[Contestant]:
    return _written(place, ["python3", "-c", _LINES], "100 MB line by line")


def _read(place: Place, *options: str) -> list[Contestant]:
    """The log of a container that has written 100 MB."""
    ready(place)
    argv = ["sh", "-c", f"{_LOUD}; exec sleep infinity"]
    keep(place, start_ours(place, argv=argv), away_ours(place, NAME))
    found = [
        Contestant(
            "shipway logs", shell("{0} > /dev/null", place.ours("logs", *options, NAME)), env=place.env
        )
    ]
    docker = docker_of(place)
    if docker:
        keep(place, start_docker(docker, argv=argv), away_docker(docker, NAME))
        found.append(
            Contestant(
                "docker logs", shell("{0} > /dev/null", [*docker, "logs", *options, NAME]), env=place.env
            )
        )
    time.sleep(15)  # until all is written
    return found


def _log_read(place: Place) -> list[Contestant]:
    return _read(place)


def _log_end(place: Place) -> list[Contestant]:
    return _read(place, "--tail", "100")


def _followed(place: Place) -> list[Contestant]:
    """From the start of a program that writes 100 MB to the last byte at whoever follows."""
    ready(place)
    argv = ["sh", "-c", _LOUD]
    away = away_ours(place, NAME)
    place.at_the_end.append(away)
    line = "{0} >/dev/null && test $({1} | wc -c) = 100000000"
    ours = shell(line, start_ours(place, argv=argv), place.ours("logs", "-f", NAME))
    found = [Contestant("shipway logs -f", ours, [away], place.env)]
    docker = docker_of(place)
    if docker:
        away = away_docker(docker, NAME)
        place.at_the_end.append(away)
        theirs = shell(line, start_docker(docker, argv=argv), [*docker, "logs", "-f", NAME])
        found.append(Contestant("docker logs -f", theirs, [away], place.env))
    return found


def _streamed(place: Place) -> list[Contestant]:
    """100 MB through a terminal-less foreground run with a name, whose output is a log as well."""
    ready(place)
    argv = ["sh", "-c", _LOUD]
    line = "test $({0} | wc -c) = 100000000"
    ours = place.ours("run", "--rm", "--name", NAME, "--", *argv)
    found = [Contestant("shipway run --name", shell(line, ours), [away_ours(place, NAME)], place.env)]
    docker = docker_of(place)
    if docker:
        theirs = [*docker, "run", "--rm", "--name", NAME, *FREE, "bench-base", *argv]
        found.append(Contestant("docker run", shell(line, theirs), [away_docker(docker, NAME)], place.env))
    return found


def _piped(place: Place) -> list[Contestant]:
    """100 MB out of a command in a container that runs."""
    ready(place)
    argv = ["sh", "-c", _LOUD]
    line = "test $({0} | wc -c) = 100000000"
    keep(place, start_ours(place), away_ours(place, NAME))
    found = [Contestant("shipway exec", shell(line, [place.shipway, "exec", NAME, *argv]), env=place.env)]
    docker = docker_of(place)
    if docker:
        keep(place, start_docker(docker), away_docker(docker, NAME))
        found.append(Contestant("docker exec", shell(line, [*docker, "exec", NAME, *argv]), env=place.env))
    return found


LOG_ROWS = [
    Row("log-written", "100 MB written into a log", {}, 5, _log_written),
    Row("log-lines", "100 MB written into a log, a line at a time", {}, 5, _lines_written),
    Row("log-read", "a log of 100 MB read", {}, 5, _log_read),
    Row("log-end", "the last 100 lines of a log of 100 MB", {}, 10, _log_end),
    Row("log-followed", "100 MB followed while they are written", {}, 5, _followed),
    Row("streamed", "100 MB through a run in the foreground", {}, 5, _streamed),
    Row("piped", "100 MB out of exec", {}, 5, _piped),
]
