"""Inside a default `docker run`: no namespaces, no mounts, Docker's own filter, a masked /proc."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile

import pytest
from sandbox_world import make_small_root, python

import shipway.sandbox
from private_engines import call_engine, private_docker

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_docker, pytest.mark.slow]

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(shipway.sandbox.__file__)))

INSIDE = """
import json, sys, os
sys.path.append('/code')
from sandbox import *
from sandbox.probe import probe
features = probe()
choice = choose_mode(features)
out = {'mode': choice.mode, 'merged': choice.needs_merged_root, 'userns': features.reason('userns'), 'notify': features.reason('seccomp_notify')}
script = 'id -u; chown 5:6 /etc/passwd; mkdir /made; chown 7 /made; mknod /null c 1 3; echo x > /dev/null; cat /etc/group'
request = Request([Overlay(('/x',)), Proc(), Dev(), Tmpfs('/tmp')], ['sh', '-c', script], env={'PATH': '/usr/bin'}, host_uid_as='root',
                  drop_caps=False, suppress_chown=True, merged_root='/tree')
try:
    captured = run_captured(request)
    out.update(result=captured.result.to_json(), stdout=captured.stdout.decode(), stderr=captured.stderr.decode())
    run(Request([Overlay(('/x',))], ['true'], env={'PATH': '/usr/bin'}))
except SandboxFailure as failure:
    out.update(message=failure.message, hints=failure.hints)
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def docker():
    """A private engine with one image made of the host's /usr; yields a function that runs it."""
    with private_docker() as settings, tempfile.TemporaryDirectory(prefix="sandbox-docker-") as base:
        call = functools.partial(call_engine, "docker", settings)
        call("import", "-", "base", input=_make_image(f"{base}/image"))

        def run_it(*arguments: str) -> dict[str, object]:
            tree = tempfile.mkdtemp(dir=base)
            make_small_root(f"{tree}/tree")
            os.chmod(tree, 0o755)
            if "--user" in arguments:
                user = arguments[arguments.index("--user") + 1]
                subprocess.run(["chown", "-Rh", f"{user}:{user}", tree], check=True)
            shares = ["-v", "/usr:/usr:ro", "-v", f"{SOURCE}:/code:ro", "-v", f"{tree}:/trees"]
            command = ["base", python(), "-I", "-S", "-c", INSIDE.replace("'/tree'", "'/trees/tree'")]
            return json.loads(
                call("run", "--rm", "--network=none", *arguments, *shares, *command, timeout=120)
            )

        yield run_it


def _make_image(folder: str) -> bytes:
    """The archive of a root file system in which the host's /usr can be mounted."""
    os.makedirs(f"{folder}/etc")
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{folder}/{name}")
    for name in ("usr", "tmp", "code", "tree"):
        os.makedirs(f"{folder}/{name}")
    os.chmod(f"{folder}/tmp", 0o1777)
    return subprocess.run(["tar", "-C", folder, "-c", "."], capture_output=True, check=True).stdout


@pytest.mark.skipif(not python().startswith("/usr/"), reason="the image shows the host's /usr only")
@pytest.mark.parametrize(
    ("arguments", "mode"), [((), "chroot"), (("--user", "61234"), "proot")], ids=["root", "user"]
)
def test_default_container(docker, arguments, mode):
    got = docker(*arguments)
    assert (got["mode"], got["merged"], got["notify"]) == (mode, True, "")
    assert "not permitted" in got["userns"]
    result = got["result"]
    assert result["code"] == 0, got
    assert result["mode"] == mode
    assert result["ownership"] == [["/etc/passwd", 5, 6], ["/made", 7, -1]]
    assert [path for path, _, _ in result["devices"]] == ["/null"]
    assert got["stdout"].startswith("0\nroot:x:0:")
    assert "not isolated" in result["note"]
    assert "this is a container that forbids namespaces and mounts" in got["message"]
    assert any("seccomp=unconfined" in hint for hint in got["hints"])


def test_source_is_where_it_is_mounted_from():
    assert os.path.isfile(os.path.join(SOURCE, "sandbox", "sandbox.py"))
    assert sys.version_info >= (3, 11)
