"""Two root file systems compared path by path: ours by manifests, the other by the tar that mmdebstrap writes."""

import hashlib
import re
import tarfile
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase

from shipway.core.overlay import stack


@dataclass(frozen=True)
class Seen:
    kind: str
    mode: int
    uid: int
    gid: int
    content: str
    """Digest of a file, target of a link, empty for a directory."""


def from_tar(path):
    """path -> Seen. Hard links are the files they name; device nodes are left out."""
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            name = member.name.removeprefix("./").rstrip("/")
            if name in ("", "."):
                continue
            if member.isdir():
                found[name] = Seen("d", member.mode & 0o7777, member.uid, member.gid, "")
            elif member.issym():
                found[name] = Seen("l", 0o777, member.uid, member.gid, member.linkname)
            elif member.islnk():
                found[name] = found[member.linkname.removeprefix("./")]
            elif member.isreg():
                with tar.extractfile(member) as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                found[name] = Seen("f", member.mode & 0o7777, member.uid, member.gid, digest)
    return found


def from_manifests(manifests):
    """The same of trees, the lowest first."""
    placed = stack(manifests)
    by_tree = [{entry.path: entry for entry in manifest.entries} for manifest in manifests]
    found = {}
    for one in placed:
        entry = one.entry
        if entry.kind == "h":
            entry = by_tree[one.tree][entry.target]
        content = entry.digest if entry.kind == "f" else entry.target
        found[one.entry.path] = Seen(entry.kind, entry.mode, entry.uid, entry.gid, content)
    return found


def differences(ours, theirs):
    """(path, what differs) for every path."""
    found = []
    for path in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(path), theirs.get(path)
        if one is None:
            found.append((path, "missing"))
        elif other is None:
            found.append((path, "extra"))
        else:
            words = [
                f"{name} {getattr(one, name):o} not {getattr(other, name):o}"
                if name == "mode"
                else f"{name} {getattr(one, name)} not {getattr(other, name)}"
                for name in ("kind", "mode", "uid", "gid")
                if getattr(one, name) != getattr(other, name)
            ]
            if one.kind == other.kind and one.content != other.content:
                words.append("content" if one.kind == "f" else f"link {one.content} not {other.content}")
            if words:
                found.append((path, ", ".join(words)))
    return found


@dataclass(frozen=True)
class Allowed:
    pattern: str
    what: str
    reason: str
    suites: tuple
    sets: tuple

    def covers(self, path, what, suite, package_set):
        return (
            fnmatchcase(path, self.pattern)
            and re.match(self.what, what) is not None
            and (not self.suites or suite in self.suites)
            and (not self.sets or package_set in self.sets)
        )


def read_allowed(path):
    with open(path, "rb") as stream:
        table = tomllib.load(stream)
    return [
        Allowed(
            one["path"], one["what"], one["reason"], tuple(one.get("suites", ())), tuple(one.get("sets", ()))
        )
        for one in table["difference"]
    ]
