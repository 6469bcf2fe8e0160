"""Layers written again and compared with what was recorded about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.events import Began, Did, Ended
from shipway.verbs.build import layer_contents

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.image.assemble import CameLayer
    from shipway.store.store import Store
    from shipway.verbs.prepare import Planned

_PHASE = "verify layers"


def find_layer_faults(planned: Planned, store: Store, emit: Emit) -> tuple[str, ...]:
    """A sentence for every layer whose bytes are not those that were recorded when it was first written."""
    from shipway.archive.tarwriter import write_layer
    from shipway.build.builder import find_trees
    from shipway.core.digest import key_of
    from shipway.image.assemble import HashingSink, layer_key, layer_members

    trees = find_trees(store, planned.requests)
    if trees is None:
        return ()
    epoch = planned.plan.settings.epoch
    faults = []
    contents = layer_contents(planned.plan, trees)
    emit(Began(_PHASE, len(contents)))
    for content in contents:
        if content.came is not None:
            faults += _blob_faults(content.name, content.came, store)
            emit(Did(_PHASE, content.name))
            continue
        recorded = store.record("layer", key_of(layer_key(content.trees, epoch)).hex)
        sink = HashingSink()
        write_layer(layer_members(content.trees, epoch), sink)
        if recorded is not None and recorded["diff_id"] != sink.diff_id:
            faults.append(
                f"layer `{content.name}` is `{sink.diff_id}` and was recorded as `{recorded['diff_id']}`"
            )
        emit(Did(_PHASE, content.name))
    emit(Ended(_PHASE))
    return tuple(faults)


def _blob_faults(name: str, came: CameLayer, store: Store) -> list[str]:
    from shipway.image.assemble import HashingSink
    from shipway.image.fill import plain_chunks

    path = store.find_blob(came.blob)
    if path is None:
        return [f"layer `{name}` of the base has no bytes in the store"]
    sink = HashingSink()
    for chunk in plain_chunks(path, came.media_type, name):
        sink.write(chunk)
    return (
        [] if sink.diff_id == came.diff_id else [f"layer `{name}` is `{sink.diff_id}`, not `{came.diff_id}`"]
    )
