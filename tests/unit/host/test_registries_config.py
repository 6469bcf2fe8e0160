"""Where registries are and what is kept for them, from this host's files and variables."""

import base64
import json

import pytest

from shipway.core.errors import ExitCode, SpecError, ToolError
from shipway.core.reference import parse_reference
from shipway.host.credentials import auth_files, find_credentials
from shipway.host.location import Auth
from shipway.host.registries import Place, is_loopback, read_registry_settings

USER = Auth(user="ada", password="pass:word")
ENCODED = base64.b64encode(b"ada:pass:word").decode()


@pytest.fixture
def host(tmp_path):
    """Read settings with a root and a home of the test's own."""

    def read(toml="", system="", **environ):
        (tmp_path / "user.toml").write_text(toml)
        (tmp_path / "system.toml").write_text(system)
        return read_registry_settings(
            {"HOME": str(tmp_path), **environ},
            config_files=(
                str(tmp_path / "user.toml"),
                str(tmp_path / "system.toml"),
                str(tmp_path / "none.toml"),
            ),
            root=str(tmp_path),
        )

    return read


def test_a_host_that_says_nothing(host):
    settings = host()
    assert settings.place("hub.example.org").base == "https://hub.example.org"
    assert settings.push_allow is None
    with pytest.raises(ToolError) as caught:
        settings.complete(parse_reference("thing"))
    assert caught.value.code == ExitCode.USAGE


def test_every_key(host):
    settings = host(
        """
        default = "hub.example.org"
        push.allow = ["hub.example.org/team"]
        [registries."hub.example.org"]
        url = "https://api.example.org/"
        mirrors = ["https://mirror.example.org/hub/"]
        namespace = "library"
        login = "https://login.example.org/v1/"
        token-hosts = ["auth.example.org"]
        [registries."lab:5000"]
        insecure = true
        """,
        'default = "other.example.org"\n[registries."lab:5000"]\nmirrors = ["http://127.0.0.1:1"]\n[push]\nallow = []\n',
    )
    assert settings.place("hub.example.org") == Place(
        name="hub.example.org", url="https://api.example.org", mirrors=("https://mirror.example.org/hub",),
        namespace="library", login="https://login.example.org/v1/", token_hosts=("auth.example.org",),
    )  # fmt: skip
    assert settings.place("lab:5000") == Place(
        name="lab:5000", insecure=True, mirrors=("http://127.0.0.1:1",)
    )
    assert settings.place("lab:5000").base == "http://lab:5000"
    assert settings.complete(parse_reference("thing:v1")).text == "hub.example.org/thing:v1"
    assert settings.push_allow == ("hub.example.org/team",)


def test_variables_come_before_files(host):
    settings = host(
        'default = "a.example.org"\n[push]\nallow = ["a.example.org"]\n',
        SHIPWAY_REGISTRY="b.example.org",
        SHIPWAY_PUSH_ALLOW="b.example.org, c.example.org/x",
        SHIPWAY_INSECURE_REGISTRIES="lab:5000,lab2",
    )
    assert settings.default == "b.example.org"
    assert settings.push_allow == ("b.example.org", "c.example.org/x")
    assert {name for name, place in settings.places.items() if place.insecure} == {"lab:5000", "lab2"}


@pytest.mark.parametrize(
    "toml",
    [
        "x", "defalt = 'a'", "default = 1", "push = 1", "[push]\nallow = 'a'", "[push]\ndeny = []", "registries = 1",
        "[registries]\na = 1", "[registries.'a/b']", "[registries.a]\nurl = 'ftp://a'", "[registries.a]\nurl = 'https://u:p@a'",
        "[registries.a]\nmirrors = [1]", "[registries.a]\ninsecure = 'yes'", "[registries.a]\ntokens = []", "[registries.a]\nurl = 'https://'",
        "default = 'https://a'",
    ],
)  # fmt: skip
def test_mistakes_are_refused(host, toml):
    with pytest.raises(ToolError) as caught:
        host(toml)
    assert isinstance(caught.value, SpecError) or caught.value.code == ExitCode.USAGE
    assert caught.value.hints


def test_podmans_registries(host, tmp_path):
    folder = tmp_path / "etc/containers"
    (folder / "registries.conf.d").mkdir(parents=True)
    (folder / "registries.conf").write_text(
        'unqualified-search-registries = ["hub.example.org", "b.example.org"]\n'
        '[[registry]]\nlocation = "lab:5000"\ninsecure = true\n'
        '[[registry]]\nprefix = "hub.example.org"\nlocation = "api.example.org/prefix"\n'
        '[[registry.mirror]]\nlocation = "mirror.example.org"\n[[registry.mirror]]\nlocation = "m:1"\ninsecure = true\n'
        '[[registry]]\nprefix = "*.example.org"\ninsecure = true\n[[registry]]\nlocation = "c.example.org/only"\ninsecure = true\n'
    )
    (folder / "registries.conf.d" / "x.conf").write_text(
        'unqualified-search-registries = ["late.example.org"]\n'
    )
    settings = host()
    assert settings.default == "late.example.org"
    assert settings.place("lab:5000").base == "http://lab:5000"
    assert settings.place("hub.example.org").base == "https://api.example.org/prefix"
    assert settings.place("hub.example.org").mirrors == ("https://mirror.example.org", "http://m:1")
    assert set(settings.places) == {"lab:5000", "hub.example.org"}
    (tmp_path / "one.conf").write_text("")
    assert host(CONTAINERS_REGISTRIES_CONF=str(tmp_path / "one.conf")).places == {}
    (tmp_path / "one.conf").write_text("not toml")
    with pytest.raises(SpecError):
        host(CONTAINERS_REGISTRIES_CONF=str(tmp_path / "one.conf"))


@pytest.mark.parametrize(
    ("name", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9:5000", True), ("localhost:5000", True), ("[::1]:5000", True),
     ("127.0.0.1.example.org", False), ("localhost.example.org", False), ("10.0.0.1", False), ("hub.example.org", False)],
)  # fmt: skip
def test_loopback(name, loopback):
    assert is_loopback(name) is loopback


def keep(path, auths, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": auths, **more}))


def test_the_files_in_their_order(tmp_path):
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    assert [path.removeprefix(str(tmp_path)) for path in auth_files(environ)] == [
        "/run/containers/auth.json", "/.config/containers/auth.json", "/.docker/config.json",
    ]  # fmt: skip
    for number, path in enumerate(reversed(auth_files(environ))):
        assert find_credentials("hub.example.org", "", environ) is None or number
        entry = base64.b64encode(f"user{number}:x".encode()).decode()
        keep(tmp_path / path.removeprefix(str(tmp_path) + "/"), {"hub.example.org": {"auth": entry}})
        assert find_credentials("hub.example.org", "", environ).auth.user == f"user{number}"
    keep(tmp_path / "only.json", {})
    assert (
        find_credentials(
            "hub.example.org", "", {**environ, "REGISTRY_AUTH_FILE": str(tmp_path / "only.json")}
        )
        is None
    )


def test_the_closest_entry_is_taken_and_no_other_hosts(tmp_path):
    environ = {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    entry = {
        name: {"auth": base64.b64encode(f"{name}:x".encode()).decode()} for name in ("all", "team", "url")
    }
    keep(
        tmp_path / "auth.json",
        {
            "hub.example.org": entry["all"],
            "hub.example.org/team": entry["team"],
            "https://old.example.org/v1/": entry["url"],
        },
    )

    def user(registry, repository=""):
        found = find_credentials(registry, repository, environ)
        return found and found.auth.user

    assert user("hub.example.org", "other/thing") == "all"
    assert user("hub.example.org", "team/thing") == "team"
    assert user("hub.example.org", "team2/thing") == "all"
    assert user("old.example.org") == "url"
    assert user("https://old.example.org/v1/") == "url"
    for stranger in (
        "hub.example.org:5000",
        "example.org",
        "evil.hub.example.org",
        "hub.example.org.evil.example",
    ):
        assert user(stranger, "team/thing") is None


def test_forms_of_an_entry(tmp_path):
    environ = {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    for entry, auth, token in (
        ({"auth": ENCODED}, USER, ""),
        ({"auth": ENCODED, "identitytoken": "tok"}, None, "tok"),
        ({"auth": ""}, None, None),
        ({}, None, None),
        ("x", None, None),
    ):
        keep(tmp_path / "auth.json", {"hub.example.org": entry})
        found = find_credentials("hub.example.org", "", environ)
        assert (found.auth, found.identity_token) == (auth, token) if token is not None else found is None


def test_a_helper_that_is_missing_fails_or_babbles(tmp_path):
    environ = {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"), "PATH": str(tmp_path)}
    keep(tmp_path / "auth.json", {}, credHelpers={"hub.example.org": "box"})
    assert find_credentials("other.example.org", "", environ) is None
    with pytest.raises(ToolError, match="not installed"):
        find_credentials("hub.example.org", "", environ)
    helper = tmp_path / "docker-credential-box"
    for script, words in (
        ("echo s3cret; exit 3", "exit code 3"),
        ("echo s3cret", "protocol"),
        ("echo '{\"Username\": 1}'", "protocol"),
    ):
        helper.write_text(f"#!/bin/sh\n{script}\n")
        helper.chmod(0o755)
        with pytest.raises(ToolError, match=words) as caught:
            find_credentials("hub.example.org", "", environ)
        assert "s3cret" not in str(vars(caught.value))
    helper.write_text("""#!/bin/sh\necho '{"ServerURL": "x", "Username": "<token>", "Secret": "tok"}'\n""")
    found = find_credentials("hub.example.org", "", environ)
    assert (found.auth, found.identity_token, found.named_by) == (None, "tok", "docker-credential-box")
