"""One file per package and target: tags first, then the hashes that a wish allows, then what the lock had. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from shipway.core.errors import HashMismatch
from shipway.resolve.choose import find_wheel
from shipway.resolve.simple_api import ProjectFile, version_of
from shipway.resolve.uv_lock import UvFile, UvPackage
from shipway.resolve.wheel_request import WheelRequest
from shipway.spec.model import Wish


def choose_file(
    package: UvPackage, request: WheelRequest, *, kept: Collection[str], built: Collection[str]
) -> UvFile | None:
    """The wheel of `package` for `request`, or None where none fits. `kept`: files of the lock before; `built`: made here.

    Raises:
        HashMismatch: some fit, but a wish allows none of them.
    """
    files = {file.filename: file for file in package.wheels}
    wish = wish_with_hashes(request, package.name)
    allowed = {
        n: f
        for n, f in files.items()
        if wish is None or n in built or not f.sha256 or _allows(wish, f.sha256)
    }
    fits = [name for name in allowed if name in kept and _fits([name], request)]
    best = fits[0] if fits else _fits(allowed, request)
    if best:
        return allowed[best]
    if wish is not None and _fits(files, request):
        raise hash_refused(wish, f"{package.name} {package.version}")
    return None


def wish_with_hashes(request: WheelRequest, name: str) -> Wish | None:
    """The wish or constraint for package `name` that says which files may satisfy it, or None."""
    for wish in (*request.wishes, *request.constraints):
        if wish.hashes and _name(wish.text) == name:
            return wish
    return None


def require_allowed(request: WheelRequest, name: str, version: str, sha256: str) -> None:
    """Check one file that will be used.

    Raises:
        HashMismatch: a wish allows other files only.
    """
    wish = wish_with_hashes(request, name)
    if wish is not None and not _allows(wish, sha256):
        raise hash_refused(wish, f"{name} {version}")


def hash_refused(wish: Wish, what: str) -> HashMismatch:
    """The error for a package none of whose files has a hash that `wish` allows."""
    return HashMismatch(
        f"no file of `{what}` has a hash that {wish.origin} allows",
        hints=[
            "look whether the index or the list of hashes was changed",
            "write the hashes of this version, or none",
        ],
    )


def misfitting_versions(files: Iterable[ProjectFile], requests: Iterable[WheelRequest]) -> list[str]:
    """Versions that have wheels, of which none fits some of `requests`."""
    by_version: dict[str, list[str]] = {}
    for file in files:
        version = version_of(file.filename)
        if version is not None and file.filename.endswith(".whl"):
            by_version.setdefault(str(version), []).append(file.filename)
    asked = list(requests)
    return [v for v, names in by_version.items() if any(not _fits(names, request) for request in asked)]


def _fits(names: Collection[str] | Mapping[str, UvFile], request: WheelRequest) -> str | None:
    return find_wheel(names, request.platform, request.minor, request.glibc)


def _allows(wish: Wish, sha256: str) -> bool:
    return f"sha256:{sha256}" in wish.hashes


def _name(text: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return ""
