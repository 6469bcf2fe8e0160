"""What a run has to know of the environment's trees and of this host (reads only)."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from typing import TYPE_CHECKING, NamedTuple

from shipway.run.caches import HOST_VARIABLES
from shipway.run.model import HostFacts, ImageFacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep the certificates they trust, as one file."""
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
"""By which programs are told of a bundle; the first that the caller has set wins."""
_SHELLS = ("bash", "zsh", "fish", "dash", "sh")
_SHELL_FOLDERS = ("/usr/bin", "/bin", "/usr/local/bin")
_ZONES = "/usr/share/zoneinfo"
_MAX_TEXT = 4 << 20
_MAX_LINKS = 40


class Located(NamedTuple):
    """Something inside stacked trees."""

    host: str
    """Where it is on the host."""
    path: str
    """Where it is inside, without links on the way; empty for the root."""


def find_inside(lowers: Sequence[str], path: str) -> Located | None:
    """What `path` is inside the stacked `lowers` (top one first), links followed inside; None: nothing there."""
    left = [part for part in path.split("/") if part not in ("", ".")][::-1]
    found = Located(lowers[0], "") if lowers else None
    links = 0
    while left and found is not None:
        part = left.pop()
        if part == "..":
            found = _find_plain(lowers, found.path.rpartition("/")[0])
            continue
        parent, found = found, _find_plain(lowers, f"{found.path}/{part}")
        if found is None or not os.path.islink(found.host):
            continue
        links += 1
        if links > _MAX_LINKS:
            return None
        target = os.readlink(found.host)
        left += [piece for piece in target.split("/") if piece not in ("", ".")][::-1]
        found = _find_plain(lowers, "") if target.startswith("/") else parent
    return found


def _find_plain(lowers: Sequence[str], path: str) -> Located | None:
    """The topmost `path` (absolute inside, its parents no links), unless something above hides it.

    A tree may have a link, a file or a whiteout where those above have a folder. It hides whatever lies below it, and the
    host's kernel must not be asked for a path through such a link: it would leave the trees.
    """
    parts = [path[:index] for index, char in enumerate(path + "/") if char == "/" and index]
    for lower in lowers:
        reached, mode = _walk(lower, parts)
        if mode:
            hidden = reached != path or stat.S_ISCHR(mode)
            return None if hidden else Located(lower + path, path)
    return None


def _walk(lower: str, parts: Sequence[str]) -> tuple[str, int]:
    """Which of `parts`, each below the one before, is the first that is no folder in `lower`, else the last; and its mode.

    The mode is 0 where nothing is.
    """
    reached, mode = "", stat.S_IFDIR
    for reached in parts:
        try:
            mode = os.lstat(lower + reached).st_mode
        except FileNotFoundError:
            return reached, 0
        if not stat.S_ISDIR(mode):
            break
    return reached, mode


def read_image_facts(lowers: Sequence[str]) -> ImageFacts:
    """Look the stacked trees up once; the answer holds as long as the trees are the same.

    Raises:
        OSError: a tree cannot be read.
    """
    passwd, group, skeleton = (
        find_inside(lowers, path) for path in ("/etc/passwd", "/etc/group", "/etc/skel")
    )
    return ImageFacts(
        passwd=_text(passwd.host) if passwd else "",
        group=_text(group.host) if group else "",
        shells=_shells(lowers),
        certificates=find_inside(lowers, BUNDLES[0]) is not None,
        zoneinfo=find_inside(lowers, _ZONES + "/Etc/UTC") is not None,
        locales=find_inside(lowers, "/usr/lib/locale/locale-archive") is not None,
        skeleton=skeleton.host if skeleton else "",
        foreign=any(os.stat(lower).st_uid != os.getuid() for lower in lowers),
    )


def _shells(lowers: Sequence[str]) -> tuple[str, ...]:
    paths = [f"{folder}/{name}" for name in _SHELLS for folder in _SHELL_FOLDERS]
    found: dict[str, str] = {}
    for path in paths:
        name = path.rpartition("/")[2]
        if name not in found and find_inside(lowers, path) is not None:
            found[name] = path
    return tuple(found.values())


def read_host_facts(environ: Mapping[str, str]) -> HostFacts:
    """The caller and this host as they are now. What is not there stays empty; nothing here fails a run."""
    uid, gid = os.getuid(), os.getgid()
    user, shell = find_user(uid, environ)
    zone, name = _zone(environ.get("TZ", ""))
    return HostFacts(
        uid=uid,
        gid=gid,
        user=user,
        group=_group(gid),
        shell=environ.get("SHELL", "") or shell,
        environ=tuple(sorted(environ.items())),
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        resolv_conf=read_resolv_conf(),
        hosts=_text("/etc/hosts"),
        localtime=zone,
        timezone=name,
        own_certificates=next((environ[key] for key in CERTIFICATE_VARIABLES if environ.get(key)), ""),
        certificates=next((path for path in BUNDLES if os.path.isfile(path)), ""),
        caches=tuple(
            (name, environ[name]) for name in HOST_VARIABLES if name in environ and _is_folder(environ[name])
        ),
    )


def read_groups() -> tuple[tuple[str, int], ...]:
    """The groups of this host, by name, that can be listed, and all that the caller is in."""
    names = [(entry.gr_name, entry.gr_gid) for entry in grp.getgrall()]
    own = [(_group(gid) or str(gid), gid) for gid in {os.getgid(), *os.getgroups()}]
    return tuple(dict.fromkeys((*names, *own)))


def read_certificates(host: HostFacts) -> bytes:
    """The bundle that the caller's settings name, else the system's; empty if it cannot be read."""
    return _bytes(host.own_certificates or host.certificates)


def read_resolv_conf(etc: str = "/etc", run: str = "/run") -> str:
    """The host's name servers.

    The file is often a link into `/run`, which a container does not have, so its text is taken. systemd's stub listens on
    loopback, which is right where the network is the host's. A dangling link falls back to what systemd knows.
    """
    for path in (f"{etc}/resolv.conf", f"{run}/systemd/resolve/resolv.conf"):
        text = _text(path)
        if "nameserver" in text:
            return text
    return _text(f"{etc}/resolv.conf")


def find_user(uid: int, environ: Mapping[str, str]) -> tuple[str, str]:
    """Name and shell of a user of this machine; of one whom nothing knows the name that `environ` says."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return environ.get("LOGNAME") or environ.get("USER", ""), ""
    return entry.pw_name, entry.pw_shell


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""


def _zone(wanted: str) -> tuple[bytes, str]:
    """The compiled time zone that the caller lives in, and its name where there is one."""
    name = wanted.removeprefix(":")
    if name and ".." not in name and not name.startswith("/"):
        data = _bytes(f"{_ZONES}/{name}")
        if data:
            return data, name
    real = os.path.realpath("/etc/localtime")
    known = real.startswith(_ZONES + "/")
    return _bytes("/etc/localtime"), real.removeprefix(_ZONES + "/") if known else ""


def _is_folder(path: str) -> bool:
    return os.path.isabs(path) and os.path.isdir(path)


def _text(path: str) -> str:
    return _bytes(path).decode("utf-8", "surrogateescape")


def _bytes(path: str) -> bytes:
    """What is in the regular file `path`; nothing if it is absent, unreadable or no regular file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with open(descriptor, "rb") as file:
        return file.read(_MAX_TEXT)
