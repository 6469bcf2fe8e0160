"""Local projects in a run: an edit is seen at once, nothing is built or locked for it; what decides a build does."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.needs_network, pytest.mark.needs_userns]

BACKEND = """\
import re, zipfile
def build_wheel(folder, settings=None, metadata=None):
    text = open("pyproject.toml").read()
    scripts = re.search(r"(?s)scripts\\](.*)", text)
    files = {f"pkg/{n}": open(f"src/pkg/{n}").read() for n in ("__init__.py", "deep.py")}
    files["pkg/_built.py"] = "BY = 'the backend'\\n"
    info = "pkg-1.0.dist-info"
    files[f"{info}/METADATA"] = "Metadata-Version: 2.1\\nName: pkg\\nVersion: 1.0\\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[f"{info}/entry_points.txt"] = "[console_scripts]" + scripts[1].replace('"', "")
    files[f"{info}/RECORD"] = "".join(f"{n},,\\n" for n in files)
    with zipfile.ZipFile(f"{folder}/pkg-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return "pkg-1.0-py3-none-any.whl"
"""
PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "pkg"
version = "1.0"
[project.scripts]
say = "pkg:main"
"""


@pytest.fixture
def project(tmp_path, shared_store, monkeypatch):
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    folder = tmp_path / "project"
    (folder / "src" / "pkg").mkdir(parents=True)
    (folder / "shipway.toml").write_text('name = "edited"\nprojects = ["."]\n')
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    main = "from . import _built\nfrom .deep import WORD\ndef main(): print(WORD, _built.BY, __file__)\n"
    (folder / "src" / "pkg" / "__init__.py").write_text(main)
    (folder / "src" / "pkg" / "deep.py").write_text("WORD = 'one'\n")
    return folder


def shipway(folder, *words, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "shipway", "-C", folder, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def test_an_edit_is_seen_and_nothing_is_built(project):
    live, deep = "the backend /work/src/pkg/__init__.py\n", project / "src" / "pkg" / "deep.py"
    assert shipway(project, "run", "--", "say").stdout == f"one {live}"
    lock = (project / "shipway.lock").read_text()

    deep.write_text("WORD = 'another'\n")
    done = shipway(project, "run", "--", "say")
    assert (done.stdout, done.stderr) == (f"another {live}", "")
    (project / "shipway.toml").write_text('name = "edited"\nprojects = ["."]\n# read again\n')
    done = shipway(project, "run", "--locked", "--", "say")
    assert (done.stdout, done.stderr) == (f"another {live}", "")
    assert (project / "shipway.lock").read_text() == lock

    assert "changed" in shipway(project, "lock", "--check", code=11).stdout
    shipway(project, "run", "--locked", "--no-editable", "--", "say", code=125)
    built = shipway(project, "run", "--no-editable", "--", "say").stdout
    assert built.startswith("another the backend /opt/venv/lib/python3")
    assert (project / "shipway.lock").read_text() != lock


def test_what_decides_a_build_builds(project):
    shipway(project, "run", "--", "say")
    (project / "pyproject.toml").write_text(PROJECT + 'shout = "pkg:main"\n')
    done = shipway(project, "run", "--", "shout")
    assert done.stdout.startswith("one the backend /work/src")
    assert "the sources of `pkg` in `.` changed" in done.stderr


def test_a_copy_without_the_wheel_builds_what_is_there(project, tmp_path, monkeypatch):
    shipway(project, "lock")
    (project / "src" / "pkg" / "deep.py").write_text("WORD = 'edited before the first run'\n")
    assert shipway(project, "run", "--", "say").stdout.startswith("edited before the first run the backend")
    kept = shipway(project, "run", "--keep", "box", "--", "true")
    assert kept.stderr == ""
    assert "nothing differs" in shipway(project, "diff", "kept:box").stdout
