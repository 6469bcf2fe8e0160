"""Hand an image over to an engine: what it has already is never moved again.

An engine on this machine pulls from a registry on loopback and skips the layers that it knows; one that does not reach our
loopback (another machine, a virtual one) loads an archive, without the layers below which nothing changed where it can do so.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.events import Began, Did, Ended, Note
from shipway.host.proc import run_fed
from shipway.run.model import ImageIds
from shipway.run.oci.program import require_receiver
from shipway.run.request import choose_hostname

if TYPE_CHECKING:
    from shipway.core.digest import DiffId
    from shipway.core.events import Emit
    from shipway.image.portable import PortableImage, PortableLayer
    from shipway.run.model import RunRequest
    from shipway.run.oci.command import Dialect
    from shipway.run.oci.program import Program

PHASE = "hand over"
_ID_AND_TAGS = "{{.Id}}{{range .RepoTags}} {{.}}{{end}}"
_ABSENT = ("no such image", "not known", "no such object")


def local_tag(request: RunRequest, dialect: Dialect) -> str:
    """What the image is called in the engine's list: a name for people that moves with each build of the target."""
    place = hashlib.sha256(request.project.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    target = choose_hostname(request.target or "default")
    return f"{dialect.local}shipway/{choose_hostname(request.name)}:{target}-{place}"


def ensure_image(program: Program, image: PortableImage, tag: str, emit: Emit) -> str:
    """The engine's own id of `image`, handed over if it is not there.

    Raises:
        EngineError: the engine does not answer, cannot run it, or did not take it.
    """
    ids = ImageIds(image.image.config_digest, image.image.digest)
    found = find_image(program, ids, tag)
    if found:
        return found
    require_receiver(program, image.platform)
    emit(Began(PHASE, items=len(image.layers)))
    if program.endpoint():
        _load(program, image, tag, emit)
    elif not _pull(program, image, tag, emit):
        emit(Note(f"{program.dialect.title} does not reach this machine's loopback, so the image is loaded"))
        _load(program, image, tag, emit)
    emit(Ended(PHASE))
    found = find_image(program, ids, tag)
    if not found:
        raise EngineError(
            f"{program.dialect.title} took the image `{tag}` and has another one now",
            hints=("run the command again, and report it if it fails again",),
        )
    return found


def find_image(program: Program, ids: ImageIds, tag: str) -> str:
    """The engine's own id, which has the name `tag` from now on; empty when the image is not there.

    Raises:
        EngineError: the engine does not answer.
    """
    identity, tags = look_up(program, ids)
    if identity and tag not in tags:
        program.require("tag", identity, tag)
    return identity


def look_up(program: Program, ids: ImageIds) -> tuple[str, tuple[str, ...]]:
    """The engine's own id and the names of an image; empty when it is not there.

    The id is the configuration's digest, or the manifest's where containerd keeps images.

    Raises:
        EngineError: the engine does not answer.
    """
    words = ("image", "inspect", "--format", _ID_AND_TAGS, *ids)
    finished = program.ask(*words)
    for line in finished.text.splitlines():
        identity, _, tags = line.partition(" ")
        if f"sha256:{identity.removeprefix('sha256:')}" in ids:
            return identity, tuple(tags.split())
    complaint = finished.stderr.decode("utf-8", "replace").lower()
    if not any(sentence in complaint for sentence in _ABSENT):
        raise program.trouble(finished, *words)
    return "", ()


def _pull(program: Program, image: PortableImage, tag: str, emit: Emit) -> bool:
    """Whether the engine could reach us; it has the image then."""
    from shipway.image.loopback import serving  # noqa: PLC0415 - an image that is there is not served

    def taken(layer: PortableLayer) -> None:
        emit(Did(PHASE, layer.diff_id[:19]))

    with serving(image, taken) as registry:
        words = ("pull", "--quiet", *program.dialect.pull, registry.reference)
        finished = program.ask(*words)
        if finished.code != 0:
            _require_there(program)
            if registry.asked == 0:
                return False
            raise program.trouble(finished, *words)
    program.require("tag", registry.reference, tag)
    program.require("image", "rm", registry.reference)
    return True


def _load(program: Program, image: PortableImage, tag: str, emit: Emit) -> None:
    known = _known_layers(program, image, tag)
    finished = run_fed(program.command("load"), lambda sink: image.write_archive(tag, sink, without=known))
    if finished.code != 0 and known:
        _require_there(program)
        emit(
            Note(f"{program.dialect.title} did not take the changed layers alone, so all are sent", "warning")
        )
        finished = run_fed(program.command("load"), lambda sink: image.write_archive(tag, sink))
    if finished.code != 0:
        _require_there(program)
        raise program.trouble(finished, "load")


def _require_there(program: Program) -> None:
    gone = program.find_gone("it took the image")
    if gone is not None:
        raise gone


def _known_layers(program: Program, image: PortableImage, tag: str) -> frozenset[DiffId]:
    """The lowest layers, as far as they are those of the image that has the tag now."""
    if not program.dialect.partial:
        return frozenset()
    finished = program.ask("image", "inspect", "--format", "{{json .RootFS.Layers}}", tag)
    theirs = json.loads(finished.stdout) if finished.code == 0 else []
    known = set()
    for layer, other in zip(image.layers, theirs, strict=False):
        if layer.diff_id != other:
            break
        known.add(layer.diff_id)
    return frozenset(known)
