"""Spec -> lock: which OS packages, wheels, sdists, commits and interpreters, each by hash.

Owns the choice: apt chooses .debs inside the suite it chooses for, uv chooses Python versions for all targets at once, and this
room turns both answers into lock values that hold aliases and hashes, never addresses. It also finds, at run time, where the
host has a locked artifact. No code of any project or package runs on the host: metadata of sdists, commits and folders comes
from wheels that somebody else (a `WheelBuilder`) builds in the sandbox. Must not know how trees are laid out or how a
container runs; imports spec, lock, image, store, archive, sandbox, host, core.
Read `wheels.py` (`resolve_wheels`) and `debs.py` (`resolve_debs`) first; then `uv_lock.py`, which has no effects at all.
"""
