"""The bill of materials of one target: SPDX 2.3 and CycloneDX 1.6, as JSON.

Nothing in it depends on the day: times are the image's own, identifiers follow from the content.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shipway.core.digest import BlobDigest, key_of
from shipway.core.image_source import Transport, parse_image_source
from shipway.core.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.export.model import Contents
    from shipway.lock.model import BaseImage

FORMATS = ("spdx", "cyclonedx")
_NAMESPACE = uuid.UUID("5d1f33a2-7a3e-5a51-9c0e-0a8f4f6b1c11")
"""Of every identifier that is made here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One package, whatever its kind."""

    name: str
    version: str
    purl: str
    sha256: BlobDigest | None
    source: str = ""
    needs: tuple[str, ...] = ()
    """`purl` of what it depends on."""


def render_sbom(contents: Contents, form: str, *, version: str) -> str:
    """The document. `form` is one of `FORMATS`; `version` is shipway's own."""
    parts = list_parts(contents)
    document = _spdx(contents, parts, version) if form == "spdx" else _cyclonedx(contents, parts, version)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def list_parts(contents: Contents) -> list[Part]:
    """Every package of the target: OS packages, the interpreter, Python packages; each kind sorted by name."""
    debs = {deb.name: _deb_purl(contents, deb.name, deb.version, deb.architecture) for deb in contents.debs}
    wheels = [*contents.wheels, *(built.wheel for built in contents.built)]
    names = {wheel.name: _pypi_purl(wheel.name, wheel.version) for wheel in wheels}
    origins = {
        built.wheel.name: f"git+{built.source.url}@{built.source.commit}"
        for built in contents.built
        if built.source.kind == "git"
    }
    base = contents.base
    below = [Part(name=base.name, version=base.manifest, purl=image_purl(base), sha256=None)] if base else []
    parts = below + [
        Part(
            name=deb.name, version=deb.version, purl=debs[deb.name], sha256=deb.sha256,
            source=deb.source, needs=_known(deb.depends, debs),
        )
        for deb in contents.debs
    ]  # fmt: skip
    python = contents.target.python
    if python and python.origin != "base":
        purl = f"pkg:generic/python@{quote(python.version)}?filename={quote(python.filename, safe='')}"
        parts.append(Part(name="python", version=python.version, purl=purl, sha256=python.sha256))
    parts += [
        Part(
            name=wheel.name, version=wheel.version, purl=names[wheel.name], sha256=wheel.sha256,
            source=origins.get(wheel.name, ""), needs=_known(wheel.depends, names),
        )
        for wheel in sorted(wheels, key=lambda wheel: wheel.name)
    ]  # fmt: skip
    return parts


def _known(names: Iterable[str], purls: dict[str, str]) -> tuple[str, ...]:
    return tuple(sorted({purls[name] for name in names if name in purls}))


def _deb_purl(contents: Contents, name: str, version: str, architecture: str) -> str:
    place = f"{contents.distribution}/{quote(name, safe='')}@{quote(version, safe='')}"
    return f"pkg:deb/{place}?arch={architecture}&distro={quote(contents.suite, safe='')}"


def image_purl(base: BaseImage) -> str:
    """An image by the digest of its manifest; outside of registries it has no other name."""
    source = parse_image_source(base.name)
    digest = quote(base.manifest, safe="")
    if source.transport is not Transport.REGISTRY:
        return f"pkg:generic/base-image@{digest}"
    reference = parse_reference(source.place)
    name = reference.repository.rpartition("/")[2]
    return f"pkg:oci/{quote(name, safe='')}@{digest}?repository_url={quote(reference.name, safe='')}"


def _pypi_purl(name: str, version: str) -> str:
    return f"pkg:pypi/{quote(name, safe='')}@{quote(version, safe='')}"


def _identity(contents: Contents, parts: list[Part]) -> str:
    """A UUID (RFC 9562, version 5) that follows from what the document says."""
    said = [
        contents.lock.name, contents.target.name, contents.target.platform,
        [[part.purl, part.sha256 or ""] for part in parts],
    ]  # fmt: skip
    return str(uuid.uuid5(_NAMESPACE, key_of({"sbom": said})))


def _created(contents: Contents) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415 - only for this document

    return datetime.fromtimestamp(contents.lock.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _spdx(contents: Contents, parts: list[Part], version: str) -> dict[str, Any]:
    root = "SPDXRef-image"
    ids = {part.purl: f"SPDXRef-{_spdx_id(part.purl)}" for part in parts}
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", root)]
    relations += [(root, "CONTAINS", ids[part.purl]) for part in parts]
    relations += [(ids[part.purl], "DEPENDS_ON", ids[need]) for part in parts for need in part.needs]
    image = {
        "SPDXID": root,
        "name": f"{contents.lock.name}-{contents.target.name}",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
    }
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": contents.title,
        "documentNamespace": f"urn:uuid:{_identity(contents, parts)}",
        "creationInfo": {"created": _created(contents), "creators": [f"Tool: shipway-{version}"]},
        "packages": [image, *(_spdx_package(part, ids[part.purl]) for part in parts)],
        "relationships": [
            {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
            for one, kind, other in relations
        ],
    }


def _spdx_package(part: Part, identifier: str) -> dict[str, Any]:
    package: dict[str, Any] = {
        "SPDXID": identifier,
        "name": part.name,
        "versionInfo": part.version,
        "downloadLocation": part.source if part.source.startswith("git+") else "NOASSERTION",
        "filesAnalyzed": False,
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": part.purl}
        ],
    }
    if part.sha256:
        package["checksums"] = [{"algorithm": "SHA256", "checksumValue": part.sha256.hex}]
    if part.source and not part.source.startswith("git+"):
        package["sourceInfo"] = f"built from the source package {part.source}"
    return package


def _spdx_id(purl: str) -> str:
    """Letters, digits, dots and hyphens only; unique because purls are and the digest of one stands behind."""
    words = re.sub(r"[^A-Za-z0-9.]+", "-", purl.removeprefix("pkg:").partition("?")[0]).strip("-")
    return f"{words}-{BlobDigest.of(purl.encode()).hex[:8]}"


def _cyclonedx(contents: Contents, parts: list[Part], version: str) -> dict[str, Any]:
    root = f"image:{contents.lock.name}/{contents.target.name}"
    depends = [{"ref": root, "dependsOn": [part.purl for part in parts]}]
    depends += [{"ref": part.purl, "dependsOn": list(part.needs)} for part in parts]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{_identity(contents, parts)}",
        "version": 1,
        "metadata": {
            "timestamp": _created(contents),
            "tools": {"components": [{"type": "application", "name": "shipway", "version": version}]},
            "component": {
                "type": "container",
                "bom-ref": root,
                "name": f"{contents.lock.name}-{contents.target.name}",
            },
        },
        "components": [_component(part) for part in parts],
        "dependencies": depends,
    }


def _component(part: Part) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
    }
    if part.sha256:
        component["hashes"] = [{"alg": "SHA-256", "content": part.sha256.hex}]
    if part.source.startswith("git+"):
        component["externalReferences"] = [{"type": "vcs", "url": part.source.removeprefix("git+")}]
    elif part.source:
        component["properties"] = [{"name": "shipway:source-package", "value": part.source}]
    return component
