"""What a user can ask for: one file per verb, each a tuple of steps over the rooms below.

Owns the order in which rooms are called, and the plain values that go in and come out. Must not know options, terminals
or colours: a verb takes a request value and returns a result value, and talks through the listener it is given. Nothing
here prints. Rooms are imported inside the functions that need them, because every verb pays for what it loads. Read
`project.py` (which folder, spec and lock are meant) and `build.py` first.
"""
