"""Changes of owner, attributes and devices: written down the same whoever builds and however it is isolated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

import pytest
from sandbox_world import (
    PLAIN_UID,
    become_user,
    build,
    drop_sys_admin,
    in_child,
    make_small_root,
    python_ops,
    python_script,
    refuse_namespaces,
    refuse_user_namespaces,
    system_ops,
)

from shipway.sandbox import Captured, Request, WriteFile, run_captured

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_userns]

WAYS = {
    "namespaces as root": ([], 0, "namespaces"),
    "namespaces as user": ([become_user()], PLAIN_UID, "namespaces"),
    "mounts": ([refuse_user_namespaces], 0, "mounts"),
    "chroot": ([drop_sys_admin, refuse_namespaces], 0, "chroot"),
    "proot": ([become_user(), refuse_namespaces], PLAIN_UID, "proot"),
}


class Way:
    """One way of isolation, as one user."""

    def __init__(self, name: str, base: str):
        self.steps, self.uid, self.mode = WAYS[name]
        self.place = f"{base}/{name.replace(' ', '-')}"
        os.makedirs(self.place)
        self.root = make_small_root(f"{self.place}/root")
        self.copies = 0
        self.own(self.place)

    def own(self, path: str) -> None:
        subprocess.run(["chown", "-Rh", f"{self.uid}:{self.uid}", path], check=True)

    def build(self, script: str, *more: object, **fields: object) -> Captured:
        merged = None
        if self.mode in ("chroot", "proot"):
            self.copies += 1
            merged = f"{self.place}/merged{self.copies}"
            shutil.copytree(self.root, merged, symlinks=True)
            self.own(merged)
        wanted = build(system_ops(self.root, *more), script, merged_root=merged, **fields)
        done = in_child(lambda: run_captured(wanted), *self.steps)
        assert done.result.mode == self.mode
        return done


@pytest.fixture(scope="module", params=[*WAYS])
def way(request):
    if request.param == "proot" and shutil.which("proot") is None:
        pytest.skip("`proot` is not installed")
    base = tempfile.mkdtemp(prefix="sandbox-record-")
    os.chmod(base, 0o755)
    yield Way(request.param, base)
    shutil.rmtree(base)


def owners(done: Captured) -> dict[str, tuple[int, int]]:
    return {owner.path: (owner.uid, owner.gid) for owner in done.result.ownership}


def test_what_scripts_do(way):
    script = """
    set -e
    chown 5:6 /etc/passwd
    cd /etc; chown 7 group; chown :8 ./group
    ln -s passwd link; chown -h 9:9 link; chown 10 link
    echo x > shadow+; chown root:shadow shadow+; mv shadow+ shadow
    echo y > first; chown 33 first; ln first second; rm first
    echo z > gone; chown 3 gone; rm gone
    mkdir -p /var/lib/a; chown -R 100:101 /var/lib; mv /var/lib/a /var/lib/b
    chown 0:0 /root
    """
    done = way.build(script)
    assert done.result.code == 0, done.stderr
    assert owners(done) == {
        "/etc/passwd": (10, 6),
        "/etc/group": (7, 8),
        "/etc/link": (9, 9),
        "/etc/shadow": (0, 42),
        "/etc/second": (33, -1),
        "/var/lib": (100, 101),
        "/var/lib/b": (100, 101),
        "/root": (0, 0),
    }


def test_errors_are_the_real_ones(way):
    done = way.build(
        "chown 1 /absent; chown 1 /etc/passwd/x; ln -s loop /loop; chown 1 /loop; chown 1 /etc/../etc/group; echo $?"
    )
    assert done.stderr.count(b"No such file or directory") == 1
    assert done.stderr.count(b"Not a directory") == 1
    assert b"oo many levels" in done.stderr
    assert owners(done) == {"/etc/group": (1, -1)}


def test_devices_are_recorded_and_pipes_are_made(way):
    done = way.build(
        "mknod /null c 1 3; mknod /etc/disk b 8 1; mknod /fifo p; [ -p /fifo ] && echo pipe; mknod /null c 1 3"
    )
    assert done.stdout == b"pipe\n"
    found = {
        device.path: (oct(device.mode & 0o170000), os.major(device.device), os.minor(device.device))
        for device in done.result.devices
    }
    assert found == {"/null": ("0o20000", 1, 3), "/etc/disk": ("0o60000", 8, 1)}
    assert b"File exists" in done.stderr


def test_setuid_bits_go_as_they_really_would(way):
    done = way.build(
        "cp /usr/bin/true /t; chmod 6755 /t; chown 1 /t; stat -c %a /t; chmod 4755 /t; stat -c %a /t; mkdir /d; chmod 2755 /d; chown 1 /d; stat -c %a /d"
    )
    assert done.stdout == b"755\n4755\n2755\n"


def test_who_builds_is_root_inside(way):
    assert way.build("id -u; id -g; echo x > /etc/new; cat /etc/new").stdout == b"0\n0\nx\n"


def test_many_files(way):
    done = way.build(
        "i=0; mkdir /many; while [ $i -lt 700 ]; do echo > /many/$i; i=$((i+1)); done; chown -R 12:13 /many"
    )
    assert done.result.code == 0
    assert len(owners(done)) == 701
    assert set(owners(done).values()) == {(12, 13)}


def test_build_without_owners_records_nothing(way):
    assert way.build("echo x > /file").result.ownership == ()


def test_held_files_are_bounded(way):
    """With few descriptors paths are fixed early; nothing is lost."""
    import resource

    way.steps.append(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150)))
    try:
        done = way.build(
            "i=0; mkdir /many; while [ $i -lt 300 ]; do echo > /many/$i; i=$((i+1)); done; chown -R 12:13 /many; chown 14 /many/0"
        )
    finally:
        way.steps.pop()
    assert done.result.code == 0, done.stderr
    assert len(owners(done)) == 301
    assert owners(done)["/many/0"] == (14, 13)


IDS = """
import os, ctypes
libc = ctypes.CDLL(None, use_errno=True)
os.setgroups([1, 2]); os.setgid(33); os.setuid(33); os.setresuid(5, 5, 5)
print(os.getuid(), os.geteuid(), os.getresuid())
"""

XATTRS = """
import os, struct
open('/file', 'w').close()
os.mkdir('/dir')
capability = struct.pack('<IIIII', 0x02000001, 1 << 10, 0, 0, 0)
os.setxattr('/file', 'security.capability', capability)
fd = os.open('/dir', os.O_RDONLY)
os.setxattr(fd, 'system.posix_acl_default', b'\\2\\0\\0\\0')
os.setxattr('/file', 'user.kept', b'real')
print(os.getxattr('/file', 'user.kept'))
os.rename('/file', '/renamed')
"""

DESCRIPTORS = """
import os
fd = os.open('/opened', os.O_CREAT | os.O_RDWR)
os.fchown(fd, 21, 22)
directory = os.open('/etc', os.O_RDONLY)
os.close(os.open('below', os.O_CREAT | os.O_RDWR, dir_fd=directory))
os.chown('below', 23, 24, dir_fd=directory)
os.close(os.open('/by-proc', os.O_CREAT | os.O_RDWR))
other = os.open('/by-proc', os.O_RDONLY)
os.chown(f'/proc/self/fd/{other}', 25, 26)
os.chown('/opened', -1, 2**31 + 5)
os.mkdir('/jail'); os.close(os.open('/jail/in', os.O_CREAT))
pid = os.fork()
if pid == 0:
    os.chroot('/jail'); os.chdir('/')
    os.chown('/in', 27, 28); os.chown('../../in', -1, 29)
    os._exit(0)
os.waitpid(pid, 0)
for bad in (lambda: os.fchown(999, 1, 1), lambda: os.chown('', 1, 1), lambda: os.chown('x' * 5000, 1, 1)):
    try:
        bad()
    except OSError as error:
        print(error.errno)
"""


def built(script: str, **fields: object) -> Request:
    return python_script(script, host_uid_as="root", drop_caps=False, suppress_chown=True, **fields)


@pytest.fixture(params=["root", "user"])
def go(request):
    steps = [] if request.param == "root" else [become_user()]
    return lambda wanted: in_child(lambda: run_captured(wanted), *steps)


def test_changes_of_own_ids_are_answered(go):
    done = go(built(IDS))
    assert (done.result.code, done.stdout) == (0, b"0 0 (0, 0, 0)\n"), done.stderr


def test_capabilities_and_acls(go):
    done = go(built(XATTRS))
    assert done.stdout == b"b'real'\n", done.stderr
    assert {(a.path, a.name, len(a.value)) for a in done.result.xattrs} == {
        ("/renamed", "security.capability", 20),
        ("/dir", "system.posix_acl_default", 4),
    }


def test_by_descriptor_by_directory_by_proc_and_in_a_chroot(go):
    done = go(built(DESCRIPTORS))
    assert done.stdout == b"9\n2\n36\n", done.stderr
    assert owners(done) == {
        "/opened": (21, 2**31 + 5),
        "/etc/below": (23, 24),
        "/by-proc": (25, 26),
        "/jail/in": (27, 29),
    }


def test_read_only_files_refuse(go):
    done = go(
        built("import os\ntry:\n os.chown('/usr', 1, 1)\nexcept OSError as error:\n print(error.errno)")
    )
    assert done.stdout == b"30\n"
    assert done.result.ownership == ()


COMPAT = """
import ctypes, mmap
# push rbx; mov eax, edi; mov ebx, esi; xchg edx, ecx (third C argument is edx, fourth ecx); int 0x80; pop rbx; ret
code = bytes.fromhex('53 89f8 89f3 87d1 cd80 5b c3')
page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint)(address)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
low = libc.mmap(None, 4096, 3, 0x22 | 0x40, -1, 0)  # MAP_32BIT
def at(path):
    open(path, 'w').close()
    ctypes.memmove(low, path.encode() + b'\\0', len(path) + 1)
    return low
print(call(212, at('/chown32'), 70000, 5), call(182, at('/chown16'), 6, 0xffff), call(198, at('/lchown32'), 7, 0xffffffff))
print(call(213, 33, 0, 0), call(288, 0, 0, 0), call(14, at('/absent-dir'), 0o20666, 259))
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the second door of x86-64")
def test_32_bit_calls_are_recorded_too(go):
    done = go(built(COMPAT))
    assert done.stdout == b"0 0 0\n0 -1 -17\n", (done.stdout, done.stderr)
    assert owners(done) == {"/chown32": (70000, 5), "/chown16": (6, -1), "/lchown32": (7, -1)}


def test_threads_of_one_program(go):
    script = """
import os, threading
def work(n):
    for i in range(40):
        path = f'/{n}-{i}'
        os.close(os.open(path, os.O_CREAT)); os.chown(path, n, i)
threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
[t.start() for t in threads]; [t.join() for t in threads]
"""
    done = go(built(script))
    assert owners(done) == {f"/{n}-{i}": (n, i) for n in range(1, 9) for i in range(40)}


def test_killed_in_the_middle(go):
    script = "import os, signal\nos.close(os.open('/a', os.O_CREAT)); os.chown('/a', 5, 5)\nos.kill(os.getpid(), signal.SIGKILL)"
    done = go(built(script))
    assert (done.result.code, owners(done)) == (137, {"/a": (5, 5)})


def test_syncs_are_answered_when_asked(go):
    script = "import os; fd = os.open('/a', os.O_CREAT | os.O_RDWR); os.fsync(fd); os.fdatasync(fd); os.sync(); print('synced')"
    assert go(built(script, suppress_sync=True)).stdout == b"synced\n"


def test_without_recording_changes_are_refused(go):
    script = "import os\nopen('/a', 'w').close()\ntry:\n os.chown('/a', 5, 5)\nexcept OSError as error:\n print(error.errno)"
    assert go(python_script(script, host_uid_as="root")).stdout in (b"22\n", b"1\n")


def test_recording_inside_recording_says_so():
    """A kernel serves one listener per process: the inner build fails with a sentence."""
    inner = (
        f"import sys; sys.path.append({os.path.dirname(os.path.dirname(sys.modules['shipway'].__file__))!r})\n"
        "from shipway.sandbox import *\n"
        "try:\n run(Request([Tmpfs('/', mode=0o755), Bind('/usr', '/usr'), Symlink('usr/bin', '/bin'), Symlink('usr/lib', '/lib'),"
        " Symlink('usr/lib64', '/lib64')], ['/usr/bin/true'], suppress_chown=True))\n"
        "except SandboxFailure as failure:\n print(failure.message)\n"
    )
    from shipway.sandbox import Bind

    source = os.path.dirname(os.path.dirname(os.path.abspath(sys.modules["shipway"].__file__)))
    wanted = python_script(
        inner, Bind(source, source, read_only=True), host_uid_as="root", drop_caps=False, suppress_chown=True
    )
    assert b"busy" in in_child(lambda: run_captured(wanted)).stdout


def test_unused_helpers_of_the_world_work():
    assert WriteFile("/x", b"").describe()
    assert python_ops()
