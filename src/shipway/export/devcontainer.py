"""`devcontainer.json` by the Development Container specification, for a target's exported Dockerfile or its own image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shipway.export.options import describe_unmounted, engine_options, image_name, mount_source
from shipway.plan.target import PREFIX

if TYPE_CHECKING:
    from shipway.export.model import Contents
    from shipway.spec.model import RunOptions

USER = "dev"
"""Has the number of whoever opens the folder. The tool sees to that (`updateRemoteUserUID`), or `shipway give` does."""
_ORIGIN = "Written by `shipway export devcontainer` from the lock; change the spec and export again."
"""Where the specification has room for it: the format has no comments."""


def render_devcontainer(contents: Contents, run: RunOptions, form: str = "dockerfile") -> str:
    """The file, for `.devcontainer/devcontainer.json`.

    The form `dockerfile` expects the Dockerfile at `build/Dockerfile.TARGET`, and `image` shipway, which hands its image over.
    """
    workdir = contents.settings.workdir
    target = contents.target.name
    image = f"{image_name(contents)}-{target.lower()}-dev:latest"
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
    commands = {
        "dockerfile": (*building, "--file", f"build/Dockerfile.{target}", "."),
        "image": ("shipway", "give", "docker", "--target", target, "--account", USER, "--name", image),
    }
    document: dict[str, Any] = {
        "name": f"{contents.lock.name} ({contents.target.name})",
        "customizations": {"shipway": {"origin": " ".join((_ORIGIN, *describe_unmounted([contents])))}},
        "initializeCommand": list(commands[form]),
        "image": image,
        "workspaceFolder": workdir,
        "workspaceMount": f"type=bind,source=${{localWorkspaceFolder}},target={workdir}",
        "remoteUser": USER,
        "updateRemoteUserUID": form == "dockerfile",
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
