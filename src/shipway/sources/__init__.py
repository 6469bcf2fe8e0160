"""Source trees: sdists, git commits and folders as values, read strictly, executed never.

Owns how sources are read from strangers, what of a folder counts as source, and the digest that names a tree of sources. Both who
locks and who builds need that. Must not know specs, resolvers, stores or sandboxes; imports archive, lock, host, core.
Read `trees.py` first, then `git.py`.
"""
