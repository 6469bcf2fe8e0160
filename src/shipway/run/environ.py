"""The environment variables of a container, and the host's settings that they stand for (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ExitCode, ToolError
from shipway.run.caches import cache_variables
from shipway.run.facts import CERTIFICATE_VARIABLES
from shipway.run.prompt import COMMAND, plain_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.run.model import Account, Environment, HostFacts, Invocation

PATH = "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MARKER = "SHIPWAY"
"""Set to 1 inside, so that a program can tell."""
BUNDLE = "/etc/shipway-certificates.crt"
"""Where the host's certificates are inside, when they are brought along."""
BYTECODE = "/var/cache/shipway/bytecode"
"""Where Python keeps compiled modules: outside the project, and longer than the throw-away top."""
PASSED = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "DO_NOT_TRACK")
"""Taken over from the caller. Not DISPLAY: without `--display` nothing inside can reach that display."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
"""Taken over in both cases where the network is the host's."""
_OTHER_CERTIFICATE_VARIABLES = ("GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_DEFAULT_LOCALE = "C.UTF-8"
_PLAIN_LOCALES = ("C", "POSIX", "C.UTF-8", "C.utf8")


class Inside(NamedTuple):
    """What variables have to say of the container."""

    hostname: str
    online: bool
    """Has a network."""
    certificates: bool
    """The host's bundle is brought along."""
    cache_key: str = ""
    """Names the environment in the cache; empty: there is none."""


def choose_environ(
    environment: Environment,
    asked: Invocation,
    host: HostFacts,
    account: Account,
    *,
    argv: tuple[str, ...],
    inside: Inside,
) -> tuple[tuple[str, str], ...]:
    """All variables, sorted by name. Later sources win: ours, the caller's, the image's, the run options, the command line."""
    hostname, online, certificates, cache_key = inside
    caller = dict(host.environ)
    image = dict(environment.env)
    result = {
        "PATH": PATH,
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": account.shell,
        "HOSTNAME": hostname,
        MARKER: "1",
        "PROMPT_COMMAND": COMMAND,
    }
    colored = not caller.get("NO_COLOR") and caller.get("TERM", "") not in ("", "dumb")
    result |= plain_prompt(argv, account.name, hostname, color=colored) if asked.tty else {}
    result |= {} if environment.bytecode else {"PYTHONPYCACHEPREFIX": BYTECODE}
    result |= cache_variables(cache_key) if cache_key else {}
    result |= _locale(caller, has_locales=environment.facts.locales)
    result |= {name: caller[name] for name in PASSED if name in caller}
    result |= _time_zone(caller.get("TZ", ""), host, has_zones=environment.facts.zoneinfo)
    result |= _proxies(caller) if online else {}
    result |= _certificate_variables(caller) if certificates else {}
    result |= image
    result |= dict(environment.options.env)
    result |= {name: caller[name] for name in environment.options.pass_env if name in caller}
    result |= dict(asked.env)
    for word in (*environment.options.secrets, *asked.secrets):
        result |= _secret(word, caller)
    return tuple(sorted(result.items()))


def _secret(word: str, caller: Mapping[str, str]) -> dict[str, str]:
    name = word.removesuffix("?")
    if name in caller:
        return {name: caller[name]}
    if name != word:
        return {}
    raise ToolError(
        f"the secret `{name}` is not set here",
        hints=(
            f"set it for your shell: `read -rs {name} && export {name}`",
            f'write `secrets = ["{name}?"]` in the spec when it may be missing',
        ),
        code=ExitCode.USAGE,
    )


def needs_certificates(environment: Environment, host: HostFacts) -> bool:
    """Whether the host's bundle is brought along: the caller has settings of their own, or the image trusts nobody."""
    return bool(host.own_certificates or (host.certificates and not environment.facts.certificates))


def _certificate_variables(caller: Mapping[str, str]) -> dict[str, str]:
    others = [name for name in _OTHER_CERTIFICATE_VARIABLES if caller.get(name)]
    return dict.fromkeys((*CERTIFICATE_VARIABLES, *others), BUNDLE)


def _proxies(caller: Mapping[str, str]) -> dict[str, str]:
    names = [*PROXIES, *(name.lower() for name in PROXIES)]
    return {name: caller[name] for name in names if caller.get(name)}


def _locale(caller: Mapping[str, str], *, has_locales: bool) -> dict[str, str]:
    """The caller's language where the image speaks it; a locale that is not there makes programs complain and use ASCII."""
    wanted = {name: value for name, value in caller.items() if name == "LANG" or name.startswith("LC_")}
    usable = {name: value for name, value in wanted.items() if has_locales or value in _PLAIN_LOCALES}
    return {"LANG": _DEFAULT_LOCALE} | usable


def _time_zone(wanted: str, host: HostFacts, *, has_zones: bool) -> dict[str, str]:
    """The caller's TZ. Where the image has no zones, a zone's name would mean UTC: then the file that we bring is named."""
    if not wanted:
        return {}
    if host.timezone == wanted.removeprefix(":") and not has_zones:
        return {"TZ": ":/etc/localtime"}
    return {"TZ": wanted}
