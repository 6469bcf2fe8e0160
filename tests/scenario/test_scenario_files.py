"""Every scenario beside this file, run as a user would; the format stands in README.md."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys

import pytest
from scenario_format import filtered, holds, parse_scenario, updated
from scenario_world import Engines, make_store, name_images, remove_containers, run_at_terminal, small_index

from shipway import __version__

HERE = os.path.dirname(os.path.abspath(__file__))
ENGINES = {
    "native": [pytest.mark.needs_userns],
    "docker": [pytest.mark.needs_root, pytest.mark.needs_tool("docker", "dockerd")],
    "podman": [pytest.mark.needs_root, pytest.mark.needs_tool("podman", "runc")],
}


def _cases():
    for path in sorted(glob.glob(os.path.join(HERE, "**", "*.txt"), recursive=True)):
        with open(path) as file:
            text = file.read()
        scenario = parse_scenario(text)
        marks = []
        for need in (need for need in scenario.needs if need != "index"):
            tool = re.fullmatch(r"tool\((\S+)\)", need)
            marks.append(
                pytest.mark.needs_tool(tool[1])
                if tool
                else getattr(pytest.mark, need if need == "slow" else f"needs_{need}")
            )
        name = os.path.basename(path).removesuffix(".txt")
        if not scenario.engines:
            yield pytest.param(path, text, "", id=name, marks=marks)
        for engine in scenario.engines:
            yield pytest.param(path, text, engine, id=f"{name}-{engine}", marks=[*marks, *ENGINES[engine]])


@pytest.fixture(scope="module")
def engines():
    made = Engines()
    yield made
    made.close()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A store with one image, and a cache, which scenarios of engines share."""
    folder = tmp_path_factory.mktemp("scenarios")
    return {"SHIPWAY_STORE": make_store(folder), "XDG_CACHE_HOME": str(folder / "cache")}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    with small_index(tmp_path_factory.mktemp("index")) as address:
        yield {"SHIPWAY_INDEX_DEFAULT": address, "INDEX": address}


@pytest.mark.parametrize(("path", "text", "engine"), list(_cases()))
def test_scenario(path, text, engine, engines, tmp_path, request):
    scenario = parse_scenario(text)
    folder = tmp_path / scenario.folder
    folder.mkdir()
    for name, mode, body in scenario.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(body)
        target.chmod(mode)
    env = _environment(request, scenario)
    if engine:
        env |= {**engines.settings(engine), "SHIPWAY_ENGINE": engine}
    places = {str(folder): "FOLDER", str(tmp_path): "ABOVE", env["HOME"]: "HOME"}
    updating = bool(os.environ.get("SHIPWAY_TEST_UPDATE"))
    outputs = []
    try:
        for run in scenario.runs:
            outputs.append(_run(run, str(folder), env, scenario.filters, places))
            if not updating:
                _check(run, outputs[-1], engine)
    finally:
        if engine:
            remove_containers(env, str(folder))
    if updating:
        with open(path, "w") as file:
            file.write(updated(text, outputs))


def _check(run, seen, engine):
    whole = f"$ {run.command}\n{seen['stdout']}--- stderr\n{seen['stderr']}--- exit {seen['code']}"
    for stream, wanted in run.exact.items():
        assert seen[stream] == wanted, whole
    for stream, where, wanted in run.has:
        if where in ("", engine):
            line = wanted.replace("ENGINE", engine) if engine else wanted
            assert any(holds(one, line) for one in seen[stream].splitlines()), (
                f"no line has {line!r}:\n{whole}"
            )
    assert seen["code"] == run.code(engine), whole


def _environment(request, scenario):
    env = {
        **os.environ,
        "PATH": os.path.dirname(sys.executable) + ":" + os.environ["PATH"],
        "COLUMNS": "100",
        "TERM": "dumb",
    }
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PYTEST_CURRENT_TEST"):
        env.pop(name, None)
    if scenario.engines:  # names of images are these scenarios' own, so other workers do not see them
        env |= request.getfixturevalue("stored")
        name_images(env["SHIPWAY_STORE"], scenario.images)
    if "index" in scenario.needs:
        env |= request.getfixturevalue("index")
    if "network" in scenario.needs and not scenario.engines:
        env["SHIPWAY_STORE"] = request.getfixturevalue("shared_store")
    return env


def _run(run, folder, env, filters, places):
    if run.typed:
        code, stdout = run_at_terminal(run.command, run.typed, folder, env)
        texts = {"stdout": stdout, "stderr": ""}
    else:
        done = subprocess.run(
            ["sh", "-c", run.command],
            cwd=folder,
            env=env,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=500,
        )
        code = done.returncode
        streams = (("stdout", done.stdout), ("stderr", done.stderr))
        texts = {name: data.decode("utf-8", "replace") for name, data in streams}
    return {name: filtered(text, filters, places, __version__) for name, text in texts.items()} | {
        "code": code
    }


def test_a_wrong_expectation_fails():
    """The comparison can fail: what differs is seen after filtering, and unknown sections are refused."""
    text = "About.\n\n=== run: true\n=== stdout\nhello\n=== exit: 3\n"
    scenario = parse_scenario(text)
    assert scenario.runs[0].exact == {"stdout": "hello\n"}
    assert scenario.runs[0].code() == 3
    assert parse_scenario(text + "=== exit on docker: 4\n").runs[0].code("docker") == 4
    assert holds("dp  12  native  up 2 seconds", "dp … up")
    assert not holds("dp  12  native  up 2 seconds", "up … dp")
    assert filtered("took 3.2 s in /x/y\n", ["time"], {"/x/y": "FOLDER"}, "9.9") == "took TIME in FOLDER\n"
    assert updated(text, [{"stdout": "other\n", "stderr": "", "code": 0}]).endswith(
        "=== stdout\nother\n=== exit: 0\n"
    )
    for wrong in (
        "=== run: true\n",
        "About.\n=== nonsense\n",
        "About.\n=== run: x\n=== typed\nno arrow\n",
        "About.\nfilters: nonsense\n=== run: true\n",
        "About.\n",
    ):
        with pytest.raises(ValueError, match=r"\S"):
            parse_scenario(wrong)
