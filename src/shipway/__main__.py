"""`python -m shipway`: the same as the installed script, for who knows which Python they want."""

from __future__ import annotations

from shipway.cli.main import start

start()
