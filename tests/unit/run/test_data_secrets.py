import subprocess

import pytest
from run_values import ENVIRONMENT, HOST, TRUE

from shipway.core.errors import EngineError, ToolError
from shipway.run import secrets
from shipway.run.model import RunOptions
from shipway.run.oci.command import render_run
from shipway.run.oci.docker import DOCKER
from shipway.run.request import plan_run

CALLER = HOST._replace(environ=(("HF_TOKEN", "va'lue"), ("PLAIN", "1")))


def plan(*words, asked=TRUE, host=CALLER, **options):
    environment = ENVIRONMENT._replace(options=RunOptions(secrets=words, **options))
    return plan_run(environment, asked, host, home="/state/home", bytecode="/state/b/key1")


@pytest.fixture
def shell(tmp_path):
    """A tree with a shell."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").touch()
    return (str(tmp_path),)


def test_a_secret_reaches_the_command():
    request = plan("HF_TOKEN")
    assert dict(request.env)["HF_TOKEN"] == "va'lue"
    assert request.secrets == ("HF_TOKEN",)


def test_one_that_is_not_set_is_refused_unless_it_may_be_missing():
    with pytest.raises(ToolError, match="`OTHER` is not set") as caught:
        plan("OTHER")
    assert any("OTHER?" in hint for hint in caught.value.hints)
    assert "OTHER" not in dict(plan("OTHER?").env)


def test_an_engine_is_told_neither_value_nor_name(shell):
    request = secrets.with_hidden(plan("HF_TOKEN")._replace(lowers=shell), "Docker")
    words = render_run(request, DOCKER, image="i", folder="/f")
    assert not [word for word in words if "va'lue" in word or "HF_TOKEN" in word]
    assert words[-5:] == ("i", "-c", '. /run/shipway-secrets; exec "$@"', "/bin/sh", *request.argv)
    assert "HF_TOKEN" not in dict(secrets.open_variables(request))


def test_what_looks_like_a_token_is_hidden_without_being_asked_for(shell):
    request = plan(pass_env=("HF_TOKEN", "PLAIN"))._replace(lowers=shell)
    assert secrets.with_hidden(request, "Docker").secrets == ("HF_TOKEN",)


def test_without_a_shell_a_secret_is_refused_and_a_likely_one_told(tmp_path):
    with pytest.raises(EngineError, match="no `/bin/sh`"):
        secrets.with_hidden(plan("HF_TOKEN")._replace(lowers=(str(tmp_path),)), "Docker")
    request = secrets.with_hidden(plan(pass_env=("HF_TOKEN",))._replace(lowers=(str(tmp_path),)), "Docker")
    assert request.secrets == ()
    assert "`HF_TOKEN` can be seen by everybody" in request.notes[-1]


@pytest.mark.parametrize("value", ["va'lue", 'a"b$c`d\\', "two\nlines\n", " ", ""])
def test_a_shell_takes_up_exactly_the_value(tmp_path, value):
    host = HOST._replace(environ=(("A_TOKEN", value),))
    file = tmp_path / "file"
    file.write_bytes(secrets.render_secrets(plan("A_TOKEN", host=host)))
    line = f'. {file}; printf %s "$A_TOKEN"'
    assert (
        subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, env={}).stdout
        == value
    )
    given = subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, text=True, check=True, env={"A_TOKEN": "x"}
    )
    assert given.stdout == "x"
