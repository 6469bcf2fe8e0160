"""Runs one container as its own process: `engine_driver.py ORDER`, ORDER being a pickled dictionary. Started by the contract suite.

All modules are imported before the user changes, because another user may not be allowed to read this installation.
"""

import ctypes
import encodings.ascii  # noqa: F401
import json
import os
import pickle
import resource  # noqa: F401
import sys

import shipway.host.attached
import shipway.image.loopback
import shipway.run.apptainer_engine
import shipway.run.limits
import shipway.run.oci.docker
import shipway.run.oci.engine
import shipway.run.oci.podman
import shipway.sandbox.filter
import shipway.sandbox.init
import shipway.sandbox.outside
import shipway.sandbox.probe  # noqa: F401
from shipway.core.digest import DiffId
from shipway.core.errors import ToolError
from shipway.core.events import Note
from shipway.host import _libc, _removal  # noqa: F401
from shipway.image.hand_over import join_portable
from shipway.image.oci import ImageConfig, ImageLayer, render_image
from shipway.image.portable import PortableLayer
from shipway.run.engines import ENGINES
from shipway.run.facts import read_image_facts
from shipway.run.start import read_run
from shipway.sandbox import modes
from shipway.sandbox.model import SandboxFailure
from shipway.sandbox.trees import copy_tree


def force(mode: str) -> None:
    """Make this host look as if `mode` were the best that it allows."""

    def plan_modes(request):
        if mode in ("chroot", "proot") and request.merged_root is None:
            raise SandboxFailure("refused for a test", step="namespaces")
        return [mode]

    modes.plan_modes = plan_modes


def read_image(archive):
    """The image of one layer, whose bytes are in the file `archive`."""
    with open(archive, "rb") as file:
        data = file.read()
    layer = ImageLayer(name="all", diff_id=DiffId.of(data), size=len(data), packages=(), reason="")
    platform = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[os.uname().machine]
    config = ImageConfig(platform=platform, env=(("FROM_IMAGE", "1"),), workdir="/", command=(), epoch=0)
    portable = PortableLayer(layer.diff_id, layer.size, lambda sink: sink.write(data))
    return join_portable(render_image(config, (layer,)), (portable,), platform=platform)


def merge(lowers, target):
    (lower,) = lowers
    copy_tree(lower, target)


def main() -> int:
    with open(sys.argv[1], "rb") as file:
        order = pickle.load(file)
    events = []
    force(order["mode"])
    os.umask(0o077)
    if order["uid"] != os.getuid():
        os.setgroups([])
        os.setgid(order["uid"])
        os.setuid(order["uid"])
        # Who changes its user loses /proc/self to root until it says that it may be looked at (prctl(2), PR_SET_DUMPABLE).
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    environment = order["environment"]
    environment = environment._replace(facts=read_image_facts(environment.lowers))
    try:
        request = read_run(environment, order["asked"], environ=order["environ"], state=order["state"])
        engine = ENGINES[order["engine"]]
        outcome = engine.run(
            request,
            state=order["state"],
            runtime="",
            emit=events.append,
            image=lambda: read_image(order["archive"]),
            merge=merge,
        )
    except ToolError as error:
        print(f"error: {error.message}\n{error.detail}", file=sys.stderr)
        return int(error.code)
    finally:
        with open(order["events"], "w") as file:
            json.dump([event.text for event in events if isinstance(event, Note)], file)
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
