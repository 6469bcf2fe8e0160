"""What names the tree of an image layer of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.core.digest import DiffId

_VERSION = 1


def layer_inputs(diff_id: DiffId, below: Sequence[DiffId]) -> dict[str, Any]:
    """What the tree of the layer `diff_id` over `below` (bottom first) is made from."""
    return {"recipe": "oci-layer", "version": _VERSION, "diff_id": diff_id, "below": list(below)}
