"""Containers of ours and of the peers, started and taken away in the same words, for the rows that compare them."""

from __future__ import annotations

import shlex

from place import Place
from rows import base_image

IDLE = ["sleep", "infinity"]
NAME = "bench-life"
FREE = ["--network", "none", "--init"]
"""Docker's containers as ours are: something reaps and passes signals on, and no network is made."""


def docker_of(place: Place) -> list[str] | None:
    """Docker with the base image in it."""
    docker = place.docker()
    return docker if docker and base_image(place, docker) else None


def shell(line: str, *commands: list[str]) -> list[str]:
    """A shell line in which `{0}`, `{1}`, … are commands."""
    return ["sh", "-c", line.format(*map(shlex.join, commands))]


def start_ours(place: Place, name: str = NAME, argv: list[str] = IDLE) -> list[str]:
    return place.ours("run", "-d", "--name", name, "--", *argv)


def away_ours(place: Place, *names: str) -> list[str]:
    return shell("{0} >/dev/null 2>&1 || true", place.ours("rm", "-f", *names))


def start_docker(docker: list[str], name: str = NAME, argv: list[str] = IDLE) -> list[str]:
    return [*docker, "run", "-d", "--name", name, *FREE, "bench-base", *argv]


def away_docker(docker: list[str], *names: str) -> list[str]:
    return shell("{0} >/dev/null 2>&1 || true", [*docker, "rm", "-f", *names])


def keep(place: Place, start: list[str], away: list[str]) -> None:
    """Start something for all rounds of a row."""
    place.run(away)
    place.run(start)
    place.at_the_end.append(away)
