"""Folders that several people share: whether the caller can use one, and the line that would change it. Nothing is changed."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from typing import TYPE_CHECKING

from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable


def explain_access(path: str, *, write: bool, access: Callable[[str, int], bool] = os.access) -> str:
    """What the caller cannot do with the folder or file `path`, with the remedy; empty when everything can be done.

    What is not there is none of this function's business.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return ""
    except OSError as problem:
        return f"`{shown(path)}` cannot be looked at: {problem.strerror}"
    folder = stat.S_ISDIR(status.st_mode)
    if not access(path, os.R_OK | (os.X_OK if folder else 0)):
        return f"`{shown(path)}` cannot be read by you; {_remedy(path, status, 'rX')}"
    if write and not access(path, os.W_OK):
        return f"`{shown(path)}` cannot be written by you; {_remedy(path, status, 'rwX')}"
    return ""


def _remedy(path: str, status: os.stat_result, bits: str) -> str:
    """The line for whoever owns it. The group's sticky sign makes new files the group's too."""
    quoted = shlex.quote(path)
    group = _group_name(status.st_gid)
    line = f"sudo chmod -R g+{bits} {quoted} && sudo find {quoted} -type d -exec chmod g+s {{}} +"
    if status.st_gid in (os.getegid(), *os.getgroups()) and status.st_gid != 0:
        return f"its owner `{_user_name(status.st_uid)}` or root can let your group `{group}` do so: `{line}`"
    own = _group_name(os.getegid())
    return (
        f"it belongs to `{_user_name(status.st_uid)}:{group}`, and you are in no such group; root can give it to yours: "
        f"`sudo chown -R :{own} {quoted} && {line}`"
    )


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
