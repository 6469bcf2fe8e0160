"""The modules that Python reads at its start inside, by which local projects are imported from their own folders. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

NAME = "_shipway_editable"
_FINDER = '''\
"""Laid over by shipway: the modules of local projects come from their own folders. `run --no-editable` leaves this out."""

import sys

MODULES = {modules}
ROOTS = {roots}


class EditableFinder:
    """Asked before the installed packages are looked at."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """The module's own file, if it is one of ours and there."""
        place = MODULES.get(name)
        if place is None:
            return None
        from importlib.util import spec_from_file_location
        from os.path import dirname, isfile

        if not isfile(place):
            return None
        inside = [dirname(place)] if place.endswith("/__init__.py") else None
        return spec_from_file_location(name, place, submodule_search_locations=inside)


sys.meta_path.insert(0, EditableFinder)
sys.path.extend(root for root in ROOTS if root not in sys.path)
'''


def render_finder(site: str, modules: Mapping[str, str], roots: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The files to lay over site-packages at `site` (relative to the root): paths with texts.

    `modules`: absolute files inside by module name. `roots`: folders for the end of the search path.
    """
    text = _FINDER.format(modules=_table(modules), roots=list(roots))
    return ((f"{site}/{NAME}.pth", f"import {NAME}\n"), (f"{site}/{NAME}.py", text))


def _table(modules: Mapping[str, str]) -> str:
    lines = "".join(f"    {name!r}: {place!r},\n" for name, place in sorted(modules.items()))
    return "{\n" + lines + "}" if lines else "{}"
