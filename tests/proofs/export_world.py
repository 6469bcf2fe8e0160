"""Docker for the proofs of exports: Debian's own client, and the image that lends its tools to exported Dockerfiles."""

import os
import sys

from private_engines import call_engine

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# A newer client without its build plug-in refuses.
CLIENT = "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else "docker"
BUILD = (
    "--network=host",
    *([f"--secret=id=certs,src={CERTIFICATES}"] if os.path.exists(CERTIFICATES) else ()),
)
"""What a build needs here: the private engine has no network of its own, and this host's certificates may be a company's."""


def docker(engine, *words):
    """What Docker prints. `engine`: the variables of a private one."""
    return call_engine(CLIENT, {**engine, "DOCKER_BUILDKIT": "1"}, *words)


def place_programs(folder):
    """A folder for PATH with `shipway`, and a `docker` whose builds work here; for what exported files call."""
    folder.mkdir()
    words = " ".join(BUILD)
    texts = {
        "docker": f'if [ "$1" = build ]; then shift; exec {CLIENT} build {words} "$@"; fi\nexec {CLIENT} "$@"\n',
        "shipway": f'exec {sys.executable} -m shipway "$@"\n',
    }
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}")
        (folder / name).chmod(0o755)
    return str(folder)
