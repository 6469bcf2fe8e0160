"""From one stack of trees to another: what is taken out and put in makes the first look like the second."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, WHITEOUT, Entry, Manifest
from shipway.core.overlay import stack
from shipway.run.top.trees import TreeFiles, plan_changes, plan_restore

SITE = "opt/venv/lib/python3.11/site-packages"


def tree(name, *entries):
    folders = {entry.path for entry in entries if entry.kind == DIRECTORY}
    for entry in entries:
        path = entry.path
        while path := path.rpartition("/")[0]:
            folders.add(path)
    made = [Entry(path, DIRECTORY, 0o755) for path in folders]
    return TreeFiles(name, Manifest([*made, *(e for e in entries if e.kind != DIRECTORY)]).render())


def file(path, text="", mode=0o644):
    return Entry(path, FILE, mode, size=len(text), digest=hashlib.sha256(text.encode()).hexdigest())


def wheel(name, version, *files):
    info = f"{SITE}/{name}-{version}.dist-info"
    return tree(f"/{name}-{version}", file(f"{info}/METADATA", version), *files)


VENV = tree(
    "/venv",
    Entry("opt/venv/bin/python", SYMLINK, 0o777, target="/usr/bin/python3"),
    file("opt/venv/pyvenv.cfg"),
)


def test_a_package_that_comes_brings_its_own_folders_only():
    new = wheel(
        "einops", "0.8", file(f"{SITE}/einops/__init__.py", "x"), file("opt/venv/bin/ein", "#!", 0o755)
    )
    changes = plan_changes([VENV, wheel("other", "1")], [VENV, wheel("other", "1"), new])
    assert changes.removals == ()
    assert [(put.path.removeprefix(SITE + "/"), put.kind) for put in changes.puts] == [
        ("opt/venv/bin/ein", FILE),
        ("einops", DIRECTORY),
        ("einops-0.8.dist-info", DIRECTORY),
        ("einops-0.8.dist-info/METADATA", FILE),
        ("einops/__init__.py", FILE),
    ]
    assert changes.puts[0] == ("opt/venv/bin/ein", FILE, 0o755, "/einops-0.8/opt/venv/bin/ein", "")
    assert not changes.fixed


def test_another_version_takes_the_old_one_out():
    old = wheel(
        "six", "1", file(f"{SITE}/six.py", "old"), file(f"{SITE}/six_more/a.py"), file(f"{SITE}/same.py")
    )
    new = wheel("six", "2", file(f"{SITE}/six.py", "new"), file(f"{SITE}/same.py"))
    changes = plan_changes([VENV, old], [VENV, new])
    assert changes.removals == (f"{SITE}/six-1.dist-info", f"{SITE}/six_more")
    assert [put.path for put in changes.puts if put.kind == FILE] == [
        f"{SITE}/six-2.dist-info/METADATA",
        f"{SITE}/six.py",
    ]


def test_a_folder_in_which_the_container_has_something_stays():
    old = wheel("ns", "1", file(f"{SITE}/ns/one/a.py"), file(f"{SITE}/ns/b.py"))
    cache, own = f"{SITE}/ns/one/__pycache__/a.pyc", f"{SITE}/ns/mine/c.py"
    assert (
        f"{SITE}/ns"
        in plan_changes([VENV, wheel("x", "1"), old], [VENV, wheel("x", "1")], own=[cache]).removals
    )
    assert {
        one
        for one in plan_changes([VENV, wheel("x", "1"), old], [VENV, wheel("x", "1")], own=[own]).removals
        if "/ns/" in one
    } == {
        f"{SITE}/ns/one",
        f"{SITE}/ns/b.py",
    }


def test_what_lies_below_comes_back():
    below = tree("/below", file("a/x", "1"), file("a/y"), file("b/z"))
    above = tree(
        "/above", file("a/x", "2"), Entry("a/y", WHITEOUT, 0), Entry("b", SYMLINK, 0o777, target="a")
    )
    changes = plan_changes([below, above], [below])
    assert changes.removals == ("b",)
    assert [(put.path, put.source) for put in changes.puts] == [
        ("a/x", "/below/a/x"),
        ("a/y", "/below/a/y"),
        ("b", ""),
        ("b/z", "/below/b/z"),
    ]


def test_a_hard_link_is_put_as_the_file_that_it_is():
    linked = tree("/l", file("bin/a", "x", 0o755), Entry("bin/b", HARDLINK, 0o755, target="bin/a"))
    changes = plan_changes([], [linked])
    assert [(put.path, put.kind, put.source) for put in changes.puts][1:] == [
        ("bin/a", FILE, "/l/bin/a"),
        ("bin/b", FILE, "/l/bin/a"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        "usr/bin/python3.11",
        "opt/venv/bin/python3",
        "lib64/ld-linux-x86-64.so.2",
    ],
)
def test_what_every_process_stands_on_is_told_apart(path):
    assert plan_changes([tree("/a", file(path, "1"))], [tree("/b", file(path, "2"))]).fixed == (path,)
    assert not plan_changes(
        [tree("/a", file(path))], [tree("/a", file(path)), tree("/c", file("usr/bin/pythonic"))]
    ).fixed


def test_paths_are_put_back_or_taken_out():
    trees = [tree("/a", file("etc/x", "1"), file("usr/share/n\u00e4 me%", "2"))]
    changes = plan_restore(["etc/x", "usr/share/n\u00e4 me%", "usr/local/mine", "usr/local/mine/deep"], trees)
    assert changes.removals == ("usr/local/mine",)
    assert [put.source for put in changes.puts] == ["/a/etc/x", "/a/usr/share/n\u00e4 me%"]


def test_a_folder_that_was_taken_out_comes_back_whole():
    trees = [tree("/a", file("lib/x/a.py"), file("lib/x/deep/b.py")), tree("/b", file("lib/x/deep/c.py"))]
    shallow = plan_restore(["lib/x"], trees)
    assert [put.path for put in shallow.puts] == ["lib/x"]
    whole = plan_restore(["lib/x"], trees, gone=["lib/x", "else/where"])
    assert [put.path for put in whole.puts] == [
        "lib/x",
        "lib/x/a.py",
        "lib/x/deep",
        "lib/x/deep/b.py",
        "lib/x/deep/c.py",
    ]


_NAMES = st.sampled_from(["a", "b", "a/b", "a/c", "b/a", "a/b/c", "b/a/b"])


@st.composite
def _trees(draw):
    chosen = draw(st.dictionaries(_NAMES, st.sampled_from("fFlwd"), max_size=4))
    entries = {}
    for path, kind in chosen.items():
        above = path
        while above := above.rpartition("/")[0]:
            entries[above] = Entry(above, DIRECTORY, 0o755)
        made = {
            "f": file(path, "1"),
            "F": file(path, "22"),
            "l": Entry(path, SYMLINK, 0o777, target="x"),
            "w": Entry(path, WHITEOUT, 0),
            "d": Entry(path, DIRECTORY, 0o755),
        }
        entries.setdefault(path, made[kind])
    # In one tree nothing lies below what is no folder.
    whole = [e for e in entries.values() if all(entries[p].kind == DIRECTORY for p in _above(e.path))]
    text = Manifest(whole).render()
    return TreeFiles("/" + hashlib.sha256(text).hexdigest()[:8], text)


def _above(path):
    while path := path.rpartition("/")[0]:
        yield path


def _shown(trees):
    from shipway.core.manifest import parse_manifest

    placed = stack([parse_manifest(one.manifest) for one in trees])
    return {one.entry.path: (one.entry.kind, one.entry.digest, one.entry.target) for one in placed}


@given(st.lists(_trees(), max_size=4, unique=True), st.lists(_trees(), max_size=2, unique=True), st.data())
def test_any_stack_becomes_any_other(pool, more, data):
    old = data.draw(st.permutations(pool))
    new = data.draw(st.lists(st.sampled_from([*pool, *more]), unique=True)) if pool or more else []
    changes = plan_changes(old, new)
    now = _shown(old)
    for path in changes.removals:
        now = {name: it for name, it in now.items() if name != path and not name.startswith(path + "/")}
    after = _shown(new)
    for put in changes.puts:
        assert all(above in now for above in _above(put.path))
        if now.get(put.path, ("",))[0] == DIRECTORY and put.kind != DIRECTORY:
            now = {name: it for name, it in now.items() if not name.startswith(put.path + "/")}
        now[put.path] = after[put.path]
    assert now == after
