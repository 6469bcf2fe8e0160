"""The driver that builds wheels inside the sandbox, here run by this Python on harmless sources."""

import importlib.resources
import io
import json
import subprocess
import sys
import zipfile

import pytest

from shipway.build.wheel_build import _answer, _hints, pack_job
from shipway.core.errors import BuildError
from shipway.sources.values import LINK, SourceFile
from shipway.testing.packages import make_wheel

BACKEND = """
import os, sys, zipfile
import helper
def get_requires_for_build_wheel(settings):
    return ["helper>=1", *(["absent-thing"] if os.path.exists("wants-more") else [])]
def build_wheel(folder, settings):
    print("the backend talks")
    name = "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        info = zipfile.ZipInfo("thing.py", (1980, 1, 1, 0, 0, 0))
        wheel.writestr(info, open("thing.py").read() + str(os.stat("thing.py").st_mtime) + os.environ["SOURCE_DATE_EPOCH"])
    return name
"""


def source(path, text, mode=0o644):
    return SourceFile(path=path, mode=mode, data=text.encode())


def run(tmp_path, files, *, wheels=()):
    settings = {"subdirectory": "", "backend": "backend", "backend_path": ["tools"]}
    program = importlib.resources.files("shipway.build").joinpath("wheel_driver.py").read_text("utf-8")
    program = program.replace('ROOT = "/tmp/shipway-build"', f"ROOT = {str(tmp_path / 'root')!r}")
    return subprocess.run(
        [sys.executable, "-s", "-B", "-c", program],
        input=pack_job(settings, files, wheels),
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin", "SOURCE_DATE_EPOCH": "315532800"},
    )


@pytest.fixture
def helper(tmp_path):
    name, body = make_wheel("helper", "1.0", entry_points="[console_scripts]\nhelp-me = helper:main\n")
    (tmp_path / name).write_bytes(body)
    return str(tmp_path / name)


FILES = [
    source("tools/backend.py", BACKEND),
    source("thing.py", "x = 1\n"),
    source("link.py", "thing.py", LINK),
]


def test_wheel_comes_out_and_talk_goes_to_standard_error(tmp_path, helper):
    done = run(tmp_path, FILES, wheels=[helper])
    built = _answer(done.stdout, "`thing`")
    assert built.filename == "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(io.BytesIO(built.data)) as wheel:
        assert wheel.read("thing.py") == b"x = 1\n315532800.0315532800"
    assert b"the backend talks" in done.stderr


def test_same_bytes_every_time(tmp_path, helper):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert (
        run(tmp_path / "one", FILES, wheels=[helper]).stdout
        == run(tmp_path / "two", FILES, wheels=[helper]).stdout
    )


def test_what_the_backend_misses_is_asked_for(tmp_path, helper):
    done = run(tmp_path, [*FILES, source("wants-more", "")], wheels=[helper])
    assert _answer(done.stdout, "`thing`").needs == ("absent-thing",)


def test_missing_build_requirement_fails(tmp_path):
    done = run(tmp_path, FILES)
    assert done.returncode != 0
    assert b"helper" in done.stderr


@pytest.mark.parametrize(
    "data",
    [b"", b"{}\n", b"[]\n", b"not json\n", b'{"wheel": "../../etc/passwd"}\nxx', b'{"wheel": "a.txt"}\n'],
)
def test_answer_that_is_none(data):
    with pytest.raises(BuildError, match="gave no wheel"):
        _answer(data, "`thing`")


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        ("error: command 'gcc' failed: No such file or directory", "build-essential"),
        ("ModuleNotFoundError: No module named 'distutils.core'", "python3-distutils"),
        ("thing.c:1:10: fatal error: Python.h: No such file or directory", "python3-dev"),
        (
            "a.c:1:10: fatal error: Python.h: No such file or directory\nerror: Command '['x86_64-linux-gnu-gcc', '-c'",
            "python3-dev",
        ),
        ("a.c:1:10: fatal error: libpq-fe.h: No such file or directory\n'gcc' failed", "`libpq-fe.h`"),
        ("a.cc:1:10: fatal error: 'sys/capability.h' file not found", "`sys/capability.h`"),
        ("urlopen error [Errno -3] Temporary failure in name resolution", "network"),
        ("LookupError: setuptools-scm was unable to detect version", "git's history"),
        ("KeyError: 'x'", "last lines"),
    ],
)
def test_hints_name_what_is_missing(output, hint):
    assert any(hint in line for line in _hints(output))


def test_job_is_the_same_bytes_every_time():
    settings = {"backend": "b"}
    assert pack_job(settings, FILES, []) == pack_job(json.loads(json.dumps(settings)), FILES, [])
