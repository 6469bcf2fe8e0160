"""One `[data.NAME]`: its keys are read, and have to fit each other."""

from __future__ import annotations

from typing import Any

from shipway.spec.model import DataSource
from shipway.spec.sheet import Place

KINDS = ("folder", "volume", "url", "hub")
_ONLY = {"sha256": ("url",), "unpack": ("url",), "revision": ("hub",), "files": ("hub",)}
_NEEDS = {"url": "sha256", "hub": "revision"}


def read_data(name: str, values: dict[str, Any], place: Place) -> DataSource | None:
    """What `values` say, or None after noting what is wrong with them."""
    kinds = [kind for kind in KINDS if kind in values]
    if len(kinds) != 1:
        said = "none" if not kinds else " and ".join(f"`{kind}`" for kind in kinds)
        place.refuse(
            f"needs exactly one of {', '.join(f'`{kind}`' for kind in KINDS)}, and has {said}",
            'for example `folder = "~/datasets/squad"`',
        )
        return None
    if "target" not in values or not _fits(kinds[0], values, place):
        return None
    given = {key: values[key] for key in (*KINDS, *_ONLY) if key in values}
    return DataSource(
        name=name,
        target=values["target"],
        read_only=values.get("read-only", kinds[0] in _NEEDS),
        copy=values.get("how") == "copy",
        **given,
    )


def _fits(kind: str, values: dict[str, Any], place: Place) -> bool:
    faults = [
        (key, f"says nothing about a `{kind}`", f"it belongs to `{owners[0]}`")
        for key, owners in _ONLY.items()
        if key in values and kind not in owners
    ]
    needed = _NEEDS.get(kind, "")
    if needed and needed not in values:
        hints = {
            "sha256": "`sha256sum FILE` prints it; it makes every download the same file",
            "revision": 'write the whole commit, 40 hex digits, that the hub shows under "Files"',
        }
        faults.append((kind, f"needs `{needed}` beside it", hints[needed]))
    if needed and values.get("read-only") is False:
        faults.append(
            ("read-only", "what is fetched cannot be written", "copy it to a volume, or leave this out")
        )
    if kind == "volume" and values.get("how") == "copy":
        faults.append(
            ("how", "a volume cannot be copied into an image", "name a `folder`, or leave `how` out")
        )
    for key, what, hint in faults:
        place.at(key).refuse(what, hint)
    return not faults
