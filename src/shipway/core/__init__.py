"""Values and rules that every room shares: digests, manifests, units, errors, events.

Owns the words that cross rooms. Must not know files, processes, networks or clocks, and imports nothing of ours.
Read `digest.py` and `errors.py` first. Modules here are imported on every start, so they stay light:
no `dataclasses`, no `typing` at run time where a plain class does.
"""
