"""A Python package index (PEP 503, 691, 658, 592) on loopback, on top of `FileServer`, so that it can misbehave as that can."""

from __future__ import annotations

import hashlib
import html
import io
import json
import zipfile
from typing import Any

from packaging.utils import canonicalize_name

from shipway.testing.file_server import FileServer, Page
from shipway.testing.packages import make_sdist, make_wheel

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


class PackageIndex(FileServer):
    """`simple_url` is what a client configures. `json=False` serves HTML only; `hashes=False` leaves the digests out;
    `metadata=True` offers the metadata of wheels beside them, so that resolving fetches no wheel.
    """

    def __init__(
        self,
        *,
        auth: tuple[str, str] | None = None,
        json_api: bool = True,
        hashes: bool = True,
        metadata: bool = False,
    ) -> None:
        super().__init__(auth=auth)
        self._metadata = metadata
        self._json = json_api
        self._hashes = hashes
        self._projects: dict[str, list[dict[str, Any]]] = {}

    @property
    def simple_url(self) -> str:
        """The root of the simple API."""
        return self.url + "/simple"

    def add_wheel(
        self, name: str, version: str, *, yanked: str = "", requires_python: str = "", **options: Any
    ) -> str:
        """Make a wheel (`make_wheel`) and offer it; the path of its file."""
        filename, body = make_wheel(name, version, requires_python=requires_python, **options)
        return self.add_file(name, filename, body, yanked=yanked, requires_python=requires_python)

    def add_sdist(self, name: str, version: str, *, requires_python: str = "", **options: Any) -> str:
        """Make an sdist (`make_sdist`) and offer it; the path of its file."""
        filename, body = make_sdist(name, version, **options)
        return self.add_file(name, filename, body, requires_python=requires_python)

    def add_file(
        self, name: str, filename: str, body: bytes, *, yanked: str = "", requires_python: str = ""
    ) -> str:
        """Offer `body` as a file of project `name`; its path."""
        project = canonicalize_name(name)
        path = f"/files/{filename}"
        self.put(path, body)
        entry: dict[str, Any] = {
            "filename": filename,
            "url": self.url + path,
            "size": len(body),
            "hashes": {},
        }
        if self._hashes:
            entry["hashes"] = {"sha256": hashlib.sha256(body).hexdigest()}
        if self._metadata and filename.endswith(".whl"):
            text = _metadata_of(body)
            self.put(f"{path}.metadata", text)
            entry["core-metadata"] = {"sha256": hashlib.sha256(text).hexdigest()}
        if requires_python:
            entry["requires-python"] = requires_python
        if yanked:
            entry["yanked"] = yanked
        self._projects.setdefault(project, []).append(entry)
        self._publish(project)
        return path

    def remove_file(self, name: str, filename: str) -> None:
        """Offer it no longer."""
        project = canonicalize_name(name)
        self._projects[project] = [
            entry for entry in self._projects[project] if entry["filename"] != filename
        ]
        self.pages.pop(f"/files/{filename}", None)
        self._publish(project)

    def _publish(self, project: str) -> None:
        files = self._projects[project]
        document = {"meta": {"api-version": "1.1"}, "name": project, "files": files, "versions": []}
        page = Page(body=_html(project, files).encode(), content_type="text/html; charset=utf-8")
        if self._json:
            page.also[JSON_TYPE] = json.dumps(document).encode()
        self.pages[f"/simple/{project}/"] = page


def _metadata_of(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA")))


def _html(project: str, files: list[dict[str, Any]]) -> str:
    lines = [f"<!DOCTYPE html><html><body><h1>Links for {project}</h1>"]
    for entry in files:
        digest = entry["hashes"].get("sha256")
        href = "../../files/" + entry["filename"] + (f"#sha256={digest}" if digest else "")
        more = ""
        if "requires-python" in entry:
            more += f' data-requires-python="{html.escape(entry["requires-python"])}"'
        if "yanked" in entry:
            more += f' data-yanked="{html.escape(entry["yanked"])}"'
        lines.append(f'<a href="{html.escape(href)}"{more}>{entry["filename"]}</a><br/>')
    return "\n".join([*lines, "</body></html>"])
