"""The rows: what is timed against what, and the bar of the design for each."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from place import Place
from timing import Contestant

_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass
class Row:
    """One comparison. `make` prepares and returns the contestants, ours first."""

    name: str
    about: str
    bars: dict[str, float]
    """Peer -> largest ratio; `seconds` -> largest time; `memory` -> most bytes."""
    rounds: int
    make: Callable[[Place], list[Contestant]]
    notes: Callable[[Place], str] | None = None
    """What is counted and not timed, after the rounds."""


def _start(place: Place) -> list[Contestant]:
    return [
        Contestant("shipway --version", [place.shipway, "--version"], env=place.env),
        Contestant("python3 -c pass", [sys.executable, "-c", "pass"], env=place.env),
    ]


def ready(place: Place) -> None:
    place.run(place.ours("build"))
    place.run(place.ours("run", "--", "true"))


def _nothing(place: Place) -> list[Contestant]:
    ready(place)
    found = [Contestant("shipway run -- true", place.ours("run", "--", "true"), env=place.env)]
    found.append(Contestant("python3 -c pass", [sys.executable, "-c", "pass"], env=place.env))
    docker = place.docker()
    if docker and base_image(place, docker):
        theirs = [*docker, "run", "--rm", "--network", "none", "bench-base", "true"]
        found.append(Contestant("docker run", theirs, env=place.env))
    return found


def _fresh(place: Place) -> list[Contestant]:
    place.run(place.ours("lock"))
    return [Contestant("shipway lock", place.ours("lock"), env=place.env)]


SETTLE = ["sh", "-c", "sync; sleep 45"]
"""ext4 without a journal looks for a free inode past all that were deleted in the last half minute: making files shortly after
removing many costs up to seven times as much. No round should pay for what was removed before it."""


def _cold(place: Place) -> list[Contestant]:
    place.run(place.ours("lock"))
    requirements = _pinned(place)
    away = [put_away(place, name) for name in ("store", "venv", "uv-cache")]
    found = [Contestant("shipway build", place.ours("build"), [*away, SETTLE], place.env)]
    venv = place.file("venv")
    uv_venv = [place.uv, "venv", "-q", "--python", "3.11", venv]
    install = [place.uv, "pip", "install", "-q", "--python", f"{venv}/bin/python", "-r", requirements]
    found.append(Contestant("uv pip install", install, [*away, uv_venv], place.env))
    docker = place.docker()
    if docker and base_image(place, docker):
        build = _docker_build(place, docker, requirements, cold=True)
        found.append(replace(build, name="docker build with uv, base image at hand"))
        fetch = f"{shlex.join(_import_base(place, docker))} && {shlex.join(build.argv)}"
        forget = [*docker, "rmi", "-f", "bench", "bench-base"]
        before = [forget, *build.before]
        found.append(replace(build, argv=["sh", "-c", fetch], before=before))
    if shutil.which("mmdebstrap"):
        root = place.file("mmdebstrap.tar")
        line = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            "--include=git,libgl1,python3",
            "bookworm",
            root,
        ]
        found.append(Contestant("mmdebstrap", line, [["rm", "-f", root]], place.env))
    return found


def put_away(place: Place, name: str) -> list[str]:
    """Rename what an earlier round left; it is deleted when all rows are done."""
    path, away = place.file(name), place.file("away")
    return ["sh", "-c", f"mkdir -p {away} && if [ -e {path} ]; then mv {path} {away}/{name}.$$; fi"]


def _changed(place: Place) -> list[Contestant]:
    """One package more, then runnable: the lock follows, one wheel is fetched, a command runs."""
    ready(place)
    spec = os.path.join(place.project, "requirements.txt")
    less = ["sed", "-i", "/^einops/d", spec]
    more = another(spec)
    settle = place.ours("run", "--", "true")
    found = [Contestant("shipway run, one package more", settle, [less, settle, more], place.env)]
    requirements = _pinned(place)
    docker = place.docker()
    if docker and base_image(place, docker):
        found.append(_docker_build(place, docker, requirements, cold=False))
    return found


def another(path: str) -> list[str]:
    """Ask for a version of a small package that no round before has asked for, so that nobody has it cached."""
    return another_version(path, f"echo einops==$1 >> {path}")


def another_version(counter: str, line: str) -> list[str]:
    """A shell line in which `$1` is a version of einops that no round before has had; `counter`.n counts the rounds."""
    versions = "0.8.1 0.8.0 0.7.0 0.6.1 0.6.0 0.5.0 0.4.1 0.4.0 0.3.2"
    count = f"n=$(cat {counter}.n 2>/dev/null || echo 1); echo $((n + 1)) > {counter}.n; shift $((n - 1))"
    return ["sh", "-c", f"{count}; {line}", "sh", *versions.split()]


def _pinned(place: Place) -> str:
    """The same versions for every contestant, as uv resolves them today."""
    path = place.file("pinned.txt")
    if not os.path.exists(path):
        source = os.path.join(place.project, "requirements.txt")
        place.run([place.uv, "pip", "compile", "-q", "--python-version", "3.11", "-o", path, source])
    return path


def base_image(place: Place, docker: list[str]) -> bool:
    """Whether the engine has the image `bench-base` now."""
    archive = place.file("base.tar")
    if os.path.exists(archive):
        if not place.run([*docker, "images", "-q", "bench-base"]).strip():
            place.run(_import_base(place, docker))
        return True
    if not shutil.which("mmdebstrap"):
        return False
    include = "--include=python3,python3-venv,ca-certificates"
    place.run(["mmdebstrap", "--quiet", "--variant=minbase", include, "bookworm", archive])
    place.run(_import_base(place, docker))
    return True


def _import_base(place: Place, docker: list[str]) -> list[str]:
    """Load the base image from a local archive: what a pull would do, without the network."""
    return [*docker, "import", place.file("base.tar"), "bench-base"]


def _docker_build(place: Place, docker: list[str], requirements: str, *, cold: bool) -> Contestant:
    """Best practice: uv with cache mounts, requirements in front of the code."""
    context = place.file("context")
    os.makedirs(context, exist_ok=True)
    shutil.copy(requirements, os.path.join(context, "requirements.txt"))
    shutil.copy(place.uv, os.path.join(context, "uv"))
    if os.path.exists(_CERTIFICATES):
        shutil.copy(_CERTIFICATES, os.path.join(context, "certificates.crt"))
    with open(os.path.join(context, "Dockerfile"), "w") as file:
        file.write(
            "FROM bench-base\n"
            "COPY certificates.crt /etc/ssl/certs/ca-certificates.crt\n"
            "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt\n"
            "COPY uv /usr/local/bin/uv\n"
            "RUN apt-get update && apt-get install -y --no-install-recommends git libgl1\n"
            "RUN uv venv /opt/venv\n"
            "COPY requirements.txt .\n"
            "ENV UV_CACHE_DIR=/cache\n"
            "RUN --mount=type=cache,target=/cache uv pip install --python /opt/venv/bin/python -r requirements.txt\n"
        )
    build = [*docker, "build", "-q", "-t", "bench", context]
    env = {**place.env, "DOCKER_BUILDKIT": "1"}
    if cold:
        return Contestant("docker build with uv", build, [[*docker, "builder", "prune", "-af"], SETTLE], env)
    line = f"{' '.join(build)} && {' '.join(docker)} run --rm bench true"
    target = os.path.join(context, "requirements.txt")
    before = [["sed", "-i", "/^einops/d", target], build, another(target)]
    return Contestant("docker build with uv, then run", ["sh", "-c", line], before, env)


ROWS = [
    Row("start", "start-up", {"python3 -c pass": 3.0}, 30, _start),
    Row("nothing", "a run with nothing to do", {"seconds": 0.1, "docker run": 0.4}, 20, _nothing),
    Row("fresh", "lock with nothing to do", {"seconds": 0.3}, 10, _fresh),
    Row(
        "cold",
        "cold build, OS packages included",
        {"docker build with uv": 0.6, "memory": 300 << 20},
        3,
        _cold,
    ),
    Row(
        "changed",
        "one package more, then run",
        {"seconds": 1.0, "docker build with uv, then run": 0.15},
        5,
        _changed,
    ),
]
