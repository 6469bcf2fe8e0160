"""Words of Docker's that are not ours: what they mean here, or why there is no such thing. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from shipway.cli.option import Takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.cli.option import Verb

_IMAGES = ("build", "pull", "push", "tag", "inspect", "history", "save", "load")
_CONTAINERS = (
    *("run", "exec", "attach", "logs", "stop", "start", "restart", "rm", "rename", "port", "stats", "top", "cp"),
    *("wait", "commit", "diff", "kill", "inspect"),
)  # fmt: skip
FAMILIES: dict[str, dict[str, str]] = {
    "image": {
        **{word: word for word in _IMAGES},
        "ls": "images",
        "list": "images",
        "rm": "rmi",
        "remove": "rmi",
        "prune": "gc",
    },
    "container": {
        **{word: word for word in _CONTAINERS},
        "ls": "ps",
        "list": "ps",
        "ps": "ps",
        "remove": "rm",
        "prune": "rm --ended",
    },
    "volume": {"ls": "data list", "list": "data list", "rm": "data rm", "remove": "data rm"},
}
"""First word -> second word -> our verb, perhaps with words behind it."""

WRAPPERS = {"nvidia-docker": "all", "nvidia-docker2": "all"}
"""Programs that were called instead of Docker's, and the GPUs that they handed out."""

_OURS_ALREADY = "leave it out"
_NO_RIGHTS = "no container has rights beyond yours"
_NO_HEALTH = "nothing here looks after the health of a container"

_MADE_ONCE = "what a container may use is decided when it is made"

ABSENT_VERBS: dict[str, tuple[str, str]] = {
    "create": ("a container is started when it is made", "`shipway run -d --name NAME …`, or `shipway up`"),
    "pause": (
        "no container is frozen",
        "`shipway stop NAME` ends it, `shipway start NAME` starts it as it was",
    ),
    "unpause": ("no container is frozen", "`shipway start NAME` starts one that was stopped"),
    "update": (
        _MADE_ONCE,
        "make it anew: `shipway up --recreate`, or `shipway run --name NAME …` once it has ended",
    ),
    "info": (
        "there is no service to ask",
        "`shipway doctor` checks this machine, `shipway inspect NAME` shows a container and where its log goes",
    ),
    "version": ("it is an option", "`shipway --version`"),
    "deploy": ("Docker itself gave it up", "`shipway export compose` writes a file for `docker compose`"),
    "compose": (
        "services are in one container here",
        "`shipway export compose` writes a file for `docker compose`",
    ),
    "context": (
        "which service an engine's program talks to is its own affair",
        "`docker context use NAME` holds for `--engine docker`, too",
    ),
    "network": (
        "a container's network goes with it",
        "`--network bridge` gives it one, `container:NAME` shares one",
    ),
    "system": (
        "there is no service to ask",
        "`shipway gc` frees disk space, `shipway doctor` checks this machine",
    ),
}
"""Docker's commands that are not offered: why, and what to do."""

ABSENT: dict[str, tuple[str, str]] = {
    "kernel-memory": (
        "Docker removed it in version 23.0, because kernels do not limit kernel memory by itself any more",
        "`--memory` counts the kernel's memory for the container too",
    ),
    "privileged": (_NO_RIGHTS, "name what is needed: `--gpus`, `-v`, `--network`"),
    "cap-add": (
        _NO_RIGHTS,
        "what needs rights while building goes into the spec, as packages or `[[build]]`",
    ),
    "cap-drop": ("every capability is dropped already", _OURS_ALREADY),
    "security-opt": ("no container can gain rights, and no label of SELinux is set", _OURS_ALREADY),
    "device": (_NO_RIGHTS, "`--gpus` hands out GPUs"),
    "runtime": ("the runtime is the engine's own", "`--gpus all` hands out GPUs"),
    "link": ("Docker itself gave it up", "`--network container:NAME` shares a network"),
    "volumes-from": ("volumes have names here", "name the same one for both: `-v data:/data`"),
    "publish-all": (
        "an image's list of ports says nothing about what listens",
        "name the port: `-p 8888:8888`",
    ),
    "expose": ("nothing listens because of it", "`-p 8888:8888` shows a port on this machine"),
    "label": ("labels are for images, and stand in the spec", "`--name` tells containers apart"),
    "pull": ("only what is stored is run", "get the image first: `shipway pull REF`"),
    "add-host": ("names are the host's", "add the name to `/etc/hosts` of this machine"),
    "dns": ("name servers are the host's", _OURS_ALREADY),
    "domainname": ("it is a part of the host name", "`--hostname box.example.org`"),
    "userns": ("the native engine always has a user namespace of its own", _OURS_ALREADY),
    "uts": ("the host name is always the container's own", "`--hostname NAME`"),
    "health-cmd": (_NO_HEALTH, _OURS_ALREADY),
    "no-healthcheck": (_NO_HEALTH, _OURS_ALREADY),
    "memory-reservation": ("only limits that hold are offered", "`--memory SIZE`"),
    "oom-kill-disable": (
        "a container that reached its limit would hang instead of ending",
        "raise `--memory`",
    ),
    "cpu-period": ("`--cpus` says period and quota at once", "`--cpus 1.5` is a CPU and a half"),
    "cpu-quota": ("`--cpus` says period and quota at once", "`--cpus 1.5` is a CPU and a half"),
    "attach": ("the streams are the caller's unless the container is detached", "`-d` detaches it"),
    "sig-proxy": ("signals are always passed on", _OURS_ALREADY),
    "cidfile": ("the name is printed", "choose it: `--name NAME`"),
}
"""Long options of `docker run` that are not offered: why, and what to do."""

ABSENT_IN_BUILD: dict[str, tuple[str, str]] = {
    "file": (
        "the spec is what is built, not a Dockerfile",
        "take a Dockerfile over into the spec: `shipway import dockerfile FILE --write`",
    ),
    "pull": ("the lock says which bases are used", "`shipway lock --upgrade` moves them"),
    "rm": ("nothing is left over from a build", _OURS_ALREADY),
    "squash": ("layers are planned, and need no squashing", "`shipway slim` makes an image smaller"),
}

ABSENT_IN_LISTS: dict[str, tuple[str, str]] = {
    "format": ("templates of Go's are not read", "`--json` has every value, for `jq` and the like"),
    "filter": ("every line is listed", "`grep` chooses among the lines, `jq` among those of `--json`"),
}
"""The same of verbs that show something."""

LETTERS = {"f": "file", "P": "publish-all", "a": "attach", "l": "label"}
"""Docker's short names of some of them."""

_REFERENCE = r"[a-z0-9][a-z0-9._/-]*(?::\d+/[a-z0-9._/-]+)?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
# Not compiled here: most runs need none of it.


class Letters(NamedTuple):
    """One letter of a cluster that Docker reads in its own way."""

    option: str
    value: str | None = None
    """Its value, empty when it is the next word; None for a flag."""


def find_absent(verb: Verb, name: str) -> tuple[str, str] | None:
    """Why `verb` has no option `name` (a long one, or a letter), if Docker has; and what to do."""
    if _runs(verb):
        return ABSENT.get(LETTERS.get(name, name))
    if verb.name == "build":
        return ABSENT_IN_BUILD.get(LETTERS.get(name, name))
    if any(option.name == "json" for option in verb.options):
        letters = {"f": "format" if verb.name == "inspect" else "filter"}
        return ABSENT_IN_LISTS.get(letters.get(name, name))
    return None


def read_letter(verb: Verb, cluster: str, at: int, following: str | None) -> Letters | None:
    """What the letter `cluster[at]` means where Docker's meaning and ours differ; None: ours.

    `-v` is a volume when a value that looks like one follows, and else says more. `-t` is a terminal beside `-d` and `-i`, or
    when no name of a target follows; for `build` it is a name of an image when it can be nothing else. `-q` of `ps` means ids.
    """
    rest = cluster[at + 1 :]
    option = next((one for one in verb.options if one.letter == cluster[at]), None)
    if option is None or not _MEANT[option.name](cluster[:at], rest, following):
        return None
    return Letters(option.name, rest if option.takes is not Takes.NOTHING else None)


def looks_like_volume(text: str) -> bool:
    """Whether `text` is meant to be mounted: `HOST:/inside`, or a path."""
    return text.startswith(("/", "./", "../", "~/", ":")) or ":/" in text


def looks_tagged(text: str) -> bool:
    """Whether `text` can only be the name of an image: no target's name has a colon or slash."""
    return ":" in text or "/" in text


def looks_like_image(word: str) -> bool:
    """Whether `word` is written as images with a tag are, and as no command is."""
    return re.fullmatch(_REFERENCE, word, re.ASCII) is not None and "://" not in word


def _means_terminal(before: str, rest: str, following: str | None) -> bool:
    if set(before) & {"d", "i"} or (rest and set(rest) <= {"d", "i", "t"}):
        return True
    return not rest and (following is None or following.startswith("-") or looks_tagged(following))


def _means_volume(before: str, rest: str, following: str | None) -> bool:
    del before
    return looks_like_volume(rest or following or "")


def _means_tag(before: str, rest: str, following: str | None) -> bool:
    del before
    return looks_tagged(rest or following or "")


def _means_ids(before: str, rest: str, following: str | None) -> bool:
    del before, rest, following
    return True


_MEANT: dict[str, Callable[[str, str, str | None], bool]] = {
    "tty": _means_terminal,
    "volume": _means_volume,
    "tag": _means_tag,
    "quiet-ids": _means_ids,
}
"""Whether a letter means the option, by what stands before it and behind it in its cluster, and by the next word."""


def _runs(verb: Verb) -> bool:
    return any(option.name == "tty" for option in verb.options)
