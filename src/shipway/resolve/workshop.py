"""What has no wheel: sdists, commits and folders, built by a `WheelBuilder` and shown to uv as a folder of wheels.

uv must choose the version of an sdist without building it. So it is first shown stand-ins: empty wheels, one per sdist that the
index has. The version it takes is built, the stand-ins make place for the real wheel with its real dependencies, and uv is asked
again. Commits and folders are built first of all, for only the result says what they depend on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from shipway.core.digest import BlobDigest
from shipway.core.errors import BuildError
from shipway.core.events import Emit, Note
from shipway.core.platform import platform_of_machine
from shipway.host.http import Fetcher, NotOffered
from shipway.host.indexes import DEFAULT, IndexTable
from shipway.host.scratch import scratch_folder
from shipway.lock.model import Lock, Source, Wheel
from shipway.resolve.choose import find_wheel, name_built
from shipway.resolve.simple_api import ProjectFile, fetch_project, file_location, version_of
from shipway.resolve.stand_ins import write_stand_in
from shipway.resolve.uv_groups import Additions, parse_wish
from shipway.resolve.uv_lock import UvPackage
from shipway.resolve.wheel_builder import BuiltWheel, WheelBuilder, WheelJob
from shipway.resolve.wheel_files import require_allowed
from shipway.resolve.wheel_request import WheelRequest, WheelResolution
from shipway.sources.build_system import read_build_system
from shipway.sources.git import fetch_git, parse_git_address
from shipway.sources.trees import read_folder, read_sdist, tree_digest
from shipway.sources.values import SourceFile
from shipway.spec.model import LocalProject, Wish

ResolveBuild = Callable[[WheelRequest, tuple[str, ...]], WheelResolution]
"""Build requirements for a target -> what satisfies them."""
_ASKS = 3
"""A backend may ask for more once it has been asked (PEP 517 get_requires_for_build_wheel)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """An sdist that an index has."""

    file: ProjectFile
    alias: str


class Workshop:
    """Use as a context manager: the folder of wheels lives as long as it."""

    def __init__(
        self,
        *,
        table: IndexTable,
        fetcher: Fetcher,
        builder: WheelBuilder | None,
        project_dir: str,
        environ: Mapping[str, str],
        resolve_build: ResolveBuild,
        emit: Emit,
        allow_file: bool = False,
    ) -> None:
        self._table, self._fetcher, self._builder = table, fetcher, builder
        self._project_dir, self._environ, self._emit = project_dir, environ, emit
        self._resolve_build, self._allow_file = resolve_build, allow_file
        self._folder = ""
        self._offers: dict[tuple[str, str], _Offer] = {}
        self._stand_ins: dict[tuple[str, str], str] = {}
        self._offered: set[str] = set()
        self._sources: dict[str, Source] = {}
        self._build_wheels: dict[str, Wheel] = {}
        self._replaced: dict[str, str] = {}
        self._extra: dict[str, tuple[str, ...]] = {}
        self._pinned: set[str] = set()
        self._made: dict[str, list[Wheel]] = {}
        self.built: dict[str, Wheel] = {}
        """File name -> what was built."""
        self.remarks: list[str] = []
        """For the error message, if all this does not help."""

    def __enter__(self) -> Self:
        self._scratch = scratch_folder("built-")
        self._folder = self._scratch.name
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.cleanup()

    @property
    def folder(self) -> str:
        """The folder for uv, or empty while nothing is in it."""
        return self._folder if self.built or self._stand_ins else ""

    def prepare(self, requests: Sequence[WheelRequest], previous: Lock | None) -> None:
        """Build every commit and folder that the requests name. A commit of `previous` is kept while its wish is the same."""
        for request in _host_first(requests):
            for wish in request.wishes:
                url = parse_wish(wish).url or ""
                if url.startswith("git+"):
                    self._prepare_git(wish, url, request, previous)
            names = [self._prepare_local(project, request) for project in request.projects]
            self._extra[request.target] = tuple(names)

    def additions(self, constraints: tuple[str, ...]) -> Additions:
        """What the stand-in project gets beside the wishes."""
        return Additions(
            replaced=self._replaced,
            extra=self._extra,
            pinned=frozenset(self._pinned),
            constraints=constraints,
            folder=self._folder,
        )

    def offer_sources(self, names: Sequence[str], excluded: dict[str, str]) -> bool:
        """Show uv stand-ins for the sdists of `names` and of everything `excluded`; whether any is new."""
        wanted = {*names, *(text.partition("!=")[0] for text in excluded)} - self._offered
        if self._builder is None:
            self.remarks += [
                f"`{name}` has no wheel that fits, and nothing can be built here" for name in sorted(wanted)
            ]
            return False
        new = False
        for name in sorted(wanted):
            self._offered.add(name)
            if self._show_sdists(name):
                new = True
                for text in [text for text in excluded if text.partition("!=")[0] == name]:
                    del excluded[text]
        return new

    def build_chosen(self, chosen: Sequence[tuple[UvPackage, WheelRequest]]) -> bool:
        """Build what uv took a stand-in of; whether anything was built, so that uv has to be asked again."""
        taken: dict[tuple[str, str], list[WheelRequest]] = {}
        for package, request in chosen:
            if (package.name, package.version) in self._stand_ins:
                taken.setdefault((package.name, package.version), []).append(request)
        for (name, version), requests in taken.items():
            self._build_sdist(name, version, requests)
        return bool(taken)

    def sources_of(self, wheels: Sequence[Wheel]) -> tuple[tuple[Source, ...], tuple[Wheel, ...]]:
        """The sources of `wheels`, and the wheels that their build environments hold."""
        used = {wheel.source for wheel in wheels if wheel.source}
        sources = tuple(self._sources[key] for key in sorted(used))
        needed = {identity for source in sources for identity in source.build_requires}
        return sources, tuple(self._build_wheels[key] for key in sorted(needed))

    def _show_sdists(self, name: str) -> bool:
        offers: dict[tuple[str, str], _Offer] = {}
        for alias in (*self._table.named, DEFAULT):
            index = self._table.require(alias)
            if index.flat:
                continue
            try:
                files = fetch_project(self._fetcher, index.locations[0], name)
            except NotOffered:
                continue
            for file in files:
                version = version_of(file.filename)
                if version is not None and file.filename.endswith((".tar.gz", ".zip")) and not file.yanked:
                    offers.setdefault((name, str(version)), _Offer(file=file, alias=alias))
        for key, offer in offers.items():
            self._stand_ins[key] = write_stand_in(self._folder, key[0], key[1], offer.file.requires_python)
        self._offers.update(offers)
        return bool(offers)

    def _build_sdist(self, name: str, version: str, requests: Sequence[WheelRequest]) -> None:
        offer = self._offers[name, version]
        for key in [key for key in self._stand_ins if key[0] == name]:
            os.unlink(self._stand_ins.pop(key))
        root = self._table.require(offer.alias).locations[0]
        digest = BlobDigest.from_hex(offer.file.sha256) if offer.file.sha256 else None
        with scratch_folder("sdist-") as folder:
            path = os.path.join(folder, "sdist")
            location = file_location(root, offer.file.url)
            got = self._fetcher.fetch(
                [location], path, digest, offer.file.size or None, name=offer.file.filename
            )
            files = read_sdist(path, offer.file.filename)
        for request in requests:
            require_allowed(request, name, version, got.sha256.hex)
        source = Source(
            kind="sdist",
            name=name,
            version=version,
            sha256=got.sha256,
            filename=offer.file.filename,
            size=got.size,
            index=offer.alias,
        )
        self._emit(Note(f"{name} {version} has no wheel that fits; it is built from `{offer.file.filename}`"))
        for request in _host_first(requests):
            self._build_once(source, files, "", request)

    def _prepare_git(self, wish: Wish, url: str, request: WheelRequest, previous: Lock | None) -> None:
        requirement = parse_wish(wish)
        address = parse_git_address(url, allow_file=self._allow_file)
        kept = _kept_commit(previous, canonicalize_name(requirement.name), address.url, request, wish)
        tree = fetch_git(
            address, self._environ, commit=kept, allow_file=self._allow_file, offline=self._fetcher.offline
        )
        for path in tree.submodules:
            self._emit(Note(f"`{requirement.name}`: the submodule `{path}` is left out", "warning"))
        source = Source(
            kind="git",
            name=canonicalize_name(requirement.name),
            version="",
            sha256=tree_digest(tree.files),
            url=address.url,
            commit=tree.commit,
            path=address.subdirectory,
        )
        wheel = self._build_once(source, tree.files, address.subdirectory, request)
        self._replaced[wish.text] = _pinned_requirement(requirement, wheel)
        self._pinned.add(wheel.name)

    def _prepare_local(self, project: LocalProject, request: WheelRequest) -> str:
        files = read_folder(os.path.join(self._project_dir, project.path))
        system = read_build_system(files, "", f"the project `{project.path}`")
        source = Source(
            kind="local",
            name=system.name,
            version=system.version,
            sha256=tree_digest(files),
            path=project.path,
        )
        wheel = self._build_once(source, files, "", request)
        self._pinned.add(wheel.name)
        extras = f"[{','.join(project.extras)}]" if project.extras else ""
        return f"{wheel.name}{extras}=={wheel.version}"

    def _build(
        self, source: Source, files: tuple[SourceFile, ...], subdirectory: str, request: WheelRequest
    ) -> Wheel:
        """Build `source` for `request`, with the build requirements locked as they are found."""
        label = f"`{source.name or source.path} {source.version}`".replace(" `", "`")
        if self._builder is None:
            raise BuildError(
                f"{label} has no wheel, and nothing can be built here",
                hints=["ask for a version that has a wheel"],
            )
        asked = read_build_system(files, subdirectory, label).requires
        for _ in range(_ASKS):
            environment = self._resolve_build(request, asked) if asked else WheelResolution()
            job = WheelJob(
                name=source.name,
                version=source.version,
                files=files,
                subdirectory=subdirectory,
                request=request,
                requires=environment.wheels,
            )
            result = self._builder.build_wheel(job)
            if not result.needs:
                return self._take(source, result, environment, request)
            asked = tuple(dict.fromkeys((*asked, *result.needs)))
        raise BuildError(
            f"{label} asks for ever more build requirements", hints=["ask for a version that has a wheel"]
        )

    def _take(
        self, source: Source, result: BuiltWheel, environment: WheelResolution, request: WheelRequest
    ) -> Wheel:
        filename = name_built(result.filename, request.platform, request.glibc)
        name, version, _, _ = parse_wheel_filename(filename)
        named = replace(
            source,
            name=name,
            version=str(version),
            build_requires=tuple(wheel.id for wheel in environment.wheels),
        )
        shutil.copyfile(result.path, os.path.join(self._folder, filename))
        assert result.sha256 is not None
        wheel = Wheel(
            name=name,
            version=str(version),
            filename=filename,
            sha256=result.sha256,
            size=result.size,
            source=named.id,
        )
        self._sources[named.id] = named
        self._build_wheels.update({wheel.id: wheel for wheel in environment.wheels})
        self.built[filename] = wheel
        return wheel

    def _build_once(
        self, source: Source, files: tuple[SourceFile, ...], subdirectory: str, request: WheelRequest
    ) -> Wheel:
        """The wheel of `source` for `request`: one that was built before and fits, or a new one."""
        made = self._made.setdefault(source.sha256 + subdirectory, [])
        for wheel in made:
            if find_wheel([wheel.filename], request.platform, request.minor, request.glibc):
                return wheel
        made.append(self._build(source, files, subdirectory, request))
        return made[-1]


def _host_first(requests: Sequence[WheelRequest]) -> list[WheelRequest]:
    """A wheel that was built here may fit every platform; none has to be built for a platform that cannot run here."""
    here = platform_of_machine(os.uname().machine)
    return sorted(requests, key=lambda request: request.platform != here)


def _pinned_requirement(requirement: Requirement, wheel: Wheel) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    return f"{wheel.name}{extras}=={wheel.version}{marker}"


def _kept_commit(previous: Lock | None, name: str, url: str, request: WheelRequest, wish: Wish) -> str:
    """The commit that `previous` has for the same wish, or empty: then the branch is looked at anew."""
    if previous is None:
        return ""
    asked = {
        line.partition(" < ")[0] for t in previous.targets if t.name == request.target for line in t.requested
    }
    if f"pip:{wish.text}" not in asked:
        return ""
    return next(
        (s.commit for s in previous.sources if s.kind == "git" and s.name == name and s.url == url), ""
    )
