"""Plan -> trees and layers: one file per kind of tree, and the builder that makes what is missing.

Owns what a tree of each kind holds, byte for byte; a change of any byte is a new recipe version. Functions that unpack take
a path and an empty directory and return a manifest, so they run in any process; only `builder` and the recipes know the store.
Must not know specs, solvers, engines or registries. Read `recipes.py` first, then `builder.py`; docs/architecture/unpacking.md
has the rules for wheels and .debs.
"""
