"""Variables that only the command sees (pure but for one look for a shell).

Docker and Podman show the environment of a container to everybody who may ask them. What is hidden there goes into a file of
the run's own, which is mounted, and a shell puts it into the environment before it becomes the command.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.secrets import looks_secret
from shipway.core.text import shown
from shipway.run.facts import find_inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.model import RunRequest

    Pairs = tuple[tuple[str, str], ...]

FILE = "secrets"
"""In the run's folder."""
PLACE = "/run/shipway-secrets"
"""What the file is inside."""
_SHELL = "/bin/sh"
_LINE = f'. {PLACE}; exec "$@"'


def with_hidden(request: RunRequest, title: str) -> RunRequest:
    """The same with the names of all that is to be hidden in `secrets`. `title`: of the engine, for messages.

    Raises:
        EngineError: the spec wants something hidden, and no shell is there to take it up.
    """
    known = tuple(name for name, value in request.env if name in request.secrets or looks_secret(name, value))
    if not known or find_inside(request.lowers, _SHELL) is not None:
        return request._replace(secrets=known)
    if request.secrets:
        raise EngineError(
            f"{title} would show `{shown(request.secrets[0])}` to everybody who may ask it: the image has no `{_SHELL}`, "
            "by which it could be hidden",
            hints=(
                "hand the secret over as a file: `secrets = ['file:~/token:/run/secrets/token']`",
                "or use `--engine native`, which keeps no record of variables",
            ),
        )
    names = ", ".join(f"`{shown(name)}`" for name in known)
    note = (
        f"{names} can be seen by everybody who may ask {title}: the image has no `{_SHELL}` to hide it with"
    )
    return request._replace(notes=(*request.notes, note))


def open_variables(request: RunRequest) -> Pairs:
    """What the engine may show."""
    return tuple((name, value) for name, value in request.env if name not in request.secrets)


def render_secrets(request: RunRequest) -> bytes:
    """Lines for a shell. What an `exec` has set itself stays."""
    hidden = [(name, value) for name, value in request.env if name in request.secrets]
    lines = [f'[ "${{{name}+x}}" ] || export {name}={shlex.quote(value)}\n' for name, value in hidden]
    return "".join(lines).encode("utf-8", "surrogateescape")


def wrapped(argv: Sequence[str]) -> tuple[str, ...]:
    """`argv` by way of a shell that takes up the file at `PLACE`."""
    return (_SHELL, "-c", _LINE, _SHELL, *argv)
