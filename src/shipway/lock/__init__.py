"""The lock file: model, parse, render. Everything that was chosen, by hash, for all targets and platforms.

Its seven goals, each with a test: complete, readable, diff-friendly, reproducible byte for byte, checkable against the spec
without network, readable by newer versions, and carrying a deep checksum of its inputs. Must not know how anything was
chosen, where it is fetched from, or how it is built. Read `model.py` first, then `render.py`.
"""
