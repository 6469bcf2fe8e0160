"""Apptainer, which Debian 12 lacks, out of Debian's unstable suite: unpacked into a folder of its own and run on this host."""

import contextlib
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from shipway.host.files import remove_tree
from shipway.host.lock import FileLock
from shipway.host.mirrors import read_mirrors

PACKAGES = ("apptainer", "libc6", "libseccomp2", "libsqlite3-0")
_LIBRARIES = f"usr/lib/{os.uname().machine}-linux-gnu"


@contextlib.contextmanager
def private_apptainer(session: Path):
    """The variables by which Apptainer is found. All processes of the test run `session` share one copy; the last removes it."""
    name = hashlib.sha256(str(session).encode()).hexdigest()[:8]
    # Not below pytest's own folder, which other users cannot enter.
    place = Path(f"/var/tmp/shipway-apptainer-{name}")
    use = FileLock(f"{place}.lock", shared=True)
    use.acquire()
    while not (place / "whole").exists():
        use.release()
        make = FileLock(use.path)
        if make.acquire(
            between=(place / "whole").exists
        ):  # whoever made it holds the lock as long as it is used
            try:
                _make_whole(place)
            finally:
                make.release()
        use.acquire()
    try:
        yield {"PATH": f"{place}/usr/bin:{os.environ['PATH']}"}
    finally:
        use.release()
        last = FileLock(use.path, remove=True)
        if last.try_acquire():
            remove_tree(str(place))
            last.release()


def _make_whole(place: Path) -> None:
    if not (place / "whole").exists():
        remove_tree(str(place))
        _unpack(place)
        (place / "whole").touch()


def _unpack(place: Path) -> None:
    _fetch(place)
    for package in place.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, place], check=True)
        package.unlink()
    place.chmod(0o755)
    # Its programs look for their files below the folder above their own.
    for name in ("etc", "var"):
        (place / name).rename(place / "usr" / name)
        (place / "usr/lib" / name).symlink_to(f"../{name}")
    # They want a newer libc than this host's.
    (loader,) = (place / _LIBRARIES).glob("ld-linux*.so.*")
    for program in ("usr/bin/apptainer", f"{_LIBRARIES}/apptainer/bin/starter"):
        change = ["--set-interpreter", loader, "--force-rpath", "--set-rpath", f"{place}/{_LIBRARIES}"]
        subprocess.run(["patchelf", *change, place / program], check=True)


def _fetch(place: Path) -> None:
    """The packages as apt finds and checks them, and none that they depend on."""
    state = place / "apt"
    for folder in ("lists/partial", "archives/partial"):
        (state / folder).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb {read_mirrors(os.environ).of('debian')[0]} sid main\n")
    options = {
        "Dir::State": state, "Dir::State::status": state / "status", "Dir::State::lists": state / "lists",
        "Dir::Cache": state, "Dir::Etc::sourcelist": state / "sources.list", "Dir::Etc::sourceparts": "-",
        "APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::Check-Valid-Until": "false",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    for command in (["update"], ["download", *PACKAGES]):
        subprocess.run(["apt-get", "-qq", *words, *command], cwd=place, check=True, stdout=sys.stderr)
    remove_tree(str(state))
