"""Trees that try to steer the set-up outside, and commands that try to get out or to keep hold of something."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile

import pytest
from sandbox_world import (
    PLAIN_UID,
    become_user,
    build,
    in_child,
    make_small_root,
    python_script,
    request,
    shell,
    system_ops,
)

from shipway.sandbox import (
    Bind,
    Dev,
    MakeDir,
    Overlay,
    Proc,
    SandboxFailure,
    Symlink,
    Tmpfs,
    WriteFile,
    run_captured,
)

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_userns]


@pytest.fixture(scope="module")
def place():
    base = tempfile.mkdtemp(prefix="sandbox-hostile-")
    make_small_root(f"{base}/root")
    os.chmod(base, 0o755)
    yield base
    shutil.rmtree(base)


@pytest.fixture
def victim(place):
    """A folder of the host that a hostile tree points to, and its content before."""
    path = f"{place}/victim"
    os.makedirs(f"{path}/dev")
    with open(f"{path}/file", "w") as file:
        file.write("untouched")
    yield path
    shutil.rmtree(path)


def snapshot(path: str) -> list[tuple[str, int, int, int]]:
    found = []
    for directory, folders, names in os.walk(path):
        for name in (".", *folders, *names):
            state = os.lstat(f"{directory}/{name}")
            found.append((f"{directory}/{name}", state.st_mode, state.st_size, state.st_mtime_ns))
    return sorted(found)


TARGETS = ("dev", "proc", "sys", "etc", "run", "tmp")


def links_to(victim: str) -> dict[str, str]:
    """Every kind of link that has fooled a launcher."""
    up = "../" * 30
    return {
        "absolute": victim,
        "relative": f"{up}{victim.lstrip('/')}",
        "dots": f"x/../..{victim}/../victim",
        "root of a process": f"/proc/self/root{victim}",
        "working directory": "/proc/self/cwd",
        "descriptor": "/proc/self/fd/5",
        "init's root": f"/proc/1/root{victim}",
        "dangling": "/no/such/place",
        "itself": "self",
        "chain": "chain1",
    }


@pytest.fixture(params=[*links_to("/x")])
def hostile(request, place, victim):
    """A lower in which every target is that kind of link."""
    path = tempfile.mkdtemp(dir=place)
    os.chmod(path, 0o755)
    text = links_to(victim)[request.param]
    for name in TARGETS:
        os.symlink(name if text == "self" else text, f"{path}/{name}")
    os.symlink("chain2", f"{path}/chain1")
    os.symlink(victim, f"{path}/chain2")
    yield path
    shutil.rmtree(path)


STEPS = {
    "dev": [Dev()],
    "proc": [Proc()],
    "sys": [Bind("/sys", "/sys", read_only=True)],
    "tmp": [Tmpfs("/tmp")],
    "file": [WriteFile("/etc/resolv.conf", b"evil")],
    "new directory": [MakeDir("/run/a/b")],
    "link": [Symlink("a", "/run/x")],
    "bound directory": [Bind("/usr", "/run/usr", read_only=True)],
    "bound file": [Bind("/etc/hostname", "/etc/hostname")],
    "bound file in place of the link": [Bind("/etc/hostname", "/etc")],
    "file in place of the link": [WriteFile("/etc", b"evil")],
    "link in place of the link": [Symlink("a", "/etc")],
}


@pytest.mark.parametrize("step", STEPS)
def test_links_in_a_tree_reach_nothing_outside(place, victim, hostile, step):
    """Set-up either works inside or fails with a sentence; the host's folder is never touched."""
    before = snapshot(victim)
    ops = [Overlay((hostile, f"{place}/root")), *STEPS[step]]

    def attempt():
        try:
            return run_captured(request(ops, "/usr/bin/true", host_uid_as="root")).result.code
        except SandboxFailure as failure:
            return failure.message

    outcome = in_child(attempt)
    assert snapshot(victim) == before
    assert outcome == 0 or isinstance(outcome, str), outcome
    if step.endswith("place of the link"):
        assert outcome == 0, "what is at the target is replaced, not followed"


def test_writable_upper_is_no_way_out_either(place, victim, hostile):
    """The same through an upper directory that already holds the links."""
    os.mkdir(f"{place}/upper")
    os.mkdir(f"{place}/work")
    try:
        shutil.copytree(hostile, f"{place}/upper", symlinks=True, dirs_exist_ok=True)
        before = snapshot(victim)
        ops = [
            Overlay((f"{place}/root",), f"{place}/upper", f"{place}/work"),
            Dev(),
            Proc(),
            WriteFile("/etc/x", b"x"),
        ]
        with contextlib.suppress(SandboxFailure):
            in_child(lambda: run_captured(request(ops, "/usr/bin/true", host_uid_as="root")).result.code)
        assert snapshot(victim) == before
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", f"{place}/work"], check=True)
        shutil.rmtree(f"{place}/upper")
        shutil.rmtree(f"{place}/work")


def test_dots_in_targets_stay_inside(place, victim):
    ops = system_ops(
        f"{place}/root",
        WriteFile("/../../made", b"x"),
        Bind(victim, "/etc/../../../seen"),
        Symlink("a", "/etc/../../b"),
    )
    done = in_child(lambda: run_captured(shell(ops, "cat /made; cat /seen/file; readlink /b")))
    assert done.stdout == b"xuntoucheda\n"


def test_bind_over_the_wrong_kind_is_refused(place):
    root = f"{place}/root"
    for op in (
        Bind("/usr", "/etc/passwd"),
        Bind("/etc/hostname", "/etc"),
        Tmpfs("/etc/passwd"),
        MakeDir("/etc/passwd/x"),
    ):
        with pytest.raises(SandboxFailure, match=r"(Not a|Is a) directory"):
            in_child(lambda op=op: run_captured(shell(system_ops(root, op), "true")))


@pytest.mark.parametrize("as_user", [False, True], ids=["root", "user"])
@pytest.mark.parametrize("wanted", [shell, build], ids=["run", "build"])
def test_nothing_of_the_host_is_held_open(place, as_user, wanted):
    """No descriptor of the host, no look into the first process, no working directory outside."""
    script = (
        "for p in /proc/[0-9]*; do for f in $p/fd/*; do readlink $f; done; readlink $p/root $p/cwd $p/exe; done 2>/dev/null;"
        " cat /proc/1/environ; ls /proc/1/fd; ls /proc/1/root/; echo done"
    )
    steps = [become_user()] if as_user else []
    root = f"{place}/user" if as_user else f"{place}/root"
    if as_user and not os.path.exists(root):
        shutil.copytree(f"{place}/root", root, symlinks=True)
        subprocess.run(["chown", "-Rh", f"{PLAIN_UID}:{PLAIN_UID}", root], check=True)
    done = in_child(lambda: run_captured(wanted(system_ops(root), script)), *steps)
    allowed = ("/memfd:", "/proc/", "/usr/bin/", "/dev/null", "pipe:", "anon_inode:")
    listed = [line for line in done.stdout.decode().splitlines() if line not in ("/", "done")]
    listed = [
        line for line in listed if not line.isdigit()
    ]  # numbers of the first process's descriptors, which cannot be followed
    assert all(line.startswith(allowed) for line in listed), listed
    assert done.stderr.count(b"Permission denied") >= 2, done.stderr


def test_interpreter_of_the_host_cannot_be_written(place):
    """CVE-2019-5736: the launcher's program seen from inside."""
    done = in_child(
        lambda: run_captured(
            build(system_ops(f"{place}/root"), "echo evil > /proc/1/exe; cat /proc/1/exe | wc -c")
        )
    )
    assert b"cannot create /proc/1/exe" in done.stderr


def test_first_process_loads_nothing_from_inside(place):
    """Modules planted where the host's Python looks for its own are never imported by the first process."""
    import sys

    evil = b"import os\nos.write(2, b'PLANTED')\n"
    places = {path for path in sys.path if path.startswith("/") and path.count("/") > 2}
    ops = system_ops(f"{place}/root")
    for path in sorted(places):
        for name in (
            "encodings/ascii.py",
            "encodings/idna.py",
            "traceback.py",
            "json/__init__.py",
            "linecache.py",
        ):
            ops.append(WriteFile(f"{path}/{name}", evil))
    done = in_child(lambda: run_captured(shell(ops, "sleep 0.05; kill -9 $$")))
    assert done.result.code == 137
    assert b"PLANTED" not in done.stderr


RIGHTS = """
import os
fields = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
print({name: fields[name].strip() for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp')})
"""


def test_workload_has_no_rights():
    done = in_child(lambda: run_captured(python_script(RIGHTS)))
    rights = eval(done.stdout)
    assert all(rights[name].strip("0") == "" for name in rights if name.startswith("Cap")), rights
    assert (rights["NoNewPrivs"], rights["Seccomp"]) == ("1", "2")


def test_build_has_the_rights_of_package_scripts_only():
    done = in_child(lambda: run_captured(python_script(RIGHTS, host_uid_as="root", drop_caps=False)))
    rights = eval(done.stdout)
    assert rights["CapEff"] == rights["CapBnd"] == "00000000a80425ff"
    assert rights["CapInh"].strip("0") == rights["CapAmb"].strip("0") == ""


TERMINAL = """
import fcntl, os, pty, termios
master, slave = pty.openpty()
os.setsid() if os.getpid() != os.getsid(0) else None
for request in (0x5412, 0x541C, 0x5412 | (1 << 32)):
    try:
        fcntl.ioctl(slave, request & 0xffffffff, b'x'); print('typed')
    except OSError as error:
        print(error.errno)
"""


def test_nothing_can_be_typed_into_a_terminal():
    assert in_child(lambda: run_captured(python_script(TERMINAL))).stdout == b"1\n1\n1\n"


KEYS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for number in (248, 249, 250):
    print(libc.syscall(number, 0, 0, 0, 0, 0), ctypes.get_errno())
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")
def test_keyrings_are_out_of_reach():
    assert in_child(lambda: run_captured(python_script(KEYS))).stdout == b"-1 1\n" * 3


def test_abstract_sockets_of_the_host_end_at_the_network(place):
    """CVE-2020-15257: with a network of its own the sandbox sees none of them."""
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        name = f"shipway-test-{os.getpid()}"
        server.bind(f"\0{name}")
        server.listen()
        script = f"import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(5); print(s.connect_ex('\\0{name}'))"
        assert in_child(lambda: run_captured(python_script(script))).stdout == b"0\n", "the test itself works"
        assert in_child(lambda: run_captured(python_script(script, network="none"))).stdout == b"111\n"


def test_kernel_switches_are_read_only(place):
    switches = [
        p
        for p in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger")
        if os.path.exists(p)
    ]
    secrets = [p for p in ("/proc/kcore", "/proc/timer_list", "/proc/keys") if os.path.exists(p)]
    script = f"for f in {' '.join(switches)}; do echo 0 > $f; done; for f in {' '.join(secrets)}; do [ -s $f ] && echo shown $f; done"
    for wanted in (shell, build):
        done = in_child(lambda wanted=wanted: run_captured(wanted(system_ops(f"{place}/root"), script)))
        assert done.stderr.count(b"Read-only file system") == len(switches) >= 2, done.stderr
        assert done.stdout == b""


def test_a_nested_namespace_cannot_undo_the_mounts(place):
    """Full rights in a namespace of one's own do not reach the mounts of the one above."""
    script = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(libc.unshare(0x10020000))
print(libc.umount2(b'/proc/sys', 2), libc.mount(None, b'/proc/sys', None, 0x1020, None))
try:
    open('/proc/sys/kernel/core_pattern', 'w').write('x')
except OSError as error:
    print(error.errno)
"""
    done = in_child(lambda: run_captured(python_script(script)))
    assert done.stdout == b"0\n-1 -1\n30\n", (done.stdout, done.stderr)


def test_devices_cannot_be_made(place):
    done = in_child(
        lambda: run_captured(
            shell(system_ops(f"{place}/root"), "mknod /tmp/sda b 8 0; mknod /null c 1 3", host_uid_as="root")
        )
    )
    assert done.stderr.count(b"Operation not permitted") == 2


def test_setuid_programs_give_nothing(place):
    path = f"{place}/suid"
    shutil.copytree(f"{place}/root", path, symlinks=True)
    os.chmod(f"{path}/usr/bin/id", 0o4755)
    os.chmod(path, 0o755)
    done = in_child(lambda: run_captured(request(system_ops(path), "id", "-u")), become_user())
    assert done.stdout == b"%d\n" % PLAIN_UID
