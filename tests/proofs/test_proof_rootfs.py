"""D1: our root file system equals mmdebstrap's, path by path, but for a reviewed list."""

import functools
import os
import subprocess

import pytest
from rootfs_build import build_root
from rootfs_compare import differences, from_manifests, from_tar, read_allowed

from shipway.host.mirrors import read_mirrors

HERE = os.path.dirname(os.path.abspath(__file__))
ALLOWED = read_allowed(os.path.join(HERE, "rootfs_differences.toml"))
EPOCH = 1_780_000_000
SETS = {
    "essential": (),
    "services": ("python3", "git", "openssh-server", "nginx"),
    "media": ("libgl1", "ffmpeg", "default-jre-headless"),
    "languages": ("build-essential", "texlive-base", "r-base-core"),
}
"""What is asked for, and what it needs, in one root: packages that have little to do with each other."""
CASES = [("bookworm", name) for name in SETS] + [("trixie", "essential"), ("sid", "essential")]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.needs_network,
    pytest.mark.needs_tool("mmdebstrap"),
]


@functools.cache
def mirrors():
    return read_mirrors(os.environ)


def sources(suite):
    main, security = mirrors().of("debian")[0], mirrors().of("debian-security")[0]
    lines = [f"deb {main} {suite} main"]
    if suite != "sid":
        lines += [f"deb {main} {suite}-updates main", f"deb {security} {suite}-security main"]
    return "\n".join(lines) + "\n"


def run_mmdebstrap(suite, package_set, folder, packages):
    """mmdebstrap's tar of the same packages, which it finds in its download folder; its own apt checks them."""
    listed = folder / "sources.list"
    listed.write_text(sources(suite))
    cache = folder / "archives"
    cache.mkdir()
    for name, path in packages.items():
        os.symlink(path, cache / name)
    tar = folder / "root.tar"
    command = [
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=essential"),
        *("--skip=download/empty", "--skip=essential/unlink"),
        '--setup-hook=mkdir -p "$1/var/cache/apt/archives"',
        f'--setup-hook=cp -L {cache}/*.deb "$1/var/cache/apt/archives/"',
        '--aptopt=Acquire::Check-Valid-Until "false"',
    ]
    if suite == "bookworm":
        # Where no package brings them, mmdebstrap has to be asked for the links of a merged /usr.
        command.append("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr")
    if names := SETS[package_set]:
        command.append(f"--include={','.join(names)}")
    env = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "FORCE_SOURCE_DATE": "1",
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(folder),
    }
    subprocess.run([*command, suite, str(tar), str(listed)], env=env, check=True, timeout=500)
    return str(tar)


def unlisted(found, suite, package_set):
    return [
        (path, what)
        for path, what in found
        if not any(a.covers(path, what, suite, package_set) for a in ALLOWED)
    ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("suite", "package_set"), CASES, ids=lambda value: value)
def test_the_root_equals_that_of_mmdebstrap(suite, package_set, tmp_path, in_memory, shared_store):
    built = build_root(suite, SETS[package_set], shared_store, str(tmp_path), epoch=EPOCH)
    theirs = from_tar(run_mmdebstrap(suite, package_set, in_memory, built.packages))
    left = unlisted(differences(from_manifests(built.manifests), theirs), suite, package_set)
    assert not left, "\n".join(f"{path}: {what}" for path, what in left[:100])


def test_built_twice_the_delta_is_the_same(tmp_path, shared_store):
    names = ("git", "openssh-server", "default-jre-headless")
    first = build_root("bookworm", names, shared_store, str(tmp_path / "one"), epoch=EPOCH)
    second = build_root("bookworm", names, shared_store, str(tmp_path / "two"), epoch=EPOCH)
    assert first.delta.render() == second.delta.render()
    assert first.delta.identity() == second.delta.identity()
