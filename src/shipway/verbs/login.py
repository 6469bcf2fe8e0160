"""`login` and `logout`: credentials of a registry, checked there and kept where Docker, Podman and Skopeo find them."""

from __future__ import annotations

from typing import NamedTuple

from shipway.core.errors import ExitCode, ToolError


class LoginResult(NamedTuple):
    """What `login` did, or would do."""

    registry: str
    user: str
    place: str
    """The file or helper that keeps the credentials."""
    asked: bool
    """Whether the registry wanted to know who asks; if not, nobody has checked the password."""
    dry_run: bool


class LogoutResult(NamedTuple):
    """What `logout` did, or would do."""

    registry: str
    places: tuple[str, ...]
    """The files and helpers that kept something."""
    dry_run: bool


def run_login(registry: str, user: str, password: str, *, offline: bool, dry_run: bool) -> LoginResult:
    """Check `user` and `password` at `registry`, then keep them. With `dry_run` nobody is asked.

    Raises:
        ToolError: `registry` or `user` cannot be one, or the file or helper cannot be used.
        AccessRefused: the registry does not take them; nothing is kept.
    """
    from shipway.core.reference import Reference, parse_registry
    from shipway.host.credentials import Credentials, credentials_place, store_credentials
    from shipway.host.location import Auth
    from shipway.image.registry.client import open_registry
    from shipway.verbs.network import read_host_registries

    settings = read_host_registries(offline=offline)
    place = settings.place(parse_registry(registry))
    key = place.login or place.name
    if dry_run:
        return LoginResult(
            registry, user, credentials_place(key, settings.environ), asked=False, dry_run=True
        )
    if ":" in user or not user or not password:
        raise ToolError(
            "a user name must not be empty or hold `:`, and a password must not be empty",
            hints=["give the name with --username and the password on standard input"],
            code=ExitCode.USAGE,
        )
    auth = Auth(user=user, password=password)
    reference = Reference(registry=place.name, repository="", tag="")
    given = Credentials(auth=auth, named_by="this login")
    with open_registry(reference, settings=settings, push=False, credentials=given) as opened:
        asked = opened.check_login()
    kept = store_credentials(key, auth, settings.environ)
    return LoginResult(registry, user, kept, asked=asked, dry_run=False)


def run_logout(registry: str, *, dry_run: bool) -> LogoutResult:
    """Forget the credentials of `registry`.

    Raises:
        ToolError: `registry` cannot be one, or a file or helper cannot be used.
    """
    from shipway.core.reference import parse_registry
    from shipway.host.credentials import erase_credentials
    from shipway.verbs.network import read_host_registries

    settings = read_host_registries()
    place = settings.place(parse_registry(registry))
    places = erase_credentials(place.login or place.name, settings.environ, dry_run=dry_run)
    return LogoutResult(registry, places, dry_run)
