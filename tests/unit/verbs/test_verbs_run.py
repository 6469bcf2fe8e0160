"""Words of `run` as values, options of a spec as values of the run room, and what counts as vanished."""

from __future__ import annotations

import pytest

from shipway.core.errors import ExitCode, FetchError, ToolError
from shipway.core.events import silent
from shipway.host.http import NotOffered, TooLarge
from shipway.host.location import Location
from shipway.run.model import Limits, Mount, Network
from shipway.verbs.invocation import read_invocation
from shipway.verbs.project import read_project
from shipway.verbs.run import RunWords
from shipway.verbs.run_options import read_run_options
from shipway.verbs.vanished import is_offered


def test_words_become_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", "t")
    (tmp_path / "vars").write_text("# comment\nA=from file\nTOKEN\n")
    asked = read_invocation(
        RunWords(
            argv=("python", "x.py"),
            env=("A=from option", "ABSENT"),
            env_files=("vars",),
            mounts=("data:/data:ro",),
            network="none",
            shm_size=1 << 30,
            cpus=1.5,
            keep="scratch",
        )
    )
    assert asked.env == (("A", "from file"), ("TOKEN", "t"), ("A", "from option"))
    assert asked.mounts == (Mount(str(tmp_path / "data"), "/data", read_only=True),)
    assert asked.network is Network.NONE
    assert asked.limits == Limits(None, 1.5, None)
    assert (asked.shm_size, asked.keep) == (1 << 30, "scratch")


@pytest.mark.parametrize(
    "words", [RunWords(env=("1A=x",)), RunWords(mounts=("data",)), RunWords(env_files=("none",))]
)
def test_wrong_words_are_usage_errors(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolError) as caught:
        read_invocation(words)
    assert caught.value.code is ExitCode.USAGE
    assert caught.value.hints


def test_options_of_the_spec(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    (tmp_path / "shipway.toml").write_text(
        'name = "x"\nbase = "debian:bookworm"\n[run]\nshm-size = "2g"\nmemory = "4g"\nnetwork = "none"\n'
        'mounts = ["data:/data:ro", "~/models:/models"]\n'
    )
    project = read_project(str(tmp_path), silent)
    options = read_run_options(project, "")
    assert options.mounts == (
        Mount(f"{tmp_path}/data", "/data", read_only=True),
        Mount("/home/ada/models", "/models"),
    )
    assert (options.shm_size, options.limits.memory, options.network) == (2 << 30, 4 << 30, Network.NONE)


class Places:
    """A fetcher whose places answer as the test says."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def get(self, place, **options):
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer


HERE = [Location("https://a.invalid/x"), Location("https://b.invalid/x")]


def test_a_clear_no_and_no_yes_means_vanished():
    no = NotOffered("404")
    assert not is_offered(HERE, Places(no, no))
    assert is_offered(HERE, Places(no, None))
    assert is_offered(HERE, Places(no, TooLarge("sends more than 1 bytes")))
    assert not is_offered(HERE, Places(FetchError("the host name is not known"), no))
    assert is_offered(HERE, Places(FetchError("time-out"), FetchError("time-out")))
    assert not is_offered([], Places())


def test_secrets_of_the_command_line_are_those_of_the_spec(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    words = RunWords(secrets=("HF_TOKEN", "KEY?", "file:~/.netrc:/run/netrc", "file:own:/run/own"))
    asked = read_invocation(words)
    assert asked.secrets == ("HF_TOKEN", "KEY?")
    assert asked.mounts == (
        Mount("/home/ada/.netrc", "/run/netrc", read_only=True),
        Mount(f"{tmp_path}/own", "/run/own", read_only=True),
    )
    for wrong in ("HF_TOKEN=hf_value", "file:own", "file:own:run", "1", "id=pip", ""):
        with pytest.raises(ToolError, match="`--secret` cannot be") as caught:
            read_invocation(RunWords(secrets=(wrong,)))
        assert "hf_value" not in caught.value.message
