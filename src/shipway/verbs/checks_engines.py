"""Checks of other engines. None is needed; each is listed with its version."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shipway.verbs.findings import Check, Seen, Severity

if TYPE_CHECKING:
    from shipway.verbs.findings import Machine

_ENGINES = ("docker", "podman", "apptainer")


def _engine(name: str, machine: Machine) -> Seen:
    path = machine.tool(name)
    if path is None:
        return Seen(Severity.INFO, f"{name} is not installed; nothing needs it")
    version = machine.output(path, "--version")
    if version is None:
        return Seen(
            Severity.WARNING,
            f"`{path}` does not say its version",
            f"run `{path} --version` and see why it fails",
        )
    if name == "docker" and machine.output(path, "version", "--format", "{{.Server.Version}}") is None:
        why = "whose daemon does not answer (`docker version` says why)"
        return Seen(Severity.INFO, f"{version}, {why}; only `--engine docker` needs it")
    return Seen(Severity.OK, version)


ENGINE_CHECKS = tuple(Check(name, "engines", partial(_engine, name)) for name in _ENGINES)
