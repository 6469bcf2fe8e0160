"""Registries, by the distribution-spec 1.1: pull, push, list, and who is told which credential.

Knows references, descriptors and bytes; must not know stores, trees or layers: a caller says where a blob is put and where its
bytes come from. Whatever a registry answers is hostile: `challenge.py` and `auth.py` decide what it may learn, `session.py`
how long it may take. Read `model.py` first, then `client.py` and `push.py`.
"""
