"""The caller as the container's user: `/etc/passwd` and `/etc/group` made from the image's own and one entry more (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.run.model import Account

if TYPE_CHECKING:
    from shipway.run.model import HostFacts, ImageFacts

_UNNAMED = "user"
_SHELLS = ("bash", "sh")


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
