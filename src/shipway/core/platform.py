"""Platforms as OCI writes them, and the names that Debian and Python have for the same machines."""

from __future__ import annotations

PLATFORMS = ("linux/amd64", "linux/arm64")
_DEBIAN = {"linux/amd64": "amd64", "linux/arm64": "arm64"}
_MACHINE = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


def debian_architecture(platform: str) -> str:
    """`amd64` for `linux/amd64`."""
    return _DEBIAN[platform]


def machine_name(platform: str) -> str:
    """What `uname -m` says there: `x86_64`, `aarch64`."""
    return _MACHINE[platform]


def platform_of_machine(machine: str) -> str | None:
    """The platform whose `uname -m` is `machine`, or None where shipway has no native engine."""
    for platform, name in _MACHINE.items():
        if name == machine:
            return platform
    return None
