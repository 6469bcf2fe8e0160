"""`search`: the registry's own, else its catalog; what it says is text of a stranger."""

import json

import pytest

from shipway.cli.show_registry import render_search, search_document
from shipway.core.errors import FetchError, NotFound
from shipway.core.events import silent
from shipway.host.location import Auth
from shipway.testing.registry import FakeRegistry, Trick
from shipway.verbs.search import FoundView, run_search

USER = Auth(user="ada", password="s3cret-word")
TORCH = {"name": "torch", "description": "tensors\n and   more", "star_count": 12, "is_official": True}
OTHER = {"name": "ada/torch-cpu", "description": "", "star_count": 0, "is_official": False}


@pytest.fixture
def registry():
    with FakeRegistry() as running:
        running.repository("team/torch-image")
        running.repository("team/other")
        yield running


def find(running, word="torch", registry=""):
    return run_search(word, registry or running.host, offline=False, emit=silent)


def configure(tmp_path, monkeypatch, text):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "shipway").mkdir()
    (tmp_path / "shipway" / "registries.toml").write_text(text)


def test_the_registrys_own_search_comes_first_and_keeps_its_order(registry):
    registry.found = [TORCH, OTHER]
    result = find(registry)
    assert result.found == (
        FoundView("torch", "tensors\n and   more", 12, official=True), FoundView("ada/torch-cpu")
    )  # fmt: skip
    [asked] = registry.asked("GET", "^/v1/search$")
    assert asked.query["q"] == ("torch",)
    assert not registry.asked("GET", "_catalog")
    lines = render_search(result).splitlines()
    assert lines[1].split() == [f"{registry.host}/torch", "12", "yes", "tensors", "and", "more"]
    assert search_document(result)["repositories"] == ["torch", "ada/torch-cpu"]


def test_without_a_search_the_catalog_is_read(registry):
    result = find(registry)
    assert result.found == (FoundView("team/torch-image"),)
    assert render_search(result) == f"{registry.host}/team/torch-image\n"
    assert [one.name for one in find(registry, word="").found] == ["team/other", "team/torch-image"]
    assert len(registry.asked("GET", "^/v1/search$")) == 1  # an empty word finds nothing anywhere


@pytest.mark.parametrize("trick", [Trick.HTML, Trick.GONE, Trick.DENIED])
def test_an_answer_that_is_none_leads_to_the_catalog(registry, trick):
    registry.found = [TORCH]
    registry.order("GET", "/v1/search", trick)
    assert find(registry).found == (FoundView("team/torch-image"),)


def test_a_registry_with_neither_says_so(registry):
    registry.order("GET", "_catalog", Trick.GONE)
    with pytest.raises(NotFound, match="no list"):
        find(registry)


@pytest.mark.parametrize("how", ["basic", "token"])
def test_who_is_logged_in_searches_as_that_user(tmp_path, monkeypatch, how):
    with FakeRegistry(**{how: USER}) as running:
        running.found = [TORCH]
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        entry = {"auth": USER.header.partition(" ")[2]}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {running.host: entry}}))
        assert find(running).found[0].name == "torch"


def test_a_search_on_another_host_is_asked_without_the_registrys_credentials(registry, tmp_path, monkeypatch):
    with FakeRegistry(basic=USER) as hub:
        configure(
            tmp_path, monkeypatch,
            f'default = "{hub.host}"\n[registries."{hub.host}"]\nsearch = "http://{registry.host}/index/"\n',
        )  # fmt: skip
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        entry = {"auth": USER.header.partition(" ")[2]}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {hub.host: entry}}))
        registry.order("GET", "/index/v1/search", Trick.HTML)
        hub.repository("team/torch")
        result = run_search("torch", "", offline=False, emit=silent)
        assert (result.registry, result.found) == (hub.host, (FoundView("team/torch"),))
        assert [seen.path for seen in registry.seen] == ["/index/v1/search"]
        assert "authorization" not in registry.seen[0].headers


def test_hostile_answers(registry):
    names = [
        "../up",
        "A",
        "",
        None,
        7,
        "x" * 300,
        "evil.example.org/x",
        "a:tag",
        "a@sha256:" + "0" * 64,
        "ok",
    ]
    registry.found = [
        {"name": name, "description": 5, "star_count": "many", "is_official": "yes"} for name in names
    ]
    registry.found += ["text", None, {"name": "esc", "description": "\x1b]0;title\x07" + "long " * 1000}]
    result = find(registry)
    assert [one.name for one in result.found] == ["ok", "esc"]
    assert result.found[0] == FoundView("ok")
    assert len(result.found[1].description) <= 1000
    text = render_search(result)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert all(len(line) < 200 for line in text.splitlines())


def test_an_answer_without_end_is_cut(registry):
    registry.found = [{"name": "torch", "description": "x" * (5 << 20)}]
    with pytest.raises(FetchError, match="more than"):
        find(registry)


def test_more_than_was_asked_for_is_not_shown(registry):
    registry.found = [{"name": f"torch-{number}"} for number in range(500)]
    assert len(find(registry).found) == 100
