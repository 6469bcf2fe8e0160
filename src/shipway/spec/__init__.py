"""TOML text -> Spec, and what a folder's files imply when there is no spec.

Owns the words of `shipway.toml`, their checks and messages (file, line, key, nearest name), the JSON Schema, inference,
and pruning of frozen lists. Must not know archives, indexes, the store or the network: text in, values out. Files are read
by the caller and handed in. Read `model.py` first, then `parse.py`.
"""
