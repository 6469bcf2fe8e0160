"""Python tools beside a locked environment: resolved with its versions as bounds, seen behind its own packages."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ConflictError, EngineError
from shipway.host.files import make_directory, reflink_or_copy, write_atomic, write_file
from shipway.run.life import client
from shipway.run.life.model import TOOLS
from shipway.verbs.context import host_platform
from shipway.verbs.tool_folders import Tool, inside, provide, tools_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.life.model import Container
    from shipway.verbs.context import Task

_LAUNCHER = '''"""Runs the module of the second word with the folder of the first one behind the interpreter's own."""

import os
import runpy
import sys

sys.path[:1] = []
folder, module, *words = sys.argv[1:]
if folder:
    sys.path.append(folder)
secret = os.environ.pop("TOOL_ARGUMENT_OF_PAGE", "")
sys.argv = [module, *words, *([secret] if secret else [])]
runpy.run_module(module, run_name="__main__", alter_sys=True)
'''
"""One more argument comes by a variable, for what other users must not read in a list of processes."""
_LAUNCH = "launch.py"
_VENV = "opt/venv"
_PARTS = ("share", "etc")
_DEBIAN = "debian:bookworm"


class Layer(NamedTuple):
    """A tool, ready to be run in a container."""

    folder: str
    """As seen inside; empty: the environment has the tool itself."""

    def argv(self, module: str, *words: str) -> tuple[str, ...]:
        """The command that runs a module of the tool."""
        return ("python", f"{TOOLS}/{_LAUNCH}", f"{self.folder}/site" if self.folder else "", module, *words)


def find_layer(container: Container, name: str, module: str, packages: Sequence[str], task: Task) -> Layer:
    """The tool `name`, which the environment itself has if it has `module`; else its side layer, made if need be.

    Raises:
        ConflictError: no version of `packages` goes with what is locked.
        ToolError: it could not be made, or the container has no Python.
    """
    tool = choose_tool(container, name, module, packages, task)
    write_atomic(os.path.join(tools_folder(), _LAUNCH), _LAUNCHER.encode())
    if tool is None:
        return Layer("")
    try:
        provide(tool, task, _fill)
    except ConflictError as problem:
        raise ConflictError(
            f"no version of {name} goes with what is locked: {problem}",
            hints=(f"add it to the spec, which may move other packages: `shipway add --move {packages[0]}`",),
        ) from problem
    return Layer(inside(tool))


def choose_tool(
    container: Container, name: str, module: str, packages: Sequence[str], task: Task
) -> Tool | None:
    """What the side layer is made of; None where the environment has `module` itself.

    Raises:
        EngineError: the container has no Python, or nothing is locked that the tool could go with.
    """
    probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    code = client.exec_captured(container, ("/bin/sh", "-c", 'exec python -c "$0"', probe)).code
    if code == 0:
        return None
    if code != 1:
        raise EngineError(
            f"`{container.name}` has no `python`, which `{name}` needs",
            hints=('add it to the spec: `python = "3.12"`',),
        )
    return Tool(name, render_spec(name, container, packages, task), version="2")


def render_spec(name: str, container: Container, packages: Sequence[str], task: Task) -> str:
    """The spec of the tool's own project: the same system and Python, and what is locked as bounds.

    Raises:
        ToolError: the container's project has no lock, or none with Python.
    """
    from shipway.verbs.project import read_lock, read_project, require_locked

    lock = None if container.record.image else read_lock(read_project(container.project, task.emit))
    target = require_locked(lock, container.target, host_platform()) if lock else None
    if lock is None or target is None or target.python is None:
        raise EngineError(
            f"`{container.name}` is of no locked project with Python, so nothing says which {name} goes with it",
            hints=(f"put {name} into the image, and it is used",),
        )
    wheels = {wheel.filename: wheel for wheel in lock.wheels}
    pins = sorted(f"{wheels[one].name}=={wheels[one].version}" for one in target.wheels if one in wheels)
    base = _DEBIAN if target.image else target.base
    return "".join(
        f"{key} = {json.dumps(value)}\n"
        for key, value in (
            ("name", name),
            ("base", base),
            ("python", target.python.version),
            ("pip", list(packages)),
            ("constraints", pins),
        )
    )


def _fill(folder: str, task: Task) -> None:
    """The Python packages of the tool's environment as plain folders, and a kernel that runs with the container's Python."""
    from shipway.verbs.build import keep
    from shipway.verbs.prepare import build_planned, plan_project
    from shipway.verbs.run import remember_prepared

    prepared = build_planned(plan_project(task, files=False), task)
    keep(prepared)
    for lower in reversed(remember_prepared(prepared, task).lowers):
        venv = os.path.join(lower, _VENV)
        library = os.path.join(venv, "lib")
        for version in os.listdir(library) if os.path.isdir(library) else ():
            _copy(os.path.join(library, version, "site-packages"), os.path.join(folder, "site"))
        for part in _PARTS:
            _copy(os.path.join(venv, part), os.path.join(folder, part))
    _write_kernel(folder)


def _copy(source: str, target: str) -> None:
    """Everything below `source`, over what is in `target`."""
    for place, _, names in os.walk(source):
        into = os.path.join(target, os.path.relpath(place, source))
        make_directory(into, 0o755)
        for name in names:
            file, copy = os.path.join(place, name), os.path.join(into, name)
            if os.path.lexists(copy):
                os.unlink(copy)
            reflink_or_copy(file, copy, 0o755 if os.access(file, os.X_OK) else 0o644)


def _write_kernel(folder: str) -> None:
    """The kernel's settings, in place of those of its package, which would not find it behind the container's packages."""
    kernels = os.path.join(folder, "share/jupyter/kernels/python3")
    if not os.path.isdir(kernels):
        return
    seen = f"{inside_of(folder)}/site"
    words = ["python", f"{TOOLS}/{_LAUNCH}", seen, "ipykernel_launcher", "-f", "{connection_file}"]
    data = {
        "argv": words,
        "display_name": "Python 3 (container)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    file = os.path.join(kernels, "kernel.json")
    os.unlink(file)
    write_file(file, json.dumps(data).encode())


def inside_of(part: str) -> str:
    """Where a folder that is being made will be seen: its project has the name that it gets."""
    return f"{TOOLS}/{os.path.basename(os.path.dirname(part))}"
