"""Lines of TOML keys: held against `tomllib` on texts of every form that TOML has."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.spec.lines import find_lines

TEXT = '''\
# comment
a = 1
"quoted \\u0041 key" . 'b.c' = "x # no comment" # comment
multi = """
[not.a.table]
x = 1 ""\\" """
literal = \'\'\'
[[no]] \'\'\'\'
list = [ # comment ]
  "one", "two" ,
  [ 3,
    4 ], { k = 1, l.m = [5] },
]
date = 1979-05-27T07:32:00Z
empty = []
none = {}

[table."sub table"]
key.deep = true

[[many]]
x = 1
[[many]]
x = 2
[many.inner]
y = 3
[[many.more]]
z = 4
[[many.more]]
z = 5
'''


def paths_of(value, path=()):
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths_of(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from paths_of(item, (*path, number))


def test_known_lines():
    lines = find_lines(TEXT)
    assert lines[("a",)] == 2
    assert lines[("quoted A key", "b.c")] == 3
    assert lines[("literal",)] == 7
    assert lines[("list", 0)] == 10
    assert lines[("list", 1)] == 10
    assert lines[("list", 2, 1)] == 12
    assert lines[("list", 3, "l", "m", 0)] == 12
    assert lines[("table", "sub table", "key", "deep")] == 19
    assert lines[("many", 0)] == 21
    assert lines[("many", 1, "x")] == 24
    assert lines[("many", 1, "inner", "y")] == 26
    assert lines[("many", 1, "more", 1, "z")] == 30


@pytest.mark.parametrize(
    "text", [TEXT, TEXT.replace("\n", "\r\n"), "", "a=1", '\n\n  "a"=1', "[a]", "[a.b]\n[a]\nx=1"]
)
def test_every_key_and_item_is_found(text):
    assert set(find_lines(text)) == set(paths_of(tomllib.loads(text)))


KEY = st.text(st.characters(codec="utf-8", exclude_characters="\x7f", min_codepoint=0x20), max_size=5)
SCALAR = st.one_of(st.integers(-9, 9), st.booleans(), st.text(st.characters(codec="utf-8"), max_size=8))
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(KEY, VALUE, max_size=4))
def test_any_document_that_we_write_is_found_whole(document):
    from shipway.spec.toml_text import render_value

    text = "".join(f"{render_value(key)} = {render_value(value)}\n" for key, value in document.items())
    assert tomllib.loads(text) == document
    lines = find_lines(text)
    assert set(lines) == set(paths_of(document))
    for number, key in enumerate(document, 1):
        assert lines[(key,)] == number
