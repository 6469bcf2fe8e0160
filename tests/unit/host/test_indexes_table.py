"""Alias -> address on this host, and what must not get in."""

import pytest

from shipway.core.errors import NotFound, ToolError
from shipway.host import indexes
from shipway.host.indexes import read_indexes
from shipway.host.location import Auth


@pytest.fixture
def home(tmp_path):
    (tmp_path / "pip").mkdir(parents=True)
    (tmp_path / "uv").mkdir()
    return tmp_path


def environ(home, **more):
    none = str(home / "none")
    return {
        "HOME": none,
        "XDG_CONFIG_HOME": str(home),
        "XDG_CONFIG_DIRS": none,
        "VIRTUAL_ENV": none,
        **more,
    }


def urls(index):
    return [place.url for place in index.locations]


def test_default_is_uvs_own_where_nobody_says_otherwise(home, monkeypatch):
    (home / "empty.conf").write_text("[global]\nindex-url =\n")
    table = read_indexes(environ(home, PIP_CONFIG_FILE=str(home / "empty.conf"), UV_NO_CONFIG="1"))
    assert table.default == ()
    assert urls(table.require("default"))[0].startswith("https://")


def test_uv_is_asked_for_its_own_index_once(tmp_path, monkeypatch):
    asked = []

    def answer(program):
        asked.append(program)
        return f"https://index{len(asked)}.test/simple"

    program = tmp_path / "uv"
    program.write_text("one")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(indexes, "uv_program", lambda: str(program))
    monkeypatch.setattr(indexes, "_default_of", answer)
    ask = indexes._ask_uv.__wrapped__
    assert [ask().url, ask().url] == ["https://index1.test/simple"] * 2
    program.write_text("another one")
    assert ask().url == "https://index2.test/simple"
    (tmp_path / "cache/shipway/uv-default-index.json").write_text('{"about": 1}')
    assert ask().url == "https://index3.test/simple"
    assert asked == [str(program)] * 3


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"PIP_INDEX_URL": "https://a.test/simple"}, "https://a.test/simple"),
        (
            {"UV_INDEX_URL": "https://b.test/simple", "PIP_INDEX_URL": "https://a.test/simple"},
            "https://b.test/simple",
        ),
        (
            {"UV_DEFAULT_INDEX": "main=https://c.test/s", "UV_INDEX_URL": "https://b.test/simple"},
            "https://c.test/s",
        ),
        (
            {
                "SHIPWAY_INDEX_DEFAULT": "https://d.test/s https://e.test/s",
                "UV_DEFAULT_INDEX": "https://c.test/s",
            },
            "https://d.test/s",
        ),
    ],
)
def test_order_of_the_sources(home, more, expected):
    assert urls(read_indexes(environ(home, **more)).require("default"))[0] == expected


def test_pip_configuration_file(home):
    (home / "pip" / "pip.conf").write_text("[global]\nindex-url = https://a.test/simple\n")
    assert urls(read_indexes(environ(home)).require("default")) == ["https://a.test/simple"]


def test_uv_configuration_file(home):
    (home / "uv" / "uv.toml").write_text(
        '[[index]]\nname = "corp"\nurl = "https://u:p@corp.test/simple"\n[[index]]\nurl = "https://d.test/s"\ndefault = true\n'
    )
    table = read_indexes(environ(home))
    assert urls(table.require("default")) == ["https://d.test/s"]
    assert urls(table.require("corp")) == ["https://corp.test/simple"]
    assert table.require("corp").locations[0].auth == Auth(user="u", password="p")


def test_broken_uv_configuration_is_named(home):
    (home / "uv" / "uv.toml").write_text("index = [")
    with pytest.raises(ToolError, match=r"uv\.toml"):
        read_indexes(environ(home))


def test_spec_names_an_index_and_the_host_moves_it(home):
    table = read_indexes(environ(home), urls={"corp": "https://spec.test/s"})
    assert urls(table.require("corp")) == ["https://spec.test/s"]
    table = read_indexes(
        environ(home, SHIPWAY_INDEX_CORP="https://mirror.test/s"), urls={"corp": "https://spec.test/s"}
    )
    assert urls(table.require("corp")) == ["https://mirror.test/s"]


def test_alias_without_address_in_the_spec(home):
    with pytest.raises(NotFound, match="corp") as caught:
        read_indexes(environ(home), urls={"corp": ""}).require("corp")
    assert any("SHIPWAY_INDEX_CORP" in hint for hint in caught.value.hints)
    table = read_indexes(environ(home, UV_INDEX="corp=https://corp.test/s"), urls={"corp": ""})
    assert urls(table.require("corp")) == ["https://corp.test/s"]


def test_lock_alone_is_enough_when_the_variable_is_set(home):
    table = read_indexes(environ(home, SHIPWAY_INDEX_MY_CORP="https://corp.test/s"))
    assert urls(table.require("my-corp")) == ["https://corp.test/s"]


def test_credentials_of_uvs_variables(home):
    more = {
        "UV_INDEX": "my-corp=https://corp.test/s",
        "UV_INDEX_MY_CORP_USERNAME": "u",
        "UV_INDEX_MY_CORP_PASSWORD": "s3cret",
    }
    place = read_indexes(environ(home, **more)).require("my-corp").locations[0]
    assert place.auth == Auth(user="u", password="s3cret")
    assert "s3cret" not in repr(place) + str(place)


def test_bad_address_is_not_shown(home):
    with pytest.raises(ToolError) as caught:
        read_indexes(environ(home, UV_DEFAULT_INDEX="https://user:s3cret@:80/x"))
    assert "s3cret" not in str(caught.value)


def test_find_links_and_constraints_of_the_host_are_nowhere(home):
    (home / "pip" / "pip.conf").write_text(
        "[global]\nfind-links = /opt/wheels\nextra-index-url = file:///opt/x https://x.test/s\n[install]\nconstraint = /opt/c.txt\n"
    )
    table = read_indexes(
        environ(home, PIP_FIND_LINKS="/opt/wheels", UV_FIND_LINKS="/opt/wheels", PIP_CONSTRAINT="/opt/c.txt")
    )
    assert table.named == {}
    assert table.default == ()
    assert [place.url for place in table.extras] == ["file:///opt/x", "https://x.test/s"]


def test_folder_that_the_spec_names(home):
    index = read_indexes(environ(home), folders={"vendored": str(home / "my wheels")}).require("vendored")
    assert index.flat
    assert urls(index)[0].endswith("/my%20wheels")
