"""A small operating-system archive that tests make and sign: packages, indexes, suites, by-hash names."""

import gzip
import hashlib
import io
import lzma
import os
import tarfile
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pysequoia

from shipway.host.mirrors import Mirrors

DATE = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def make_key(name="Archive <archive@example.org>"):
    return pysequoia.Tsk.generate(name)


def keyring_of(*keys):
    return b"".join(bytes(key.extract_certificate()) for key in keys)


def make_deb(fields, files=None, scripts=None, links=None):
    """The bytes of a .deb: `fields` of its control file, `files` path -> (content, mode), `scripts` of its control archive."""
    control = "".join(f"{name}: {value}\n" for name, value in fields.items())
    members = {
        "control": (control.encode(), 0o644),
        **{n: (t.encode(), 0o755) for n, t in (scripts or {}).items()},
    }
    return b"!<arch>\n" + b"".join(
        _ar_member(name, data)
        for name, data in (
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", _tar(members, {})),
            ("data.tar.gz", _tar(files or {}, links or {})),
        )
    )


def _ar_member(name, data):
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
    return head + data + b"\n" * (len(data) % 2)


def _tar(files, links):
    out = io.BytesIO()
    folders = set()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted([*files, *links]):
            parts = path.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                folder = "/".join(parts[:depth])
                if folder not in folders:
                    folders.add(folder)
                    info = tarfile.TarInfo("./" + folder)
                    info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
                    tar.addfile(info)
            info = tarfile.TarInfo("./" + path)
            info.mtime = 1_700_000_000
            if path in links:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, links[path], 0o777
                tar.addfile(info)
            else:
                content, mode = files[path]
                info.size, info.mode = len(content), mode
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


class Archive:
    """One archive below a folder, changed by its methods and written by `publish`."""

    def __init__(self, folder, key, *, origin="Ubuntu", architecture="amd64"):
        self.folder = str(folder)
        self.key = key
        self.origin = origin
        self.architecture = architecture
        self.packages = {}

    def add(self, suite, fields, *, component="main", files=None, scripts=None, content=None):
        """Put a package into a suite; returns its bytes."""
        fields = {
            "Architecture": self.architecture,
            "Maintainer": "A <a@example.org>",
            "Description": "d",
            **fields,
        }
        data = make_deb(fields, files, scripts) if content is None else content
        path = f"pool/{component}/{fields['Package']}_{fields['Version'].replace(':', '%3a')}_{fields['Architecture']}.deb"
        self._write(path, data)
        extra = {"Filename": path, "Size": len(data), "SHA256": hashlib.sha256(data).hexdigest()}
        self.packages.setdefault((suite, component), []).append({**fields, **extra})
        return data

    def publish(
        self, suite, *, components=("main", "universe"), date=DATE, valid_days=None, codename=None, **changed
    ):
        """Write the indexes and the signed InRelease of a suite. `changed`: `suffix`, `mangle` (bytes -> bytes), `extra` lines."""
        suffix = changed.get("suffix", ".xz")
        lines = []
        for component in components:
            text = "".join(
                "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"
                for fields in self.packages.get((suite, component), [])
            ).encode()
            packed = {".xz": lzma.compress, ".gz": lambda data: gzip.compress(data, mtime=0), "": bytes}[
                suffix
            ](text)
            folder = f"{component}/binary-{self.architecture}"
            for name, data in {f"{folder}/Packages": text, f"{folder}/Packages{suffix}": packed}.items():
                digest = hashlib.sha256(data).hexdigest()
                lines.append(f" {digest} {len(data)} {name}")
                if name.endswith(suffix):
                    self._write(
                        f"dists/{suite}/{folder}/by-hash/SHA256/{digest}", changed.get("mangle", bytes)(data)
                    )
        head = [
            f"Origin: {self.origin}",
            f"Suite: {changed.get('suite_name', suite)}",
            f"Codename: {codename or suite}",
            f"Date: {format_datetime(date, usegmt=True)}",
            f"Architectures: {self.architecture}",
            f"Components: {' '.join(components)}",
            "Acquire-By-Hash: yes",
            *changed.get("extra", ()),
        ]
        if valid_days is not None:
            head.append(f"Valid-Until: {format_datetime(date + timedelta(days=valid_days), usegmt=True)}")
        content = "\n".join([*head, "SHA256:", *lines, ""]).encode()
        self._write(f"dists/{suite}/InRelease", sign(content, changed.get("key", self.key)))

    def _write(self, path, data):
        full = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as stream:
            stream.write(data)


def sign(content, key):
    return pysequoia.sign(key.signer(), content, mode=pysequoia.SignatureMode.CLEAR)


def mirrors_for(*folders, keyring, distribution="ubuntu"):
    """A host that knows the archives in `folders` as mirrors of one distribution."""
    return Mirrors(
        urls={distribution: tuple(f"file://{folder}" for folder in folders)},
        keyrings={distribution: str(keyring)},
    )
