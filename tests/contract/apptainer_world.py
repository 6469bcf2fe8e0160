"""Apptainer, which Debian 12 lacks, out of Debian's unstable suite: unpacked into a folder of its own and run on this host."""

import contextlib
import hashlib
import os
import subprocess
from pathlib import Path

from shipway.host.files import remove_tree
from shipway.host.lock import FileLock

PACKAGES = "apptainer,libc6,libseccomp2,libsqlite3-0,squashfuse"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"


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
        with FileLock(use.path):
            if not (place / "whole").exists():
                remove_tree(str(place))
                _unpack(place)
                (place / "whole").touch()
        use.acquire()
    try:
        yield {"PATH": f"{place}/usr/bin:{os.environ['PATH']}"}
    finally:
        use.release()
        last = FileLock(use.path, remove=True)
        if last.try_acquire():
            remove_tree(str(place))
            last.release()


def _unpack(place: Path) -> None:
    words = ["--quiet", "--mode=root", "--variant=extract", '--aptopt=Acquire::Check-Valid-Until "false"']
    words += [f"--include={PACKAGES}", "sid", str(place)]
    subprocess.run(["mmdebstrap", *words], check=True)
    place.chmod(0o755)
    # Its programs look for their files below the folder above their own.
    for name in ("etc", "var"):
        (place / name).rename(place / "usr" / name)
        (place / "usr/lib" / name).symlink_to(f"../{name}")
    # They want a newer libc than this host's.
    for program in ("usr/bin/apptainer", f"{_LIBRARIES}/apptainer/bin/starter"):
        loader = f"{place}/{_LIBRARIES}/ld-linux-x86-64.so.2"
        change = ["--set-interpreter", loader, "--force-rpath", "--set-rpath", f"{place}/{_LIBRARIES}"]
        subprocess.run(["patchelf", *change, place / program], check=True)
    for entry in os.scandir(place / "usr/bin"):
        if "apptainer" not in entry.name:
            os.unlink(entry.path)
