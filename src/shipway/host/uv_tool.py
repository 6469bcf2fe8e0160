"""Where uv is, and how it is run: a stated environment, so that nothing of the host's configuration reaches a lock unseen."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

import uv

from shipway.core.errors import ToolError
from shipway.host.http_settings import find_bundle
from shipway.host.proc import base_environment, find_tool

_NETWORK = (
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "NETRC",
    "SSL_CLIENT_CERT",
    "UV_HTTP_TIMEOUT",
    "UV_HTTP_RETRIES",
)
_FINDING = threading.Lock()
"""`find_uv_bin` asks `sysconfig`, whose first use in two threads at once gives the second one half a table (CPython 3.11)."""


def uv_program() -> str:
    """The uv that was installed with us, else the one on PATH.

    Raises:
        ToolError: there is none.
    """
    try:
        with _FINDING:
            return os.fspath(uv.find_uv_bin())
    except FileNotFoundError as error:
        found = find_tool("uv")
        if found is None:
            raise ToolError("uv is not installed", hints=["reinstall shipway: uv comes with it"]) from error
        return found


def uv_environment(environ: Mapping[str, str], cache: str) -> dict[str, str]:
    """What uv is told: where the network is and where its cache may be; no `UV_*` of the caller.

    Whoever runs uv adds `UV_NO_CONFIG` or a `--config-file` of its own.
    """
    env = base_environment()
    for name in _NETWORK:
        for spelling in (name, name.upper()):
            if environ.get(spelling):
                env[spelling] = environ[spelling]
    if environ.get("HOME"):
        env["HOME"] = environ["HOME"]
    bundle = find_bundle(environ)
    if bundle is not None:
        env["SSL_CERT_DIR" if os.path.isdir(bundle.path) else "SSL_CERT_FILE"] = bundle.path
    return {
        **env,
        "UV_CACHE_DIR": cache,
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }
