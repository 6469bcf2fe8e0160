"""Whether a server of this machine answers."""

from __future__ import annotations

import http.client


def ask_local(port: int, path: str, headers: dict[str, str], *, timeout: float = 2.0) -> int:
    """The HTTP status of `GET path` at the loopback address; 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
