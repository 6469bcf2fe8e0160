"""A git commit as a source tree: fetched by the system's git into a bare folder, read blob by blob, nothing checked out.

Hooks, the caller's and the system's configuration, templates, submodules and unusual protocols are switched off, because each of
them has run code of strangers before (CVE-2018-11235, CVE-2024-32002, CVE-2025-48384). Names that another file system or git
itself would read differently are refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from shipway.archive.names import checked_path, folded, refuse
from shipway.core.errors import FetchError, NotFound, OfflineError, SpecError, ToolError
from shipway.core.text import shown
from shipway.host.http_settings import find_bundle
from shipway.host.location import redacted
from shipway.host.proc import Command, Finished, base_environment, find_tool, run
from shipway.host.scratch import scratch_folder
from shipway.sources.values import LINK, SourceFile

_PROTOCOLS = ("https", "ssh", "http", "git")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*\Z")
_MODES = {"100644": 0o644, "100664": 0o644, "100755": 0o755, "120000": LINK}
_TIMEOUT = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAddress:
    """`git+https://host/repository@reference#subdirectory=folder`, taken apart."""

    url: str
    """Without credentials."""
    reference: str = ""
    """Branch, tag or commit; empty: the default branch."""
    subdirectory: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitTree:
    """One commit."""

    commit: str
    files: tuple[SourceFile, ...]
    submodules: tuple[str, ...] = ()
    """Paths that are left out."""


def parse_git_address(text: str, *, allow_file: bool = False) -> GitAddress:
    """The parts of a `git+…` address (PEP 440, direct references).

    Raises:
        SpecError: a protocol or reference that is not allowed.
    """
    parts = urlsplit(text.removeprefix("git+"))
    options = dict(pair.partition("=")[::2] for pair in parts.fragment.split("&") if pair)
    path, at, reference = parts.path.rpartition("@")
    if not at:
        path, reference = parts.path, ""
    allowed = (*_PROTOCOLS, "file") if allow_file else _PROTOCOLS
    if parts.scheme not in allowed:
        raise SpecError(
            f"`{redacted(text)}`: git over `{shown(parts.scheme)}` is not allowed",
            hints=[f"use one of {', '.join(_PROTOCOLS)}"],
        )
    if reference and (not _REFERENCE.match(reference) or ".." in reference):
        raise SpecError(
            f"`{shown(reference)}` is no git branch, tag or commit", hints=["correct what follows the `@`"]
        )
    folder = options.get("subdirectory", "")
    if folder:
        checked_path(folder, redacted(text))
    # ssh needs its user name in the address; a password has no business there.
    user = f"{parts.username}@" if parts.scheme == "ssh" and parts.username else ""
    host = parts.netloc.rpartition("@")[2]
    return GitAddress(url=f"{parts.scheme}://{user}{host}{path}", reference=reference, subdirectory=folder)


def fetch_git(
    address: GitAddress,
    environ: Mapping[str, str],
    *,
    commit: str = "",
    allow_file: bool = False,
    offline: bool = False,
) -> GitTree:
    """The tree of `commit` (empty: of the reference, as it is now).

    Raises:
        NotFound: no such repository, reference or commit.
        FetchError: the server does not deliver.
        OfflineError: the network is forbidden.
        HostileInput: a name in the tree is refused.
    """
    if offline and not address.url.startswith("file:"):
        raise OfflineError(
            f"`{redacted(address.url)}` has to be fetched, and the network is switched off",
            hints=["leave out --offline"],
        )
    with scratch_folder("git-") as folder:
        git = _Git(folder, environ, allow_file=allow_file)
        git.require("init", "--quiet", "--bare", "--template=", ".")
        wanted = commit or address.reference or "HEAD"
        # Most servers hand out any commit by its id; the others at least what their branches hold.
        first = git.run("fetch", "--quiet", "--depth=1", "--no-tags", "--", address.url, wanted)
        if first.code and not _COMMIT.match(wanted):
            raise _fetch_failure(address, wanted, first)
        if first.code:
            whole = git.run(
                "fetch",
                "--quiet",
                "--",
                address.url,
                "+refs/heads/*:refs/heads/*",
                "+refs/tags/*:refs/tags/*",
            )
            if whole.code:
                raise _fetch_failure(address, wanted, whole)
        found = git.run(
            "rev-parse", "--verify", "--quiet", ("FETCH_HEAD" if not first.code else wanted) + "^{commit}"
        )
        name = found.text.strip()
        if found.code or not _COMMIT.match(name) or (_COMMIT.match(wanted) and name != wanted):
            raise NotFound(
                f"`{redacted(address.url)}` has no commit `{shown(wanted)}`",
                hints=["correct what follows the `@`"],
            )
        return _read_tree(git, name, redacted(address.url))


class _Git:
    """git in one folder, with nothing of the caller's configuration."""

    def __init__(self, folder: str, environ: Mapping[str, str], *, allow_file: bool) -> None:
        tool = find_tool("git")
        if tool is None:
            raise ToolError(
                "git is not installed on this host", hints=["install it, or name a released version instead"]
            )
        self._argv = (
            tool,
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "fetch.fsckObjects=true",
            "-c",
            "gc.auto=0",
        )
        self._folder = folder
        env = base_environment()
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSH_AUTH_SOCK"):
            for spelling in (name, name.upper()):
                if environ.get(spelling):
                    env[spelling] = environ[spelling]
        bundle = find_bundle(environ)
        if bundle is not None:
            env["GIT_SSL_CAPATH" if os.path.isdir(bundle.path) else "GIT_SSL_CAINFO"] = bundle.path
        self._env = {
            **env,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": ":".join((*_PROTOCOLS, "file") if allow_file else _PROTOCOLS),
            "GIT_DIR": folder,
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }

    def run(self, *arguments: str, stdin: bytes | None = None) -> Finished:
        return run(
            Command(argv=(*self._argv, *arguments), env=self._env, cwd=self._folder, stdin=stdin),
            timeout=_TIMEOUT,
        )

    def require(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        finished = self.run(*arguments, stdin=stdin)
        if finished.code:
            raise ToolError(
                f"`git {arguments[0]}` failed",
                hints=["run the command again"],
                detail=finished.stderr.decode("utf-8", "replace"),
            )
        return finished.stdout


def _fetch_failure(address: GitAddress, wanted: str, finished: Finished) -> ToolError:
    text = finished.stderr.decode("utf-8", "replace")
    where = f"`{redacted(address.url)}`"
    if "couldn't find remote ref" in text or "not our ref" in text:
        return NotFound(
            f"{where} has no `{shown(wanted)}`", hints=["correct what follows the `@`"], detail=text
        )
    if "not found" in text or "does not exist" in text or "does not appear to be a git repository" in text:
        return NotFound(
            f"there is no git repository at {where}", hints=["correct the address in the spec"], detail=text
        )
    return FetchError(
        f"git could not fetch {where}",
        hints=["run the command again", "look at git's words below"],
        detail=text,
    )


def _read_tree(git: _Git, commit: str, artifact: str) -> GitTree:
    listing = git.require("ls-tree", "-r", "-z", "--full-tree", commit)
    rows: list[tuple[str, int, str]] = []
    submodules: list[str] = []
    seen: dict[str, str] = {}
    for line in filter(None, listing.split(b"\0")):
        head, _, raw = line.partition(b"\t")
        mode, _, identity = head.decode("ascii").split(" ")
        name = _checked_name(os.fsdecode(raw), artifact)
        if seen.setdefault(folded(name), name) != name:
            raise refuse(
                artifact, name, f"differs from `{shown(seen[folded(name)])}` only in case or accents"
            )
        if mode == "160000":
            submodules.append(name)
        elif mode in _MODES:
            rows.append((name, _MODES[mode], identity))
        else:
            raise refuse(artifact, name, f"has the unknown mode {mode}")
    return GitTree(commit=commit, files=_read_blobs(git, rows), submodules=tuple(submodules))


def _checked_name(name: str, artifact: str) -> str:
    for part in checked_path(name, artifact).split("/"):
        plain = part.lower().rstrip(" .").replace("\u200c", "").replace("\u200d", "")
        if plain == ".git" or re.match(r"git~\d+\Z", plain):
            raise refuse(artifact, name, "would be read by git as its own folder")
    return name


def _read_blobs(git: _Git, rows: list[tuple[str, int, str]]) -> tuple[SourceFile, ...]:
    """Contents by `cat-file --batch`: `<id> blob <size>`, newline, bytes, newline, for each."""
    stream = git.require(
        "cat-file", "--batch", stdin="".join(f"{identity}\n" for _, _, identity in rows).encode()
    )
    files, at = [], 0
    for name, mode, _ in rows:
        end = stream.index(b"\n", at)
        size = int(stream[at:end].rpartition(b" ")[2])
        files.append(SourceFile(path=name, mode=mode, data=stream[end + 1 : end + 1 + size]))
        at = end + 1 + size + 1
    return tuple(files)
