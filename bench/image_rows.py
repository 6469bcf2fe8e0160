"""The rows of images that leave and come: push, pull, and the first run elsewhere, against docker and skopeo."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys

from place import HERE, Place
from rows import SETTLE, Row, another, put_away, ready
from timing import Contestant

PORT = 5997
HOST = f"127.0.0.1:{PORT}"
IMAGE = f"{HOST}/bench/image"
_SKOPEO = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]


def _registry(place: Place, *words: str) -> list[str]:
    """A registry with nothing in it, in place of the one before."""
    return [sys.executable, os.path.join(HERE, "registry.py"), place.file("registry"), str(PORT), *words]


def _fresh_registry(place: Place) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0 and not os.path.exists(place.file("registry/pid")):
            raise SystemExit(f"something else listens on port {PORT}")
    place.at_the_end.append(_registry(place, "stop"))
    place.run(_registry(place))


def _not_packed(place: Place) -> list[str]:
    """Forget what was compressed before."""
    return ["rm", "-rf", os.path.join(place.env["SHIPWAY_STORE"], "facts-v1", "encoded")]


def _push(place: Place) -> list[Contestant]:
    """The whole image for the first time. Docker's is the same image, loaded from our archive."""
    ready(place)
    _fresh_registry(place)
    place.run(place.ours("tag", "bench:1"))
    fresh = _registry(place)
    found = [
        Contestant(
            f"shipway push{', ' if how else ''}{how}",
            place.ours("push", f"{IMAGE}:1", "--image", "bench:1", *(["--compression", how] if how else [])),
            [_not_packed(place), fresh],
            place.env,
        )
        for how in ("zstd", "")
    ]
    if shutil.which("skopeo"):
        layout = place.file("layout")
        place.run(place.ours("save", f"{layout}/", "--image", "bench:1"))
        copy = [*_SKOPEO, f"oci:{layout}:1"]
        found.append(Contestant("skopeo copy", [*copy, f"docker://{IMAGE}:2"], [fresh], place.env))
        zstd = [*_SKOPEO, "--dest-compress-format", "zstd", "--dest-compress-level", "3", f"oci:{layout}:1"]
        found.append(Contestant("skopeo copy, zstd", [*zstd, f"docker://{IMAGE}:3"], [fresh], place.env))
    docker = place.docker()
    if docker:
        _load(place, docker)
        place.run([*docker, "tag", "bench:1", f"{IMAGE}:4"])
        found.append(Contestant("docker push", [*docker, "push", "-q", f"{IMAGE}:4"], [fresh], place.env))
    return found


def _load(place: Place, docker: list[str]) -> None:
    archive = place.file("docker.tar")
    place.run(place.ours("save", "--format", "docker", archive, "--image", "bench:1"))
    place.run([*docker, "load", "-q", "-i", archive])
    os.unlink(archive)


def _push_one_more(place: Place) -> list[Contestant]:
    """One package more in an image that is at the registry: lock, build, push. Docker's side is its build and push."""
    ready(place)
    _fresh_registry(place)
    requirements = os.path.join(place.project, "requirements.txt")
    less = ["sed", "-i", "/^einops/d", requirements]
    push = place.ours("push", f"{IMAGE}:1")
    more = another(requirements)
    # Locked and built before, so that what is timed is the push: a new layer written, compressed and sent.
    build = place.ours("build")
    return [
        Contestant("shipway push, one package more", push, [less, push, more, build], place.env),
        Contestant("shipway push, nothing more", push, [push], place.env),
    ]


def _pull(place: Place) -> list[Contestant]:
    """From the registry to the first command that has run, with nothing here."""
    ready(place)
    _fresh_registry(place)
    place.run(place.ours("push", f"{IMAGE}:1"))
    away = put_away(place, "pulled")
    env = {**place.env, "SHIPWAY_STORE": place.file("pulled")}
    run = place.ours("run", "--image", f"{IMAGE}:1", "--", "true")
    line = " && ".join(" ".join(words) for words in (place.ours("pull", f"{IMAGE}:1"), run))
    found = [Contestant("shipway pull, then run", ["sh", "-c", line], [away, SETTLE], env)]
    docker = place.docker()
    if docker:
        forget = ["sh", "-c", f"{' '.join(docker)} rmi -f {IMAGE}:1 || true"]
        line = f"{' '.join(docker)} pull -q {IMAGE}:1 && {' '.join(docker)} run --rm --network none {IMAGE}:1 true"
        found.append(Contestant("docker pull, then run", ["sh", "-c", line], [forget, SETTLE], place.env))
    return found


def _one_file(place: Place) -> list[Contestant]:
    """Docker runs the environment after one file of the project changed."""
    ready(place)
    docker = place.docker()
    if docker is None:
        return []
    env = {**place.env, **({"DOCKER_HOST": docker[docker.index("-H") + 1]} if "-H" in docker else {})}
    ours = place.ours("run", "--engine", "docker", "--", "true")
    place.run(ours, env)
    _load_once(place, docker)
    change = ["sh", "-c", f"date +%N >> {place.project}/main.py"]
    theirs = [*docker, "run", "--rm", "--network", "none", "bench:1", "true"]
    return [
        Contestant("shipway run --engine docker, one file changed", ours, [change], env),
        Contestant("docker run", theirs, [], place.env),
    ]


def _load_once(place: Place, docker: list[str]) -> None:
    place.run(place.ours("tag", "bench:1"))
    _load(place, docker)


def _slim(place: Place) -> list[Contestant]:
    """The plan of a target without what only a build needs; what it saves is in the notes."""
    ready(place)
    return [
        Contestant("shipway slim --dry-run", place.ours("slim", "--dry-run", "--", *_CHECK), [], place.env)
    ]


_CHECK = ("python", "-c", "import jax, pandas, sklearn")
"""What must still work in a slim target."""


def _saved(place: Place) -> str:
    """The installed bytes before and after."""
    done = json.loads(place.run(place.ours("slim", "--json", "--", *_CHECK)))
    before, after = done["before"], done["after"]
    kinds = ", ".join((*done["kinds"], *done["packages"]))
    return f"{before >> 20} MiB become {after >> 20} MiB ({after / before:.2f}) without {kinds}; `{' '.join(_CHECK)}` works."


def _moved(place: Place) -> str:
    """Bytes that one package more puts on the wire, and the size of what changed."""
    requirements = os.path.join(place.project, "requirements.txt")
    push = place.ours("push", "--json", f"{IMAGE}:1")
    place.run(["sed", "-i", "/^einops/d", requirements])
    place.run(push)
    before = _layers(place)
    place.run(another(requirements))
    done = json.loads(place.run(push))
    changed = [size for diff_id, size in _layers(place).items() if diff_id not in before]
    return (
        f"One package more: {done['sent'] / 1024:.0f} KiB in {done['uploaded']} blobs (configuration included) were sent for "
        f"{len(changed)} changed layers of {sum(changed) / 1024:.0f} KiB unpacked; {done['present']} blobs were there."
    )


def _layers(place: Place) -> dict[str, int]:
    shown = json.loads(place.run(place.ours("inspect", "--json")))
    return {layer["diff_id"]: layer["size"] for layer in shown["layers"]}


IMAGE_ROWS = [
    Row("push", "full first push", {"docker push": 0.35, "memory": 300 << 20}, 3, _push),
    Row(
        "push-more",
        "one package more, pushed",
        {"seconds": 1.5, "memory": 300 << 20},
        5,
        _push_one_more,
        _moved,
    ),
    Row("pull", "pull and first run", {"memory": 300 << 20}, 3, _pull),
    Row("one-file", "docker run after one file changed", {"seconds": 0.5}, 7, _one_file),
    Row("slim", "savings of slim", {}, 1, _slim, _saved),
]
