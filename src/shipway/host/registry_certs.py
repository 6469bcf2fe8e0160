"""Certificates of single registries: the `certs.d` folders of Podman and Skopeo (containers-certs.d(5)) and of Docker.

Below each of them a folder called as the registry (`host` or `host:port`) holds `*.crt`, authorities to trust there beside the
host's own, and pairs of `*.cert` and `*.key`, by which we identify ourselves there and nowhere else.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shipway.core.errors import ToolError
from shipway.core.text import shown

_HOST = re.compile(r"(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(?::[0-9]{1,5})?\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCertificates:
    """What one registry's folder holds."""

    folder: str
    authorities: tuple[str, ...]
    """Files of certificates."""
    pairs: tuple[tuple[str, str], ...]
    """Files of a client's certificate and its key."""

    def add_to(self, context: ssl.SSLContext) -> None:
        """Let `context` trust and use them.

        Raises:
            ToolError: a file cannot be read or is none of what it should be.
        """
        for path in self.authorities:
            try:
                context.load_verify_locations(cafile=path)
            except (OSError, ssl.SSLError) as error:
                raise _unusable(path, "is no certificate", error) from error
        for certificate, key in self.pairs:
            try:
                context.load_cert_chain(certificate, key, password=_no_password)
            except (OSError, ssl.SSLError, ValueError) as error:
                raise _unusable(key, f"is no key of the certificate `{certificate}`", error) from error


def certificate_folders(environ: Mapping[str, str], root: str = "/") -> tuple[str, ...]:
    """Where registries' folders are looked for: the user's before the system's, Podman's before Docker's."""
    home = environ.get("HOME", "")
    config = environ.get("XDG_CONFIG_HOME") or (os.path.join(home, ".config") if home else "")
    own = [os.path.join(config, tool, "certs.d") for tool in ("containers", "docker")] if config else []
    return (*own, *(os.path.join(root, "etc", tool, "certs.d") for tool in ("containers", "docker")))


def find_certificates(host: str, folders: Sequence[str]) -> HostCertificates | None:
    """What the first of `folders` that knows `host` (`name[:port]`) holds for it; later ones add nothing.

    Raises:
        ToolError: a certificate has no key, a key no certificate, or the folder cannot be read.
    """
    if not _HOST.match(host.lower()):
        return None  # a host that others name must not be a path
    for base in folders:
        folder = os.path.join(base, host.lower())
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _unusable(folder, "cannot be read", error) from error
        return _read_folder(folder, names)
    return None


def _read_folder(folder: str, names: Sequence[str]) -> HostCertificates:
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        wanted = {"cert": f"{stem}.key", "key": f"{stem}.cert"}.get(suffix if dot else "")
        if wanted and wanted not in names:
            raise ToolError(
                f"`{shown(os.path.join(folder, name))}` stands alone: `{shown(wanted)}` is missing beside it",
                hints=["add it; an authority's certificate ends with `.crt`, a client's with `.cert`"],
            )
    return HostCertificates(
        folder=folder,
        authorities=tuple(os.path.join(folder, name) for name in names if name.endswith(".crt")),
        pairs=tuple(
            (os.path.join(folder, name), os.path.join(folder, name[: -len("cert")] + "key"))
            for name in names
            if name.endswith(".cert")
        ),
    )


def _no_password() -> str:
    """OpenSSL would ask on the terminal for the password of a key that has one."""
    raise ValueError("it is encrypted")


def _unusable(path: str, why: str, error: Exception) -> ToolError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ToolError(
        f"`{shown(path)}` {why}: {shown(reason)}",
        hints=["correct it, or remove it; docs/guide/registries.md says what such a folder holds"],
    )
