"""The ignore grammar as a table: patterns, path, whether it stays out."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.ignore import IgnoreRules, parse_ignore

TABLE = [
    # pattern list, path, ignored
    (["a"], "a", True),
    (["a"], "b/a", False),
    (["a"], "a/b/c", True),
    (["a/"], "a/b", True),
    (["/a"], "a", True),
    (["./a"], "a", True),
    (["a/../b"], "b", True),
    (["*.pyc"], "x.pyc", True),
    (["*.pyc"], "d/x.pyc", False),
    (["**/*.pyc"], "x.pyc", True),
    (["**/*.pyc"], "d/e/x.pyc", True),
    (["*/temp*"], "some/temporary.txt", True),
    (["*/temp*"], "some/dir/temp", False),
    (["*/*/temp*"], "some/dir/temp", True),
    (["temp?"], "tempa", True),
    (["temp?"], "temp", False),
    (["temp?"], "temp/", False),
    (["**"], "anything/at/all", True),
    (["a/**"], "a", False),
    (["a/**"], "a/b", True),
    (["a/**/b"], "a/b", True),
    (["a/**/b"], "a/x/y/b", True),
    (["a/**/b"], "ab", False),
    (["**/b"], "ab", False),
    (["**b"], "x/b", True),
    (["[a-c].txt"], "b.txt", True),
    (["[^a-c].txt"], "b.txt", False),
    (["[^a-c].txt"], "d.txt", True),
    (["[^a]b"], "/b", False),
    ([r"\*"], "*", True),
    ([r"\*"], "x", False),
    ([r"\!keep"], "!keep", True),
    (["a.b"], "axb", False),
    (["a$"], "a$", True),
    (["a+(b)"], "a+(b)", True),
    (["*.md", "!README.md"], "README.md", False),
    (["*.md", "!README.md"], "x.md", True),
    (["!README.md", "*.md"], "README.md", True),
    (["*.md", "!README*.md", "README-secret.md"], "README-secret.md", True),
    (["*.md", "README-secret.md", "!README*.md"], "README-secret.md", False),
    (["data", "!data/keep"], "data/keep", False),
    (["data", "!data/keep"], "data/keep/inside", False),
    (["data", "!data/keep"], "data/other", True),
    (["data/*", "!data/keep"], "data", False),
    (["*", "!src"], "src/a.py", False),
    (["*", "!src"], "setup.py", True),
    (["*", "!**/*.py"], "src/a.py", False),
    (["."], "a", False),
    ([""], "a", False),
    (["  a  "], "a", True),
    (["! a", "a"], "a", True),
    (["a", "! a"], "a", False),
    (["*"], ".hidden", True),
    (["é?"], "éx", True),
    (["a\nb"], "a\nb", True),
]


@pytest.mark.parametrize(("patterns", "path", "out"), TABLE)
def test_table(patterns, path, out):
    assert IgnoreRules(patterns).ignored(path) is out


@pytest.mark.parametrize("pattern", ["[a", "[", "!", "a\\", "[^", "[]", "[z-a]"])
def test_malformed_patterns_are_refused_by_name(pattern):
    with pytest.raises(ValueError, match="`"):
        IgnoreRules([pattern])


def test_file_text():
    text = "\ufeff*.pyc\n# a comment\n #not a comment\n\n   \n  !keep  \r\n"
    assert parse_ignore(text) == ("*.pyc", "#not a comment", "!keep")


@pytest.mark.parametrize(
    ("patterns", "directory", "skip"),
    [
        (["data"], "data", True),
        (["data"], "src", False),
        (["data", "!data/keep"], "data", False),
        (["data", "!data/keep"], "data/other", True),
        (["data", "!data/k*"], "data", False),
        (["*", "!**/*.py"], "data", False),
        (["*", "!src"], "data", True),
        (["*", "!src/deep/x"], "src/deep", False),
    ],
)
def test_walks_skip_only_what_cannot_hold_wanted_files(patterns, directory, skip):
    assert IgnoreRules(patterns).can_skip(directory) is skip


PARTS = ["a", "b", "ab", "*", "**", "?", "a*", "[ab]"]
PATTERN = st.builds(
    lambda bang, parts: bang + "/".join(parts),
    st.sampled_from(["", "!"]),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=3),
)
PATHS = ["/".join(parts) for length in (1, 2, 3) for parts in itertools.product("ab", repeat=length)]


@given(st.lists(PATTERN, max_size=4))
def test_skipping_a_directory_never_loses_a_wanted_file(patterns):
    rules = IgnoreRules(patterns)
    for path in PATHS:
        if rules.can_skip(path):
            assert all(rules.ignored(other) for other in PATHS if other.startswith(path + "/")), path
