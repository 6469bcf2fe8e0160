"""A source becomes a wheel: in the sandbox, without network, on the target's own interpreter, with locked build requirements.

Everything goes in by standard input and comes out by standard output, so that nothing of the host is visible to the build and the
same job works however the host isolates it. Times inside are fixed; most backends then give the same bytes every time.
"""

from __future__ import annotations

import importlib.resources
import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from shipway.build.inside import run_inside
from shipway.build.sandboxed import Job
from shipway.core.digest import BlobDigest
from shipway.core.errors import BuildError, HashMismatch
from shipway.core.events import Emit, Note, silent
from shipway.core.text import shown
from shipway.plan.model import TreeKind
from shipway.sources.build_system import read_build_system
from shipway.sources.git import GitAddress, fetch_git
from shipway.sources.trees import read_folder, read_packed, read_sdist, tree_digest
from shipway.sources.values import LINK, SourceFile

if TYPE_CHECKING:
    from shipway.build.context import BuildContext, Locate
    from shipway.host.http import Fetcher
    from shipway.lock.model import Source, Wheel
    from shipway.store.tree import Tree

EPOCH = 315532800
"""1980-01-01, the first time that a zip file can state."""
_BASE = (TreeKind.BASE, TreeKind.DEB, TreeKind.SYSTEM, TreeKind.PYTHON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A finished wheel, or what the backend still asks for."""

    filename: str = ""
    data: bytes = b""
    needs: tuple[str, ...] = ()

    @property
    def sha256(self) -> BlobDigest:
        """The digest of the wheel."""
        return BlobDigest.of(self.data)


def build_in(
    trees: Sequence[Tree],
    executable: str,
    files: Sequence[SourceFile],
    wheels: Sequence[str],
    *,
    label: str,
    scratch: str,
    subdirectory: str = "",
    emit: Emit = silent,
) -> Built:
    """Build the source tree `files` over `trees` (bottom first) by the Python `executable` inside.

    `wheels`: paths of the build environment's wheels. `label`: the source, for messages. `scratch`: a folder that may be filled.

    Raises:
        BuildError: the backend failed; `detail` is its output.
        SandboxError: the host refuses.
    """
    system = read_build_system(files, subdirectory, label)
    settings = {
        "subdirectory": subdirectory,
        "backend": system.backend,
        "backend_path": list(system.backend_path),
    }
    program = importlib.resources.files("shipway.build").joinpath("wheel_driver.py").read_text("utf-8")
    job = Job(
        argv=(executable, "-s", "-B", "-c", program),
        env=_environment(),
        data=pack_job(settings, files, wheels),
    )
    done = run_inside(trees, job, scratch, emit=emit)
    output = done.stderr.decode("utf-8", "replace")
    if done.result.code:
        raise BuildError(
            f"{label} could not be built to a wheel", hints=_hints(output), detail=_last_lines(output)
        )
    return _answer(done.stdout, label)


def pack_job(settings: dict[str, Any], files: Sequence[SourceFile], wheels: Sequence[str]) -> bytes:
    """The tar that the driver reads."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, "job.json", json.dumps(settings).encode(), 0o644)
        for file in files:
            _add(archive, f"src/{file.path}", file.data, file.mode)
        for path in wheels:
            with open(path, "rb") as stream:
                _add(archive, f"wheels/{os.path.basename(path)}", stream.read(), 0o644)
    return sink.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.mtime = EPOCH
    if mode == LINK:
        member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(data)
        archive.addfile(member)
        return
    member.mode, member.size = mode, len(data)
    archive.addfile(member, io.BytesIO(data))


def _environment() -> dict[str, str]:
    """What a build sees: fixed time, locale, hash seed and home; nothing of the caller's."""
    return {
        "PATH": "/opt/python/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108 - inside
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_NO_INDEX": "1",
    }


def _answer(data: bytes, label: str) -> Built:
    line, _, rest = data.partition(b"\n")
    try:
        answer = json.loads(line)
        if answer.get("needs"):
            return Built(needs=tuple(str(need) for need in answer["needs"]))
        filename = str(answer["wheel"])
        parse_wheel_filename(filename)
    except (ValueError, KeyError, AttributeError, InvalidWheelFilename) as error:
        raise BuildError(
            f"the build of {label} gave no wheel", hints=["report this to the project that is built"]
        ) from error
    return Built(filename=filename, data=rest)


def _hints(output: str) -> list[str]:
    """What to do, by signs in the output of compilers and backends."""
    lowered = output.lower()
    # A compiler that misses a header is there, however much its own name and "no such file" stand in the output.
    header = re.search(
        r"fatal error: ['\"]?([\w./+-]{1,200}\.h(?:pp|h)?)['\"]?(?:: No such file| file not found)", output
    )
    if header is not None and header[1].rpartition("/")[2].lower() != "python.h":
        return [f"add the package that has the header `{header[1]}` to `apt`, mostly one called `lib…-dev`"]
    compiler = header is None and any(
        sign in lowered for sign in ("'gcc'", "'cc'", "'g++'", "c compiler", "linux-gnu-gcc")
    )
    if compiler and any(
        sign in lowered for sign in ("not found", "no such file", "failed", "unable to find")
    ):
        return [
            'add a compiler to the base: `apt = ["build-essential"]`',
            "or ask for a version that has a wheel",
        ]
    if "python.h" in lowered:
        return ['add Python\'s headers to the base: `apt = ["python3-dev"]`']
    if "no module named 'distutils" in lowered:
        return [
            'Debian has `distutils` in a package of its own: `apt = ["python3-distutils"]`',
            "or ask for a version that has a wheel",
        ]
    if "temporary failure in name resolution" in lowered or "network is unreachable" in lowered:
        return ["the build wants the network, which builds do not get; ask for a version that has a wheel"]
    if "setuptools_scm" in lowered or "setuptools-scm" in lowered:
        return [
            "its version is taken from git's history, which a build does not see; name a released version"
        ]
    return ["the last lines of the build are below; ask for a version that has a wheel"]


def _last_lines(output: str, count: int = 40) -> str:
    return "\n".join(shown(line, 300) for line in output.splitlines()[-count:])


def build_wheel(source: Source, context: BuildContext) -> tuple[str, BlobDigest]:
    """Build what the lock of `context` says about `source`; path and digest of the wheel, which the caller compares.

    Raises:
        BuildError, SandboxError: it could not be built.
        HashMismatch: the sources are not those of the lock.
        FetchError: they cannot be had.
    """
    label = f"`{source.name} {source.version}`"
    files = _read_source(source, context)
    python = context.target.python
    trees = [context.trees[tree.key] for tree in context.plan.trees if tree.kind in _BASE]
    by_id = {wheel.id: wheel for wheel in context.lock.wheels}
    place = context.tx.stage("wheel")
    context.emit(Note(f"{label} is built in the sandbox"))
    with tempfile.TemporaryDirectory(dir=place.path) as scratch:
        wheels = [
            bring_wheel(
                by_id[name],
                scratch,
                known=context.tx.find_blob(by_id[name].sha256),
                fetcher=context.fetcher,
                locate=context.locate,
            )
            for name in source.build_requires
        ]
        built = build_in(
            trees,
            python.executable if python else "/usr/bin/python3",
            files,
            wheels,
            label=label,
            scratch=scratch,
            subdirectory=source.path if source.kind == "git" else "",
            emit=context.emit,
        )
    if built.needs:
        raise BuildError(
            f"{label} asks for build requirements that the lock lacks", hints=["run `shipway lock`"]
        )
    path = os.path.join(place.path, built.filename)
    with open(path, "wb") as stream:
        stream.write(built.data)
    return path, built.sha256


def bring_wheel(wheel: Wheel, folder: str, *, known: str | None, fetcher: Fetcher, locate: Locate) -> str:
    """The file of a build requirement in `folder`, under its own name. `known`: where the store has it, if it does.

    Raises:
        FetchError, HashMismatch, OfflineError: it cannot be had.
    """
    path = os.path.join(folder, wheel.filename)
    if known is not None:
        os.symlink(known, path)
    else:
        fetcher.fetch(locate(wheel), path, wheel.sha256, wheel.size or None, name=wheel.filename)
    return path


def _read_source(source: Source, context: BuildContext) -> tuple[SourceFile, ...]:
    """The files that `source` names.

    Raises:
        HashMismatch: they are others.
    """
    if source.kind == "sdist":
        with tempfile.TemporaryDirectory(dir=context.tx.stage("sdist").path) as folder:
            path = context.tx.find_blob(source.sha256)
            if path is None:
                path = os.path.join(folder, "sdist")
                size = source.size or None
                context.fetcher.fetch(context.locate(source), path, source.sha256, size, name=source.filename)
            return read_sdist(path, source.filename)
    if source.kind == "git":
        with tempfile.TemporaryDirectory(dir=context.tx.stage("git").path) as folder:
            return bring_git(source, folder, fetcher=context.fetcher, locate=context.locate)
    return _as_locked(source, read_folder(os.path.join(context.project, source.path)))


def bring_git(source: Source, folder: str, *, fetcher: Fetcher, locate: Locate) -> tuple[SourceFile, ...]:
    """The files of a locked commit: packed, from where `locate` has them, else from its repository.

    Raises:
        HashMismatch: they are others than those of the lock.
        HostileInput: a name is refused.
        FetchError, NotFound, OfflineError: they cannot be had.
    """
    packed = next(iter(locate(source)), None)
    if packed is not None:
        path = os.path.join(folder, "tree.tar")
        fetcher.fetch([packed], path, None, None, name=source.id)
        return _as_locked(source, read_packed(path, source.id))
    address = GitAddress(url=source.url, subdirectory=source.path)
    fetched = fetch_git(address, fetcher.environ, commit=source.commit, offline=fetcher.offline)
    return _as_locked(source, fetched.files)


def _as_locked(source: Source, files: tuple[SourceFile, ...]) -> tuple[SourceFile, ...]:
    found = tree_digest(files)
    if found != source.sha256:
        raise HashMismatch(
            f"the sources of `{source.name}` are not those that were locked ({found[:19]}… where {source.sha256[:19]}… was)",
            hints=["run `shipway lock` to record them as they are now"],
        )
    return files
