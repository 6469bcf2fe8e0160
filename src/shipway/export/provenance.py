"""How an image came to be: an in-toto statement (v1) with SLSA provenance (v1), as JSON.

It says what the lock says: its digest, the recipes' versions, every package by digest. No name or time of the machine that
built stands in it, because none of them decides a byte; the same image has the same statement wherever it was made.
It is not signed: whoever signs images signs this document too.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shipway.core.digest import Digest
from shipway.export.sbom import image_purl, list_parts
from shipway.lock.render import render_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.export.model import Contents
    from shipway.lock.model import Source

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
_BUILD_TYPE = "urn:shipway:build:1"
"""What `externalParameters` and `internalParameters` mean; see docs/guide/attachments.md."""
_COMMIT = re.compile(r"[0-9a-f]{40}\Z", re.ASCII)


def render_provenance(contents: Contents, image: Digest, *, version: str) -> str:
    """The statement about the image whose manifest has the digest `image`. `version` is shipway's own."""
    target = contents.target
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": f"{contents.lock.name}-{target.name}", "digest": {"sha256": image.hex}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {
                    "lock": {"name": "shipway.lock", "digest": _lock_digest(contents)},
                    "target": target.name,
                    "platform": target.platform,
                },
                "internalParameters": {"recipes": asdict(contents.lock.recipes), "base": target.base},
                "resolvedDependencies": list(_materials(contents)),
            },
            "runDetails": {"builder": {"id": "urn:shipway", "version": {"shipway": version}}},
        },
    }
    return json.dumps(statement, indent=2, ensure_ascii=False) + "\n"


def _lock_digest(contents: Contents) -> dict[str, str]:
    return {"sha256": Digest.of(render_lock(contents.lock).encode()).hex}


def _materials(contents: Contents) -> Iterator[dict[str, Any]]:
    """Whatever the image is made from: its base, signed package lists, packages, sources and what they are built with."""
    if contents.base is not None:
        yield {
            "name": contents.base.name,
            "uri": image_purl(contents.base),
            "digest": {"sha256": contents.base.manifest.hex},
        }
    used = {deb.archive for deb in contents.debs}
    for archive in contents.lock.archives:
        if archive.alias in used:
            yield {
                "name": f"{archive.alias} {archive.suite} of {archive.date}",
                "uri": f"urn:shipway:archive:{quote(archive.alias, safe='')}:{quote(archive.suite, safe='')}",
                "digest": {"sha256": archive.release.hex},
            }
    for part in list_parts(contents):
        if part.sha256:
            yield {"uri": part.purl, "digest": {"sha256": part.sha256.hex}}
    tools: set[str] = set()
    for built in contents.built:
        yield _source(built.source)
        for wheel in built.requires:
            if wheel.filename not in tools:
                tools.add(wheel.filename)
                place = f"{quote(wheel.name, safe='')}@{quote(wheel.version, safe='')}"
                yield {"uri": f"pkg:pypi/{place}", "digest": {"sha256": wheel.sha256.hex}}


def _source(source: Source) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": f"{source.name} {source.version}",
        "digest": {"sha256": source.sha256.hex},
    }
    if source.kind == "git":
        found["uri"] = f"git+{source.url}@{source.commit}"
        if _COMMIT.match(source.commit):
            found["digest"]["gitCommit"] = source.commit
    elif source.kind == "sdist":
        place = f"{quote(source.name, safe='')}@{quote(source.version, safe='')}"
        found["uri"] = f"pkg:pypi/{place}?file_name={quote(source.filename, safe='')}"
    else:
        found["uri"] = f"urn:shipway:project:{quote(source.path or '.', safe='')}"
    return found
