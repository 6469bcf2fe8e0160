"""The workflow that `init --ci` writes: its own lines, run here in order, and what they say when the project changes."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from shipway.export.workflow import PLACE, Workflow, render_workflow

pytestmark = [pytest.mark.needs_network, pytest.mark.needs_userns]


@pytest.fixture
def project(tmp_path, shared_store, monkeypatch):
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "shipway.toml").write_text('name = "ci"\ncommand = ["sh", "say.sh"]\n')
    (folder / "say.sh").write_text("echo hello $((6 * 7))\n")
    return folder


def shipway(folder, *words, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "shipway", "-C", folder, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def our_lines(text):
    """The lines of the steps that this machine can run: those of shipway itself."""
    found = re.findall(r"^        run: (?:\|\n((?:          .*\n)+)|(.*)\n)", text, re.MULTILINE)
    steps = [textwrap.dedent(block) or line for block, line in found]
    return [step for step in steps if step.startswith("shipway")]


def run_steps(folder, tmp_path):
    """The first step that fails, or nothing."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir(exist_ok=True)
    (bin_folder / "shipway").write_text(f'#!/bin/sh\nexec {sys.executable} -m shipway "$@"\n')
    (bin_folder / "shipway").chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "CI": "true",
    }
    for step in our_lines((folder / PLACE).read_text()):
        done = subprocess.run(
            ["bash", "-e", "-c", step], cwd=folder, env=environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return step, done.stdout + done.stderr
    return "", ""


def test_its_steps_pass_and_notice_what_changes(project, tmp_path):
    said = shipway(project, "init", "--ci").stderr
    assert "recorded now" in said
    assert (project / "expected-output.txt").read_text() == "hello 42\n"
    assert len(our_lines((project / PLACE).read_text())) == 3
    assert run_steps(project, tmp_path) == ("", "")

    (project / "say.sh").write_text("echo hello 43\n")
    step, said = run_steps(project, tmp_path)
    assert "shipway run" in step
    assert "+hello 43" in said

    (project / "say.sh").write_text("exit 3\n")
    assert "shipway run" in run_steps(project, tmp_path)[0]

    spec = project / "shipway.toml"
    spec.write_text(spec.read_text() + 'apt = ["hello"]\n')
    assert run_steps(project, tmp_path)[0] == "shipway lock --check"


def test_nothing_is_replaced_unasked(project):
    shipway(project, "init", "--ci")
    assert "--force" in shipway(project, "init", "--ci", code=1).stderr
    (project / "expected-output.txt").write_text("mine\n")
    assert "as it was" in shipway(project, "init", "--ci", "--force").stderr
    assert (project / "expected-output.txt").read_text() == "mine\n"
    assert shipway(project, "init", "--ci", "--dry-run").stdout == (project / PLACE).read_text()


def test_a_project_that_cannot_be_checked_is_told(project, tmp_path):
    (project / "shipway.toml").write_text('name = "ci"\n')
    assert "names no command" in shipway(project, "init", "--ci", code=10).stderr
    (project / "shipway.toml").write_text('name = "ci"\ncommand = ["false"]\n')
    assert "exit code 1" in shipway(project, "init", "--ci", code=24).stderr
    assert not Path(project / PLACE).exists()


def test_the_target_is_named():
    text = render_workflow(Workflow("1.2", "tests/out.txt", "cpu"))
    assert "shipway==1.2" in text
    assert "shipway run --locked --target cpu" in text
    assert "diff -u 'tests/out.txt'" in text
