"""Docker and Podman: a `RunRequest` as the words of their program, and that program's run.

Owns the dialects (`docker.py`, `podman.py`), the words (`command.py`, `options.py`), the program and its troubles, and
how an image gets there. Must not know what lives on: that is `run/life`.

Read `command.py` first.
"""
