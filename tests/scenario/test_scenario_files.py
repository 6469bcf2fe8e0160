"""Every scenario beside this file, run as a user would; the format stands in README.md."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys

import pytest
from scenario_format import filtered, parse_scenario, updated

from shipway import __version__

HERE = os.path.dirname(os.path.abspath(__file__))


def _cases():
    for path in sorted(glob.glob(os.path.join(HERE, "*.txt"))):
        with open(path) as file:
            text = file.read()
        marks = []
        for need in parse_scenario(text).needs:
            tool = re.fullmatch(r"tool\((\S+)\)", need)
            marks.append(
                pytest.mark.needs_tool(tool[1])
                if tool
                else getattr(pytest.mark, need if need == "slow" else f"needs_{need}")
            )
        yield pytest.param(path, text, id=os.path.basename(path).removesuffix(".txt"), marks=marks)


@pytest.mark.parametrize(("path", "text"), list(_cases()))
def test_scenario(path, text, tmp_path, request):
    scenario = parse_scenario(text)
    folder = tmp_path / "project"
    folder.mkdir()
    for name, mode, body in scenario.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(body)
        target.chmod(mode)
    env = _environment(request, scenario.needs)
    places = {str(folder): "FOLDER", str(tmp_path): "ABOVE", env["HOME"]: "HOME"}
    outputs = [_run(run.command, str(folder), env, scenario.filters, places) for run in scenario.runs]
    if os.environ.get("SHIPWAY_TEST_UPDATE"):
        with open(path, "w") as file:
            file.write(updated(text, outputs))
        return
    for run, seen in zip(scenario.runs, outputs, strict=True):
        whole = f"$ {run.command}\n{seen['stdout']}--- stderr\n{seen['stderr']}--- exit {seen['code']}"
        for stream, wanted in run.exact.items():
            assert seen[stream] == wanted, whole
        for stream, lines in run.has.items():
            for line in lines:
                assert any(line.strip() in one for one in seen[stream].splitlines()), (
                    f"no line has {line!r}:\n{whole}"
                )
        assert seen["code"] == run.code, whole


def _environment(request, needs):
    env = {
        **os.environ,
        "PATH": os.path.dirname(sys.executable) + ":" + os.environ["PATH"],
        "COLUMNS": "100",
        "TERM": "dumb",
    }
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PYTEST_CURRENT_TEST"):
        env.pop(name, None)
    if "network" in needs:
        env["SHIPWAY_STORE"] = request.getfixturevalue("shared_store")
    return env


def _run(command, folder, env, filters, places):
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=env,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=500,
    )
    texts = {
        name: data.decode("utf-8", "replace")
        for name, data in (("stdout", done.stdout), ("stderr", done.stderr))
    }
    return {name: filtered(text, filters, places, __version__) for name, text in texts.items()} | {
        "code": done.returncode
    }


def test_a_wrong_expectation_fails():
    """The comparison can fail: what differs is seen after filtering, and unknown sections are refused."""
    text = "About.\n\n=== run: true\n=== stdout\nhello\n=== exit: 3\n"
    scenario = parse_scenario(text)
    assert scenario.runs[0].exact == {"stdout": "hello\n"}
    assert scenario.runs[0].code == 3
    assert filtered("took 3.2 s in /x/y\n", ["time"], {"/x/y": "FOLDER"}, "9.9") == "took TIME in FOLDER\n"
    assert updated(text, [{"stdout": "other\n", "stderr": "", "code": 0}]).endswith(
        "=== stdout\nother\n=== exit: 0\n"
    )
    for wrong in (
        "=== run: true\n",
        "About.\n=== nonsense\n",
        "About.\nfilters: nonsense\n=== run: true\n",
        "About.\n",
    ):
        with pytest.raises(ValueError, match=r"\S"):
            parse_scenario(wrong)
