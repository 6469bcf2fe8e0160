"""Fakes that ship: servers, packages and archives small enough to make in a test, and able to misbehave.

Owns stand-ins for what is outside this machine. Everything listens on loopback only and writes only where it is told. Must not be
imported by any other room; tests, ours and those of people who build on shipway, import it.
Read `file_server.py` (a server with a behaviour per path) and `package_index.py` (a Python index on top of it) first.
"""
