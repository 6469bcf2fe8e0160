"""`login`, `logout` and `search` as a user sees them."""

import io
import json
import os
import stat
import sys

import pytest

from shipway.cli.app import execute
from shipway.core.errors import ExitCode
from shipway.host.location import Auth
from shipway.testing.registry import FakeRegistry

USER = Auth(user="ada", password="s3cret-word")


@pytest.fixture
def config(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path / "docker" / "config.json"


def login(monkeypatch, registry, text="s3cret-word\n", *more):
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return execute(["login", "-u", "ada", "--password-stdin", *more, registry.host])


@pytest.mark.parametrize("how", ["basic", "token"])
def test_login_is_checked_kept_and_forgotten(monkeypatch, capsys, config, how):
    with FakeRegistry(**{how: USER}) as registry:
        assert login(monkeypatch, registry, "wrong\n") == ExitCode.FETCH
        assert not config.exists()
        assert login(monkeypatch, registry) == 0
        said = capsys.readouterr()
        assert USER.password not in said.err + said.out
        assert "warning" not in said.err
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        kept = {"auths": {registry.host: {"auth": USER.header.partition(" ")[2]}}}
        assert json.loads(config.read_text()) == kept
        assert execute(["search", "--registry", registry.host]) == 0
        assert execute(["logout", "--dry-run", registry.host]) == 0
        assert json.loads(config.read_text()) == kept
        assert execute(["logout", registry.host]) == 0
        assert json.loads(config.read_text()) == {"auths": {}}


def test_a_registry_that_asks_nobody_is_told(monkeypatch, capsys, config):
    with FakeRegistry() as registry:
        assert login(monkeypatch, registry) == 0
        assert "nobody has checked" in capsys.readouterr().err


def test_what_else_the_file_holds_stays(monkeypatch, config):
    config.parent.mkdir()
    config.write_text(json.dumps({"auths": {"other.example.org": {"auth": "eDp5"}}, "psFormat": "x"}))
    with FakeRegistry(basic=USER) as registry:
        assert login(monkeypatch, registry) == 0
        after = json.loads(config.read_text())
        assert set(after["auths"]) == {"other.example.org", registry.host}
        assert after["psFormat"] == "x"


def test_a_helper_keeps_what_is_its(monkeypatch, config, tmp_path):
    (tmp_path / "bin").mkdir()
    helper = tmp_path / "bin" / "docker-credential-box"
    helper.write_text(
        f"""#!/bin/sh
echo "$#:$1" >> {tmp_path}/calls
case "$1" in
store) cat > {tmp_path}/box ;;
get) cat > {tmp_path}/asked; [ -e {tmp_path}/box ] && cat {tmp_path}/box && exit; echo "credentials not found in native keychain"; exit 1 ;;
erase) rm {tmp_path}/box ;;
esac
"""
    )
    helper.chmod(0o755)
    config.parent.mkdir()
    config.write_text('{"credsStore": "box"}')
    with FakeRegistry(basic=USER) as registry:
        assert execute(["search", "--registry", registry.host]) == ExitCode.FETCH
        assert login(monkeypatch, registry) == 0
        assert json.loads((tmp_path / "box").read_text())["Secret"] == USER.password
        assert "auths" not in json.loads(config.read_text())
        assert execute(["search", "--registry", registry.host]) == 0
        assert execute(["logout", registry.host]) == 0
    assert not (tmp_path / "box").exists()
    assert set((tmp_path / "calls").read_text().split()) == {"1:get", "1:store", "1:erase"}
    assert (tmp_path / "asked").read_text() == registry.host


@pytest.mark.parametrize("name", ["../../bin/sh", "a b", "", "x/y"])
def test_a_helper_is_named_by_a_word(monkeypatch, capsys, config, name):
    config.parent.mkdir()
    config.write_text(json.dumps({"credHelpers": {"hub.example.org": name}, "credsStore": name}))
    assert execute(["logout", "hub.example.org"]) == (ExitCode.OK if not name else ExitCode.FAILED)


@pytest.mark.parametrize("text", ["[]", "{", "\xff", '{"auths": {"hub.example.org": {"auth": "!"}}}'])
def test_a_broken_file_is_named_and_left_alone(monkeypatch, capsys, config, text):
    config.parent.mkdir()
    config.write_bytes(text.encode("latin-1"))
    with FakeRegistry(basic=USER) as registry:
        text = text.replace("hub.example.org", registry.host)
        config.write_bytes(text.encode("latin-1"))
        assert execute(["search", "--registry", registry.host]) == ExitCode.FAILED
    assert str(config) in capsys.readouterr().err
    assert config.read_bytes() == text.encode("latin-1")


def test_no_terminal_and_no_user_are_usage_errors(monkeypatch, capsys, config):
    monkeypatch.setattr(sys, "stdin", io.StringIO("x"))
    for words in (["login", "hub.example.org"], ["login", "--password-stdin", "hub.example.org"]):
        assert execute(words) == ExitCode.USAGE
        assert "--password-stdin" in capsys.readouterr().err
    assert execute(["login", "--dry-run", "hub.example.org"]) == 0
    assert str(config) in capsys.readouterr().err
    for wrong in ("https://hub.example.org", "hub.example.org/team"):
        assert execute(["login", "--dry-run", wrong]) == ExitCode.USAGE


def test_search(monkeypatch, capsys, config):
    with FakeRegistry() as registry:
        for name in ("team/torch", "team/jax", "other/torch\x1b[2J"):
            registry.add_manifest(name, "v1", b"{}", "x")
        assert execute(["search", "--registry", registry.host, "torch"]) == 0
        assert capsys.readouterr().out == f"{registry.host}/other/torch\\x1b[2J\n{registry.host}/team/torch\n"
        monkeypatch.setenv("SHIPWAY_REGISTRY", registry.host)
        assert execute(["search", "jax", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["repositories"] == ["team/jax"]
        assert execute(["search", "--tags", f"{registry.host}/team/jax"]) == 0
        assert capsys.readouterr().out == f"{registry.host}/team/jax:v1\n"
        assert execute(["search", "--tags"]) == ExitCode.USAGE
        assert execute(["--offline", "search"]) == ExitCode.OFFLINE
