"""What an engine's program says when it fails, in our words where the cause is known (pure).

The sentences are those of Docker's programs 20.10 to 28 and of Podman 4.3 to 5.8.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.run.oci.command import Dialect

_STOPPED = (
    "cannot connect to the docker daemon",
    "error during connect",
    "unable to connect to podman",
    "connection refused",
    "connection reset",
    "failed to connect",
    "is not a supported schema",
)
_NO_CONTEXT = re.compile(r'context "([^"]*)"(?: does not exist|: context not found)')
_BY_SSH = re.compile(r"command \[(ssh .*?) docker system dial-stdio\] has exited with exit status (\d+)")
_SSH_FAILED, _NO_PROGRAM = "255", "127"
_NO_GPUS = ("could not select device driver", "unresolvable cdi devices", "nvidia-container-cli")
_NO_CPUS = re.compile(
    r"requested cpus are not available - requested ([0-9,-]+), available: ([0-9,-]+)", re.IGNORECASE
)
_NO_RLIMIT = "error setting rlimit"
_PASSWORD = re.compile(r"(//[^/@:\s]*):[^/@\s]*@")


LIMITS = (
    "`--dry-run` shows what is asked for; an administrator raises what the engine's service itself may have"
)
"""What to do about a limit that an engine cannot raise."""


def find_trouble(dialect: Dialect, text: str) -> EngineError | None:
    """The error that `text`, which the engine's program wrote, means; None when we do not know its cause."""
    text = hide_password("\n".join(dict.fromkeys(text.strip().splitlines())))  # it repeats itself
    lower = text.lower()
    by_ssh, context, cpus = _BY_SSH.search(text), _NO_CONTEXT.search(text), _NO_CPUS.search(text)
    message, hint = "", ""
    if by_ssh and by_ssh[2] == _SSH_FAILED:
        message = f"`ssh` does not get to the machine of {dialect.title}"
        hint = f"when `{shown(by_ssh[1])} true` works without a question, so does this"
    elif by_ssh and by_ssh[2] == _NO_PROGRAM:
        message = f"The machine of {dialect.title} has no program `docker` where `ssh` looks for it"
        hint = "install it there, on the PATH of sessions without a terminal"
    elif context:
        message = f"{dialect.title} knows no context `{shown(context[1])}`"
        hint = "`docker context ls` lists them; correct DOCKER_CONTEXT, or choose one by `docker context use`"
    elif cpus:
        message = f"there are no CPUs {cpus[1]} where {dialect.title} runs"
        hint = f"choose among {cpus[2]} for `--cpuset-cpus`"
    elif any(sentence in lower for sentence in _NO_GPUS):
        message, hint = f"{dialect.title} has no GPUs to hand out here", dialect.gpus
    elif _NO_RLIMIT in lower:
        message, hint = f"{dialect.title} may not raise a limit as far as `--ulimit` says", LIMITS
    elif "permission denied" in lower and ("socket" in lower or "dial" in lower):
        message, hint = f"You may not use {dialect.title} here", dialect.refused
    elif any(sentence in lower for sentence in _STOPPED):
        message, hint = f"{dialect.title} does not answer", dialect.stopped
    elif "no space left on device" in lower:
        message = f"{dialect.title} has no space left for the image"
        hint = f"free some there: `{dialect.name} image prune` removes images without a name"
    return EngineError(message, hints=(hint,), detail=text) if message else None


def hide_password(text: str) -> str:
    """`text` without the passwords that places of services may hold (`ssh://USER:PASSWORD@…`)."""
    return _PASSWORD.sub(r"\1@", text)
