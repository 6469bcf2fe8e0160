"""`devcontainer.json` by the Development Container specification, for a target's exported Dockerfile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shipway.export.options import engine_options, image_name, mount_source
from shipway.plan.target import PREFIX

if TYPE_CHECKING:
    from shipway.export.model import Contents
    from shipway.spec.model import RunOptions

USER = "dev"
"""Has the number of whoever opens the folder, which the tool sees to (`updateRemoteUserUID`)."""
_ORIGIN = "Written by `shipway export devcontainer` from the lock; change the spec and export again."
"""Where the specification has room for it: the format has no comments."""


def render_devcontainer(contents: Contents, run: RunOptions) -> str:
    """The file, for `.devcontainer/devcontainer.json`. Expects the Dockerfile at `build/Dockerfile.TARGET`."""
    workdir = contents.settings.workdir
    image = f"{image_name(contents)}-{contents.target.name.lower()}-dev:latest"
    # Not `build`: the tool looks for the image that a Dockerfile starts from, and does not know that `scratch` is none.
    building = (
        "env",
        "DOCKER_BUILDKIT=1",
        "docker",
        "build",
        "--tag",
        image,
        "--build-arg",
        f"USER_NAME={USER}",
    )
    document: dict[str, Any] = {
        "name": f"{contents.lock.name} ({contents.target.name})",
        "customizations": {"shipway": {"origin": _ORIGIN}},
        "initializeCommand": [*building, "--file", f"build/Dockerfile.{contents.target.name}", "."],
        "image": image,
        "workspaceFolder": workdir,
        "workspaceMount": f"type=bind,source=${{localWorkspaceFolder}},target={workdir}",
        "remoteUser": USER,
        "updateRemoteUserUID": True,
        "init": True,
        "runArgs": list(engine_options(run)),
    }
    if run.mounts or run.secret_files:
        document["mounts"] = [
            _mount(mount_source(mount, home="${localEnv:HOME}", project="${localWorkspaceFolder}"), mount.target,
                   read_only=mount.read_only)
            for mount in (*run.mounts, *run.secret_files)
        ]  # fmt: skip
    if contents.uses_gpu:
        document["hostRequirements"] = {"gpu": "optional"}
    if contents.target.python:
        settings = {"python.defaultInterpreterPath": f"{PREFIX}/bin/python"}
        document["customizations"]["vscode"] = {"settings": settings, "extensions": ["ms-python.python"]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _mount(source: str, target: str, *, read_only: bool) -> str:
    return f"type=bind,source={source},target={target}" + (",readonly" if read_only else "")
