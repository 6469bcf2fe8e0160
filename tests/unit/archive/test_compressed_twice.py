"""Compressed bytes depend on what is compressed, and not on the process that does it, nor on where its memory lies."""

import os
import subprocess
import sys

PROGRAM = """\
import hashlib, typing
from shipway.archive.squashfs_tables import packers
from shipway.image.encode import Encoding, _encoder
with open(typing.__file__, "rb") as file:
    data = file.read()
for encoding in (Encoding.GZIP, Encoding.ZSTD):
    sha = hashlib.sha256()
    with packers(encoding.value, 1) as pool:
        for size in (33, 64, 100, 300, 1000, 8192, 50_000):
            for place in range(0, len(data), size):
                block = data[place : place + size]
                sha.update(pool._compress(block))
                encoder = _encoder(encoding, len(block))
                sha.update(encoder.compress(block) + encoder.flush())
    print(sha.hexdigest())
"""


def test_every_process_writes_the_same_bytes():
    found = set()
    for number in (0, 51, 102, 153, 204, 255):
        environ = {
            **os.environ,
            "MALLOC_PERTURB_": str(number),
            "PYTHONMALLOC": "malloc",
        }  # mallopt(3): M_PERTURB
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1
