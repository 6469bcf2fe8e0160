"""Credentials of registries, where Docker, Podman and Skopeo keep them: files and credential helpers.

Source: containers-auth.json(5), Docker's `config.json` (`auths`, `credsStore`, `credHelpers`) and the helper protocol of
docker-credential-helpers. A credential belongs to one registry and is never printed.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shipway.core.errors import ToolError
from shipway.core.text import shown
from shipway.host.files import make_directory, translating_disk_errors, write_atomic
from shipway.host.location import Auth
from shipway.host.proc import Command, Finished, find_tool, run

_MOST = 4 << 20
_HELPER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\Z", re.ASCII)
_HELPER_SECONDS = 60.0
_TOKEN_USER = "<token>"  # noqa: S105 - the protocol's word
_NOTHING = b"credentials not found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What one registry is told about its user: a password, or a token that buys other tokens."""

    auth: Auth | None = field(default=None, repr=False)
    identity_token: str = field(default="", repr=False)
    named_by: str
    """The file or helper they come from."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may contain."""
        password = (self.auth.password, self.auth.header.partition(" ")[2]) if self.auth else ()
        return tuple(filter(None, (*password, self.identity_token)))


def find_credentials(registry: str, repository: str, environ: Mapping[str, str]) -> Credentials | None:
    """What this host keeps for `repository` of `registry` (as the files call it); the most specific entry of the first file.

    Raises:
        ToolError: a file is no JSON, or a helper that a file names cannot answer.
    """
    for path in auth_files(environ):
        document = _read(path)
        found = _from_helper(document, registry, environ) or _from_file(document, registry, repository, path)
        if found is not None:
            return found
    return None


def auth_files(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The files to look into, the more important first; `REGISTRY_AUTH_FILE` alone when it is set."""
    named = environ.get("REGISTRY_AUTH_FILE")
    if named:
        return (named,)
    home = environ.get("HOME") or os.path.expanduser("~")
    docker = environ.get("DOCKER_CONFIG") or os.path.join(home, ".docker")
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    runtime = environ.get("XDG_RUNTIME_DIR")
    places = [os.path.join(folder, "containers", "auth.json") for folder in (runtime, config) if folder]
    return (*places, os.path.join(docker, "config.json"))


def store_credentials(registry: str, auth: Auth, environ: Mapping[str, str]) -> str:
    """Keep `auth` for `registry`: in the helper that the file names for it, else in the file (mode 0600). Where it is kept now.

    The file is `REGISTRY_AUTH_FILE`, else Docker's `config.json`, which every other tool reads as well.

    Raises:
        ToolError: the file or helper cannot be used.
    """
    path = auth_files(environ)[-1]
    document = _read(path)
    helper = _helper_for(document, registry)
    if helper:
        body = {"ServerURL": registry, "Username": auth.user, "Secret": auth.password}
        _ask_helper(helper, "store", json.dumps(body).encode(), environ)
        return f"docker-credential-{helper}"
    auths = _table(document, "auths")
    auths[registry] = {"auth": auth.header.partition(" ")[2]}
    document["auths"] = auths
    _write(path, document)
    return path


def credentials_place(registry: str, environ: Mapping[str, str]) -> str:
    """Where `store_credentials` would keep them: a file, or a helper.

    Raises:
        ToolError: the file cannot be read.
    """
    path = auth_files(environ)[-1]
    helper = _helper_for(_read(path), registry)
    return f"docker-credential-{helper}" if helper else path


def erase_credentials(registry: str, environ: Mapping[str, str], *, dry_run: bool = False) -> tuple[str, ...]:
    """Forget what every file and helper keeps for `registry` itself; the places that had something.

    Raises:
        ToolError: a file or helper cannot be used.
    """
    places = []
    for path in auth_files(environ):
        document = _read(path)
        helper = _helper_for(document, registry)
        if helper and _from_helper(document, registry, environ) is not None:
            if not dry_run:
                _ask_helper(helper, "erase", registry.encode(), environ)
            places.append(f"docker-credential-{helper}")
        auths = _table(document, "auths")
        gone = [key for key in auths if _host_of(key) == _host_of(registry)]
        if gone:
            document["auths"] = {key: value for key, value in auths.items() if key not in gone}
            if not dry_run:
                _write(path, document)
            places.append(path)
    return tuple(places)


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            text = file.read(_MOST)
        document = json.loads(text) if text.strip() else {}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise ToolError(
            f"the credentials in `{path}` cannot be read: {why}", hints=["correct or remove the file"]
        ) from None
    if not isinstance(document, dict):
        raise ToolError(
            f"the credentials in `{path}` cannot be read: it holds no JSON object",
            hints=["correct or remove the file"],
        )
    return document


def _write(path: str, document: dict[str, Any]) -> None:
    target = os.path.realpath(path)
    with translating_disk_errors(f"write `{path}`", error=ToolError):
        make_directory(os.path.dirname(target))
        write_atomic(target, json.dumps(document, indent="\t").encode() + b"\n", 0o600)


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return dict(value) if isinstance(value, dict) else {}


def _helper_for(document: dict[str, Any], registry: str) -> str:
    name = _table(document, "credHelpers").get(registry) or document.get("credsStore") or ""
    if not isinstance(name, str) or (name and not _HELPER.match(name)):
        raise ToolError(
            f"`{shown(str(name))}` is no name of a credential helper",
            hints=["correct `credsStore` or `credHelpers` in Docker's configuration"],
        )
    return name


def _from_helper(document: dict[str, Any], registry: str, environ: Mapping[str, str]) -> Credentials | None:
    helper = _helper_for(document, registry)
    if not helper:
        return None
    finished = _ask_helper(helper, "get", registry.encode(), environ)
    if finished is None:
        return None
    try:
        answer = json.loads(finished.stdout)
        user, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError):
        user = secret = None
    if not isinstance(user, str) or not isinstance(secret, str):
        raise ToolError(
            f"`docker-credential-{helper}` did not answer as the protocol says",
            hints=[f"try it by hand: echo {registry} | docker-credential-{helper} get"],
        )
    named_by = f"docker-credential-{helper}"
    if user == _TOKEN_USER:
        return Credentials(identity_token=secret, named_by=named_by)
    return Credentials(auth=Auth(user=user, password=secret), named_by=named_by)


def _ask_helper(helper: str, verb: str, body: bytes, environ: Mapping[str, str]) -> Finished | None:
    """What the helper answers; None when it keeps nothing. Secrets pass on standard input only."""
    name = f"docker-credential-{helper}"
    program = find_tool(name, environ.get("PATH"))
    if program is None:
        raise ToolError(
            f"`{name}` keeps the credentials and is not installed",
            hints=["install it, or take it out of `credsStore` and `credHelpers` in Docker's configuration"],
        )
    finished = run(Command(argv=(program, verb), env=dict(environ), stdin=body), timeout=_HELPER_SECONDS)
    if finished.code == 0:
        return finished
    if _NOTHING in (finished.stdout + finished.stderr).lower():
        return None
    raise ToolError(
        f"`{name} {verb}` failed with exit code {finished.code}",
        hints=["try it by hand; it may be locked or wait for a session"],
    )


def _from_file(document: dict[str, Any], registry: str, repository: str, path: str) -> Credentials | None:
    auths = _table(document, "auths")
    by_host = {_host_of(key): value for key, value in auths.items() if "://" in key}
    for key in _keys(registry, repository):
        entry = auths.get(key, by_host.get(key))
        if isinstance(entry, dict) and (found := _read_entry(entry, path, key)):
            return found
    return None


def _keys(registry: str, repository: str) -> Iterator[str]:
    """`host/team/name`, `host/team`, `host`."""
    parts = repository.split("/") if repository else []
    for count in range(len(parts), 0, -1):
        yield "/".join((registry, *parts[:count]))
    yield registry


def _read_entry(entry: dict[str, Any], path: str, key: str) -> Credentials | None:
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return Credentials(identity_token=token, named_by=path)
    encoded = entry.get("auth")
    if not isinstance(encoded, str) or not encoded:
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().rstrip("\0").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = user = password = ""
    if not colon:
        raise ToolError(
            f"the entry of `{shown(key)}` in `{path}` holds no user and password",
            hints=[f"run `shipway login {shown(key)}` again"],
        )
    return Credentials(auth=Auth(user=user, password=password), named_by=path)


def _host_of(key: str) -> str:
    """The `host[:port]` of a key, which may be an old style URL; keys with a path and no scheme are left alone."""
    if "://" not in key:
        return key
    return key.partition("://")[2].partition("/")[0]
