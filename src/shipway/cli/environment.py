"""Every environment variable that shipway reads, as one table, and the settings of this run. Its page is made from the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.cli.parser import UsageError
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.cli.parser import Arguments


class Variable(NamedTuple):
    """One variable, or a family whose names share a beginning."""

    name: str
    """As it is written; `<…>` stands for the part that varies."""
    kind: str
    """`path`, `paths`, `flag`, `choice`, `text`, `urls`, `size`, `seconds`."""
    help: str
    default: str = ""
    ours: bool = True
    """False: a name that other tools gave its meaning."""


VARIABLES = (
    Variable("SHIPWAY_STORE", "path", "Where trees and blobs are kept", "`$XDG_DATA_HOME/shipway/store`"),
    Variable("SHIPWAY_STORE_LOWER", "paths", "Read-only stores, separated by `:`, that are looked into before anything is made"),
    Variable("SHIPWAY_OFFLINE", "flag", "As `--offline`"),
    Variable("SHIPWAY_PROGRESS", "choice", "As `--progress`", "`auto`"),
    Variable("SHIPWAY_TARGET", "text", "As `--target`", "the spec's `default-target`"),
    Variable("SHIPWAY_VENDOR", "path", "As `--vendor`", "the spec's `vendor`"),
    Variable("SHIPWAY_ENGINE", "choice", "As `--engine`", "the spec's `engine`, else `native`"),
    Variable("SHIPWAY_MIRROR_<ARCHIVE>", "urls",
             "Mirrors of an OS archive, separated by spaces; `SHIPWAY_MIRROR_DEBIAN`, `SHIPWAY_MIRROR_DEBIAN_SECURITY`",
             "the host's apt sources"),
    Variable("SHIPWAY_SNAPSHOT_<ARCHIVE>", "urls", "Snapshot services of an OS archive, for packages that the mirrors dropped"),
    Variable("SHIPWAY_KEYRING_<DISTRIBUTION>", "path", "Keyring that is trusted for an OS archive", "the one that is shipped"),
    Variable("SHIPWAY_LOCK_TIMEOUT", "seconds", "How long to wait for another process that holds a lock", "`600`"),
    Variable("SHIPWAY_INDEX_<ALIAS>", "urls", "Where the Python index that the spec calls `<ALIAS>` is",
             "the host's uv and pip configuration"),
    Variable("SHIPWAY_REGISTRY", "text", "The registry that image names without one mean", "`registries.toml`"),
    Variable("SHIPWAY_INSECURE_REGISTRIES", "text",
             "Registries (`host[:port]`, separated by spaces or commas) that may be spoken to by plain http"),
    Variable("SHIPWAY_PUSH_ALLOW", "text", "Prefixes (`registry/path`, separated by spaces or commas) that may be pushed to",
             "`[push] allow` of the spec and of `registries.toml`"),
    Variable("XDG_DATA_HOME", "path", "Parent of the store", "`~/.local/share`", ours=False),
    Variable("XDG_STATE_HOME", "path", "Parent of reports and of what was inferred for folders without a spec",
             "`~/.local/state`", ours=False),
    Variable("XDG_CONFIG_HOME", "path", "Parent of `shipway/mirrors.toml`, and where uv and pip are configured",
             "`~/.config`", ours=False),
    Variable("XDG_RUNTIME_DIR", "path", "Parent of what lasts until the next boot: probed kernel features, running containers",
             "a private folder below the state folder", ours=False),
    Variable("HTTP_PROXY, HTTPS_PROXY, NO_PROXY", "text", "Proxies, in either case", ours=False),
    Variable("SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, PIP_CERT", "path", "Certificates to trust",
             "the system's", ours=False),
    Variable("REGISTRY_AUTH_FILE", "path", "The one file that credentials of registries are kept in",
             "Podman's `auth.json` and Docker's `config.json`", ours=False),
    Variable("DOCKER_CONFIG", "path", "Folder of Docker's `config.json`", "`~/.docker`", ours=False),
    Variable("CONTAINERS_REGISTRIES_CONF", "path", "The one `registries.conf` that is read",
             "those in `/etc/containers` and `~/.config/containers`", ours=False),
    Variable("NETRC", "path", "User names and passwords of hosts", "`~/.netrc`", ours=False),
    Variable("PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_CONFIG_FILE", "urls", "Python indexes, as pip reads them", ours=False),
    Variable("UV_DEFAULT_INDEX, UV_INDEX, UV_INDEX_URL, UV_CONFIG_FILE", "urls", "Python indexes, as uv reads them", ours=False),
    Variable("SOURCE_DATE_EPOCH", "seconds", "The time that the image states, when the lock is made",
             "the newest locked input's", ours=False),
    Variable("DOCKER_HOST, DOCKER_CONTEXT, CONTAINER_HOST", "text", "Which service Docker's and Podman's programs talk to",
             ours=False),
    Variable("NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE", "flag", "Colour never, or always", "colour on a terminal", ours=False),
    Variable("TERM", "text", "`dumb` means: no colour and no moving bars", ours=False),
    Variable("CI", "flag", "Plain progress lines, also on a terminal", ours=False),
    Variable("COLUMNS", "text", "Width of tables and help", "the terminal's", ours=False),
    Variable("TZ", "text", "Time zone inside the container", "the host's", ours=False),
)  # fmt: skip


class Settings(NamedTuple):
    """What the environment and the global options mean for this run."""

    directory: str
    """As given; empty: the current one."""
    offline: bool
    progress: str
    """`plain`, `tty`, `quiet` or `json`; never `auto`."""
    color: bool
    """For standard error."""
    color_data: bool
    """For standard output."""
    verbosity: int
    """-1 for each `-q`, +1 for each `-v`."""
    target: str
    vendor: str = ""
    engine: str = ""
    """Empty: what the spec says."""


_MODES = ("auto", "plain", "tty", "quiet", "json")
_ENGINES = ("native", "docker", "podman", "apptainer")


def read_settings(
    environ: Mapping[str, str], arguments: Arguments, *, terminal: bool, data_terminal: bool = False
) -> Settings:
    """The settings of a run whose standard error is a terminal or not. An option beats its variable.

    Raises:
        UsageError: a variable has a value that it cannot have.
    """
    mode = arguments.text("progress") or environ.get("SHIPWAY_PROGRESS") or "auto"
    if mode not in _MODES:
        raise UsageError(
            f"`SHIPWAY_PROGRESS` cannot be `{shown(mode)}`", hints=["it is one of: " + ", ".join(_MODES)]
        )
    engine = arguments.text("engine") or environ.get("SHIPWAY_ENGINE", "")
    if engine and engine not in _ENGINES:
        raise UsageError(
            f"`SHIPWAY_ENGINE` cannot be `{shown(engine)}`", hints=["it is one of: " + ", ".join(_ENGINES)]
        )
    capable = terminal and environ.get("TERM", "") not in ("dumb", "")
    if mode == "auto":
        mode = "tty" if capable and not environ.get("CI") else "plain"
    return Settings(
        arguments.text("directory"),
        offline=arguments.flag("offline") or _is_set(environ, "SHIPWAY_OFFLINE"),
        progress=mode,
        color=_color(environ, capable=capable),
        color_data=_color(environ, capable=data_terminal and environ.get("TERM", "") not in ("dumb", "")),
        verbosity=int(arguments.values.get("verbose") or 0) - int(arguments.values.get("quiet") or 0),
        target=arguments.text("target") or environ.get("SHIPWAY_TARGET", ""),
        vendor=arguments.text("vendor") or environ.get("SHIPWAY_VENDOR", ""),
        engine=engine,
    )


def _color(environ: Mapping[str, str], *, capable: bool) -> bool:
    if environ.get("NO_COLOR"):
        return False
    return capable or _is_set(environ, "FORCE_COLOR") or _is_set(environ, "CLICOLOR_FORCE")


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() not in ("", "0", "false", "no")
