"""The rows of containers that live on: started, entered, stopped, and fifty at a time, against docker and podman."""

from __future__ import annotations

import os
import shlex
import time

from peers import FREE, NAME, away_docker, away_ours, docker_of, keep, shell, start_docker, start_ours
from place import Place
from rows import Row, another_version, base_image, ready
from timing import Contestant

MANY = 50
AT_ONCE = 8


def _exec(place: Place) -> list[Contestant]:
    ready(place)
    keep(place, start_ours(place), away_ours(place, NAME))
    ours = [place.shipway, "exec", NAME]
    found = [Contestant("shipway exec", [*ours, "true"], env=place.env)]
    docker, podman = docker_of(place), place.podman()
    if docker:
        keep(place, start_docker(docker), away_docker(docker, NAME))
        found.append(Contestant("docker exec", [*docker, "exec", NAME, "true"], env=place.env))
    if podman and base_image(place, podman):
        keep(place, start_docker(podman), away_docker(podman, NAME))
        found.append(Contestant("podman exec", [*podman, "exec", NAME, "true"], env=place.env))
    own = place.ours("exec", "--", "true")
    place.run(place.ours("up"))
    place.at_the_end.append(place.ours("down"))
    return [*found, Contestant("shipway exec -- true, in the project's own", own, env=place.env)]


def _up(place: Place) -> list[Contestant]:
    ready(place)
    down = shell("{0} >/dev/null 2>&1 || true", place.ours("down"))
    place.at_the_end.append(down)
    found = [Contestant("shipway up", place.ours("up"), [down], place.env)]
    docker = docker_of(place)
    if docker:
        start, away = start_docker(docker), away_docker(docker, NAME)
        place.at_the_end.append(away)
        found.append(Contestant("docker run -d", start, [away], place.env))
    return found


def _stop(place: Place) -> list[Contestant]:
    ready(place)
    away = away_ours(place, NAME)
    place.at_the_end.append(away)
    found = [
        Contestant("shipway stop", place.ours("stop", NAME), [away, start_ours(place)], place.env),
    ]
    docker = docker_of(place)
    if docker:
        away, stop = away_docker(docker, NAME), [*docker, "stop", NAME]
        place.at_the_end.append(away)
        found.append(Contestant("docker stop", stop, [away, start_docker(docker)], place.env))
    return found


def _names() -> list[str]:
    return [f"{NAME}-{number}" for number in range(1, MANY + 1)]


def _fifty(start: list[str], listing: list[str], away: list[str], at_once: int) -> list[str]:
    """Start all, see that all are there, take all away, and see that none is left. `start` names its container `NAME`."""
    line = (
        f"seq {MANY} | xargs -P {at_once} -I@ {shlex.join(start).replace('NAME', f'{NAME}-@')} >/dev/null && "
        f"test $({{0}} | wc -l) = {MANY} && {{1}} >/dev/null && test $({{0}} | wc -l) = 0"
    )
    return shell(line, listing, away)


def _fifty_ours(place: Place, at_once: int) -> Contestant:
    words = _fifty(start_ours(place, "NAME"), _list_ours(place), place.ours("rm", "-f", *_names()), at_once)
    return Contestant(f"shipway, {_said(at_once)}", words, [away_ours(place, *_names())], place.env)


def _list_ours(place: Place) -> list[str]:
    return ["sh", "-c", f"{shlex.join(place.ours('ps', '-a'))} | grep '^{NAME}-' || true"]


def _fifty_docker(place: Place, docker: list[str], at_once: int) -> Contestant:
    listing = [*docker, "ps", "-aq", "--filter", f"name=^{NAME}-"]
    words = _fifty(start_docker(docker, "NAME"), listing, [*docker, "rm", "-f", *_names()], at_once)
    return Contestant(f"docker, {_said(at_once)}", words, [away_docker(docker, *_names())], place.env)


def _said(at_once: int) -> str:
    return "one after the other" if at_once == 1 else f"{at_once} at a time"


def _many(place: Place) -> list[Contestant]:
    ready(place)
    docker = docker_of(place)
    found = [_fifty_ours(place, AT_ONCE)]
    found += [_fifty_docker(place, docker, AT_ONCE)] if docker else []
    found.append(_fifty_ours(place, 1))
    return [*found, _fifty_docker(place, docker, 1)] if docker else found


def _listed(place: Place) -> list[Contestant]:
    ready(place)
    keep(place, _all(start_ours(place, "NAME")), away_ours(place, *_names()))
    found = [Contestant("shipway ps", place.ours("ps"), env=place.env)]
    docker = docker_of(place)
    if docker:
        keep(place, _all(start_docker(docker, "NAME")), away_docker(docker, *_names()))
        found.append(Contestant("docker ps", [*docker, "ps"], env=place.env))
    return found


def _all(start: list[str]) -> list[str]:
    return [
        "sh",
        "-c",
        f"seq {MANY} | xargs -P {AT_ONCE} -I@ {shlex.join(start).replace('NAME', f'{NAME}-@')}",
    ]


def _weight(place: Place) -> str:
    """What the idle containers of the row before weigh: processes that are no part of the commands themselves."""
    said = [f"{MANY} idle containers of ours: {_weigh(place, [f'shipway: {NAME}-'])}."]
    if place.dockerd is not None:
        said.append(
            f"{MANY} of Docker's: {_weigh(place, ['containerd-shim', 'dockerd', 'containerd'])}, its daemons included."
        )
    said += [place.run(away_ours(place, *_names())).strip()]
    return " ".join(said).strip()


def _weigh(place: Place, kinds: list[str]) -> str:
    """Memory (proportional set size) of all processes of these kinds, and processor time in ten seconds."""
    found = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if _is_of(place, pid, kinds)]
    before = sum(map(_ticks, found))
    time.sleep(10)
    used = (sum(map(_ticks, found)) - before) / os.sysconf("SC_CLK_TCK")
    size = sum(map(_share, found))
    return f"{size / 1024:.0f} MiB in {len(found)} processes, {used:.2f} s of processor time in 10 s"


def _is_of(place: Place, pid: str, kinds: list[str]) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode("utf-8", "replace").replace("\0", " ")
    except OSError:
        return False
    program = words.partition(" ")[0].rpartition("/")[2]
    return any(words.startswith(kind) or (program.startswith(kind) and place.root in words) for kind in kinds)


def _ticks(pid: str) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[11]) + int(fields[12])


def _share(pid: str) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def _added(place: Place) -> list[Contestant]:
    """From the command to the import in a container that runs; no round asks for a version that any round has fetched."""
    ready(place)
    place.run(place.ours("up"))
    place.at_the_end.append(place.ours("down"))
    add, check = place.ours("add", "einops==VERSION"), place.ours("exec", "python", "-c", "import einops")
    line = f"{shlex.join(add).replace('VERSION', '$1')} && {shlex.join(check)}"
    take_out = shell("{0} >/dev/null 2>&1 || true", place.ours("remove", "einops"))
    return [
        Contestant(
            "shipway add, then import in the container",
            another_version(place.file("added"), line),
            [take_out],
            place.env,
        )
    ]


def _edited(place: Place) -> list[Contestant]:
    """A line of code is changed, and the program runs with it."""
    ready(place)
    change = ["sh", "-c", f"echo 'print(1)' >> {place.project}/main.py"]
    place.run(place.ours("up"))
    place.at_the_end.append(place.ours("down"))
    found = [
        Contestant(
            "shipway run python main.py", place.ours("run", "--", "python", "main.py"), [change], place.env
        ),
        Contestant(
            "shipway exec python main.py", place.ours("exec", "--", "python", "main.py"), [change], place.env
        ),
    ]
    docker = docker_of(place)
    if docker:
        file = place.file("edited/Dockerfile")
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "w", encoding="utf-8") as text:
            text.write("FROM bench-base\nCOPY main.py /main.py\n")
        build = [*docker, "build", "-q", "-t", "bench-edited", "-f", file, place.project]
        theirs = shell(
            "{0} && {1}", build, [*docker, "run", "--rm", *FREE, "bench-edited", "python3", "/main.py"]
        )
        found.append(
            Contestant("docker build, then run", theirs, [change], {**place.env, "DOCKER_BUILDKIT": "1"})
        )
    return found


LIFE_ROWS = [
    Row("exec", "a command in a container that runs", {"docker exec": 0.5}, 25, _exec),
    Row("up", "a container that lives on", {}, 15, _up),
    Row("stop", "stopped", {}, 10, _stop),
    Row("fifty", "fifty containers up and down", {}, 3, _many),
    Row("listed", "fifty containers listed", {}, 15, _listed, _weight),
    Row("added", "a small package into a running container", {"seconds": 1.5}, 7, _added),
    Row("edited", "code changed, then run", {}, 10, _edited),
]
