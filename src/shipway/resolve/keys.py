"""Whose signatures on an archive are believed: certificates that ship with shipway, or a keyring that the host names."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pysequoia

from shipway.core.errors import SignatureError

_KEYRINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keyrings")
_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a verified clear-signed file says. Only `content` may be read further: the file around it is unsigned."""

    content: bytes
    signers: tuple[str, ...]
    """Fingerprints of the certificates with a valid signature, sorted."""


def read_keyring(distribution: str, path: str = "") -> list[pysequoia.Cert]:
    """The trusted certificates of `distribution`: those in the file `path` if given, else those that ship with shipway.

    Raises:
        SignatureError: there is no keyring for that distribution, or it cannot be read.
    """
    chosen = path or os.path.join(_KEYRINGS, f"{distribution}.pgp")
    variable = f"SHIPWAY_KEYRING_{distribution.upper().replace('-', '_')}"
    hint = f"put the path of the archive's keyring into `{variable}`"
    try:
        with open(chosen, "rb") as stream:
            return list(pysequoia.Cert.split_bytes(stream.read()))
    except FileNotFoundError as error:
        raise SignatureError(f"no keyring for `{distribution}`", hints=(hint,)) from error
    except RuntimeError as error:
        raise SignatureError(
            f"`{chosen}` is no OpenPGP keyring", hints=(hint,), detail=_first_line(error)
        ) from error


def verify_clearsigned(data: bytes, trusted: list[pysequoia.Cert], *, name: str) -> Signed:
    """Check that a trusted certificate signed `data` while it was valid, and return what is signed.

    A file with more than one signed part is refused, so that no two readers can disagree about what it says.

    Raises:
        SignatureError: no trusted certificate vouches for it. `name` is how the message calls the file.
    """
    if data.count(_BEGIN) != 1 or not data.lstrip().startswith(_BEGIN):
        raise SignatureError(
            f"`{name}` is not one clear-signed text",
            hints=("a proxy or a captive portal may have answered: look at the file in a browser",),
        )
    try:
        result = pysequoia.verify(data, store=lambda _ids: trusted)
    except RuntimeError as error:
        raise SignatureError(
            f"no trusted signature on `{name}`",
            hints=(
                "use another mirror, or if the archive has new keys, a newer shipway or `SHIPWAY_KEYRING_<DISTRIBUTION>`",
            ),
            detail=_first_line(error),
        ) from error
    content = bytes(result.bytes or b"")
    signers = sorted({str(one.certificate) for one in result.valid_sigs})
    if not signers or not content:
        raise SignatureError(f"no trusted signature on `{name}`", hints=("use another mirror",))
    return Signed(content=content, signers=tuple(signers))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
