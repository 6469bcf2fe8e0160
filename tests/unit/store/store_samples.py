"""Small trees for tests of the store, made the way recipes make them."""

from __future__ import annotations

import hashlib
import os

from shipway.core.digest import BlobDigest, key_of
from shipway.core.manifest import Entry, Manifest

TIME = 315532800


def write_tree(root, files, *, links=()):
    """Write `files` (path -> bytes) below `root` as an unpacker does; returns the manifest."""
    entries = [Entry(".", "d", 0o755)]
    made = set()
    for path, data in files.items():
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder not in made:
                made.add(folder)
                os.mkdir(f"{root}/{folder}", 0o755)
                entries.append(Entry(folder, "d", 0o755, mtime=TIME))
        fd = os.open(f"{root}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, data)
            os.fchmod(fd, 0o644)
        finally:
            os.close(fd)
        os.utime(f"{root}/{path}", (TIME, TIME))
        entries.append(
            Entry(path, "f", 0o644, mtime=TIME, size=len(data), digest=hashlib.sha256(data).hexdigest())
        )
    for path, target in links:
        os.symlink(target, f"{root}/{path}")
        entries.append(Entry(path, "l", 0o777, mtime=TIME, target=target))
    os.chmod(root, 0o755)
    return Manifest(entries)


def inputs_of(number):
    return {"recipe": "sample", "version": 1, "number": number}


def content_of(number):
    return {"bin/tool": b"tool %d\n" % number, "lib/data": b"data\n" * (number % 5), "empty": b""}


def key(number):
    return key_of(inputs_of(number))


def add_sample(tx, number, *, files=None):
    staged = tx.stage(f"sample {number}")
    manifest = write_tree(
        staged.root, content_of(number) if files is None else files, links=[("link", "bin/tool")]
    )
    return tx.add_tree(inputs_of(number), staged, manifest)


def add_sample_blob(tx, data):
    digest = BlobDigest.of(data)
    path = tx.blob_staging_path(digest)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
    return tx.add_blob(path, digest)


def fill(store, *numbers):
    """Add samples in one transaction; returns their trees."""
    with store.transaction() as tx:
        trees = [add_sample(tx, number) for number in numbers]
        tx.commit()
    return trees


def leftovers(store):
    """Everything in the store that no finished work should leave."""
    found = []
    for folder, _, names in os.walk(store.path):
        found += [os.path.join(folder, name) for name in names if name.startswith(".tmp-")]
    for name in ("staging", "trash", "quarantine"):
        found += [
            os.path.join(store.path, name, inside) for inside in os.listdir(os.path.join(store.path, name))
        ]
    found += [name for name in os.listdir(os.path.join(store.path, "locks")) if name.startswith("key-")]
    return found


def age(store, seconds, *buckets):
    """Make everything in the store as if it had last been used `seconds` ago."""
    for bucket in buckets or ("keys-v1", "blobs-v1", "uses-v1", "pins-v1", "trees-v1", "quarantine"):
        for name in os.listdir(f"{store.path}/{bucket}"):
            path = f"{store.path}/{bucket}/{name}"
            for one in (path, f"{path}/manifest"):
                if os.path.exists(one):
                    moment = os.stat(one).st_mtime - seconds
                    os.utime(one, (moment, moment))
