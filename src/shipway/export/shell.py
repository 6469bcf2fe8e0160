"""Shell text that the exported Dockerfile and definition file share, and how values are written down in shell."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from shipway.core.waste import find_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.export.model import Contents
    from shipway.lock.model import Deb

DEBS = "/debs"
"""Where the stage that fetches leaves OS packages."""
PIP = "/pip"
"""Where it unpacks the suite's own pip, which is a tool of the build and no part of the result."""
BEGAN = "/began"
"""A file as old as the first thing that is installed."""
QUIET = "export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 TZ=UTC"


def quoted(words: Iterable[str]) -> str:
    """Words for a shell."""
    return " ".join(shlex.quote(word) for word in words)


def listing(lines: Sequence[str], path: str) -> str:
    """A statement over several lines that writes `lines` to `path`. Its line breaks need a backslash each."""
    return "\n".join(["printf '%s\\n'", *(f"  {quoted([line])}" for line in lines), f"  > {path}"])


def mirror_argument(alias: str) -> str:
    """`debian-security` -> `DEBIAN_SECURITY_MIRROR`."""
    return re.sub(r"[^A-Z0-9]+", "_", alias.upper()) + "_MIRROR"


def aliases(contents: Contents) -> tuple[str, ...]:
    """Of every archive that a package comes from."""
    return tuple(sorted({deb.archive for deb in contents.debs}))


def file_of(deb: Deb) -> str:
    """Its file's name, as the archive has it."""
    return posixpath.basename(deb.path)


def fetch_list(contents: Contents) -> list[str]:
    """Lines `archive sha256 path`; a lock holds no name with a blank."""
    return [f"{deb.archive} {deb.sha256.hex} {deb.path}" for deb in contents.debs]


def fetch_script(contents: Contents) -> list[str]:
    """Statements that fetch what `/debs.list` names, from the first mirror that has the right bytes."""
    statements = ["apt-get update -qq", 'mirrors() { case "$1" in']
    for alias in aliases(contents):
        suites = sorted({one.suite for one in contents.lock.archives if one.alias == alias})
        pattern = "|".join(suites)
        own = (
            f"apt-get indextargets --format '$(RELEASE) $(REPO_URI)' | sed -En 's,^({pattern}) ,,p' | sort -u"
        )
        statements[-1] += f" {shlex.quote(alias)}) echo ${{{mirror_argument(alias)}:-$({own})}} ;;"
    statements[-1] += " esac; }"
    statements += [
        f"mkdir -p {DEBS}",
        (
            "while read -r archive sum path; do"
            ' file="${path##*/}"; for mirror in $(mirrors "$archive"); do'
            f' /usr/lib/apt/apt-helper -q download-file "${{mirror%/}}/$path" "{DEBS}/$file" "SHA256:$sum" && break; done;'
            f' echo "$sum  {DEBS}/$file" | sha256sum --quiet -c || exit 1; done < /debs.list'
        ),
    ]
    return statements


def pip_script() -> list[str]:
    """Statements that unpack the suite's pip to `PIP` and have certificates; nothing of it enters the image."""
    return [
        "apt-get install -qq -y --no-install-recommends ca-certificates >/dev/null",
        "cd /tmp && apt-get download -qq python3-pip",
        f"dpkg-deb -x /tmp/python3-pip_*.deb {PIP}",
    ]


def unpack_script(first: Sequence[Deb], root: str, architecture: str) -> list[str]:
    """Statements that lay out the essential set in the folder `root`, as installers of Debian begin."""
    files = quoted(file_of(deb) for deb in first)
    return [
        f"mkdir -p {root}/usr/bin {root}/usr/lib {root}/usr/sbin",
        f"for name in bin lib sbin; do ln -s usr/$name {root}/$name; done",
        (
            f"for deb in {files}; do"
            f" if dpkg-deb --contents {DEBS}/$deb | grep -q ' \\./\\(usr/\\)\\?lib64/'; then"
            f" mkdir -p {root}/usr/lib64; [ -e {root}/lib64 ] || ln -s usr/lib64 {root}/lib64; fi;"
            f" dpkg-deb --fsys-tarfile {DEBS}/$deb | tar -C {root} --keep-directory-symlink -xf -; done"
        ),
        f"cd {root}/var/lib/dpkg && mkdir -p info triggers updates alternatives",
        f"touch status diversions && echo 1 > info/format && echo {architecture} > arch",
    ]


def begin_slimming(contents: Contents) -> list[str]:
    """The statement before anything is installed over a root that others made: what is there already stays."""
    return [f"touch {BEGAN}"] if contents.target.slim else []


def slim_script(contents: Contents, root: str, *, since: str = "") -> list[str]:
    """Statements that remove below `root` what the target leaves out; folders stay.

    `since`: a file; what is older stays, and then the file goes. Of the whole system (`/`), alternatives that lead nowhere
    then go, too: of manual pages that were never there, none is made.
    """
    expression = find_expression(contents.target.slim)
    if not expression:
        return []
    newer = f" -cnewer {since}" if since else ""
    statements = [f"find {root} -xdev{newer} {quoted(expression)} ! -type d -delete"]
    statements += [f"find /etc/alternatives{newer} -xtype l -delete"] if root == "/" else []
    return [*statements, *([f"rm -f {since}"] if since else [])]
