"""Containers that outlive the command that started them: their records, their supervisors, and what one can do with them.

Owns the folder of each container (`records.py`), the process that runs it or follows an engine's (`supervisor.py`, `keeper.py`),
the words between that process and others (`wire.py`, `server.py`), and what others call: `client.py`.
Must not know specs, locks or verbs: an `Environment` and an `Invocation` come in, as for a run that is thrown away.

What `ps` says never rests on what somebody wrote last: a container runs as long as its supervisor holds the lock beside it, or
the engine says so. A supervisor that is killed takes its container with it.

Read `model.py`, `records.py` and `client.py` first.
"""
