"""One more target at the end of a spec; what somebody wrote is not touched."""

from __future__ import annotations

import pytest

from shipway.core.errors import SpecError
from shipway.spec.added_target import add_target
from shipway.spec.parse import PROJECT_FILE, parse_spec

SLIM = {"inherits": "default", "without": ["apt:gcc"], "slim": ["docs", "tests"]}


def targets(text, file="shipway.toml"):
    texts = {"pyproject.toml": text} if file == PROJECT_FILE else {}
    return {target.name: target for target in parse_spec(text, texts, file=file).spec.targets}


@pytest.mark.parametrize("end", ["", "\n", "\n# the end", "\n\n[run]\nshm-size = 1024\n"])
def test_a_spec_without_targets_keeps_its_default_one(end):
    text = 'apt = ["gcc", "git"]' + end
    added = add_target(text, "slim", SLIM, file="shipway.toml")
    assert added.startswith(text)
    found = targets(added)
    assert [wish.text for wish in found["default"].apt] == ["gcc", "git"]
    assert [wish.text for wish in found["slim"].apt] == ["git"]
    assert found["slim"].slim == ("docs", "tests")
    assert found["default"].slim == ()
    assert parse_spec(added, {}).spec.default_target == "default"


def test_a_target_inherits_from_another_one_and_empty_values_are_left_out():
    text = '[targets.gpu]\napt = ["gcc"]\n'
    added = add_target(
        text, "gpu-slim", {"inherits": "gpu", "without": [], "slim": ["docs"]}, file="shipway.toml"
    )
    assert "without" not in added
    assert list(targets(added)) == ["gpu", "gpu-slim"]


def test_a_project_file_gets_its_own_table():
    text = '[project]\nname = "x"\nversion = "1"\n[tool.shipway]\napt = ["gcc"]\n[tool.other]\na = 1\n'
    added = add_target(text, "slim", SLIM, file=PROJECT_FILE)
    assert added.startswith(text)
    assert targets(added, PROJECT_FILE)["slim"].apt == ()


def test_an_unknown_kind_of_files_is_a_mistake():
    with pytest.raises(SpecError):
        parse_spec('slim = ["everything"]', {})
