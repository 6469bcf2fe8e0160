"""Checks of certificates, mirrors and indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.verbs.findings import Check, Seen, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.host.location import Location
    from shipway.verbs.findings import Machine

_BASE = "debian"
_TUN = "/dev/net/tun"


def _certificates(machine: Machine) -> Seen:
    bundle = machine.certificates()
    if not bundle:
        return Seen(
            Severity.ERROR,
            "no bundle of certificates was found",
            "install `ca-certificates`, or set `SSL_CERT_FILE` to a bundle",
        )
    text = machine.text(bundle)
    if text is None:
        return Seen(
            Severity.ERROR,
            f"the bundle `{bundle}` cannot be read",
            "correct `SSL_CERT_FILE`, or make the file readable",
        )
    count = text.count("BEGIN CERTIFICATE")
    if not count:
        return Seen(
            Severity.ERROR,
            f"the bundle `{bundle}` holds no certificate",
            "set `SSL_CERT_FILE` to a bundle in PEM form",
        )
    return Seen(Severity.OK, f"{count} certificates in `{bundle}`")


def _mirrors(machine: Machine) -> Seen:
    mirrors = machine.mirrors()
    if not mirrors.get(_BASE) and not mirrors.get("ubuntu"):
        return Seen(
            Severity.ERROR,
            "no mirror of an OS archive is known",
            "set `SHIPWAY_MIRROR_DEBIAN` to the address of a mirror",
        )
    return _reached(
        machine,
        mirrors,
        "mirrors",
        "set `SHIPWAY_MIRROR_<ARCHIVE>` to a mirror that answers, or a proxy in `HTTPS_PROXY`",
    )


def _indexes(machine: Machine) -> Seen:
    indexes = machine.indexes()
    if not indexes:
        return Seen(
            Severity.ERROR,
            "no Python index is known",
            "configure one for uv or pip, for example in `UV_DEFAULT_INDEX`",
        )
    return _reached(
        machine,
        indexes,
        "indexes",
        "configure an index that answers for uv or pip, or a proxy in `HTTPS_PROXY`",
    )


def _reached(machine: Machine, places: Mapping[str, tuple[Location, ...]], what: str, remedy: str) -> Seen:
    """One finding about all `places`: each alias needs one address that answers."""
    if machine.offline:
        return Seen(
            Severity.INFO, f"{what} known for {', '.join(places)}; not asked, for `--offline` was given"
        )
    silent = []
    for alias, urls in places.items():
        answers = []
        for url in urls:
            answers.append(machine.reach(url))
            if not answers[-1]:
                break
        if answers and answers[-1]:
            silent.append(f"{alias}: {answers[-1]}")
    if not silent:
        return Seen(Severity.OK, f"{what} answer: {', '.join(places)}")
    text = f"{what} that do not answer: {'; '.join(silent)}"
    if len(silent) == len(places):
        return Seen(Severity.ERROR, text, remedy)
    if what == "mirrors":
        return Seen(Severity.INFO, f"{text}; the others do, and only a project with such a base needs these")
    return Seen(Severity.WARNING, text, remedy)


def _bridge(machine: Machine) -> Seen:
    """What `--network bridge` and `-p` of our own engine need."""
    here = [name for name in ("pasta", "slirp4netns") if machine.tool(name)]
    if not here:
        return Seen(
            Severity.INFO,
            "neither `pasta` nor `slirp4netns` is installed; only `--network bridge` and `-p` of our own engine need one "
            "(packages `passt`, `slirp4netns`)",
        )
    if trouble := machine.closed(_TUN):
        return Seen(
            Severity.INFO,
            f"{' and '.join(f'`{name}`' for name in here)} cannot open `{_TUN}`: {trouble}; only `--network bridge` and `-p` "
            f"of our own engine need it (an administrator: `modprobe tun`, `chmod 666 {_TUN}`)",
        )
    return Seen(
        Severity.OK, f"networks of their own and mapped ports by {' or '.join(f'`{name}`' for name in here)}"
    )


NETWORK_CHECKS = (
    Check("mapped-ports", "network", _bridge),
    Check("certificates", "network", _certificates),
    Check("mirrors", "network", _mirrors),
    Check("indexes", "network", _indexes),
)
