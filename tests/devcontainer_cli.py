"""The Development Containers CLI as it comes from npm, in one known version."""

import base64
import hashlib
import subprocess

PACKAGE = "@devcontainers/cli@0.83.0"
"""The newest that Node 18 runs, which Debian 12 has. It is one bundled file, and builds by Docker's own program, with or without `buildx`."""
INTEGRITY = "sha512-F5imPWyugs1rpsIStcI8lGCLb+KI69RBqHCmIBeYdG7aTczn6U6zr5iC6ZR1Y6Nb2TEz/LfQw1xJzaabSetaPg=="


def fetch_cli(folder):
    """The program, from where this host's npm gets packages, and the very bytes that are known."""
    done = subprocess.run(
        ["npm", "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    archive = folder / done.stdout.split()[-1]
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert f"sha512-{found}" == INTEGRITY
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
    return folder / "package/devcontainer.js"
