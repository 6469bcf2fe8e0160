"""Everything about a run, decided from plain values (pure): `Environment` + `Invocation` + `HostFacts` -> `RunRequest`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown
from shipway.run.accounts import choose_account, render_group, render_passwd
from shipway.run.environ import BUNDLE, BYTECODE, choose_environ, needs_certificates
from shipway.run.model import HostFile, Limits, Mount, Network, RunRequest, Top
from shipway.run.words import normal_path, require_hostname, require_keep_name

if TYPE_CHECKING:
    from shipway.run.model import Account, Environment, HostFacts, Invocation

_RESERVED = ("/proc", "/sys", "/dev")
_SHM_FRACTION = 2


def plan_run(
    environment: Environment,
    asked: Invocation,
    host: HostFacts,
    *,
    home: str,
    bytecode: str,
    certificates: bytes = b"",
) -> RunRequest:
    """The one container that answers `asked`.

    `home`: host folder of the project's home volume. `bytecode`: host folder for compiled modules of just this environment.
    `certificates`: text of the bundle to bring along, empty for none.

    Raises:
        ToolError: a mount, name or directory cannot be used (exit code `USAGE`).
    """
    account = choose_account(host, environment.facts)
    network = asked.network or environment.options.network
    hostname = (
        require_hostname(asked.hostname)
        if asked.hostname
        else choose_hostname(environment.name, environment.target)
    )
    limits = _merged_limits(asked.limits, environment.options.limits)
    wants_bundle = needs_certificates(environment, host)
    return RunRequest(
        project=environment.project,
        name=environment.name,
        target=environment.target,
        lowers=environment.lowers,
        files=_files(
            environment, host, account, hostname=hostname, online=network is Network.HOST, bundle=certificates
        ),
        argv=_argv(environment, asked, account),
        env=choose_environ(
            environment,
            asked,
            host,
            account,
            hostname=hostname,
            online=network is Network.HOST,
            certificates=bool(certificates),
        ),
        cwd=_workdir(environment.workdir, asked.workdir),
        account=account,
        mounts=plan_mounts(environment, asked, Mount(home, account.home, owned=True), bytecode),
        hostname=hostname,
        network=network,
        shm_size=asked.shm_size or environment.options.shm_size or _default_shm(host.memory, limits.memory),
        shm_asked=bool(asked.shm_size or environment.options.shm_size),
        limits=limits,
        top=_top(asked),
        keep=require_keep_name(asked.keep) if asked.keep else "",
        tty=asked.tty,
        skeleton=environment.facts.skeleton,
        foreign=environment.facts.foreign,
        notes=_notes(host, wants_bundle=wants_bundle, has_bundle=bool(certificates)),
        image=environment.image,
    )


def plan_mounts(environment: Environment, asked: Invocation, home: Mount, bytecode: str) -> tuple[Mount, ...]:
    """Home, project, compiled modules and what was asked, parents before children. A later mount replaces one at the same place.

    Raises:
        ToolError: two mounts that cannot both be, or a place that belongs to the system.
    """
    ours = [home, Mount(environment.project, normal_path(environment.workdir))]
    if not environment.bytecode:
        ours.append(Mount(bytecode, BYTECODE, owned=True))
    by_target: dict[str, Mount] = {}
    for mount in (*ours, *environment.options.mounts, *asked.mounts):
        target = normal_path(mount.target)
        if target == "/" or any(target == place or target.startswith(place + "/") for place in _RESERVED):
            raise ToolError(
                f"Nothing can be mounted at `{shown(target)}`",
                hints=("choose a place of its own, such as `/data`",),
                code=ExitCode.USAGE,
            )
        by_target[target] = mount._replace(target=target)
    return tuple(sorted(by_target.values(), key=lambda mount: (mount.target.count("/"), mount.target)))


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


def _merged_limits(first: Limits, second: Limits) -> Limits:
    return Limits(
        memory=second.memory if first.memory is None else first.memory,
        cpus=second.cpus if first.cpus is None else first.cpus,
        pids=second.pids if first.pids is None else first.pids,
    )


def _default_shm(physical: int, limit: int | None) -> int:
    """Half of what the container may use: a ceiling, not a reservation. Whole MiB."""
    memory = min(physical, limit) if limit else physical
    return max(memory // _SHM_FRACTION >> 20, 64) << 20


def _notes(host: HostFacts, *, wants_bundle: bool, has_bundle: bool) -> tuple[str, ...]:
    if wants_bundle and not has_bundle:
        path = shown(host.own_certificates or host.certificates)
        return (f"The certificates in `{path}` cannot be read; the container trusts what its image trusts",)
    return ()
