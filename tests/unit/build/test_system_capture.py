import os
import stat

import pytest

from shipway.build.capture import FIXED_TIME, Recorded, capture_upper, make_whiteout
from shipway.build.merge import bounded_lowers, merge_trees
from shipway.build.merged_root import MergedRoot
from shipway.build.normalise import RULES, find_rule, normalise
from shipway.core.manifest import Entry, Manifest


def entry(path, kind="f", mode=0o644, **more):
    return Entry(path, kind, mode, mtime=7, **more)


def write(path, content=b"", mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def test_new_files_have_one_time_and_no_set_id_bits_on_disk(tmp_path):
    write(tmp_path / "new", b"x", 0o4755)
    found = capture_upper(str(tmp_path), {}, Recorded(owners={"new": (3, -1)}))
    assert found["new"]._replace(digest="") == Entry("new", "f", 0o4755, 3, 0, FIXED_TIME, 1)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o755
    assert (tmp_path / "new").stat().st_mtime == FIXED_TIME


def test_a_copied_up_file_keeps_the_mode_that_the_disk_cannot_show(tmp_path):
    write(tmp_path / "su", b"changed", 0o755)
    found = capture_upper(
        str(tmp_path), {"su": entry("su", mode=0o4755, uid=1, gid=2, digest="0" * 64)}, Recorded()
    )
    assert (found["su"].mode, found["su"].uid, found["su"].gid) == (0o4755, 1, 2)


def test_what_equals_the_lower_file_vanishes(tmp_path):
    write(tmp_path / "d/same", b"x")
    (tmp_path / "d").chmod(0o755)
    first = capture_upper(str(tmp_path), {}, Recorded())
    lower = {path: one._replace(mtime=1) for path, one in first.items()}
    assert capture_upper(str(tmp_path), lower, Recorded()) == {}
    assert os.listdir(tmp_path) == []


def test_a_directory_that_leads_to_a_change_keeps_its_lower_attributes(tmp_path):
    write(tmp_path / "tmp/x")
    (tmp_path / "tmp").chmod(0o777)
    lower = {"tmp": entry("tmp", "d", 0o1777)}
    assert capture_upper(str(tmp_path), lower, Recorded())["tmp"] == lower["tmp"]


def test_whiteouts_of_nothing_vanish(tmp_path):
    for name in ("gone", "never"):
        make_whiteout(str(tmp_path / name))
    found = capture_upper(str(tmp_path), {"gone": entry("gone")}, Recorded())
    assert {path: one.kind for path, one in found.items()} == {"gone": "w"}
    assert os.listdir(tmp_path) == ["gone"]


@pytest.mark.parametrize("name", ["user.overlay.opaque", "trusted.overlay.opaque"])
def test_an_opaque_directory_hides_what_is_below_one_by_one(tmp_path, name):
    write(tmp_path / "d/kept", b"new")
    try:
        os.setxattr(tmp_path / "d", name, b"y")
    except OSError:
        pytest.skip("this file system or user has no such attributes")
    lower = {"d": entry("d", "d", 0o755), "d/kept": entry("d/kept"), "d/old": entry("d/old")}
    found = capture_upper(str(tmp_path), lower, Recorded())
    assert (found["d/old"].kind, found["d/kept"].kind) == ("w", "f")
    assert os.listxattr(tmp_path / "d") == []


def test_special_files_vanish_and_hard_links_stay(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path / "a", b"x")
    os.link(tmp_path / "a", tmp_path / "b")
    found = capture_upper(str(tmp_path), {}, Recorded())
    assert {path: one.kind for path, one in found.items()} == {"a": "f", "b": "h"}
    assert found["b"].target == "a"


def test_a_closed_directory_is_read_all_the_same(tmp_path):
    write(tmp_path / "d/x", b"x", 0o000)
    (tmp_path / "d").chmod(0o000)
    found = capture_upper(str(tmp_path), {}, Recorded())
    assert (found["d"].mode, found["d/x"].mode) == (0, 0)


def tree(folder, files, whiteouts=()):
    entries = []
    for path, content in files.items():
        write(folder / path, content)
        parent = os.path.dirname(path)
        if parent and parent not in {one.path for one in entries}:
            entries.append(entry(parent, "d", 0o755))
        entries.append(entry(path, size=len(content)))
    entries += [Entry(path, "w", 0) for path in whiteouts]
    return str(folder), Manifest(entries)


def names(folder):
    return sorted(
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, found in os.walk(folder)
        for name in found
    )


@pytest.fixture
def trees(tmp_path):
    return [
        tree(tmp_path / "one", {"d/a": b"1", "d/b": b"1"}),
        tree(tmp_path / "two", {"d/a": b"2"}, whiteouts=["d/b"]),
        tree(tmp_path / "three", {"d/c": b"3"}),
    ]


@pytest.mark.parametrize("link", [True, False])
def test_merging_is_what_an_overlay_shows(tmp_path, trees, link):
    (tmp_path / "merged").mkdir()
    merge_trees(trees, str(tmp_path / "merged"), link=link)
    assert names(tmp_path / "merged") == ["d/a", "d/c"]
    assert (tmp_path / "merged/d/a").read_bytes() == b"2"
    shared = (tmp_path / "merged/d/a").stat().st_ino == (tmp_path / "two/d/a").stat().st_ino
    assert shared is link


def test_too_many_lowers_are_merged_from_the_bottom(tmp_path, trees):
    assert bounded_lowers(trees, str(tmp_path / "work"), most=3) == [root for root, _ in trees]
    merged, top = bounded_lowers(trees, str(tmp_path / "work"), most=2)
    assert top == trees[2][0]
    assert names(merged) == ["d/a"]


def test_a_merged_root_gives_back_what_was_changed(tmp_path, trees):
    for folder in ("merged", "upper"):
        (tmp_path / folder).mkdir()
    merged = MergedRoot(str(tmp_path / "merged"))
    merged.add(*trees[0])
    lower = {one.path: one for one in trees[0][1].entries}
    (tmp_path / "merged/d/a").write_bytes(b"X")  # the same size, and its time is put back:
    os.utime(tmp_path / "merged/d/a", (7, 7))
    (tmp_path / "merged/d/b").unlink()
    write(tmp_path / "merged/new/x")
    merged.split(lower, str(tmp_path / "upper"))
    assert names(tmp_path / "upper") == ["d/a", "d/b", "new/x"]
    assert stat.S_ISCHR((tmp_path / "upper/d/b").stat().st_mode)


def test_every_rule_has_a_reason_and_a_case():
    cases = [
        "usr/sbin/policy-rc.d",
        "var/lib/dpkg/tmp.ci/control",
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/updates/0001",
        "var/cache/debconf/config.dat-old",
        "etc/shadow-",
        "etc/.pwd.lock",
        "etc/machine-id",
        "var/lib/dbus/machine-id",
        "var/log/dpkg.log",
        "var/log/x/y.log",
        "var/cache/ldconfig/aux-cache",
        "var/cache/man/index.db",
        "var/cache/fontconfig/a.cache-7",
        "var/lib/apt/lists/x",
        "etc/ssh/ssh_host_rsa_key",
        "etc/ssl/private/ssl-cert-snakeoil.key",
        "var/lib/systemd/random-seed",
        "tmp/x",
        "run/x",
        "dev/null",
        "var/lib/texmf/web2c/tex/tex.fmt",
    ]
    assert {find_rule(path) for path in cases} == set(RULES)
    assert all(rule.reason for rule in RULES)
    for path in (
        "etc/passwd",
        "run/lock",
        "run/lock/x",
        "etc/ssh/sshd_config",
        "var/lib/dpkg/status",
        "usr/bin/tmp/x",
    ):
        assert find_rule(path) is None, path


def test_normalising_leaves_what_packages_ship(tmp_path):
    write(tmp_path / "var/log/shipped", b"x")
    write(tmp_path / "var/log/made", b"x", 0o640)
    write(tmp_path / "run/x/pid", b"1")
    normalise(str(tmp_path), {"var/log/shipped": entry("var/log/shipped")})
    assert (tmp_path / "var/log/shipped").read_bytes() == b"x"
    assert (tmp_path / "var/log/made").read_bytes() == b""
    assert stat.S_IMODE((tmp_path / "var/log/made").stat().st_mode) == 0o640
    assert not (tmp_path / "run/x").exists()


def test_the_list_of_tex_files_is_sorted_without_what_is_removed(tmp_path):
    head = "% ls-R -- filename database for kpathsea; do not change this line."
    listed = f"{head}\n\n./web2c/tex:\ntex.log\ntex.fmt\nkeep\n\n./:\nweb2c\nls-R\n"
    write(tmp_path / "var/lib/texmf/ls-R", listed.encode())
    normalise(str(tmp_path), {})
    assert (
        tmp_path / "var/lib/texmf/ls-R"
    ).read_text() == f"{head}\n\n./:\nls-R\nweb2c\n\n./web2c/tex:\nkeep\n"
