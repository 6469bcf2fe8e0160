"""The caller as the container's user: `/etc/passwd` and `/etc/group` made from the image's own and one entry more (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown
from shipway.run.model import Account

if TYPE_CHECKING:
    from shipway.run.model import HostFacts, ImageFacts

_UNNAMED = "user"
_SHELLS = ("bash", "sh")
_FIELDS = 7
"""Of a line of passwd(5)."""
_HIGHEST = 0xFFFFFFFE
_FILES = {"user": "passwd", "group": "group"}


def choose_account(host: HostFacts, image: ImageFacts) -> Account:
    """The caller's ids and names, a home of their own, and a shell that the image has."""
    name = _field(host.user) or ("root" if host.uid == 0 else _UNNAMED)
    return Account(
        uid=host.uid,
        gid=host.gid,
        name=name,
        group=_field(host.group) or name,
        home="/root" if host.uid == 0 else "/home/" + _folder(name),
        shell=choose_shell(host.shell, image.shells),
    )


def choose_user(text: str, caller: Account, host: HostFacts, image: ImageFacts) -> Account:
    """Who runs inside when `text` (`USER[:GROUP]`) was asked for: names are the caller's, else the image's.

    Raises:
        ToolError: there is no such user or group.
    """
    user, _, group = text.partition(":")
    users, groups = _numbers(image.passwd), _numbers(image.group)
    uid = _number(user, {**users, caller.name: caller.uid}, "user")
    gid = _number(group, {**dict(host.groups), **groups, caller.group: caller.gid}, "group") if group else -1
    if uid == caller.uid:
        return (
            caller
            if gid in (-1, caller.gid)
            else caller._replace(gid=gid, group=_name(groups, gid, caller.name))
        )
    fields = next(
        (line.split(":") for line in image.passwd.splitlines() if line.split(":")[2:3] == [str(uid)]), []
    )
    _, _, _, own, _, home, shell = fields if len(fields) == _FIELDS else ("", "", "", "0", "", "", "")
    name = "root" if uid == 0 else _name(users, uid, _UNNAMED)
    gid = gid if gid >= 0 else int(own) if own.isdecimal() else 0
    return Account(
        uid=uid,
        gid=gid,
        name=name,
        group=_name(groups, gid, name),
        home="/root" if uid == 0 else home or "/",
        shell=choose_shell(shell, image.shells),
    )


def choose_groups(asked: tuple[str, ...], host: HostFacts, image: ImageFacts) -> tuple[int, ...]:
    """The numbers of groups asked for by number or name: names are the host's, else the image's.

    Raises:
        ToolError: there is no such group.
    """
    known = {**_numbers(image.group), **dict(host.groups)}
    return tuple(dict.fromkeys(_number(word, known, "group") for word in asked))


def _number(word: str, known: dict[str, int], what: str) -> int:
    if word.isascii() and word.isdecimal() and int(word) <= _HIGHEST:
        return int(word)
    if word not in known:
        raise ToolError(
            f"neither you nor the environment has a {what} `{shown(word)}`",
            hints=(
                "give the number",
                f"names are looked up among yours and in the environment's `/etc/{_FILES[what]}`",
            ),
            code=ExitCode.USAGE,
        )
    return known[word]


def _numbers(text: str) -> dict[str, int]:
    """Numbers by name, of the text of a passwd or group file."""
    lines = [line.split(":") for line in text.splitlines()]
    return {line[0]: int(line[2]) for line in lines if len(line) > 2 and line[2].isdecimal()}  # noqa: PLR2004 - name:password:number


def _name(known: dict[str, int], number: int, other: str) -> str:
    return next((name for name, found in known.items() if found == number), other)


def choose_shell(wanted: str, there: tuple[str, ...]) -> str:
    """The path of the shell called like `wanted` among those that are `there`, else bash, else sh."""
    by_name = {path.rpartition("/")[2]: path for path in there}
    for name in (wanted.rpartition("/")[2], *_SHELLS):
        if name in by_name:
            return by_name[name]
    return "/bin/sh"


def render_passwd(image: str, account: Account) -> str:
    """The image's passwd text with the caller in it, once by name and once by number.

    An entry that already has the uid (the `ubuntu` user of newer Ubuntu bases) or the name gives way, for otherwise the
    first match would decide who the caller is.
    """
    entry = f"{account.name}:x:{account.uid}:{account.gid}:{account.name}:{account.home}:{account.shell}"
    return _with_entry(image, entry, account.name, account.uid)


def render_group(image: str, account: Account) -> str:
    """The image's group text with the caller's primary group in it."""
    return _with_entry(image, f"{account.group}:x:{account.gid}:", account.group, account.gid)


def _with_entry(text: str, entry: str, name: str, number: int) -> str:
    kept = [line for line in text.splitlines() if line and not _clashes(line, name, number)]
    return "\n".join([entry, *kept] if number == 0 else [*kept, entry]) + "\n"


def _clashes(line: str, name: str, number: int) -> bool:
    fields = line.split(":")
    return fields[0] == name or (len(fields) > 2 and fields[2] == str(number))  # noqa: PLR2004 - name:password:number


def _field(text: str) -> str:
    """`text` if it can stand in a passwd field, else nothing."""
    return (
        text
        if text and text.isprintable() and not set(text) & {":", "/", " "} and text[0] not in "+-"
        else ""
    )


def _folder(name: str) -> str:
    r"""`name` as one path component: directory services give names such as `DOMAIN\user`."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name).lstrip(".") or _UNNAMED
