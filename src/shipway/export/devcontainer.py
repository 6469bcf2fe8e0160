"""`devcontainer.json` by the Development Container specification, for a target's exported Dockerfile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shipway.export.options import engine_options, mount_source
from shipway.plan.target import PREFIX

if TYPE_CHECKING:
    from shipway.export.model import Contents
    from shipway.spec.model import RunOptions

USER = "dev"
"""Has the number of whoever opens the folder, which the tool sees to (`updateRemoteUserUID`)."""


def render_devcontainer(contents: Contents, run: RunOptions) -> str:
    """The file, for `.devcontainer/devcontainer.json`. Expects the Dockerfile at `build/Dockerfile.TARGET`."""
    workdir = contents.settings.workdir
    document: dict[str, Any] = {
        "name": f"{contents.lock.name} ({contents.target.name})",
        "build": {
            "dockerfile": f"../build/Dockerfile.{contents.target.name}",
            "context": "..",
            "args": {"USER_NAME": USER},
        },
        "workspaceFolder": workdir,
        "workspaceMount": f"type=bind,source=${{localWorkspaceFolder}},target={workdir}",
        "remoteUser": USER,
        "updateRemoteUserUID": True,
        "init": True,
        "runArgs": list(engine_options(run)),
    }
    if run.mounts:
        document["mounts"] = [
            _mount(mount_source(mount, home="${localEnv:HOME}", project="${localWorkspaceFolder}"), mount.target,
                   read_only=mount.read_only)
            for mount in run.mounts
        ]  # fmt: skip
    if contents.uses_gpu:
        document["hostRequirements"] = {"gpu": "optional"}
    if contents.target.python:
        settings = {"python.defaultInterpreterPath": f"{PREFIX}/bin/python"}
        document["customizations"] = {"vscode": {"settings": settings, "extensions": ["ms-python.python"]}}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _mount(source: str, target: str, *, read_only: bool) -> str:
    return f"type=bind,source={source},target={target}" + (",readonly" if read_only else "")
