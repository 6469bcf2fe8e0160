"""One cache for all containers of a user: where it is inside, and the variables that lead programs to it (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.text import shown
from shipway.run.model import Mount

if TYPE_CHECKING:
    from shipway.run.model import Environment, HostFacts, Invocation

CACHE = "/cache"
"""Where the cache is inside."""
FOLDERS = {
    "HF_HOME": "huggingface",
    "JAX_COMPILATION_CACHE_DIR": "jax",
    "KERAS_HOME": "keras",
    "NUMBA_CACHE_DIR": "numba",
    "PIP_CACHE_DIR": "pip",
    "TFDS_DATA_DIR": "tensorflow-datasets",
    "TORCH_EXTENSIONS_DIR": "torch-extensions",
    "TORCH_HOME": "torch",
    "TRITON_CACHE_DIR": "triton",
    "UV_CACHE_DIR": "uv",
    "XDG_CACHE_HOME": "xdg",
}
"""Folders below it by the variable that programs read."""
HOST_VARIABLES = ("HF_HOME", "KERAS_HOME", "PIP_CACHE_DIR", "TFDS_DATA_DIR", "TORCH_HOME", "UV_CACHE_DIR")
"""Those whose folder on the host is shared with containers. Not the others: what is compiled for the host's system may not
fit, and XDG_CACHE_HOME holds whatever the user's browsers keep."""
_COMPILED = "TORCH_EXTENSIONS_DIR"
"""PyTorch looks for extensions by name alone, so each environment has its own."""


def cache_variables(key: str) -> dict[str, str]:
    """All variables, for the environment known as `key`."""
    found = {name: f"{CACHE}/{folder}" for name, folder in FOLDERS.items()}
    return found | {_COMPILED: f"{found[_COMPILED]}/{key}"}


def choose_caches(
    environment: Environment, asked: Invocation, host: HostFacts, folder: str
) -> tuple[Mount, ...]:
    """The host's `folder` as the cache, and in it the host's own folders by their variables."""
    elsewhere = _set_elsewhere(environment, asked)
    own = [
        Mount(path, f"{CACHE}/{FOLDERS[name]}") for name, path in sorted(host.caches) if name not in elsewhere
    ]
    return (Mount(folder, CACHE, owned=True), *own)


def cache_notes(environment: Environment, asked: Invocation, host: HostFacts) -> tuple[str, ...]:
    """Of the host's own caches that are not there."""
    known = {*dict(host.caches), *_set_elsewhere(environment, asked)}
    return tuple(
        f"`{name}` names `{shown(path)}`, which is no folder, so the container uses its own cache"
        for name, path in host.environ
        if name in HOST_VARIABLES and path and name not in known
    )


def _set_elsewhere(environment: Environment, asked: Invocation) -> set[str]:
    """Variables of which somebody else says what they are inside."""
    given = {name for name, _ in (*environment.env, *environment.options.env, *asked.env)}
    return given | set(environment.options.pass_env)
