"""Where namespaces or mounts are refused: what still works, what is said, and what is left in the tree."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile

import pytest
from sandbox_world import (
    PLAIN_UID,
    become_user,
    deadline,
    drop_sys_admin,
    in_child,
    make_small_root,
    refuse_namespaces,
    refuse_user_namespaces,
    request,
    shell,
    system_ops,
)

from shipway.sandbox import (
    Bind,
    Captured,
    Op,
    Overlay,
    Proc,
    SandboxFailure,
    Symlink,
    Tmpfs,
    WriteFile,
    fallback,
    run_captured,
    start,
)
from shipway.sandbox.modes import choose_mode
from shipway.sandbox.probe import probe

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_userns]

MODES = {
    "chroot": ([drop_sys_admin, refuse_namespaces], 0),
    "proot": ([become_user(), refuse_namespaces], PLAIN_UID),
}


class Host:
    """A host that refuses, with a merged tree on it."""

    def __init__(self, mode: str, base: str):
        self.mode = mode
        self.steps, self.uid = MODES[mode]
        self.base = base
        self.tree = make_small_root(f"{base}/merged")
        os.makedirs(f"{base}/data/deep")
        with open(f"{base}/data/deep/file", "w") as file:
            file.write("of the host")
        subprocess.run(["chown", "-Rh", f"{self.uid}:{self.uid}", base], check=True)

    def run(self, ops: list[Op], script: str, **fields: object) -> Captured:
        wanted = shell(ops, script, **{"merged_root": self.tree, "mode": self.mode, **fields})
        return in_child(lambda: run_captured(wanted), *self.steps)

    def listing(self) -> dict[str, tuple[int, bytes]]:
        found = {}
        for directory, folders, names in os.walk(self.tree):
            for name in folders + names:
                path = f"{directory}/{name}"
                state = os.lstat(path)
                content = b""
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        content = file.read()
                found[os.path.relpath(path, self.tree)] = (state.st_mode, content)
        return found


@pytest.fixture(params=[*MODES])
def host(request):
    if request.param == "proot" and fallback.find_proot() is None:
        pytest.skip("`proot` is not installed")
    base = tempfile.mkdtemp(prefix="sandbox-fallback-")
    os.chmod(base, 0o755)
    yield Host(request.param, base)
    shutil.rmtree(base)


def test_runs_and_says_once_what_is_not_isolated(host):
    done = host.run(system_ops("/unused"), "cat; echo err >&2; exit 7")
    assert (done.result.code, done.result.mode, done.stderr) == (7, host.mode, b"err\n")
    assert done.result.note.count("not isolated") == 1
    assert {"chroot": "chroot is used", "proot": "PRoot is used"}[host.mode] in done.result.note


def test_tree_is_as_an_upper_would_be(host):
    """Mounts leave their places and nothing else; what was written is there."""
    os.makedirs(f"{host.tree}/tmp/kept")
    before = host.listing()
    ops = system_ops(
        "/x",
        Bind(f"{host.base}/data", "/data", read_only=True),
        Bind(f"{host.base}/data/deep/file", "/etc/bound", read_only=True),
        Tmpfs("/var/scratch"),
    )
    done = host.run(
        ops,
        "cat /data/deep/file /etc/bound; ls /tmp; echo x > /tmp/a; echo x > /var/scratch/a; echo x > /dev/shm/a; echo kept > /etc/new",
    )
    assert done.result.code == 0, done.stderr
    assert done.stdout == b"of the hostof the host"
    after = host.listing()
    assert {path: after[path] for path in before} == before
    assert sorted(set(after) - set(before)) == ["data", "etc/bound", "etc/new", "var", "var/scratch"]
    assert (after["etc/bound"][1], after["etc/new"][1]) == (b"", b"kept\n")
    assert not os.path.exists(f"{host.tree}.aside")


def test_writes_reach_the_host(host):
    done = host.run(
        system_ops("/x", Bind(f"{host.base}/data", "/work")),
        "echo new > /work/new; echo more >> /work/deep/file; mkdir /work/made",
    )
    assert done.result.code == 0, done.stderr
    with open(f"{host.base}/data/new") as file:
        assert file.read() == "new\n"
    with open(f"{host.base}/data/deep/file") as file:
        assert file.read() == "of the hostmore\n"
    assert os.path.isdir(f"{host.base}/data/made")


def test_devices_work(host):
    done = host.run(
        system_ops("/x"), "echo gone > /dev/null; [ -c /dev/null ] && echo device; ls -d /dev/shm /dev/fd"
    )
    assert done.stdout.split() == [b"device", b"/dev/fd", b"/dev/shm"]


def test_files_and_links(host):
    done = host.run(
        system_ops("/x", WriteFile("/etc/a", b"a", 0o600), Symlink("a", "/etc/b")),
        "cat /etc/b; stat -c %a /etc/a",
    )
    assert done.stdout == b"a600\n"


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["nothing"], 127, "`nothing` is in no directory of PATH"),
        (["/usr/bin/absent"], 127, "`/usr/bin/absent` is not there"),
        (["/etc/passwd"], 126, "cannot execute `/etc/passwd`: Permission denied"),
    ],
)
def test_command_that_cannot_start(host, argv, code, message):
    wanted = request(system_ops("/x"), *argv, merged_root=host.tree, mode=host.mode)
    result = in_child(lambda: run_captured(wanted), *host.steps).result
    assert (result.code, result.message) == (code, message)


def test_signals_and_death(host):
    # PRoot itself ends with 255 when its command was killed, and does not say by which signal.
    assert host.run(system_ops("/x"), "kill -9 $$").result.code == {"chroot": 137, "proot": 255}[host.mode]
    wanted = shell(
        [Overlay(("/x",)), Proc()],
        "trap 'exit 6' TERM; echo ready >&2; while :; do sleep 0.01; done",
        merged_root=host.tree,
        mode=host.mode,
    )

    def signalled():
        reader, writer = os.pipe()
        running = start(wanted, stderr=writer)
        os.close(writer)
        os.read(reader, 10)
        running.send_signal(signal.SIGTERM)
        return running.wait().code

    with deadline(20):
        assert in_child(signalled, *host.steps) == 6


def test_background_processes_are_ended(host):
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    wanted = request(
        system_ops("/x"),
        "bash",
        "-c",
        f"(sleep 1000 >&{writer} &); (sleep 1000 &) ",
        merged_root=host.tree,
        mode=host.mode,
        keep_fds=[writer],
    )
    with deadline(20):
        assert in_child(lambda: run_captured(wanted), *host.steps).result.code == 0
    os.close(writer)
    with deadline(20):
        assert os.read(reader, 1) == b"", "nobody holds the pipe any more"
    os.close(reader)


def test_mode_is_found_by_trying(host):
    choice = in_child(lambda: choose_mode(probe()), *host.steps)
    assert (choice.mode, choice.needs_merged_root) == (host.mode, True)
    assert choice.reason.startswith("user namespaces are refused: Operation not permitted")


def test_automatic_mode_falls_back_only_with_a_tree(host):
    ops: list[Op] = [Overlay((host.tree,)), Proc()]
    done = in_child(lambda: run_captured(shell(ops, "exit 8", merged_root=host.tree)), *host.steps)
    assert (done.result.code, done.result.mode) == (8, host.mode)
    with pytest.raises(
        SandboxFailure, match=r"namespaces \(user\+pid\+ipc\+uts\) are refused: Operation not permitted"
    ) as caught:
        in_child(lambda: run_captured(shell(ops, "true")), *host.steps)
    assert any("proot" in hint for hint in caught.value.hints)


def test_mounts_without_user_namespaces():
    base = tempfile.mkdtemp()
    root = make_small_root(f"{base}/root")
    done = in_child(
        lambda: run_captured(shell(system_ops(root), "echo $$; rmdir /home && mkdir /home && echo again")),
        refuse_user_namespaces,
    )
    assert (done.result.mode, done.stdout) == ("mounts", b"2\nagain\n")
    choice = in_child(lambda: choose_mode(probe()), refuse_user_namespaces)
    assert (choice.mode, choice.needs_merged_root) == ("mounts", False)
    shutil.rmtree(base)


def test_merged_tree_in_namespaces():
    """The last rung of the mount ladder: namespaces without overlay."""
    base = tempfile.mkdtemp()
    root = make_small_root(f"{base}/root")
    done = in_child(
        lambda: run_captured(
            shell(system_ops("/unused"), "echo kept > /etc/new", merged_root=root, host_uid_as="root")
        )
    )
    assert done.result.mode == "namespaces"
    with open(f"{root}/etc/new") as file:
        assert file.read() == "kept\n"
    shutil.rmtree(base)


def test_large_directories_are_refused_not_copied(host, monkeypatch):
    if host.mode != "chroot":
        return
    monkeypatch.setattr(fallback, "MOST_COPIED", 5)
    before = host.listing()
    with pytest.raises(SandboxFailure, match=r"data` is too large to be copied to `/data`.*install `proot`"):
        host.run(system_ops("/x", Bind(f"{host.base}/data", "/data")), "true")
    assert host.listing() == before


def test_refused_devices_are_said(host):
    if host.mode != "chroot":
        return

    def no_mknod() -> None:
        from shipway.sandbox import syscalls

        syscalls.prctl(syscalls.PR_CAPBSET_DROP, 27)
        syscalls.set_capabilities(syscalls.permitted_capabilities() & ~(1 << 27))

    wanted = shell(system_ops("/x"), "echo x > /dev/null; echo done", merged_root=host.tree, mode="chroot")
    done = in_child(lambda: run_captured(wanted), *host.steps, no_mknod)
    assert done.stdout == b"done\n"
    assert "/dev/null is a plain file" in done.result.note


def test_hostile_tree_is_not_followed(host):
    """Links in the merged tree, before and after: the host's folder is never written or removed."""
    victim = f"{host.base}/victim"
    os.mkdir(victim)
    with open(f"{victim}/file", "w") as file:
        file.write("untouched")
    os.chown(victim, host.uid, host.uid)
    for name in ("dev", "tmp"):
        os.rmdir(f"{host.tree}/{name}")
        os.symlink(victim, f"{host.tree}/{name}")
    try:
        host.run(system_ops("/x"), "true")
    except SandboxFailure as failure:
        assert failure.step  # noqa: PT017 - either way is right
    assert os.listdir(victim) == ["file"]


def test_swapped_directories_do_not_lead_the_cleaning_outside(host):
    victim = f"{host.base}/victim"
    os.makedirs(f"{victim}/scratch")
    with open(f"{victim}/scratch/file", "w") as file:
        file.write("untouched")
    subprocess.run(["chown", "-R", f"{host.uid}:{host.uid}", victim], check=True)
    ops = system_ops("/x", Tmpfs("/deep/scratch"))
    done = host.run(ops, f"mv /deep /moved; ln -s {victim} /deep; echo $?")
    assert done.result.code == 0
    assert os.path.exists(f"{victim}/scratch/file")
