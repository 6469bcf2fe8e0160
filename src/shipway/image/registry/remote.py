"""An image as a registry has it: its configuration, and what stands for it there."""

from __future__ import annotations

from shipway.core.errors import HostileInput
from shipway.host.scratch import scratch_folder
from shipway.image.document import CONFIG_LIMIT, Config, Manifest, parse_config
from shipway.image.registry.client import Registry


def read_remote_config(registry: Registry, manifest: Manifest, name: str) -> tuple[bytes, Config]:
    """The bytes of the configuration of `manifest`, and what they say. `name`: for messages.

    Raises:
        HostileInput: it is too large, or not what image-spec allows.
        NotFound, HashMismatch, FetchError: as `Registry.fetch_blob`.
    """
    descriptor = manifest.config
    if descriptor.size > CONFIG_LIMIT:
        raise HostileInput(
            f"`{name}` has a configuration of {descriptor.size} bytes", hints=["ask whoever published it"]
        )
    with scratch_folder("config-") as folder:
        path = f"{folder}/config"
        registry.fetch_blob(descriptor.digest, descriptor.size, path, name="configuration")
        with open(path, "rb") as file:
            body = file.read()
    return body, parse_config(body, name, layers=len(manifest.layers))
