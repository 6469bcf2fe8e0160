"""What a container has written over its trees: kept by name, listed, compared, read, restored.

Owns the paths that every start writes itself (`kept.py`), the top of our own engine and of others as one value (`installed.py`:
`Top`), what pip and dpkg did in it, and the way from one stack of trees to another (`trees.py`).
Must not know specs and locks.

Read `installed.py` first.
"""
