"""The only door to the machine: processes, files, locks, network, clock, directories.

Owns every system call that changes something outside this process, the order in which bytes become durable, and the
translation of disk errors into errors a person can act on. Other rooms get plain functions over `str` paths and file
descriptors. Must not know what a store, a tree, a lock file or an image is; imports `core` only.
Read `files.py` and `proc.py` first. `files.py` and `lock.py` are on the path of every `run`, so they import little.
"""
