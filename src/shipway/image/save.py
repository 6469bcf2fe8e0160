"""Images as files: OCI layouts, OCI archives and archives for `docker load`. The same image is the same bytes, every time."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from shipway.archive.tarwriter import render_header
from shipway.core.digest import Digest, canonical_json
from shipway.core.errors import ExitCode, StoreError, ToolError
from shipway.core.manifest import DIRECTORY, FILE, Entry, path_bytes
from shipway.core.reference import DEFAULT_TAG
from shipway.core.text import shown
from shipway.host import files
from shipway.image.document import ENCODINGS, INDEX_TYPE, MANIFEST_LIMIT, parse_manifest_or_index
from shipway.image.encode import LAYER_TYPES, Encoding, encode_image
from shipway.image.index import render_index
from shipway.image.load import DOCKER_FILE, FULL_NAME, INDEX_FILE, LAYOUT_FILE, REF_NAME
from shipway.image.oci import MANIFEST_TYPE, render_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shipway.core.events import Emit
    from shipway.core.reference import Reference
    from shipway.image.encode import Encoded
    from shipway.image.stored import StoredImage
    from shipway.store.store import Store

_LAYOUT = canonical_json({"imageLayoutVersion": "1.0.0"})
_BLOCK = 512


class _File(NamedTuple):
    """One file of an archive or layout."""

    path: str
    size: int
    chunks: Callable[[], Iterable[bytes]]


class Packed(NamedTuple):
    """An image as a receiver gets it."""

    manifest: bytes
    media_type: str
    config: bytes
    layers: tuple[Encoded, ...]


def pack_image(
    store: Store, image: StoredImage, encoding: Encoding, emit: Emit, *, oci: bool, as_came: bool = False
) -> Packed:
    """Manifest and blobs of `image` for a receiver that wants `encoding`; with `as_came`, packed layers of others stay as they
    are all the same.

    An image of others that is kept as it came keeps its manifest too, unless `oci` asks for OCI's types and it has Docker's.

    Raises:
        NotFound: trees or blobs of the image are no longer in the store.
        NoSpace, StoreError: a compressed layer cannot be kept.
    """
    layers = encode_image(store, image, encoding, emit, as_came=as_came)
    if encoding is Encoding.KEEP:
        came = parse_manifest_or_index(image.manifest, image.digest)
        media_type = "" if isinstance(came, tuple) else came.media_type
        same = not isinstance(came, tuple) and [one.digest for one in came.layers] == [
            layer.digest for layer in layers
        ]
        if same and (not oci or media_type == MANIFEST_TYPE):
            return Packed(image.manifest, media_type, image.config, layers)
    plain = [
        (LAYER_TYPES[Encoding(ENCODINGS[layer.media_type])], layer.digest, layer.size) for layer in layers
    ]
    return Packed(render_manifest(image.config, plain), MANIFEST_TYPE, image.config, layers)


def save_layout(folder: str, reference: Reference, *packed: Packed) -> Digest:
    """Put an image into the OCI layout `folder`, made if missing, beside the images that are there; returns its digest.

    Several of `packed`, one of each platform, get an index of their own, whose digest is returned. The layout's index is
    written last, so an interrupted call leaves the layout as it was.

    Raises:
        ToolError: the folder is no layout and not empty (USAGE).
        NoSpace, StoreError: it cannot be written.
    """
    with files.translating_disk_errors(f"write the layout `{shown(folder)}`", error=ToolError):
        others = _read_layout(folder)
        os.makedirs(f"{folder}/blobs/sha256", exist_ok=True)
        entry, blobs = _named(reference, packed)
        for file in blobs:
            path = f"{folder}/{file.path}"
            if not os.path.exists(path) or os.path.getsize(path) != file.size:
                _write(path, file.chunks())
        files.write_atomic(f"{folder}/{LAYOUT_FILE}", _LAYOUT)
        kept = [one for one in others if (one.get("annotations") or {}).get(REF_NAME) != _tag(reference)]
        files.write_atomic(f"{folder}/{INDEX_FILE}", _index([*kept, entry]))
    return Digest(entry["digest"])


def save_archive(path: str, reference: Reference, *packed: Packed) -> Digest:
    """Write an image as the OCI archive `path`, in place of what was there; returns its digest. Several: as `save_layout`.

    Raises:
        NoSpace, StoreError: it cannot be written.
    """
    entry, blobs = _named(reference, packed)
    head = [(LAYOUT_FILE, _LAYOUT), (INDEX_FILE, _index([entry]))]
    with files.translating_disk_errors(f"write `{shown(path)}`", error=ToolError):
        _write(path, _tar([*(_small(name, data) for name, data in head), *blobs]))
    return Digest(entry["digest"])


def save_docker(path: str, reference: Reference, packed: Packed) -> Digest:
    """Write an image as the archive `path` that `docker load` reads; returns the digest of its configuration.

    Docker names images by their configuration, and wants layers uncompressed.

    Raises:
        NoSpace, StoreError: it cannot be written.
    """
    config = Digest.of(packed.config)
    names = [f"{layer.digest.hex}.tar" for layer in packed.layers]
    listing = [{"Config": f"{config.hex}.json", "RepoTags": [_tagged(reference)], "Layers": names}]
    layers = {
        name: _File(name, layer.size, layer.chunks) for name, layer in zip(names, packed.layers, strict=True)
    }
    parts = [_small(DOCKER_FILE, canonical_json(listing)), _small(f"{config.hex}.json", packed.config)]
    with files.translating_disk_errors(f"write `{shown(path)}`", error=ToolError):
        _write(path, _tar([*parts, *layers.values()]))
    return config


def _tag(reference: Reference) -> str:
    # Archives know no names by digest, and skopeo cannot find an image that has none.
    return reference.tag or DEFAULT_TAG


def _tagged(reference: Reference) -> str:
    return f"{reference.name}:{_tag(reference)}"


def _named(reference: Reference, packed: Sequence[Packed]) -> tuple[dict[str, Any], list[_File]]:
    """What names the image in a layout's index, and all that it needs there."""
    blobs = {file.path: file for one in packed for file in _blobs(one)}
    names = {"annotations": {REF_NAME: _tag(reference), FULL_NAME: _tagged(reference)}}
    if len(packed) == 1:
        return {**_index_entry(packed[0]), **names}, list(blobs.values())
    body = render_index([], [_index_entry(one) for one in packed])
    digest = Digest.of(body)
    file = _small(f"blobs/sha256/{digest.hex}", body)
    return {"mediaType": INDEX_TYPE, "digest": digest, "size": len(body), **names}, [file, *blobs.values()]


def _index_entry(packed: Packed) -> dict[str, Any]:
    facts = json.loads(packed.config)
    return {
        "mediaType": packed.media_type,
        "digest": Digest.of(packed.manifest),
        "size": len(packed.manifest),
        "platform": {key: facts[key] for key in ("os", "architecture", "variant") if facts.get(key)},
    }


def _index(entries: list[dict[str, Any]]) -> bytes:
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries})


def _blobs(packed: Packed) -> list[_File]:
    """Manifest, configuration and layers, each once."""
    found = {}
    for data in (packed.manifest, packed.config):
        name = f"blobs/sha256/{Digest.of(data).hex}"
        found[name] = _small(name, data)
    for layer in packed.layers:
        name = f"blobs/sha256/{layer.digest.hex}"
        found[name] = _File(name, layer.size, layer.chunks)
    return list(found.values())


def _small(path: str, data: bytes) -> _File:
    return _File(path, len(data), lambda: (data,))


def _read_layout(folder: str) -> list[dict[str, Any]]:
    """The entries of the index of `folder`."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    if not names:
        return []
    if LAYOUT_FILE not in names or INDEX_FILE not in names:
        raise ToolError(
            f"`{shown(folder)}` is no OCI layout and not empty",
            hints=["name a new or empty folder, or a file to get an archive"],
            code=ExitCode.USAGE,
        )
    with open(f"{folder}/{INDEX_FILE}", "rb") as file:
        text = file.read(MANIFEST_LIMIT + 1)
    parse_manifest_or_index(text, folder, media_type=INDEX_TYPE)
    entries: list[dict[str, Any]] = json.loads(text)["manifests"]
    return entries


def _tar(parts: list[_File]) -> Iterator[bytes]:
    """A tar of `parts` with the folders above them; its bytes depend on nothing else."""
    made = set[str]()
    for part in parts:
        folders = part.path.split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            folder = "/".join(folders[:depth])
            if folder not in made:
                made.add(folder)
                yield render_header(Entry(folder, DIRECTORY, 0o755), path_bytes(folder))
        entry = Entry(part.path, FILE, 0o644, size=part.size)
        yield render_header(entry, path_bytes(part.path))
        left = part.size
        for data in part.chunks():
            left -= len(data)
            yield data
        if left:
            raise StoreError(
                f"`{part.path}` has another size than the store remembers",
                hints=["run `shipway verify --repair`"],
            )
        yield bytes(-part.size % _BLOCK)
    yield bytes(2 * _BLOCK)


def _write(path: str, chunks: Iterable[bytes]) -> None:
    """Write the file `path` under another name, then rename it: it is whole or not there."""
    folder, name = os.path.split(os.path.abspath(path))
    temporary = f"{folder}/{files.TEMPORARY_PREFIX}{files.random_name()}-{name[:80]}"
    try:
        with open(temporary, "xb") as file:
            file.writelines(chunks)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
