"""A network of a container's own, and ports of this machine that lead there, without root: pasta or slirp4netns.

Owns the programs' words (`programs.py`), the process that watches over them (`guard.py`), the choice of ports, and the spaces of
other containers that one joins (`spaces.py`). Must not know what runs in the container.

Read `bridge.py` first.
"""
