"""Inside a default `docker run`: no namespaces, no mounts, Docker's own filter, a masked /proc."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import pytest
from sandbox_world import make_small_root, python

import shipway.sandbox

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
    if os.environ.get("DOCKER_HOST"):
        pytest.skip("the engine of DOCKER_HOST cannot see this host's folders")
    base = tempfile.mkdtemp(prefix="sandbox-docker-")
    socket = f"unix://{base}/s"
    with open(f"{base}/log", "w") as log:
        engine = subprocess.Popen(
            [
                "dockerd", "--data-root", f"{base}/data", "--exec-root", f"{base}/exec", "-H", socket, "--pidfile", f"{base}/pid",
                "--bridge=none", "--iptables=false",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    client = ["docker", "-H", socket]
    end = time.monotonic() + 60
    while (
        subprocess.run([*client, "info"], capture_output=True, check=False).returncode
        and time.monotonic() < end
    ):
        assert engine.poll() is None, open(f"{base}/log").read()  # noqa: SIM115
        time.sleep(0.1)
    os.makedirs(f"{base}/image/etc")
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{base}/image/{name}")
    for name in ("usr", "tmp", "code", "tree"):
        os.makedirs(f"{base}/image/{name}")
    os.chmod(f"{base}/image/tmp", 0o1777)
    archive = subprocess.run(
        ["tar", "-C", f"{base}/image", "-c", "."], capture_output=True, check=True
    ).stdout
    subprocess.run([*client, "import", "-", "base"], input=archive, capture_output=True, check=True)

    def run_it(*arguments: str) -> dict[str, object]:
        tree = tempfile.mkdtemp(dir=base)
        make_small_root(f"{tree}/tree")
        os.chmod(tree, 0o755)
        if "--user" in arguments:
            user = arguments[arguments.index("--user") + 1]
            subprocess.run(["chown", "-Rh", f"{user}:{user}", tree], check=True)
        done = subprocess.run(
            [
                *client, "run", "--rm", "--network=none", *arguments, "-v", "/usr:/usr:ro", "-v", f"{SOURCE}:/code:ro",
                "-v", f"{tree}:/trees", "base", python(), "-I", "-S", "-c", INSIDE.replace("'/tree'", "'/trees/tree'"),
            ],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    yield run_it
    engine.terminate()
    engine.wait(30)
    shutil.rmtree(base, ignore_errors=True)


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
