"""Everything about a run, decided from plain values (pure): `Environment` + `Invocation` + `HostFacts` -> `RunRequest`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown
from shipway.run import prompt
from shipway.run.accounts import (
    choose_account,
    choose_groups,
    choose_user,
    render_group,
    render_passwd,
)
from shipway.run.caches import cache_notes, choose_caches
from shipway.run.combined import (
    choose_network,
    combine_limits,
    combine_tmpfs,
    find_near_misses,
    require_place,
)
from shipway.run.environ import BUNDLE, BYTECODE, Inside, choose_environ, needs_certificates
from shipway.run.model import HostFile, Mount, Network, RunRequest, Top
from shipway.run.words import normal_path, require_hostname, require_keep_name

if TYPE_CHECKING:
    from shipway.run.model import Account, Environment, HostFacts, Invocation, RunOptions, Ulimit

_SHM_FRACTION = 2


def plan_run(
    environment: Environment,
    asked: Invocation,
    host: HostFacts,
    *,
    home: str,
    bytecode: str,
    cache: str = "",
    certificates: bytes = b"",
) -> RunRequest:
    """The one container that answers `asked`.

    `home`: host folder of the project's home volume. `bytecode`: host folder for compiled modules of just this environment.
    `cache`: host folder of the cache. `certificates`: text of the bundle to bring along, empty for none.

    Raises:
        ToolError: a mount, name or directory cannot be used (exit code `USAGE`).
    """
    environment = environment._replace(editable=()) if asked.built else environment
    options = environment.options
    account, user = _who(environment, asked, host)
    net = choose_network(asked, options)
    online = net.network is not Network.NONE
    hostname = _hostname(environment, asked)
    limits = combine_limits(asked.limits, options.limits)
    cache = cache if options.cache and account.uid in (host.uid, 0) else ""
    request = RunRequest(
        project=environment.project,
        name=environment.name,
        target=environment.target,
        lowers=environment.lowers,
        files=_files(environment, host, account, hostname=hostname, online=online, bundle=certificates),
        argv=(argv := _argv(environment, asked, account)),
        env=choose_environ(
            environment,
            asked,
            host,
            account,
            argv=argv,
            inside=Inside(hostname, online, bool(certificates), bytecode.rpartition("/")[2] if cache else ""),
        ),
        cwd=_workdir(environment.workdir, asked.workdir),
        account=account,
        mounts=plan_mounts(
            environment, asked, _folders(environment, asked, host, account, home, cache), bytecode
        ),
        hostname=hostname,
        network=net.network,
        shm_size=asked.shm_size or options.shm_size or _default_shm(host.memory, limits.memory),
        limits=limits,
        top=_top(asked),
        keep=require_keep_name(asked.keep) if asked.keep else "",
        tty=asked.tty,
        skeleton=environment.facts.skeleton,
        notes=(*_notes(environment, asked, host, has_bundle=bool(certificates), cache=cache), *net.notes),
        ports=net.ports,
        user=user,
    )
    return _with_options(request, environment, asked, host)


def _who(environment: Environment, asked: Invocation, host: HostFacts) -> tuple[Account, str]:
    """Who runs inside, and what was asked for when that is not the caller."""
    caller = choose_account(host, environment.facts)
    user = asked.user or environment.options.user
    account = choose_user(user, caller, host, environment.facts) if user else caller
    return account, user if account != caller else ""


def _with_options(
    request: RunRequest, environment: Environment, asked: Invocation, host: HostFacts
) -> RunRequest:
    options = environment.options
    return request._replace(
        notes=(*request.notes, *find_near_misses(asked.mounts, request.cwd)),
        foreign=environment.facts.foreign,
        image=environment.image,
        shm_asked=bool(asked.shm_size or options.shm_size),
        beside=asked.beside,
        pid_space=asked.pid_space,
        ipc_space=_ipc_space(asked, options),
        groups=choose_groups(asked.groups, host, environment.facts) if asked.groups else (),
        ulimits=_ulimits(asked, options),
        tmpfs=combine_tmpfs(asked.tmpfs, options.tmpfs, request.mounts),
        gpus=asked.gpus,
        secrets=tuple(word.removesuffix("?") for word in (*options.secrets, *asked.secrets)),
    )


def _folders(
    environment: Environment, asked: Invocation, host: HostFacts, account: Account, home: str, cache: str
) -> tuple[Mount, ...]:
    """The home and the caches, for those to whom the host's folders belong."""
    if account.uid not in (host.uid, 0):
        return ()
    caches = choose_caches(environment, asked, host, cache) if cache else ()
    return (Mount(home, account.home, owned=True), *caches)


def plan_mounts(
    environment: Environment, asked: Invocation, folders: tuple[Mount, ...], bytecode: str
) -> tuple[Mount, ...]:
    """`folders` (the home, caches), project, compiled modules and what was asked, parents before children.

    A later mount replaces one at the same place.

    Raises:
        ToolError: two mounts that cannot both be, or a place that belongs to the system.
    """
    ours = [*folders, Mount(environment.project, normal_path(environment.workdir))]
    if not environment.bytecode:
        ours.append(Mount(bytecode, BYTECODE, owned=True))
    by_target: dict[str, Mount] = {}
    for mount in (*ours, *environment.options.mounts, *asked.mounts):
        target = normal_path(mount.target)
        require_place(target)
        by_target[target] = mount._replace(target=target)
    return tuple(sorted(by_target.values(), key=lambda mount: (mount.target.count("/"), mount.target)))


def _hostname(environment: Environment, asked: Invocation) -> str:
    if asked.hostname:
        return require_hostname(asked.hostname)
    return choose_hostname(environment.name, environment.target)


def choose_hostname(name: str, target: str = "") -> str:
    """A host name that says which project and target a prompt belongs to: letters, digits, hyphens (RFC 1123), 63 at most."""
    words = name if target in ("", "default") else f"{name}-{target}"
    plain = "".join(c if c.isascii() and c.isalnum() else " " for c in words.lower())
    text = "-".join(plain.split())[:63].rstrip("-")
    return text or "shipway"


def _files(
    environment: Environment, host: HostFacts, account: Account, *, hostname: str, online: bool, bundle: bytes
) -> tuple[HostFile, ...]:
    texts = {
        "etc/group": render_group(environment.facts.group, account),
        "etc/hostname": hostname + "\n",
        "etc/hosts": render_hosts(host.hosts if online else "", hostname),
        "etc/passwd": render_passwd(environment.facts.passwd, account),
        "etc/resolv.conf": host.resolv_conf if online else "",
        prompt.PATH: prompt.TEXT,
        **dict(environment.editable),
    }
    files = [HostFile(path, text.encode("utf-8", "surrogateescape")) for path, text in texts.items()]
    if host.localtime:
        files.append(HostFile("etc/localtime", host.localtime))
    if host.localtime and host.timezone:
        files.append(HostFile("etc/timezone", host.timezone.encode() + b"\n"))
    if bundle:
        files.append(HostFile(BUNDLE[1:], bundle))
    return tuple(sorted(files))


def render_hosts(host: str, hostname: str) -> str:
    """The host's `/etc/hosts`, or one for loopback alone, that also knows the container's own name."""
    base = host if host.strip() else "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
    known = any(hostname in line.partition("#")[0].split()[1:] for line in base.splitlines())
    return base if known else base.rstrip("\n") + f"\n127.0.1.1 {hostname}\n"


def _argv(environment: Environment, asked: Invocation, account: Account) -> tuple[str, ...]:
    if asked.shell:
        return (account.shell, *asked.argv)
    if asked.entrypoint is not None:
        return _entered(asked.entrypoint, asked.argv)
    return asked.argv or environment.command or (account.shell,)


def _workdir(project: str, asked: str) -> str:
    return normal_path(asked if asked.startswith("/") else f"{project}/{asked}" if asked else project)


def _top(asked: Invocation) -> Top:
    if asked.read_only and asked.keep:
        raise ToolError(
            "`--read-only` and `--keep` exclude each other",
            hints=("leave one of them out",),
            code=ExitCode.USAGE,
        )
    if asked.read_only:
        return Top.READ_ONLY
    return Top.KEPT if asked.keep else Top.THROWN_AWAY


def _entered(entrypoint: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    """Another entry point also sets the usual command aside, as in Docker."""
    words = (entrypoint, *argv) if entrypoint else argv
    if not words:
        raise ToolError(
            "an empty `--entrypoint` sets the usual command aside, and no other is given",
            hints=("name a command: `shipway run --entrypoint '' -- bash`",),
            code=ExitCode.USAGE,
        )
    return words


def _ipc_space(asked: Invocation, options: RunOptions) -> str:
    space = asked.ipc_space or options.ipc_space
    if space and asked.shm_size:
        raise ToolError(
            f"with `--ipc {space}` `/dev/shm` is not the container's, and keeps its size",
            hints=("leave `--shm-size` out, or `--ipc`",),
            code=ExitCode.USAGE,
        )
    return space


def _ulimits(asked: Invocation, options: RunOptions) -> tuple[Ulimit, ...]:
    by_name = {limit.name: limit for limit in (*options.ulimits, *asked.ulimits)}
    return tuple(by_name.values())


def _default_shm(physical: int, limit: int | None) -> int:
    """Half of what the container may use: a ceiling, not a reservation. Whole MiB."""
    memory = min(physical, limit) if limit else physical
    return max(memory // _SHM_FRACTION >> 20, 64) << 20


def _notes(
    environment: Environment, asked: Invocation, host: HostFacts, *, has_bundle: bool, cache: str
) -> tuple[str, ...]:
    notes = cache_notes(environment, asked, host) if cache else ()
    if not has_bundle and needs_certificates(environment, host):
        path = shown(host.own_certificates or host.certificates)
        note = f"The certificates in `{path}` cannot be read; the container trusts what its image trusts"
        return (note, *notes)
    return notes
