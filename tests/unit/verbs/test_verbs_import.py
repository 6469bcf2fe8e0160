"""`import dockerfile` over real folders: what is read, what is written, and what is never overwritten."""

from __future__ import annotations

import json
import os
import sys

import pytest

from shipway.cli.main import main as start
from shipway.core.errors import ExitCode, NotFound, SpecError, ToolError
from shipway.verbs.context import Task
from shipway.verbs.import_dockerfile import ImportRequest, run_import

SIMPLE = "FROM python:3.11-bookworm\nWORKDIR /docker-practice\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / "Dockerfile").write_text(SIMPLE)
    (folder / "requirements.txt").write_text("numpy==2.1.0\n")
    return folder


@pytest.fixture
def main(monkeypatch):
    def call(words):
        monkeypatch.setattr(sys, "argv", ["shipway", *words])
        return start()

    return call


def ask(project, **request):
    return run_import(ImportRequest(**request), Task(str(project)))


def test_nothing_is_written_unless_it_is_asked_for(project):
    before = sorted(os.listdir(project))
    result = ask(project)
    assert (result.written, result.mistake, result.code) == (False, "", 0)
    assert 'name = "digits"' in result.imported.text
    ask(project, write=True, dry_run=True)
    assert sorted(os.listdir(project)) == before


def test_the_spec_is_written_once_and_replaced_only_by_force(project):
    result = ask(project, write=True)
    spec = project / "shipway.toml"
    assert (result.written, result.replaced) == (True, False)
    assert spec.read_text() == result.imported.text
    spec.write_text('name = "mine"\n')
    with pytest.raises(ToolError, match="there is a spec already") as caught:
        ask(project, write=True)
    assert caught.value.code is ExitCode.SPEC
    assert spec.read_text() == 'name = "mine"\n'
    assert ask(project).written is False
    assert ask(project, write=True, force=True).replaced
    assert spec.read_text() == result.imported.text


def test_a_table_in_the_project_file_is_a_spec_already(project):
    (project / "pyproject.toml").write_text('[tool.shipway]\nname = "x"\n')
    with pytest.raises(ToolError, match="there is a spec already"):
        ask(project, write=True)
    assert not (project / "shipway.toml").exists()


def test_scripts_beside_it_say_where_the_project_is_mounted(project):
    (project / "Makefile").write_text('run:\n\tdocker run -v "$(pwd)":/docker_practice x\n')
    found = [it.what for line in ask(project).imported.lines for it in line.findings]
    assert any("Makefile:2 mounts the project at `/docker_practice`" in it for it in found)


def test_text_that_is_no_spec_yet_is_shown_and_not_written(project):
    (project / "requirements.txt").write_text("numpy @ file:///elsewhere/numpy.whl\n")
    result = ask(project)
    assert "requirements.txt:1" in result.mistake
    assert result.code == ExitCode.SPEC
    with pytest.raises(SpecError, match="gives no spec yet"):
        ask(project, write=True)
    assert not (project / "shipway.toml").exists()


def test_files_are_found_by_name_folder_or_habit(project):
    (project / "build").mkdir()
    (project / "build" / "Dockerfile").write_text("FROM debian:12\n")
    assert ask(project, file="build").imported.file == "build/Dockerfile"
    assert ask(project, file=str(project / "Dockerfile")).imported.file == "Dockerfile"
    (project / "Dockerfile").rename(project / "Containerfile")
    assert ask(project).imported.file == "Containerfile"
    with pytest.raises(NotFound, match="there is no `gone`"):
        ask(project, file="gone")


def test_a_file_that_is_too_large_or_no_text_is_refused(project):
    (project / "Dockerfile").write_bytes(b"FROM a\n" + b"#" * (1 << 20))
    with pytest.raises(SpecError, match="larger than 256 KiB"):
        ask(project)
    (project / "Dockerfile").write_bytes(b"FROM \xff\xfe\n")
    with pytest.raises(SpecError, match="no UTF-8"):
        ask(project)


def test_arguments_have_values(project):
    (project / "Dockerfile").write_text("ARG base\nFROM ${base}\n")
    assert 'base = "ubuntu:jammy"' in ask(project, arguments=("base=ubuntu:22.04",)).imported.text
    with pytest.raises(ToolError, match="no value for `base`") as caught:
        ask(project, arguments=("base",))
    assert caught.value.code is ExitCode.USAGE


def test_the_command_prints_report_and_spec_and_says_what_it_did(project, capsys, main):
    assert main(["-C", str(project), "import", "dockerfile", "--write"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Dockerfile:1  FROM python:3.11-bookworm\n    -> base = ")
    assert "\n    !! `python:3.11-bookworm` is not pinned by digest" in out
    assert (project / "shipway.toml").read_text() in out
    assert "wrote `" in err
    assert main(["-C", str(project), "import", "dockerfile", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "shipway.import/1"
    assert document["counts"]["wrong"] == sum(
        it["outcome"] == "wrong" for line in document["lines"] for it in line["findings"]
    )
    assert main(["import", "makefile"]) == ExitCode.USAGE


def test_control_characters_of_the_file_do_not_reach_the_terminal(project, capsys, main):
    (project / "Dockerfile").write_text(
        "FROM debian:12\nRUN pip install '\x1b[2Jx'\nENV A=\x1b]0;t\x07 \u202eB=1\nCMD [\"\x1b\"]\n"
    )
    assert main(["-C", str(project), "import", "dockerfile"]) in (0, ExitCode.SPEC)
    out, err = capsys.readouterr()
    assert not any(char in out + err for char in "\x1b\x07\u202e")
