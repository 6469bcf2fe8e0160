"""A locked target written down for other tools: Dockerfile, Apptainer definition, editor and compose files, lists, SBOMs.

Owns the texts. Every renderer is pure: values in, text out, the same text for the same lock on every machine. Must not know
stores, the network or this machine; where an address is needed, the caller brings it or the text leaves it as an argument.
Read `model.py` first, then `dockerfile.py`.
"""
