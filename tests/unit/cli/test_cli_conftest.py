"""The guards of the test suite itself: no way to the real home, missing abilities are skipped or failed, counted."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ("pytester",)


def test_every_folder_is_a_temporary_one(tmp_path_factory):
    base = os.path.dirname(str(tmp_path_factory.getbasetemp()))
    for name in (
        "HOME",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
        "XDG_RUNTIME_DIR",
        "SHIPWAY_STORE",
    ):
        assert os.environ[name].startswith(base), name


def test_reaching_for_the_real_home_raises(request):
    (ours,) = [
        plugin for plugin in request.config.pluginmanager.get_plugins() if hasattr(plugin, "_REAL_PLACES")
    ]
    real = os.path.join(ours._REAL_PLACES[0], "anything")
    with pytest.raises(RuntimeError, match="reached for the real"):
        os.open(real, os.O_RDONLY)
    with pytest.raises(RuntimeError, match="reached for the real"):
        os.mkdir(real)


@pytest.mark.parametrize(
    ("required", "outcome"), [("", "skipped"), ("all", "errors"), ("tool", "errors"), ("docker", "skipped")]
)
def test_a_missing_ability_is_skipped_or_fails(pytester, repository, monkeypatch, required, outcome):
    with open(os.path.join(repository, "tests", "conftest.py")) as file:
        pytester.makeconftest(file.read())
    pytester.makeini("[pytest]\nmarkers =\n    needs_tool(name): x\n    needs_root: x\n")
    pytester.makepyfile("import pytest\n\n@pytest.mark.needs_tool('no-such-tool')\ndef test_it(): pass\n")
    monkeypatch.setenv("SHIPWAY_REQUIRE", required)
    result = pytester.runpytest_subprocess("-p", "no:xdist", "-rs")
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["*`no-such-tool` is not installed*"])
    result.stdout.fnmatch_lines(["can: *cannot: *"])
