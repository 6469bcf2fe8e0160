"""Each check on machines made for it: what it sees, how bad it is, and that problems have a remedy."""

from __future__ import annotations

import pytest

from shipway.cli.show_doctor import doctor_document, render_doctor
from shipway.core.errors import ExitCode, SpecError
from shipway.host.location import Location
from shipway.verbs.doctor import CHECKS, run_doctor
from shipway.verbs.findings import Check, Severity

NOW = 1795000000
FEATURES = [
    "userns",
    "pidns",
    "netns",
    "fresh_proc",
    "mount",
    "mount_api",
    "overlay",
    "overlay_userns",
    "fd_lowers",
    "lowerdir_append",
    "mount_classic",
    "openat2",
    "seccomp",
    "seccomp_notify",
    "chroot",
    "proot",
]
APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"


class FakeMachine:
    """A machine where everything is fine, unless the test says otherwise."""

    def __init__(self, *, uid=1000, missing=(), **changes):
        self.uid, self.user, self.offline = uid, "ada", changes.get("offline", False)
        self.files = {
            "/certs": "-----BEGIN CERTIFICATE-----\n",
            "/etc/subuid": "ada:100000:65536\n",
            "/etc/subgid": "ada:100000:65536\n",
        }
        self.files |= changes.get("files", {})
        self.missing = dict.fromkeys(missing, "EPERM (Operation not permitted)")
        self.tools = {"newuidmap": "/usr/bin/newuidmap", "docker": "/usr/bin/docker"} | changes.get(
            "tools", {}
        )
        self.changes = changes

    def text(self, path):
        return self.files.get(path)

    def features(self):
        return {name: self.missing.get(name, "") for name in FEATURES}

    def tool(self, name):
        return self.tools.get(name)

    def closed(self, path):
        return self.changes.get("closed", "")

    def output(self, *argv):
        answer = self.changes.get("output", "Docker version 20.10.24")
        return self.changes.get("daemon", answer) if "{{.Server.Version}}" in argv else answer

    def free(self, path):
        return self.changes.get("free", 100 << 30)

    def filesystem(self, path):
        return self.changes.get("filesystem", "ext4")

    def now(self):
        return self.changes.get("now", NOW)

    def places(self):
        return {"store": "/store", "state": "/state", "runtime": "/run/x", "project": "/project"}

    def mirrors(self):
        mirrors = self.changes.get(
            "mirrors", {"debian": ("https://a.invalid/debian", "https://b.invalid/debian")}
        )
        if isinstance(mirrors, Exception):
            raise mirrors
        return {alias: tuple(map(Location, urls)) for alias, urls in mirrors.items()}

    def indexes(self):
        return {
            alias: tuple(map(Location, urls))
            for alias, urls in self.changes.get("indexes", {"default": ("https://i.invalid",)}).items()
        }

    def reach(self, place):
        return self.changes.get("unreachable", {}).get(place.url, "")

    def certificates(self):
        return self.changes.get("bundle", "/certs")


def look(name, machine):
    (check,) = [check for check in CHECKS if check.name == name]
    return check.run(machine)


def test_a_good_machine_has_no_problem():
    result = run_doctor(FakeMachine())
    assert {finding.severity for finding in result.findings} <= {Severity.OK, Severity.INFO}
    assert result.code is ExitCode.OK
    assert "no errors, no warnings" in render_doctor(result)


NOTHING_WORKS = {"missing": ("userns", "overlay_userns", "mount", "overlay", "chroot", "proot")}


@pytest.mark.parametrize(
    ("name", "machine", "severity", "word"),
    [
        ("user-namespaces", FakeMachine(**NOTHING_WORKS), Severity.ERROR, "EPERM"),
        (
            "user-namespaces",
            FakeMachine(missing=("userns", "mount", "chroot")),
            Severity.WARNING,
            "without isolation",
        ),
        ("user-namespaces", FakeMachine(uid=0, missing=("userns",)), Severity.INFO, "as root"),
        ("apparmor", FakeMachine(missing=("userns",), files={APPARMOR: "1\n"}), Severity.ERROR, "AppArmor"),
        ("apparmor", FakeMachine(files={APPARMOR: "1\n"}), Severity.OK, "profile"),
        ("apparmor", FakeMachine(files={APPARMOR: "0\n"}), Severity.OK, "does not"),
        ("apparmor", FakeMachine(uid=0, files={APPARMOR: "1\n"}), Severity.INFO, "root"),
        ("overlay", FakeMachine(missing=("overlay_userns",)), Severity.WARNING, "copied"),
        ("features", FakeMachine(missing=("fd_lowers",)), Severity.INFO, "6.13"),
        ("features", FakeMachine(missing=("seccomp_notify",)), Severity.ERROR, "maintainer"),
        ("subuid", FakeMachine(files={"/etc/subuid": "bob:1:65536\n"}), Severity.INFO, "subuid"),
        ("subuid", FakeMachine(files={"/etc/subgid": "ada:1:10\n"}), Severity.INFO, "subgid"),
        ("subuid", FakeMachine(tools={"newuidmap": None}), Severity.INFO, "newuidmap"),
        ("disk-space", FakeMachine(free=1 << 30), Severity.ERROR, "1.0 GiB"),
        ("disk-space", FakeMachine(free=5 << 30), Severity.WARNING, "5.0 GiB"),
        ("store-filesystem", FakeMachine(filesystem="nfs4"), Severity.ERROR, "nfs4"),
        ("store-filesystem", FakeMachine(filesystem="overlay"), Severity.INFO, "overlay"),
        ("project-filesystem", FakeMachine(filesystem="exfat"), Severity.WARNING, "exfat"),
        ("clock", FakeMachine(now=0), Severity.ERROR, "1970-01-01"),
        ("clock", FakeMachine(now=NOW * 3), Severity.ERROR, "cannot be"),
        ("mapped-ports", FakeMachine(), Severity.INFO, "neither"),
        (
            "mapped-ports",
            FakeMachine(tools={"pasta": "/p", "slirp4netns": "/s"}),
            Severity.OK,
            "`pasta` or `slirp",
        ),
        (
            "mapped-ports",
            FakeMachine(tools={"pasta": "/p"}, closed="Permission denied"),
            Severity.INFO,
            "denied",
        ),
        ("certificates", FakeMachine(bundle=""), Severity.ERROR, "no bundle"),
        ("certificates", FakeMachine(bundle="/none"), Severity.ERROR, "cannot be read"),
        ("certificates", FakeMachine(files={"/certs": "nonsense"}), Severity.ERROR, "no certificate"),
        ("mirrors", FakeMachine(mirrors={}), Severity.ERROR, "no mirror"),
        ("mirrors", FakeMachine(offline=True), Severity.INFO, "not asked"),
        (
            "mirrors",
            FakeMachine(mirrors=SpecError("`mirrors.toml` is no TOML", hints=["mend it"])),
            Severity.ERROR,
            "no TOML",
        ),
        ("mirrors", FakeMachine(unreachable={"https://a.invalid/debian": "down"}), Severity.OK, "debian"),
        (
            "mirrors",
            FakeMachine(unreachable={"https://a.invalid/debian": "down", "https://b.invalid/debian": "slow"}),
            Severity.ERROR,
            "slow",
        ),
        ("indexes", FakeMachine(indexes={}), Severity.ERROR, "no Python index"),
        ("indexes", FakeMachine(unreachable={"https://i.invalid": "401"}), Severity.ERROR, "401"),
        ("docker", FakeMachine(), Severity.OK, "20.10.24"),
        ("docker", FakeMachine(output=None), Severity.WARNING, "version"),
        ("docker", FakeMachine(daemon=None), Severity.INFO, "daemon does not answer"),
        ("podman", FakeMachine(), Severity.INFO, "not installed"),
    ],
)
def test_what_a_check_sees(name, machine, severity, word):
    finding = look(name, machine)
    assert finding.severity is severity, finding
    assert word in finding.finding
    if severity in (Severity.WARNING, Severity.ERROR):
        assert finding.remedy, "a problem has a remedy"


def test_an_error_ends_with_its_code_and_is_shown_with_its_remedy():
    result = run_doctor(FakeMachine(free=1 << 30))
    assert result.code is ExitCode.DOCTOR
    text = render_doctor(result)
    assert "ERROR" in text
    assert "shipway gc" in text
    document = doctor_document(result)
    assert document["ok"] is False
    assert {finding["name"] for finding in document["findings"]} == {check.name for check in CHECKS}


def test_checks_have_names_of_their_own():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(isinstance(check, Check) for check in CHECKS)


def test_this_machine_can_be_asked(tmp_path):
    """The real machine answers every question but those of the network."""
    from shipway.verbs.machine import ThisMachine

    result = run_doctor(ThisMachine(str(tmp_path), offline=True))
    assert len(result.findings) == len(CHECKS)
