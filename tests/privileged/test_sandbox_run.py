"""What a command sees and how it ends, as root and as plain users."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import pytest
from sandbox_world import (
    ENV,
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
    MAX_LOWERS,
    Bind,
    Captured,
    MakeDir,
    Op,
    Overlay,
    Proc,
    Request,
    SandboxFailure,
    Symlink,
    Tmpfs,
    WriteFile,
    run,
    run_captured,
    start,
)

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_userns]


@pytest.fixture(scope="module")
def account():
    """An ordinary account, with subordinate ids where the host gives them."""
    name = f"shipway{os.getpid()}"
    subprocess.run(["/usr/sbin/useradd", "--no-create-home", name], check=True)
    yield pwd.getpwnam(name)
    subprocess.run(["/usr/sbin/userdel", name], check=True)


@pytest.fixture(scope="module", params=["root", "user", "account"])
def who(request):
    """The steps that make a forked process this user, and the user's id."""
    if request.param == "root":
        return [], 0
    uid = PLAIN_UID if request.param == "user" else request.getfixturevalue("account").pw_uid
    return [become_user(uid)], uid


@pytest.fixture(scope="module")
def place(who):
    """A folder of this user with a small root in it."""
    base = tempfile.mkdtemp(prefix="sandbox-test-")
    make_small_root(f"{base}/root")
    subprocess.run(["chown", "-Rh", f"{who[1]}:{who[1]}", base], check=True)
    yield base
    shutil.rmtree(base)


@pytest.fixture
def root(place):
    return f"{place}/root"


@pytest.fixture
def folder(place, who):
    """An empty folder of this user."""
    path = tempfile.mkdtemp(dir=place)
    os.chown(path, who[1], who[1])
    yield path
    shutil.rmtree(path)


@pytest.fixture
def go(who):
    """Run a request as this user and capture it."""

    def run_it(wanted: Request, data: bytes = b"") -> Captured:
        return in_child(lambda: run_captured(wanted, data=data), *who[0])

    return run_it


def test_streams_and_code(go, root):
    done = go(shell(system_ops(root), "cat; echo err >&2; exit 41"), b"through")
    assert (done.result.code, done.result.signal, done.stdout, done.stderr) == (41, 0, b"through", b"err\n")
    assert (done.result.mode, done.result.note, done.result.message) == ("namespaces", "", "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE])
def test_death_by_signal(go, root, number):
    result = go(shell(system_ops(root), f"ulimit -c 0; kill -{int(number)} $$")).result
    assert (result.code, result.signal) == (128 + number, number)


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["nothing-of-that-name"], 127, "`nothing-of-that-name` is in no directory of PATH"),
        (["/usr/bin/absent"], 127, "`/usr/bin/absent` is not there"),
        (["./absent"], 127, "`./absent` is not there"),
        (["/etc/passwd"], 126, "cannot execute `/etc/passwd`: Permission denied"),
        (["/etc"], 126, "cannot execute `/etc`: Permission denied"),
        (["/etc/passwd/x"], 127, "`/etc/passwd/x` is not there"),
        (["/etc/text"], 126, "cannot execute `/etc/text`: Exec format error"),
        (["/etc/script"], 126, "the interpreter that `/etc/script` asks for is not there"),
    ],
)
def test_command_that_cannot_start(go, root, argv, code, message):
    ops = system_ops(
        root,
        WriteFile("/etc/text", b"just text\n", 0o755),
        WriteFile("/etc/script", b"#!/absent/sh\n", 0o755),
    )
    result = go(request(ops, *argv)).result
    assert (result.code, result.signal, result.message) == (code, 0, message)


def test_127_and_126_of_the_command_itself_have_no_message(go, root):
    for code in (126, 127):
        result = go(shell(system_ops(root), f"exit {code}")).result
        assert (result.code, result.message) == (code, "")


def test_environment_is_what_was_given(go, root):
    done = go(request(system_ops(root), "env", env={"PATH": "/usr/bin", "LD_PRELOAD": "", "A": "b c"}))
    assert sorted(done.stdout.decode().split("\n")) == ["", "A=b c", "LD_PRELOAD=", "PATH=/usr/bin"]


def test_identity(go, root, who):
    assert go(request(system_ops(root), "id", "-u")).stdout == b"%d\n" % who[1]
    assert go(request(system_ops(root), "id", "-u", host_uid_as="root")).stdout == b"0\n"


def test_files_belong_to_the_caller(go, root, folder, who):
    go(shell(system_ops(root, Bind(folder, "/mine")), "echo x > /mine/file", host_uid_as="root"))
    assert os.stat(f"{folder}/file").st_uid == who[1]


def test_working_directory(go, root):
    assert go(request(system_ops(root), "pwd", cwd="/usr/bin")).stdout == b"/usr/bin\n"
    with pytest.raises(
        SandboxFailure, match=r"cannot enter the working directory: No such file.*\(/absent\)"
    ):
        go(request(system_ops(root), "pwd", cwd="/absent"))


def test_names_and_limits(go, root):
    script = "uname -n; umask; ulimit -n"
    done = go(
        shell(system_ops(root), script, hostname="box.example", umask=0o027, rlimits={"nofile": (99, 100)})
    )
    assert done.stdout == b"box.example\n0027\n99\n"


def test_network_none_has_a_loopback_of_its_own(go, root):
    script = "import socket; s = socket.create_server(('127.0.0.1', 0)); print([n for _, n in socket.if_nameindex()])"
    done = go(python_script(script, network="none"))
    assert done.stdout == b"['lo']\n", done.stderr


def test_processes_of_its_own(go, root):
    done = go(shell(system_ops(root), "echo $$; cd /proc; ls -d [0-9]*"))
    assert done.stdout.split()[:2] == [b"2", b"1"]
    assert len(done.stdout.split()) <= 5


def test_scratch_is_thrown_away(go, root):
    before = sorted(os.listdir(root))
    go(
        shell(
            system_ops(root),
            "rm -r /home; mkdir /home; echo x > /etc/passwd; echo y > /new",
            host_uid_as="root",
        )
    )
    assert sorted(os.listdir(root)) == before
    with open(f"{root}/etc/passwd") as file:
        assert file.read().startswith("root:")


def test_upper_directory_keeps_what_was_written(go, root, folder):
    os.mkdir(f"{folder}/upper")
    os.mkdir(f"{folder}/work")
    os.chown(f"{folder}/upper", os.stat(folder).st_uid, -1)
    os.chown(f"{folder}/work", os.stat(folder).st_uid, -1)
    ops = [Overlay((root,), f"{folder}/upper", f"{folder}/work", volatile=True), Proc()]
    result = go(
        shell(
            ops,
            "mkdir /kept; echo x > /kept/file; rm /etc/group; rmdir /home; mkdir /home",
            host_uid_as="root",
        )
    ).result
    assert result.code == 0
    with open(f"{folder}/upper/kept/file") as file:
        assert file.read() == "x\n"
    assert os.stat(f"{folder}/upper/etc/group").st_rdev == 0
    assert os.path.isdir(f"{folder}/upper/home")


def test_read_only_root_has_its_mount_points(go, root):
    ops: list[Op] = [Overlay((root,), None), Proc(), Tmpfs("/brand/new"), WriteFile("/etc/made", b"made")]
    done = go(shell(ops, "cat /etc/made; echo x > /brand/new/file && echo yes > /etc/x", host_uid_as="root"))
    assert done.stdout == b"made"
    assert b"Read-only file system" in done.stderr


def test_read_only_binds_are_so_all_the_way_down(go, root, folder):
    os.mkdir(f"{folder}/below")
    os.chown(f"{folder}/below", os.stat(folder).st_uid, -1)
    ops = system_ops(root, Bind(folder, "/ro", read_only=True), Bind(f"{folder}/below", "/rw"))
    done = go(
        shell(ops, "echo x > /ro/a; echo x > /ro/below/b; echo x > /rw/c; ls /ro/below", host_uid_as="root")
    )
    assert done.stderr.count(b"Read-only file system") == 2
    assert done.stdout == b"c\n"


def test_binds_in_order_and_optional(go, root, folder):
    with open(f"{folder}/file", "w") as file:
        file.write("from the host")
    ops = system_ops(
        root,
        Bind(f"{folder}/file", "/deep/er/file"),
        Bind(f"{folder}/absent", "/absent", optional=True),
        MakeDir("/made", 0o710),
    )
    done = go(shell(ops, "cat /deep/er/file; ls -d /absent; stat -c %a /made"))
    assert done.stdout == b"from the host710\n"
    with pytest.raises(SandboxFailure, match=rf"bind {folder}/absent -> /x: No such file or directory"):
        go(shell(system_ops(root, Bind(f"{folder}/absent", "/x")), "true"))


def test_links_and_files_replace_what_is_there(go, root):
    ops = system_ops(
        root,
        Symlink("/elsewhere", "/etc/group"),
        WriteFile("/etc/passwd", b"new", 0o604),
        Symlink("a", "/etc/a"),
        WriteFile("/etc/a", b"not through"),
    )
    done = go(shell(ops, "readlink /etc/group; cat /etc/passwd; stat -c ' %a' /etc/passwd; cat /etc/a"))
    assert done.stdout == b"/elsewhere\nnew 604\nnot through"


def test_device_files(go, root):
    script = "echo gone > /dev/null && stat -c %F /dev/zero /dev/full /dev/random /dev/urandom /dev/tty | sort -u; ls -l /dev/stdin; echo /dev/pts/* /dev/shm/*"
    done = go(shell(system_ops(root), script.replace("| sort -u", "")))
    assert done.stdout.count(b"character special file") == 5
    assert b"/dev/pts/ptmx" in done.stdout


def test_shm_has_the_size_asked_for(go, root):
    from shipway.sandbox import Dev

    ops = [Overlay((root,)), Proc(), Dev(shm_size=3 << 20)]
    assert go(request(ops, "stat", "-f", "-c", "%b %S", "/dev/shm")).stdout.split() == [b"768", b"4096"]


def test_many_lowers(go, root, folder, who):
    uid = who[1]
    for number in range(MAX_LOWERS - 1):
        os.makedirs(f"{folder}/{number}/many")
        with open(f"{folder}/{number}/many/{number}", "w"):
            pass
    subprocess.run(["chown", "-R", f"{uid}:{uid}", folder], check=True)
    lowers = [f"{folder}/{number}" for number in range(MAX_LOWERS - 1)]
    done = go(shell([Overlay([*lowers, root]), Proc()], "cd /many; set -- *; echo $#"))
    assert done.stdout == b"%d\n" % (MAX_LOWERS - 1)
    with pytest.raises(SandboxFailure, match="1 to 500 lower directories and was given 501: merge"):
        go(shell([Overlay([*lowers, root, root]), Proc()], "true"))


def test_first_lower_is_on_top(go, root, folder, who):
    for name in ("one", "two"):
        os.mkdir(f"{folder}/{name}")
        with open(f"{folder}/{name}/which", "w") as file:
            file.write(name)
    subprocess.run(["chown", "-R", f"{who[1]}:{who[1]}", folder], check=True)
    assert (
        go(shell([Overlay((f"{folder}/one", f"{folder}/two", root)), Proc()], "cat /which")).stdout == b"one"
    )


def test_missing_lower_is_named(go, root):
    with pytest.raises(SandboxFailure, match="cannot open `/no/such/lower`: No such file or directory"):
        go(shell([Overlay(("/no/such/lower", root))], "true"))


def test_without_overlay(go, root, who):
    """A plain bind as the root works, and so does a root in memory."""
    done = go(shell([Bind(root, "/", read_only=True)], "echo x > /file"))
    assert b"Read-only file system" in done.stderr
    done = go(
        request(
            [
                Bind(f"{root}/usr", "/usr"),
                *[Bind(f"{root}/{n}", f"/{n}", optional=True) for n in ("lib", "lib64")],
                MakeDir("/etc"),
            ],
            "ls",
            "/",
        )
    )
    assert set(done.stdout.split()) >= {b"usr", b"etc"}


def test_kept_descriptors_and_no_others(go, root, who):
    def kept():
        reader, writer = os.pipe()
        other, _ = os.pipe()
        os.set_inheritable(other, True)
        done = run_captured(
            request(
                system_ops(root),
                "bash",
                "-c",
                f"echo through >&{writer}; ls /proc/self/fd",
                keep_fds=[writer],
            )
        )
        os.close(writer)
        with open(reader) as file:
            return file.read(), done.stdout.split(), writer

    through, listed, writer = in_child(kept, *who[0])
    assert through == "through\n"
    assert {int(n) for n in listed} - {3} <= {0, 1, 2, writer}


def test_closed_standard_streams_of_the_caller(who, root):
    """The pipes between the processes may then get the numbers 0 to 2."""

    def closed():
        for fd in (0, 1, 2):
            os.close(fd)
        return run_captured(shell(system_ops(root), "cat; exit 5"), data=b"x")

    done = in_child(closed, *who[0])
    assert (done.result.code, done.stdout) == (5, b"x")


def test_limits_reach_everything(who, root):
    """`on_start` is told of the process before anything runs."""
    seen = []

    def told():
        result = run(
            shell(system_ops(root), "true", forward_signals=False),
            on_start=lambda pid: seen.append(os.path.exists(f"/proc/{pid}/status")),
        )
        return result.code, seen

    assert in_child(told, *who[0]) == (0, [True])


def test_failing_callback_ends_the_sandbox(who, root):
    def fails():
        def callback(pid):
            seen.append(pid)
            raise RuntimeError("no limit")

        seen = []
        with pytest.raises(RuntimeError, match="no limit"):
            run(shell(system_ops(root), "sleep 1000"), on_start=callback)
        return os.path.exists(f"/proc/{seen[0]}")

    assert in_child(fails, *who[0]) is False


def test_two_at_once(who, root):
    def both():
        runs = [start(shell(system_ops(root), f"exit {code}", forward_signals=False)) for code in (3, 4, 5)]
        return [each.wait().code for each in reversed(runs)]

    assert in_child(both, *who[0]) == [5, 4, 3]


def test_threads_may_start_sandboxes(who, root):
    from concurrent.futures import ThreadPoolExecutor

    def threads():
        with ThreadPoolExecutor(4) as pool:
            return list(
                pool.map(lambda n: run_captured(shell(system_ops(root), f"echo {n}")).stdout, range(12))
            )

    assert in_child(threads, *who[0]) == [b"%d\n" % n for n in range(12)]


def test_caller_is_left_as_it_was(who, root):
    def state():
        return (
            signal.pthread_sigmask(signal.SIG_BLOCK, []),
            [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGWINCH)],
            sorted(os.listdir("/proc/self/fd"))[:-1],
            os.getcwd(),
        )

    def compare():
        before = state()
        run(shell(system_ops(root), "true"))
        with pytest.raises(SandboxFailure):
            run(shell([Overlay(("/absent",))], "true"))
        return before == state()

    assert in_child(compare, *who[0])


def test_build_capabilities_do_not_reach_the_hosts_switches(go, root):
    """Root inside that is root outside too: no mount can be undone, /proc/sys stays read-only."""
    script = "echo x > /proc/sys/kernel/core_pattern; echo b > /proc/sysrq-trigger; cat /proc/kcore | cat > /dev/null"
    done = go(build(system_ops(root), script))
    assert b"core_pattern" in done.stderr
    with open("/proc/sys/kernel/core_pattern") as file:
        assert file.read().strip() != "x"


def test_environment_of_tests_is_small():
    assert set(ENV) == {"PATH", "HOME", "LANG"}
