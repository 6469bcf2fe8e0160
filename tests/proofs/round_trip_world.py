"""An image that holds one of everything, and what a tree, a tar or a folder says that it is, path by path."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

from private_engines import wait_until
from shipway.core.events import silent
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK
from shipway.image.assemble import LayerContent, assemble
from shipway.image.foreign import visible
from shipway.image.load import load_images
from shipway.image.oci import ImageConfig
from shipway.image.stored import store_image
from shipway.verbs.context import host_platform

sys.path.append(str(Path(__file__).parents[1] / "unit" / "image"))
from image_samples import EPOCH, config_of, layer, special, write_layout

PROGRAMS = ("/bin/sh", "/bin/cat", "/usr/bin/find", "/usr/bin/sha256sum", "/usr/bin/xargs")
ENV = (("PATH", "/usr/bin:/bin"), ("ROUND", "trip"))
_CAPABLE = b"\1\0\0\2\0\x20\0\0" + bytes(12)
_TIME = 1_600_000_000
ENGINE_OWN = re.compile(
    r"(\.dockerenv|dev(/.*)?|proc|sys|run(/.*)?|etc/(hostname|hosts|resolv\.conf|mtab|passwd|group))\Z"
)
"""What an engine itself puts into every container; podman lists the accounts of users that it added."""


class Seen(NamedTuple):
    """One path as anybody can see it."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    content: str
    """Digest of a file, target of a link; of hard links what they share."""
    xattrs: tuple[tuple[str, bytes], ...] = ()


def member(path, kind, mode=0o644, *, uid=0, gid=0, **more):
    return special(path, kind, mode=mode, uid=uid, gid=gid, mtime=_TIME, **more)


def layers_of_others():
    """A shell with its libraries; one of everything; and what hides some of both."""
    wanted = set()
    for program in PROGRAMS:
        found = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        wanted |= {program, *re.findall(r"(/\S+)", found)}
    programs = [
        (member(path[1:], tarfile.REGTYPE, 0o755), Path(path).read_bytes()) for path in sorted(wanted)
    ]
    capable = member("rich/capable", tarfile.REGTYPE, 0o755)
    capable.pax_headers = {"SCHILY.xattr.security.capability": _CAPABLE.decode("latin-1")}
    everything = [
        member("rich", tarfile.DIRTYPE, 0o755),
        (member("rich/plain", tarfile.REGTYPE, 0o640, uid=1234, gid=4321), b"plain"),
        (member("rich/setuid", tarfile.REGTYPE, 0o4755), b"setuid"),
        (member("rich/setgid", tarfile.REGTYPE, 0o2755, gid=42), b"setgid"),
        (member("rich/unreadable", tarfile.REGTYPE, 0o000), b"closed"),
        (member("rich/empty", tarfile.REGTYPE), b""),
        (member("rich/large", tarfile.REGTYPE), bytes(range(256)) * 9000),
        (capable, b"capable"),
        member("rich/sticky", tarfile.DIRTYPE, 0o1777),
        member("rich/shared", tarfile.DIRTYPE, 0o2775, uid=7, gid=8),
        member("rich/empty folder", tarfile.DIRTYPE, 0o700),
        (member("rich/ä ö\t\\name", tarfile.REGTYPE), b"odd"),
        (member("rich/" + "long" * 60, tarfile.REGTYPE), b"long"),
        (member("rich/" + "/".join(["deep"] * 30) + "/end", tarfile.REGTYPE), b"deep"),
        member("rich/link", tarfile.SYMTYPE, linkname="plain"),
        member("rich/dangling", tarfile.SYMTYPE, linkname="/nowhere/" + "x" * 120),
        member("rich/up", tarfile.SYMTYPE, linkname="../../../../etc"),
        member("rich/hard", tarfile.LNKTYPE, 0o640, uid=1234, gid=4321, linkname="rich/plain"),
        member("hidden", tarfile.DIRTYPE),
        (member("hidden/file", tarfile.REGTYPE), b"x"),
        member("opaque", tarfile.DIRTYPE, 0o755),
        (member("opaque/old", tarfile.REGTYPE), b"x"),
        (member("becomes-folder", tarfile.REGTYPE), b"x"),
        member("becomes-file", tarfile.DIRTYPE, 0o755),
        (member("becomes-file/inner", tarfile.REGTYPE), b"x"),
        (member("gone", tarfile.REGTYPE), b"x"),
    ]
    changes = [
        (".wh.hidden", b""),
        (".wh.gone", b""),
        member("opaque", tarfile.DIRTYPE, 0o711),
        ("opaque/.wh..wh..opq", b""),
        (member("opaque/new", tarfile.REGTYPE), b"new"),
        member("becomes-folder", tarfile.DIRTYPE, 0o755),
        (member("becomes-folder/inner", tarfile.REGTYPE), b"inner"),
        (member("becomes-file", tarfile.REGTYPE), b"file"),
        member("rich", tarfile.DIRTYPE, 0o755),
        (member("rich/plain", tarfile.REGTYPE, 0o600, uid=99), b"changed"),
        member("srv", tarfile.DIRTYPE, 0o755),
        (member("srv/words", tarfile.REGTYPE), b"round and round\n"),
    ]
    folders = [member("etc", tarfile.DIRTYPE, 0o755), member("tmp", tarfile.DIRTYPE, 0o1777)]
    return [layer(*with_folders(folders + programs)), layer(*with_folders(everything)), layer(*changes)]


def with_folders(members):
    """`members` with those above each in front of it: what tools make of a folder that nobody describes is their own affair."""
    there = {one.name for one in members if isinstance(one, tarfile.TarInfo)}
    for one in members:
        parts = (one[0] if isinstance(one, tuple) else one).name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            if path not in there:
                there.add(path)
                yield member(path, tarfile.DIRTYPE, 0o755)
        yield one


def load_foreign(store, folder, name="others:1"):
    """An image of others in `store`, not named."""
    layers = layers_of_others()
    os_name, architecture = host_platform().split("/")
    inner = {"Env": [f"{key}={value}" for key, value in ENV], "Cmd": ["sh"], "WorkingDir": "/srv"}
    config = config_of(*layers, os=os_name, architecture=architecture, config=inner)
    write_layout(folder, *layers, config=config, names=(name,))
    [loaded] = load_images(store, str(folder), platform=host_platform(), emit=silent)
    return loaded.image


def make_ours(store, folder):
    """The same trees as an image of ours: two layers, the upper one of two trees."""
    trees = [store.find_tree(layer.trees[0]) for layer in load_foreign(store, folder).layers]
    contents = (
        LayerContent(name="below", trees=(trees[0],), packages=(), reason="because"),
        LayerContent(name="above", trees=(trees[1], trees[2]), packages=("a 1",), reason="because"),
    )
    settings = ImageConfig(
        platform=host_platform(), env=ENV, workdir="/srv", command=("sh",), epoch=EPOCH + 10**7
    )
    return store_image(assemble(store, contents, settings, silent), contents, EPOCH + 10**7)


def expected(store, image):
    """What `image` must look like, by the manifests of its trees."""
    trees = [store.find_tree(key) for layer in image.layers for key in layer.trees]
    entries = visible([tree.manifest() for tree in trees])
    found = {}
    for path, entry in entries.items():
        real = entries[entry.target] if entry.kind == HARDLINK else entry
        kind = FILE if real.kind == HARDLINK else real.kind
        content = real.digest if kind == FILE else real.target
        found[path] = Seen(kind, real.mode, real.uid, real.gid, real.mtime, content, real.xattrs)
    return found


def in_folder(root):
    """What lies below the folder `root`."""
    found = {}
    for path in Path(root).rglob("*"):
        status = path.lstat()
        kind = {stat.S_IFDIR: DIRECTORY, stat.S_IFREG: FILE, stat.S_IFLNK: "l"}[stat.S_IFMT(status.st_mode)]
        content = os.readlink(path) if kind == "l" else ""
        if kind == FILE:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        names = [] if kind == "l" else os.listxattr(path)
        xattrs = tuple((name, os.getxattr(path, name)) for name in sorted(names))
        mode = stat.S_IMODE(status.st_mode)
        name = str(path.relative_to(root))
        found[name] = Seen(kind, mode, status.st_uid, status.st_gid, int(status.st_mtime), content, xattrs)
    return found


def in_tar(path):
    """What the tar `path`, as engines export a container, says."""
    found = {}
    with tarfile.open(path) as tar:
        for info in tar:
            name = info.name.removeprefix("./").rstrip("/")
            if name in ("", "."):
                continue
            if info.islnk():
                found[name] = found[info.linkname.removeprefix("./")]
                continue
            kind = DIRECTORY if info.isdir() else "l" if info.issym() else FILE if info.isreg() else "?"
            content = info.linkname if kind == "l" else ""
            if kind == FILE:
                content = hashlib.sha256(tar.extractfile(info).read()).hexdigest()
            # Go's writer leaves the kind of a file in its mode.
            mode = stat.S_IMODE(info.mode)
            found[name] = Seen(kind, mode, info.uid, info.gid, int(info.mtime), content, _xattrs(info))
    return found


def _xattrs(info):
    marked = "SCHILY.xattr."
    return tuple(
        (key.removeprefix(marked), value.encode("utf-8", "surrogateescape"))
        for key, value in sorted(info.pax_headers.items())
        if key.startswith(marked)
    )


def without_engine(found):
    """`found` without what the engine itself put there; it touches the folders that it puts that into."""
    kept = {path: seen for path, seen in found.items() if not ENGINE_OWN.match(path)}
    return {path: seen._replace(mtime=0) if path == "etc" else seen for path, seen in kept.items()}


@contextlib.contextmanager
def registry(folder):
    """Debian's registry with its data below `folder`: `host:port`."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of-this-test"},
    }
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )

    def answers():
        assert process.poll() is None, (folder / "log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_until(answers)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
