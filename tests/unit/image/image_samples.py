"""Small images for tests: ours from trees, and those of others as files, honest or not."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile

from shipway.core.digest import Digest, key_of
from shipway.core.events import silent
from shipway.core.manifest import Entry, Manifest
from shipway.image.assemble import LayerContent, assemble
from shipway.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, ImageConfig
from shipway.image.stored import store_image

EPOCH = 1_700_000_000
SETTINGS = ImageConfig(
    platform="linux/amd64", env=(("PATH", "/bin"),), workdir="/work", command=("tool",), epoch=EPOCH
)


def add_tree(store, number, contents):
    """A tree with the files `contents` in folders, a link and a hard link."""
    with store.transaction() as tx:
        staged = tx.stage(f"sample {number}")
        entries = []
        for path, data in contents.items():
            parent = os.path.dirname(path)
            made = ""
            for part in parent.split("/") if parent else ():
                made = f"{made}/{part}".lstrip("/")
                if not os.path.isdir(f"{staged.root}/{made}"):
                    os.mkdir(f"{staged.root}/{made}", 0o755)
                    entries.append(Entry(made, "d", 0o755, mtime=EPOCH))
            with open(f"{staged.root}/{path}", "wb") as file:
                file.write(data)
            os.chmod(f"{staged.root}/{path}", 0o755)
            os.utime(f"{staged.root}/{path}", (EPOCH, EPOCH))
            entries.append(Entry(path, "f", 0o755, 7, 8, EPOCH, len(data), hashlib.sha256(data).hexdigest()))
        os.symlink("tool", f"{staged.root}/link")
        entries.append(Entry("link", "l", 0o777, mtime=EPOCH, target="tool"))
        tree = tx.add_tree({"recipe": "sample", "number": number}, staged, Manifest(entries))
        tx.commit()
    return store.find_tree(tree.key)


def own_image(store, *, big=0):
    """An image of ours of two layers, stored."""
    contents = (
        LayerContent(
            name="os", trees=(add_tree(store, 1, {"bin/tool": b"#!x", "etc/a": b"a" * big}),),
            packages=("tool 1",), reason="because",
        ),
        LayerContent(
            name="files", trees=(add_tree(store, 2, {"bin/other": b"o" * 100, "work/ä": b"name"}),),
            packages=(), reason="source",
        ),
    )  # fmt: skip
    image = assemble(store, contents, SETTINGS, silent)
    return store_image(image, contents, EPOCH)


def layer(*members, form=tarfile.PAX_FORMAT):
    """An uncompressed layer. A member: path and content, or a `TarInfo`, perhaps with content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for member in members:
            info, data = member if isinstance(member, tuple) else (member, None)
            if isinstance(info, str):
                name, info = info, tarfile.TarInfo(info.rstrip("/"))
                info.mode = 0o755
                if name.endswith("/"):
                    info.type, data = tarfile.DIRTYPE, None
            if data is not None:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def special(path, kind, **more):
    """A member of another kind."""
    info = tarfile.TarInfo(path)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def descriptor(data, media_type, **more):
    return {"mediaType": media_type, "digest": Digest.of(data), "size": len(data), **more}


def config_of(*layers, **more):
    """A configuration over uncompressed layers."""
    return json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "created": "2024-01-01T00:00:00Z",
            "config": {"Env": ["A=1"], "Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [Digest.of(one) for one in layers]},
            **more,
        }
    ).encode()


def write_layout(folder, *layers, config=None, names=("team/base:1",), packed=True, change=None):
    """An OCI layout of one image of others. `change` may alter the manifest's document."""
    blobs = [gzip.compress(one, mtime=0) if packed else one for one in layers]
    config = config_of(*layers) if config is None else config
    kind = LAYER_TYPE + ("+gzip" if packed else "")
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(config, CONFIG_TYPE),
        "layers": [descriptor(one, kind) for one in blobs],
    }
    if change:
        change(document)
    manifest = json.dumps(document, indent=1).encode()
    entries = [
        descriptor(manifest, MANIFEST_TYPE, annotations={"io.containerd.image.name": name}) for name in names
    ] or [descriptor(manifest, MANIFEST_TYPE)]
    write_blobs(folder, [*blobs, config, manifest], entries)
    return Digest.of(manifest)


def write_blobs(folder, blobs, entries):
    os.makedirs(f"{folder}/blobs/sha256", exist_ok=True)
    for data in blobs:
        with open(f"{folder}/blobs/sha256/{Digest.of(data).hex}", "wb") as file:
            file.write(data)
    with open(f"{folder}/oci-layout", "w", encoding="utf-8") as file:
        json.dump({"imageLayoutVersion": "1.0.0"}, file)
    with open(f"{folder}/index.json", "w", encoding="utf-8") as file:
        json.dump({"schemaVersion": 2, "manifests": entries}, file)


def tree_key(number):
    return key_of({"recipe": "sample", "number": number})
