"""What a wheel says, checked: names, RECORD, entry points, and where each member goes. Pure.

Formats: PyPA "Binary distribution format", "Recording installed projects", "Entry points specification".
"""

from __future__ import annotations

import base64
import csv
import io
import re
from dataclasses import dataclass

from shipway.archive.names import checked_path, refuse, refuse_archive

_FILENAME = re.compile(
    r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[A-Za-z0-9_.!+]+)(?:-(?P<build>\d[A-Za-z0-9_.]*))?"
    r"-(?P<python>[\w.]+)-(?P<abi>[\w.]+)-(?P<platform>[\w.]+)\.whl\Z",
    re.ASCII,
)
_SCRIPT_NAME = re.compile(r"\w[\w.+-]*\Z")
_REFERENCE = re.compile(
    r"(?P<module>\w+(?:\.\w+)*)\s*:\s*(?P<attribute>\w+(?:\.\w+)*)\s*(?:\[[\w\s,.-]*\])?\Z"
)
_STRONG = {"sha256": 32, "sha384": 48, "sha512": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Directories of the environment inside, relative to the root."""

    prefix: str
    """`opt/venv`."""
    python: str
    """`3.11`."""

    @property
    def site(self) -> str:
        """Where packages are."""
        return f"{self.prefix}/lib/python{self.python}/site-packages"

    @property
    def interpreter(self) -> str:
        """What scripts start with."""
        return f"/{self.prefix}/bin/python"

    def scheme(self, key: str, distribution: str) -> str | None:
        """The directory of one `.data` key, or None for a key that no installer knows."""
        return {
            "purelib": self.site,
            "platlib": self.site,
            "scripts": f"{self.prefix}/bin",
            "headers": f"{self.prefix}/include/site/python{self.python}/{distribution}",
            "data": self.prefix,
        }.get(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelName:
    """The parts of a wheel's file name that steer installing."""

    distribution: str
    """As written, `_` for `-`."""
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """What RECORD says about one file."""

    algorithm: str
    """Empty when no digest of a permitted kind is stated."""
    digest: str
    """Hex."""
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """One script to make."""

    name: str
    module: str
    attribute: str


def parse_wheel_filename(filename: str) -> WheelName:
    """The parts of `filename`.

    Raises:
        HostileInput: it is no wheel's name.
    """
    match = _FILENAME.match(filename)
    if not match:
        raise refuse_archive(filename, "has no file name that a wheel may have")
    return WheelName(distribution=match["name"], version=match["version"])


def normalized(name: str) -> str:
    """A distribution's name in the one form that compares (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_dist_info(paths: list[str], name: WheelName, artifact: str) -> str:
    """The one `.dist-info` directory, which must be this wheel's own.

    Raises:
        HostileInput: there is none, there are two, or it has another name or version than the file.
    """
    found = {top for path in paths if (top := path.partition("/")[0]).endswith(".dist-info") and "/" in path}
    if len(found) != 1:
        raise refuse_archive(artifact, f"has {len(found)} `.dist-info` directories, not one")
    directory = found.pop()
    stem, _, version = directory.removesuffix(".dist-info").partition("-")
    if normalized(stem) != normalized(name.distribution) or not same_version(version, name.version):
        raise refuse(artifact, directory, "is not named after the wheel")
    return directory


def same_version(one: str, other: str) -> bool:
    """Whether two spellings are one version (`1.0` and `1.0.0` are)."""
    if one.replace("_", "-") == other.replace("_", "-"):
        return True
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 - slow to import, and nearly never needed

    try:
        return Version(one.replace("_", "-")) == Version(other.replace("_", "-"))
    except InvalidVersion:
        return False


def require_metadata(text: str, name: WheelName, artifact: str) -> None:
    """Check that METADATA speaks of this wheel.

    Raises:
        HostileInput: its `Name` or `Version` is missing, occurs twice, or is another.
    """
    names, versions = _headers(text, "name"), _headers(text, "version")
    if len(names) != 1 or normalized(names[0]) != normalized(name.distribution):
        raise refuse(
            artifact, "METADATA", f"states the names {names}, the file name says `{name.distribution}`"
        )
    if len(versions) != 1 or not same_version(versions[0], name.version):
        raise refuse(
            artifact, "METADATA", f"states the versions {versions}, the file name says `{name.version}`"
        )


def require_wheel_version(text: str, artifact: str) -> None:
    """Check that WHEEL states a format that this code knows.

    Raises:
        HostileInput: it does not.
    """
    versions = _headers(text, "wheel-version")
    if len(versions) != 1 or versions[0].partition(".")[0] != "1":
        raise refuse(artifact, "WHEEL", f"states the format versions {versions}, known is 1")


def _headers(text: str, wanted: str) -> list[str]:
    values = []
    for line in text.splitlines():
        if not line.strip():
            break
        name, colon, value = line.partition(":")
        if colon and name.lower() == wanted:
            values.append(value.strip())
    return values


def parse_record(text: str, artifact: str) -> dict[str, RecordRow]:
    """RECORD by path.

    Raises:
        HostileInput: a row is malformed, occurs twice, or names a path outside.
    """
    rows: dict[str, RecordRow] = {}
    try:
        parsed = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise refuse(artifact, "RECORD", f"is no valid CSV: {error}") from error
    for row in parsed:
        if not row:
            continue
        if len(row) != 3 or (row[2] and not row[2].isdecimal()):  # noqa: PLR2004
            raise refuse(artifact, "RECORD", f"has a malformed row: {row}")
        path = checked_path(row[0], artifact, backslash=True)
        if path in rows:
            raise refuse(artifact, path, "occurs twice in RECORD")
        algorithm, digest = _digest(row[1], path, artifact)
        rows[path] = RecordRow(algorithm=algorithm, digest=digest, size=int(row[2]) if row[2] else None)
    return rows


def _digest(text: str, path: str, artifact: str) -> tuple[str, str]:
    algorithm, _, encoded = text.partition("=")
    length = _STRONG.get(algorithm)
    if length is None:
        return "", ""
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise refuse(artifact, path, "has an invalid digest in RECORD") from error
    if len(raw) != length:
        raise refuse(artifact, path, "has an invalid digest in RECORD")
    return algorithm, raw.hex()


def render_record(rows: list[tuple[str, str, int | None]], own: str) -> bytes:
    """RECORD of an installed wheel: sorted by path, every file once, itself without digest.

    Args:
        rows: path relative to site-packages, hex sha256 or empty, size.
        own: RECORD's own path.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    for path, digest, size in sorted([*rows, (own, "", None)]):
        encoded = (
            "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=") if digest else ""
        )
        writer.writerow((path, encoded, "" if size is None or not digest else size))
    return out.getvalue().encode("utf-8", "surrogateescape")


def parse_entry_points(text: str, artifact: str) -> list[EntryPoint]:
    """The console and GUI scripts, sorted by name.

    Raises:
        HostileInput: a name is no plain file name, a target is no module and attribute, or a name occurs twice.
    """
    found: dict[str, EntryPoint] = {}
    wanted = False
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            wanted = line in ("[console_scripts]", "[gui_scripts]")
            continue
        if not wanted:
            continue
        name, _, target = (part.strip() for part in line.partition("="))
        match = _REFERENCE.match(target.partition("#")[0].strip())
        if not _SCRIPT_NAME.match(name) or not match:
            raise refuse(
                artifact,
                "entry_points.txt",
                f"asks for the script {line!r}, which is no name of a file and a function",
            )
        if not all(word.isidentifier() for word in (match["module"] + "." + match["attribute"]).split(".")):
            raise refuse(
                artifact, "entry_points.txt", f"asks for the script {line!r}, which is no Python name"
            )
        if name in found:
            raise refuse(artifact, "entry_points.txt", f"asks for the script {name!r} twice")
        found[name] = EntryPoint(name=name, module=match["module"], attribute=match["attribute"])
    return [found[name] for name in sorted(found)]


def render_script(entry: EntryPoint, interpreter: str) -> bytes:
    """The text of an entry point's script."""
    top = entry.attribute.partition(".")[0]
    return (
        f"#!{interpreter}\nimport sys\n\nfrom {entry.module} import {top}\n\n"
        f'if __name__ == "__main__":\n    sys.exit({entry.attribute}())\n'
    ).encode()


def rewritten_shebang(content: bytes, interpreter: str) -> bytes:
    """A wheel's own script with `#!python` replaced by the environment's interpreter; others stay as they are."""
    if not content.startswith(b"#!python"):
        return content
    first, newline, rest = content.partition(b"\n")
    del first
    return b"#!" + interpreter.encode() + newline + rest


def destination(path: str, data: str, layout: Layout, distribution: str, artifact: str) -> tuple[str, str]:
    """Where the member `path` goes, and its scheme (`purelib`, `scripts`, ...).

    Raises:
        HostileInput: it is in a `.data` directory under no known key, or would replace the environment itself.
    """
    if not path.startswith(data + "/"):
        return f"{layout.site}/{path}", "purelib"
    key, slash, rest = path[len(data) + 1 :].partition("/")
    directory = layout.scheme(key, distribution)
    if directory is None or not slash or not rest:
        raise refuse(artifact, path, "is in a `.data` directory under no key that installers know")
    if key == "scripts" and "/" in rest:
        raise refuse(artifact, path, "is a script in a subdirectory")
    return require_free(f"{directory}/{rest}", path, layout, artifact), key


def require_free(place: str, member: str, layout: Layout, artifact: str) -> str:
    """`place`, if it is not one of the environment's own files.

    Raises:
        HostileInput: it is.
    """
    own = {f"{layout.prefix}/{name}" for name in ("pyvenv.cfg", "bin", "lib", "lib64", "include")}
    own |= {f"{layout.prefix}/bin/{name}" for name in ("python", "python3", f"python{layout.python}")}
    own |= {f"{layout.prefix}/bin/activate{suffix}" for suffix in ("", ".fish", ".csh")}
    if place in own or place.startswith(f"{layout.prefix}/lib64/"):
        raise refuse(artifact, member, f"would replace `/{place}`, which belongs to the environment itself")
    return place
