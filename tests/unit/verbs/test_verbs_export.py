"""The verb: which targets, which files, and whose files are replaced."""

import json
import os
import shutil
import tomllib

import pytest

from shipway.cli.app import execute
from shipway.cli.verbs_export import FORMATS, KINDS
from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.export import sbom
from shipway.verbs import export
from shipway.verbs.context import LockMode, Task
from shipway.verbs.export import run_export


@pytest.fixture
def project(tmp_path, repository):
    folder = tmp_path / "digits"
    shutil.copytree(os.path.join(repository, "examples", "digits"), folder)
    return folder


def task(project, target="", **changes):
    return Task(directory=str(project), target=target, platform="linux/amd64", mode=LockMode.LOCKED)._replace(
        **changes
    )


def text(kind, project, target="", **words):
    return run_export(kind, task(project, target), **words).files[0].text


def test_the_command_line_knows_every_kind():
    assert KINDS == export.KINDS
    assert FORMATS["sbom"] == sbom.FORMATS


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pylock"])
def test_every_kind_is_rendered_from_a_real_lock(kind, project):
    assert text(kind, project) == text(kind, project)
    assert "digits" in text(kind, project)


def test_the_target_is_the_one_asked_for_else_the_default(project):
    assert "nvidia" not in text("requirements", project)
    assert "nvidia-cudnn-cu12==" in text("requirements", project, "gpu")


def test_makefile_and_compose_file_are_for_all_targets_unless_one_is_named(project):
    assert "docker-build-cpu" in text("makefile", project)
    assert "docker-build-cpu" not in text("makefile", project, "gpu")
    assert text("compose", project).count("dockerfile") > text("compose", project, "cpu").count("dockerfile")


def test_pylock_takes_addresses_from_the_indexes_of_this_host(project, tmp_path, monkeypatch):
    """Offline without a remembered address nothing is invented."""
    with pytest.raises(ToolError) as caught:
        run_export("pylock", task(project, offline=True))
    assert caught.value.code == ExitCode.OFFLINE
    monkeypatch.setattr(
        export, "_addresses", lambda one: {w.filename: f"file:///w/{w.filename}" for w in one.contents.wheels}
    )
    document = tomllib.loads(text("pylock", project))
    assert {one["name"] for one in document["packages"]} >= {"jax", "numpy"}


def test_a_dockerfile_comes_with_what_stays_out(project):
    (project / ".dockerignore").write_text("*.log\n")
    output = project / "build" / "Dockerfile.cpu"
    result = run_export("dockerfile", task(project), output=str(output))
    assert [file.path for file in result.files] == [str(output), f"{output}.dockerignore"]
    patterns = (project / "build" / "Dockerfile.cpu.dockerignore").read_text().splitlines()
    assert patterns.index("*.log") < patterns.index("runs")
    assert output.read_text().startswith("# digits, target cpu on linux/amd64.\n")


def test_a_file_of_somebody_else_is_kept(project):
    output = project / "Makefile"
    output.write_text("all:\n")
    with pytest.raises(ToolError, match="was not exported by shipway"):
        run_export("makefile", task(project), output=str(output))
    assert output.read_text() == "all:\n"
    run_export("makefile", task(project), output=str(output), force=True)
    assert "docker-build" in output.read_text()
    output.write_text(output.read_text() + "# changed\n")
    run_export("makefile", task(project), output=str(output))
    assert "# changed" not in output.read_text()


def test_half_of_a_pair_is_not_written(project):
    (project / "Dockerfile.dockerignore").write_text("mine\n")
    with pytest.raises(ToolError, match=r"Dockerfile\.dockerignore"):
        run_export("dockerfile", task(project), output=str(project / "Dockerfile"))
    assert not (project / "Dockerfile").exists()


def test_a_dry_run_writes_nothing(project):
    run_export("sbom", task(project), output=str(project / "sbom.json"), dry_run=True)
    assert not (project / "sbom.json").exists()


def test_as_json(project, capsys):
    words = ["-C", str(project), "export", "requirements", "--platform", "linux/amd64", "--json"]
    assert execute(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["kind"]) == ("shipway.export/1", "requirements")
    assert [(one["path"], one["text"]) for one in document["files"]] == [
        (None, text("requirements", project))
    ]
    output = str(project / "Dockerfile")
    assert execute([*words[:3], "dockerfile", *words[4:], "--dry-run", "-o", output]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(one["path"], one["text"]) for one in document["files"]] == [
        (output, None),
        (f"{output}.dockerignore", None),
    ]
    assert document["dry_run"] is True
    assert not os.path.exists(output)


def test_a_platform_that_is_not_locked_is_named(project):
    with pytest.raises(NotFound, match="linux/arm64"):
        run_export("sbom", task(project, platform="linux/arm64", mode=LockMode.FROZEN))


def test_on_the_command_line(project, capsys, monkeypatch):
    monkeypatch.chdir(project)
    assert execute(["export", "sbom", "--format", "cyclonedx", "--platform", "linux/amd64"]) == 0
    assert json.loads(capsys.readouterr().out)["bomFormat"] == "CycloneDX"
    assert (
        execute(
            ["export", "devcontainer", "--platform", "linux/amd64", "-o", ".devcontainer/devcontainer.json"]
        )
        == 0
    )
    out = capsys.readouterr()
    assert (out.out, out.err) == ("", "wrote `.devcontainer/devcontainer.json`\n")
    json.loads((project / ".devcontainer" / "devcontainer.json").read_text())
    assert execute(["export", "makefile", "--format", "spdx"]) == ExitCode.USAGE
    assert "has no form `spdx`" in capsys.readouterr().err
    assert execute(["export", "apptainer", "--format", "sif"]) == ExitCode.USAGE
    assert "-o NAME.sif" in capsys.readouterr().err
    (project / "model.sif").write_text("mine")
    assert execute(["export", "apptainer", "--format", "sif", "-o", "model.sif"]) == ExitCode.USAGE
    assert "was not exported" in capsys.readouterr().err
    assert execute(["export", "dockerfil"]) == ExitCode.USAGE


def test_folders_and_volumes_of_data_are_mounted(project, monkeypatch, tmp_path):
    """They are no part of the lock; the folder of a volume is where this machine has it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME")
    with open(project / "shipway.toml", "a") as spec:
        spec.write('[data.own]\nfolder = "sets"\nread-only = true\ntarget = "/data/own"\n')
        spec.write('[data.state]\nvolume = "checkpoints"\ntarget = "/checkpoints"\n')
    said = []
    compose = run_export("compose", task(project, emit=said.append)).files[0].text
    for words in (
        '"source": "./sets"',
        '"target": "/data/own"',
        '"source": "~/.local/state/shipway/volumes/checkpoints"',
    ):
        assert words in compose
    assert [
        f"mkdir -p {tmp_path}/.local/state/shipway/volumes/checkpoints" in note.text for note in said
    ] == [True]
    mounts = json.loads(text("devcontainer", project))["mounts"]
    assert "type=bind,source=${localWorkspaceFolder}/sets,target=/data/own,readonly" in mounts
    assert (
        "type=bind,source=${localEnv:HOME}/.local/state/shipway/volumes/checkpoints,target=/checkpoints"
        in mounts
    )
    assert "--volume=$(CURDIR)/sets:/data/own:ro" in text("makefile", project)
