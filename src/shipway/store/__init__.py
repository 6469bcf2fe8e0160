"""Content-addressed trees and blobs: what is in the store is complete, is what its name says, and survives any crash.

Owns the layout on disk, the order of writes with its one commit point, the locks, what is in use, what may be deleted, and
the check of everything against its digest. Knows trees as folders with a manifest, and nothing of packages, layers or
projects beyond their paths. Must not know networks, locks of projects or how a tree is made.
Read `layout.py` and `transaction.py` first; the promises and every crash gap are in docs/architecture/store.md.
`Store` is all that most callers need. It imports the rest when asked, because a run only finds and uses.
"""

from shipway.store.store import Store
from shipway.store.tree import Tree

__all__ = ["Store", "Tree"]
