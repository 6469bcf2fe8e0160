"""Bytes <-> members: strict readers of tar, ar, zip and .deb, the extractor below a directory, deterministic writers.

Owns the formats and their checks. Everything read here is untrusted: an input that two honest parsers could read in two ways
is refused (`HostileInput`), naming the member and the artifact. Must not know the store, keys, package managers or networks.
Readers yield members and never touch the file system; `extract.Extractor` is the only thing that creates files, and only
below the directory that it was given. Read `names.py` and `extract.py` first; docs/architecture/unpacking.md has the rules.
"""
