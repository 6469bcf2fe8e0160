"""Maintainer scripts of tiny packages: what they leave is what dpkg would leave, in every way of isolation."""

import os
import shutil

import pytest
from mini_debian import base_package, configure, package, unpack_parts

from shipway.build.dpkg_database import order_parts
from shipway.core.errors import BuildError
from shipway.core.overlay import stack

pytestmark = [pytest.mark.needs_userns, pytest.mark.needs_tool("dpkg")]


def by_path(manifest):
    return {entry.path: entry for entry in manifest.entries}


def shown(parts, manifest):
    essential, rest = order_parts(parts)
    found = stack([*(part.manifest for part in (*essential, *rest)), manifest])
    return {one.entry.path: one.entry for one in found}


def text(root, path):
    return (root / path).read_text()


def script(*lines):
    return "\n".join(("#!/bin/sh", "set -e", *lines, ""))


def test_the_database_says_installed(tmp_path):
    _, manifest, root = configure(tmp_path, [base_package(), package({"Package": "tool"})])
    status = text(root, "var/lib/dpkg/status")
    assert status.count("Status: install ok installed") == 2
    assert by_path(manifest)["bin"].target == "usr/bin"
    assert by_path(manifest)["var/lib/dpkg/arch"].kind == "f"


def test_owners_and_modes_are_those_that_the_script_set(tmp_path):
    made = script(
        "echo x > /etc/made",
        "chown 8:42 /etc/made",
        "chmod 4750 /etc/made",
        "mkdir -m 1777 /var/drop",
        "chown :8 /var/drop",
    )
    _, manifest, root = configure(tmp_path, [base_package(), package({"Package": "tool"}, postinst=made)])
    found = by_path(manifest)
    assert (found["etc/made"].mode, found["etc/made"].uid, found["etc/made"].gid) == (0o4750, 8, 42)
    assert (found["var/drop"].mode, found["var/drop"].gid) == (0o1777, 8)
    assert os.stat(root / "etc/made").st_mode & 0o7777 == 0o750
    assert {entry.mtime for entry in manifest.entries if entry.path in ("etc/made", "var/drop")} == {
        315532800
    }


def test_a_copy_of_a_shipped_file_has_its_mode(tmp_path):
    files = {"usr/share/tool/template": (b"t", 0o644), "usr/share/tool/run": (b"r", 0o755)}
    copy = script(
        "cp /usr/share/tool/template /etc/one",
        "cp -p /usr/share/tool/template /etc/two",
        "cp /usr/share/tool/run /etc/run",
    )
    _, manifest, _ = configure(tmp_path, [base_package(), package({"Package": "tool"}, files, postinst=copy)])
    found = by_path(manifest)
    assert [found[f"etc/{name}"].mode for name in ("one", "two", "run")] == [0o644, 0o644, 0o755]


def test_what_is_not_changed_is_not_in_the_delta(tmp_path):
    files = {"usr/share/tool/a": (b"a", 0o644), "usr/share/tool/b": (b"b", 0o644)}
    touch = script("touch /usr/share/tool/a", "echo new > /usr/share/tool/b")
    _, manifest, _ = configure(
        tmp_path, [base_package(), package({"Package": "tool"}, files, postinst=touch)]
    )
    found = by_path(manifest)
    assert "usr/share/tool/a" not in found
    assert found["usr/share/tool/b"].size == 4
    assert "usr/bin/dpkg" not in found


def test_traces_of_the_build_are_gone(tmp_path):
    traces = script(
        "echo secret > /etc/ssh_x", "mkdir -p /etc/ssh /var/log/tool /run/tool", "echo key > /etc/ssh/ssh_host_rsa_key",
        "echo line > /var/log/tool/log", "echo t > /tmp/left 2>/dev/null || mkdir /tmp", "echo 1 > /run/tool/pid",
        "echo id > /etc/machine-id", "/usr/sbin/policy-rc.d && exit 1 || [ $? = 101 ]",
    )  # fmt: skip
    _, manifest, root = configure(tmp_path, [base_package(), package({"Package": "tool"}, postinst=traces)])
    found = by_path(manifest)
    for path in (
        "etc/ssh/ssh_host_rsa_key",
        "usr/sbin/policy-rc.d",
        "run/tool/pid",
        "var/lib/dpkg/status-old",
        "tmp/left",
    ):
        assert path not in found
    assert text(root, "var/log/tool/log") == ""
    assert text(root, "etc/machine-id") == ""
    assert not any(path.startswith("var/lib/dpkg/shipway.") for path in found)


def test_a_deleted_file_is_hidden(tmp_path):
    files = {"usr/share/tool/gone": (b"x", 0o644)}
    parts, manifest, _ = configure(
        tmp_path,
        [base_package(), package({"Package": "tool"}, files, postinst=script("rm /usr/share/tool/gone"))],
    )
    assert by_path(manifest)["usr/share/tool/gone"].kind == "w"
    assert "usr/share/tool/gone" not in shown(parts, manifest)


def test_a_preinst_sees_what_came_before_and_not_itself(tmp_path):
    look = script(
        "[ -e /usr/share/first/x ] && echo first >> /etc/seen",
        "[ -e /usr/share/second/x ] && echo second >> /etc/seen",
        "exit 0",
    )
    _, _, root = configure(
        tmp_path,
        [
            base_package(),
            package({"Package": "first"}, {"usr/share/first/x": (b"", 0o644)}),
            package(
                {"Package": "second", "Depends": "first"}, {"usr/share/second/x": (b"", 0o644)}, preinst=look
            ),
        ],
    )
    assert text(root, "etc/seen") == "first\n"


def test_pre_depends_are_configured_before(tmp_path):
    _, _, root = configure(
        tmp_path,
        [
            base_package(),
            package({"Package": "zlow"}, postinst=script("echo ready > /etc/zlow")),
            package(
                {"Package": "aneeds", "Pre-Depends": "zlow"}, preinst=script("cat /etc/zlow > /etc/aneeds")
            ),
        ],
    )
    assert text(root, "etc/aneeds") == "ready\n"


def test_diversions(tmp_path):
    divert = script("dpkg-divert --package bb --add --rename --divert /usr/bin/tool.real /usr/bin/tool")
    parts, manifest, root = configure(
        tmp_path,
        [
            base_package(),
            package({"Package": "aa"}, {"usr/bin/tool": (b"of a", 0o755)}),
            package({"Package": "bb", "Depends": "aa"}, {"usr/bin/tool": (b"of b", 0o755)}, preinst=divert),
            package({"Package": "cc", "Depends": "bb", "Replaces": "aa"}, {"usr/bin/tool": (b"of c", 0o755)}),
        ],
    )
    found = shown(parts, manifest)
    assert text(root, "usr/bin/tool.real") == "of c"
    assert text(root, "usr/bin/tool") == "of b"
    assert found["usr/bin/tool"].mode == 0o755


def test_conffiles_wait_for_their_package(tmp_path):
    look = script("ls /etc/tool.d > /etc/seen-by-zlib 2>&1 || true")
    parts, manifest, root = configure(
        tmp_path,
        [
            base_package(),
            package({"Package": "lib"}, postinst=look),
            package(
                {"Package": "tool", "Depends": "lib"},
                {"etc/tool.d/hook": (b"h", 0o644)},
                conffiles="/etc/tool.d/hook\n",
            ),
        ],
    )
    assert "hook\n" not in text(root, "etc/seen-by-zlib").replace("hook.dpkg-new\n", "")
    found = shown(parts, manifest)
    assert found["etc/tool.d/hook"].kind == "f"
    assert "etc/tool.d/hook.dpkg-new" not in found
    assert "etc/tool.d/hook" not in by_path(manifest)
    assert " /etc/tool.d/hook 2510c39011c5be704182423e3a695e91" in text(root, "var/lib/dpkg/status")


def test_triggers_of_the_base_run_for_later_packages(tmp_path):
    note = script('[ "$1" = triggered ] && echo "$2" >> /etc/triggered', "exit 0")
    _, _, root = configure(
        tmp_path,
        [
            base_package(
                postinst=note, triggers="interest-noawait /usr/share/fonts\ninterest-noawait rebuild\n"
            ),
            package({"Package": "font"}, {"usr/share/fonts/f": (b"", 0o644)}),
            package({"Package": "other"}, triggers="activate-noawait rebuild\n"),
        ],
    )
    assert set(text(root, "etc/triggered").split()) == {"/usr/share/fonts", "rebuild"}
    assert "base/noawait" in text(root, "var/lib/dpkg/triggers/rebuild")


def test_statoverrides_hold_for_shipped_files(tmp_path):
    override = script("dpkg-statoverride --add root mail 2755 /usr/bin/post")
    _, manifest, root = configure(
        tmp_path,
        [base_package(), package({"Package": "post"}, {"usr/bin/post": (b"p", 0o755)}, preinst=override)],
    )
    entry = by_path(manifest)["usr/bin/post"]
    assert (entry.mode, entry.uid, entry.gid) == (0o2755, 0, 8)
    assert text(root, "usr/bin/post") == "p"


def test_of_two_packages_with_one_path_the_later_wins_in_any_layer_order(tmp_path):
    parts, manifest, root = configure(
        tmp_path,
        [
            base_package(),
            package({"Package": "aa"}, {"usr/share/x": (b"of a", 0o644)}),
            package({"Package": "bb", "Depends": "aa", "Replaces": "aa"}, {"usr/share/x": (b"of b", 0o644)}),
        ],
    )
    assert by_path(manifest)["usr/share/x"].size == 4
    assert text(root, "usr/share/x") == "of b"
    del parts


def test_a_failing_script_is_named(tmp_path):
    with pytest.raises(BuildError) as caught:
        configure(
            tmp_path,
            [
                base_package(),
                package({"Package": "broken"}, postinst=script("echo the reason >&2", "exit 7")),
            ],
        )
    assert "broken" in caught.value.message
    assert "the reason" in caught.value.detail


def test_a_failing_preinst_is_named(tmp_path):
    with pytest.raises(BuildError, match="preinst of broken"):
        configure(tmp_path, [base_package(), package({"Package": "broken"}, preinst=script("exit 1"))])


def test_scripts_have_no_network(tmp_path):
    _, _, root = configure(
        tmp_path,
        [base_package(), package({"Package": "tool"}, postinst=script("cat /proc/net/dev > /etc/net"))],
    )
    names = [line.split(":")[0].strip() for line in text(root, "etc/net").splitlines()[2:]]
    assert names == ["lo"]


MODES = [
    "namespaces",
    pytest.param("mounts", marks=pytest.mark.needs_root),
    pytest.param("chroot", marks=pytest.mark.needs_root),
    pytest.param("proot", marks=pytest.mark.needs_tool("proot")),
]
BUSY = script(
    "echo made > /etc/made", "chown 8:8 /etc/made", "rm /usr/share/tool/gone", "mv /usr/share/tool/old /usr/share/tool/new",
    "mkdir -m 2750 /var/tool", "ln -s made /etc/link", "ln /etc/made /etc/hard", "chmod 600 /usr/share/tool/private",
    "touch /usr/share/tool/same", "rm -r /usr/share/tool/dir", "mkdir /usr/share/tool/dir", "echo y > /usr/share/tool/dir/y",
)  # fmt: skip


def busy_debs():
    files = {
        f"usr/share/tool/{name}": (name.encode(), 0o644)
        for name in ("gone", "old", "private", "same", "dir/x", "dir/z")
    }
    divert = script(
        "dpkg-divert --package bb --add --rename --divert /usr/share/tool/same.real /usr/share/tool/same"
    )
    return [
        base_package(),
        package(
            {"Package": "tool"},
            {**files, "etc/tool.conf": (b"c", 0o600)},
            postinst=BUSY,
            conffiles="/etc/tool.conf\n",
        ),
        package({"Package": "bb", "Depends": "tool"}, {"usr/share/tool/same": (b"b", 0o644)}, preinst=divert),
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    parts, manifest, _ = configure(folder, busy_debs())
    return parts, manifest


@pytest.mark.parametrize("mode", MODES)
def test_every_way_of_isolation_gives_the_same(mode, tmp_path, expected):
    old = os.umask(0o077)
    try:
        _, manifest, _ = configure(tmp_path, busy_debs(), mode=mode)
    finally:
        os.umask(old)
    assert manifest.render() == expected[1].render()


def test_the_expected_result_is_what_the_scripts_mean(expected):
    parts, manifest = expected
    found = shown(parts, manifest)
    assert "usr/share/tool/gone" not in found
    assert "usr/share/tool/old" not in found
    assert "usr/share/tool/dir/x" not in found
    assert found["usr/share/tool/new"].mode == 0o644
    assert found["usr/share/tool/private"].mode == 0o600
    assert found["var/tool"].mode == 0o2750
    assert (found["etc/hard"].kind, found["etc/made"].kind) == ("f", "h")
    assert found["etc/tool.conf"].mode == 0o600


def test_the_trees_below_are_not_touched(tmp_path):
    parts = unpack_parts(tmp_path, busy_debs())
    before = {part.name: sorted(os.listdir(part.root)) for part in parts}
    configure(tmp_path, [], parts=parts)
    assert {part.name: sorted(os.listdir(part.root)) for part in parts} == before
    assert os.path.exists(os.path.join(parts[1].root, "usr/share/tool/gone"))
    shutil.rmtree(tmp_path / "work", ignore_errors=True)
