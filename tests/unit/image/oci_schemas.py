"""What image-spec 1.1 asks of each document (`schema/*.json` there, as of v1.1.1), said again as values for `jsonschema`.

Unknown keys are allowed, as there; how tight our own documents are is the tests' matter.
"""

from typing import Any

STRING = {"type": "string"}
STRINGS = {"type": "array", "items": STRING}
TIME = {"type": "string", "format": "date-time"}
TEXT_BY_NAME = {"type": "object", "additionalProperties": STRING}
OBJECT_BY_NAME = {"type": "object", "additionalProperties": {"type": "object"}}

_TYPE_PART = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
MEDIA_TYPE = {"type": "string", "pattern": f"^{_TYPE_PART}/{_TYPE_PART}$"}
DIGEST = {"type": "string", "pattern": r"^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$"}
SIZE = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
VERSION = {"type": "integer", "enum": [2]}


def record(required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    """An object with these properties; `required` names those that must be there. `__` in a name stands for a dot."""
    named = {key.replace("__", "."): value for key, value in properties.items()}
    must = {"required": required.split()} if required else {}
    return {"type": "object", "properties": named, **must}


def listed(items: dict[str, Any]) -> dict[str, Any]:
    """An array of `items`."""
    return {"type": "array", "items": items}


def absent(kind: dict[str, Any]) -> dict[str, Any]:
    """`kind`, or null."""
    return {"anyOf": [kind, {"type": "null"}]}


PLATFORM = record(
    "architecture os",
    architecture=STRING,
    os=STRING,
    os__version=STRING,
    os__features=STRINGS,
    variant=STRING,
)
DESCRIPTOR = record(
    "mediaType size digest",
    mediaType=MEDIA_TYPE, size=SIZE, digest=DIGEST, urls=listed({"type": "string", "format": "uri"}), data=STRING,
    artifactType=MEDIA_TYPE, annotations=TEXT_BY_NAME, platform=PLATFORM,
)  # fmt: skip

SCHEMAS = {
    "image-layout": record("imageLayoutVersion", imageLayoutVersion={"enum": ["1.0.0"]}),
    "image-index": record(
        "schemaVersion manifests",
        schemaVersion=VERSION, mediaType=MEDIA_TYPE, artifactType=MEDIA_TYPE, subject=DESCRIPTOR,
        manifests=listed(DESCRIPTOR), annotations=TEXT_BY_NAME,
    ),
    "image-manifest": record(
        "schemaVersion config layers",
        schemaVersion=VERSION, mediaType=MEDIA_TYPE, artifactType=MEDIA_TYPE, subject=DESCRIPTOR, config=DESCRIPTOR,
        layers={**listed(DESCRIPTOR), "minItems": 1}, annotations=TEXT_BY_NAME,
    ),
    "config": record(
        "architecture os rootfs",
        created=TIME, author=STRING, architecture=STRING, os=STRING, os__version=STRING, os__features=STRINGS, variant=STRING,
        config=record(
            "",
            User=STRING, ExposedPorts=OBJECT_BY_NAME, Env=STRINGS, Entrypoint=absent(STRINGS), Cmd=absent(STRINGS),
            Volumes=absent(OBJECT_BY_NAME), WorkingDir=STRING, Labels=absent(TEXT_BY_NAME), StopSignal=STRING,
            ArgsEscaped={"type": "boolean"},
        ),
        rootfs=record("diff_ids type", diff_ids=STRINGS, type={"enum": ["layers"]}),
        history=listed(
            record(
                "", created=TIME, author=STRING, created_by=STRING, comment=STRING, empty_layer={"type": "boolean"}
            )
        ),
    ),
}  # fmt: skip
"""By kind of document."""
