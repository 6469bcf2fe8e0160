import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipway.core.manifest import DIRECTORY, FILE, SYMLINK, WHITEOUT, Entry, Manifest, parse_manifest
from shipway.core.overlay import stack

names = st.binary(min_size=1, max_size=20).filter(lambda raw: b"/" not in raw and b"\0" not in raw)
paths = st.lists(names, min_size=1, max_size=4).map(
    lambda parts: b"/".join(parts).decode("utf-8", "surrogateescape")
)
entries = st.one_of(
    st.builds(
        Entry,
        path=paths,
        kind=st.just(FILE),
        mode=st.integers(0, 0o7777),
        uid=st.integers(0, 2**31),
        mtime=st.integers(0, 2**33),
        size=st.integers(0, 2**40),
        target=st.just(""),
        gid=st.integers(0, 9),
        digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
        xattrs=st.lists(
            st.tuples(st.sampled_from(["user.a", "security.capability"]), st.binary(max_size=9)), max_size=1
        ).map(tuple),
    ),
    st.builds(
        Entry,
        path=paths,
        kind=st.just(SYMLINK),
        mode=st.just(0o777),
        target=paths,
        digest=st.just(""),
        xattrs=st.just(()),
    ),
    st.builds(
        Entry,
        path=paths,
        kind=st.just(DIRECTORY),
        mode=st.integers(0, 0o7777),
        digest=st.just(""),
        target=st.just(""),
        xattrs=st.just(()),
    ),
)
manifests = st.lists(entries, max_size=12, unique_by=lambda entry: entry.path).map(Manifest)


@example(Manifest([Entry("link", SYMLINK, 0o777, target="-")]))
@given(manifests)
def test_text_and_value_are_the_same_thing(manifest):
    text = manifest.render()
    assert parse_manifest(text).entries == manifest.entries
    assert parse_manifest(text).render() == text


@given(st.lists(entries, max_size=12, unique_by=lambda entry: entry.path), st.randoms())
def test_the_order_of_writing_does_not_matter(listed, random):
    shuffled = list(listed)
    random.shuffle(shuffled)
    assert Manifest(listed).identity() == Manifest(shuffled).identity()


def test_a_path_stands_once():
    with pytest.raises(ValueError, match="twice"):
        Manifest([Entry("a", FILE, 0o644), Entry("a", DIRECTORY, 0o755)])


@pytest.mark.parametrize("cut", [1, 5, -1, -3])
def test_a_text_cut_within_a_line_is_refused(cut):
    text = Manifest([Entry("a", DIRECTORY, 0o755), Entry("b", DIRECTORY, 0o755)]).render()
    with pytest.raises(ValueError, match="cut short"):
        parse_manifest(text[:cut])


def tree(**paths):
    kinds = {"d": DIRECTORY, "w": WHITEOUT}
    return Manifest(
        Entry(name, kinds[what], 0o755)
        if what in kinds
        else Entry(name, SYMLINK, 0o777, target=what[1:])
        if what.startswith(">")
        else Entry(name, FILE, 0o644, digest=what)
        for name, what in ((name.replace("__", "/"), what) for name, what in paths.items())
    )


def seen(*trees, **options):
    return {placed.entry.path: placed.tree for placed in stack(trees, **options)}


def test_later_trees_hide_earlier_ones_and_directories_merge():
    assert seen(tree(a="d", a__x="1", a__y="1"), tree(a="d", a__x="2")) == {"a": 1, "a/x": 1, "a/y": 0}


def test_a_file_over_a_directory_takes_all_below_with_it():
    assert seen(tree(a="d", a__x="1"), tree(a="9")) == {"a": 1}


def test_a_whiteout_removes_a_whole_directory_and_stays_in_a_layer():
    below, above = tree(a="d", a__x="1", b="2"), tree(a="w")
    assert seen(below, above) == {"b": 0}
    assert seen(below, above, keep_whiteouts=True) == {"a": 1, "b": 0}


def test_what_comes_back_after_a_whiteout_is_only_what_came_back():
    assert seen(tree(a="d", a__x="1"), tree(a="w"), tree(a="d", a__y="3")) == {"a": 2, "a/y": 2}
