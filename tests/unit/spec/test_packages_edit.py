"""Small changes of a spec's text: one item more, another or less, and every other character as it was."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.spec.bounds import bounded
from shipway.spec.edit import add_item, drop_item, replace_item
from shipway.spec.edit_requirements import add_line, drop_line, replace_line

PIP = ("pip",)


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ('pip = ["a"] # why\n', 'pip = ["a", "new==1"] # why\n'),
        ('pip = ["a",]\n', 'pip = ["a", "new==1",]\n'),
        ("pip = []\n", 'pip = ["new==1"]\n'),
        ('pip = ["a",\n       "b"]\n', 'pip = ["a",\n       "b",\n       "new==1"]\n'),
        (
            'pip = [\n  "a",  # one\n  "b"  # two\n]\n',
            'pip = [\n  "a",  # one\n  "b",  # two\n  "new==1"\n]\n',
        ),
        (
            'pip = [\r\n  "a", # it\'s\r\n]\r\nx = 1\r\n',
            'pip = [\r\n  "a", # it\'s\r\n  "new==1",\r\n]\r\nx = 1\r\n',
        ),
        ("pip = [\n  # none\n]\n", 'pip = [\n  # none\n    "new==1",\n]\n'),
        (
            'name = "x"\ncommand = "y" # z\n\n[run]\n',
            'name = "x"\npip = ["new==1"]\ncommand = "y" # z\n\n[run]\n',
        ),
        ("[targets.gpu]\n", 'pip = ["new==1"]\n\n[targets.gpu]\n'),
        ("", 'pip = ["new==1"]\n'),
        ("apt = ['x']", "apt = ['x']\npip = [\"new==1\"]"),
    ],
)
def test_an_item_is_added_and_nothing_else_moves(text, added):
    assert add_item(text, PIP, "new==1") == added


def test_an_item_of_a_target_and_of_the_other_file():
    text = '[targets.gpu] # big\n\n[targets."a.b"]\npip = ["x"]\n\n[run]\npids = 1\n'
    assert add_item(text, ("targets", "gpu", "pip"), "q").startswith(
        '[targets.gpu] # big\npip = ["q"]\n\n[targets."a.b"]'
    )
    assert 'pip = ["x", "q"]' in add_item(text, ("targets", "a.b", "pip"), "q")
    project = '[project]\nname = "x"\n\n[tool.shipway.targets.gpu]\npip = ["x"]\n'
    added = add_item(project, ("tool", "shipway", "pip"), "q")
    assert '[tool.shipway]\npip = ["q"]\n\n[tool.shipway.targets.gpu]' in added


@pytest.mark.parametrize("text", ['[tool]\nshipway = { name = "x" }\n', '[tool]\nshipway.name = "x"\n'])
def test_a_form_without_place_for_it_is_refused(text):
    with pytest.raises(ValueError, match=r"no header|in place"):
        add_item(text, ("tool", "shipway", "pip"), "q")


@pytest.mark.parametrize(
    ("text", "number", "dropped"),
    [
        ('pip = ["a", "b"] # why\n', 0, 'pip = ["b"] # why\n'),
        ('pip = ["a", "b"] # why\n', 1, 'pip = ["a"] # why\n'),
        ('pip = ["a", "b",]\n', 1, 'pip = ["a",]\n'),
        ('x = 1\npip = ["a"]\ny = 2\n', 0, "x = 1\ny = 2\n"),
        ('pip = ["a"] # keep me\n', 0, "pip = [] # keep me\n"),
        ('pip = [\n  # keep me\n  "a",\n]\n', 0, "pip = [\n  # keep me\n]\n"),
        ('pip = [\n  "a",  # goes\n  "b",\n]\n', 0, 'pip = [\n  "b",\n]\n'),
        ('pip = [\n  "a",\n  "b" # goes\n]\n', 1, 'pip = [\n  "a",\n]\n'),
        ('pip = [\n  "a", "b",\n  "c",\n]\n', 1, 'pip = [\n  "a", "c",\n]\n'),
    ],
)
def test_an_item_is_taken_out(text, number, dropped):
    assert drop_item(text, ("pip", number)) == dropped


def test_an_item_is_replaced_in_its_own_quotes():
    text = "pip = ['a==1', \"b==1\"] # why\n"
    assert replace_item(text, ("pip", 0), "a==2") == "pip = ['a==2', \"b==1\"] # why\n"
    assert replace_item(text, ("pip", 1), "b==2") == "pip = ['a==1', \"b==2\"] # why\n"


_ITEM = st.text("ab'\"#,][ \t\\é=", min_size=1, max_size=5)


@st.composite
def _lists(draw):
    """A TOML text with a list `pip`, written in any of the usual ways, between other keys."""
    import json

    items = draw(st.lists(_ITEM, max_size=4))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    gap = draw(st.sampled_from(["", " ", f"{newline}    ", f" # c, ]{newline}  "]))
    end = (
        draw(st.sampled_from(["", ",", f",{newline}", newline]))
        if items
        else draw(st.sampled_from(["", newline]))
    )
    inside = f",{gap}".join(json.dumps(item, ensure_ascii=False) for item in items)
    before, after = draw(st.sampled_from([("", ""), ("x = 1", "y = [2] # z"), ("# c", "[t]")]))
    lines = [before, f"pip = [{gap if items else ''}{inside}{end}]", after]
    return newline.join(lines) + draw(st.sampled_from(["", newline])), items


@given(_lists(), _ITEM, st.data())
def test_whatever_the_form_the_text_says_what_it_should(written, item, data):
    text, items = written
    added = add_item(text, PIP, item)
    assert tomllib.loads(added)["pip"] == [*items, item]
    assert drop_item(added, ("pip", len(items))).count("\n") <= added.count("\n")
    if items:
        number = data.draw(st.integers(0, len(items) - 1))
        left = tomllib.loads(drop_item(text, ("pip", number))).get("pip", [])
        assert left == [one for at, one in enumerate(items) if at != number]
        replaced = tomllib.loads(replace_item(text, ("pip", number), item))["pip"]
        assert replaced == [item if at == number else one for at, one in enumerate(items)]


def test_lines_of_a_requirements_file():
    text = "# mine\nnumpy==2.1  # fast\njax==0.4.30 \\\n    --hash=sha256:00\r\nflax"
    assert add_line(text, "einops").endswith("flax\r\neinops\r\n")
    assert add_line("", "einops") == "einops\n"
    assert replace_line(text, 2, "numpy==2.2").splitlines()[1] == "numpy==2.2  # fast"
    assert replace_line(text, 3, "jax==0.5") == "# mine\nnumpy==2.1  # fast\njax==0.5\r\nflax"
    assert drop_line(text, 3) == "# mine\nnumpy==2.1  # fast\nflax"


@pytest.mark.parametrize(
    ("requirement", "versions", "neighbours", "text"),
    [
        ("einops", ["0.8.2"], [], "einops==0.8.2"),
        ("einops", ["0.8.2"], ["jax==0.4.30"], "einops==0.8.2"),
        ("einops", ["0.8.2"], ["jax==0.4.30", "flax"], "einops>=0.8.2,<0.9"),
        ("numpy", ["2.1.0"], ["flax>=0.8,<1"], "numpy>=2.1.0,<3"),
        ("x", ["0.0.7"], ["flax"], "x>=0.0.7,<0.0.8"),
        ("x", ["0"], ["flax"], "x>=0,<1"),
        ("x", ["1!2.3"], ["flax"], "x>=1!2.3,<1!3"),
        ("torch", ["2.5.1+cu124"], [], "torch==2.5.1"),
        ("x", ["1.4", "2.0"], ["jax==0.4.30"], "x>=1.4,<3"),
        (
            "jax[cuda12]; sys_platform == 'linux'",
            ["0.4.30"],
            [],
            'jax[cuda12]==0.4.30; sys_platform == "linux"',
        ),
    ],
)
def test_a_version_is_written_as_around_it(requirement, versions, neighbours, text):
    assert bounded(requirement, versions, neighbours) == text
