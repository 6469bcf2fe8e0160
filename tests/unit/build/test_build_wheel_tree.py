"""Wheel trees: the format's rules, every way a wheel can try to reach elsewhere, and the same bytes every time."""

from __future__ import annotations

import csv
import marshal
import os
import subprocess
import sys
import zipfile

import pytest
from build_samples import FILENAME, METADATA, WHEEL, make_wheel, record_row, tree_on_disk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.build.bytecode import compiled
from shipway.build.wheel_plan import parse_entry_points, parse_record, parse_wheel_filename, render_record
from shipway.build.wheel_tree import EPOCH, compile_here, unpack_wheel
from shipway.core.errors import HostileInput, ToolError

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"opt/venv/lib/python{PYTHON}/site-packages"
INFO = f"{SITE}/demo_pkg-1.0.dist-info"


def unpack(tmp_path, wheel: str, **kwargs):
    root = os.path.join(tmp_path, f"root{len(os.listdir(tmp_path))}")
    os.mkdir(root)
    return unpack_wheel(wheel, root, python=PYTHON, **kwargs), root


def refused(tmp_path, wheel: str, *words: str) -> str:
    before = set(os.listdir(tmp_path))
    with pytest.raises(HostileInput) as caught:
        unpack(tmp_path, wheel)
    assert len(set(os.listdir(tmp_path)) - before) <= 1, "nothing beside the tree's own directory"
    assert os.path.basename(wheel) in caught.value.message
    for word in words:
        assert word in caught.value.message
    return caught.value.message


def read(root, path) -> bytes:
    with open(os.path.join(root, path), "rb") as file:
        return file.read()


def test_every_scheme(tmp_path):
    data = "demo_pkg-1.0.data"
    wheel = make_wheel(
        tmp_path,
        {
            "demo_pkg/__init__.py": b"x = 1\n",
            "demo_pkg/run.sh": (b"#!/bin/sh\n", 0o755),
            "namespace/part/mod.py": b"",
            "demo.pth": b"import sys\n",
            f"{data}/purelib/pure.py": b"p",
            f"{data}/platlib/plat.so": (b"s", 0o755),
            f"{data}/scripts/tool": b"#!python\nprint(1)\n",
            f"{data}/scripts/gui": b"#!pythonw -E\r\nx",
            f"{data}/scripts/native": b"\x7fELF",
            f"{data}/headers/demo.h": b"h",
            f"{data}/data/share/demo/d.txt": b"d",
            f"{data}/data/etc/x": b"e",
        },
        entry_points="[console_scripts]\ndemo = demo_pkg.cli:main\n# c\n[gui_scripts]\ndemo-gui=demo_pkg:App.run [extra]\n[other]\nx = !\n",
    )
    manifest, root = unpack(tmp_path, wheel)
    files = {e.path: e for e in manifest.entries if e.kind == "f"}
    assert set(files) == {
        f"{SITE}/demo_pkg/__init__.py",
        f"{SITE}/demo_pkg/run.sh",
        f"{SITE}/namespace/part/mod.py",
        f"{SITE}/demo.pth",
        f"{SITE}/pure.py",
        f"{SITE}/plat.so",
        "opt/venv/bin/tool",
        "opt/venv/bin/gui",
        "opt/venv/bin/native",
        "opt/venv/bin/demo",
        "opt/venv/bin/demo-gui",
        f"opt/venv/include/site/python{PYTHON}/demo_pkg/demo.h",
        "opt/venv/share/demo/d.txt",
        "opt/venv/etc/x",
        *(f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "INSTALLER", "entry_points.txt")),
    }
    assert {e.mtime for e in manifest.entries} == {EPOCH}
    executable = {path.rpartition("/")[2] for path, e in files.items() if e.mode == 0o755}
    assert executable == {"run.sh", "plat.so", "tool", "gui", "native", "demo", "demo-gui"}
    assert read(root, "opt/venv/bin/tool") == b"#!/opt/venv/bin/python\nprint(1)\n"
    assert read(root, "opt/venv/bin/gui") == b"#!/opt/venv/bin/python\nx"
    assert read(root, "opt/venv/bin/native") == b"\x7fELF"
    assert b"from demo_pkg.cli import main" in read(root, "opt/venv/bin/demo")
    assert b"from demo_pkg import App" in read(root, "opt/venv/bin/demo-gui")
    assert b"sys.exit(App.run())" in read(root, "opt/venv/bin/demo-gui")


def test_record_is_sorted_complete_and_right(tmp_path):
    wheel = make_wheel(
        tmp_path, {"b, c.py": b"1", "a.py": b"22"}, entry_points="[console_scripts]\nz = a:b\n"
    )
    manifest, root = unpack(tmp_path, wheel)
    rows = list(csv.reader(read(root, f"{INFO}/RECORD").decode().splitlines()))
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    on_disk = {
        os.path.relpath(os.path.join(root, e.path), os.path.join(root, SITE))
        for e in manifest.entries
        if e.kind == "f"
    }
    assert {row[0] for row in rows} == on_disk
    assert "../../../bin/z" in on_disk
    for path, digest, size in rows:
        if path.endswith("RECORD"):
            assert (digest, size) == ("", "")
        else:
            data = read(root, f"{SITE}/{path}")
            assert [path, digest, size] == record_row(path, data)


def test_same_bytes_whoever_whenever(tmp_path):
    wheel = make_wheel(
        tmp_path, {"a.py": b"import os\nclass A:\n  def f(self): return ('a', 'path', os.path)\n"}
    )
    texts = set()
    for umask in (0o077, 0o022, 0):
        old = os.umask(umask)
        try:
            manifest, _ = unpack(tmp_path, wheel, compiler=compile_here)
        finally:
            os.umask(old)
        texts.add(manifest.render())
    assert len(texts) == 1


def test_threads_make_the_same_tree(tmp_path, monkeypatch):
    monkeypatch.setattr("shipway.build.wheel_tree._THREADED", 1)
    wheel = make_wheel(tmp_path, {f"d{n % 7}/m{n}.py": os.urandom(50) * n for n in range(200)})
    one, _ = unpack(tmp_path, wheel, threads=1)
    many, root = unpack(tmp_path, wheel, threads=4)
    assert one.render() == many.render()
    assert {p: v[2] for p, v in tree_on_disk(root).items() if v[0] == "f"} == {
        e.path: e.digest for e in one.entries if e.kind == "f"
    }


def test_error_in_a_thread_is_the_error(tmp_path, monkeypatch):
    monkeypatch.setattr("shipway.build.wheel_tree._THREADED", 1)
    files = {f"m{n}.py": b"x" * n for n in range(50)}
    wheel = make_wheel(tmp_path, files, drop_rows=("m7.py",), rows=[record_row("m7.py", b"other")])
    refused(tmp_path, wheel, "m7.py", "RECORD")


def test_direct_url_only_when_given(tmp_path):
    wheel = make_wheel(
        tmp_path,
        {
            "a.py": b"",
            "demo_pkg-1.0.dist-info/direct_url.json": b"{}",
            "demo_pkg-1.0.dist-info/REQUESTED": b"",
        },
    )
    manifest, _ = unpack(tmp_path, wheel)
    assert not any(e.path.endswith(("direct_url.json", "REQUESTED")) for e in manifest.entries)
    manifest, root = unpack(tmp_path, wheel, direct_url=b'{"url": "x"}')
    assert read(root, f"{INFO}/direct_url.json") == b'{"url": "x"}'


def test_record_mismatch(tmp_path):
    wheel = make_wheel(tmp_path, {"a.py": b"1"}, drop_rows=("a.py",), rows=[record_row("a.py", b"2")])
    refused(tmp_path, wheel, "`a.py`", "RECORD")
    wheel = make_wheel(
        tmp_path, {"a.py": b"1"}, drop_rows=("a.py",), rows=[[*record_row("a.py", b"1")[:2], "5"]]
    )
    refused(tmp_path, wheel, "`a.py`", "RECORD")
    wheel = make_wheel(
        tmp_path, {"a.py": b"1"}, drop_rows=("a.py",), rows=[record_row("a.py", b"2", "sha512")]
    )
    refused(tmp_path, wheel, "`a.py`", "RECORD")
    wheel = make_wheel(
        tmp_path, {"a.py": b"1"}, drop_rows=("a.py",), rows=[record_row("a.py", b"1", "sha512")]
    )
    unpack(tmp_path, wheel)


def test_record_that_forgets_or_invents_is_said(tmp_path):
    said = []
    wheel = make_wheel(tmp_path, {"a.py": b"1"}, drop_rows=("a.py",), rows=[record_row("ghost.py", b"")])
    unpack(tmp_path, wheel, emit=said.append)
    assert [note.level for note in said] == ["warning", "warning"]
    assert "`a.py`" in said[0].text
    assert "`ghost.py`" in said[1].text


@pytest.mark.parametrize("path", ["../../evil", "/etc/passwd", "a//b", "a/../b"])
def test_record_paths(tmp_path, path):
    refused(tmp_path, make_wheel(tmp_path, rows=[record_row(path, b"")]))


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n",
        "a,sha256=!!,1\n",
        "a,sha256=AAAA,1\n",
        "a,,x\n",
        "a,,-1\n",
        'a,"b,1\n',
        "a,,1,2\n",
        "a,,\na,,\n",
    ],
)
def test_record_rows(text):
    with pytest.raises(HostileInput):
        parse_record(text, FILENAME)


def test_missing_parts(tmp_path):
    refused(tmp_path, make_wheel(tmp_path, wheel=None), "WHEEL")
    refused(tmp_path, make_wheel(tmp_path, wheel=WHEEL.replace("1.0", "2.0")), "format versions")
    refused(tmp_path, make_wheel(tmp_path, info="other-1.0.dist-info"), "not named after")
    refused(tmp_path, make_wheel(tmp_path, info="demo_pkg-2.0.dist-info"), "not named after")
    refused(tmp_path, make_wheel(tmp_path, {"x-1.dist-info/METADATA": b""}), "2 `.dist-info`")
    refused(tmp_path, make_wheel(tmp_path, metadata=METADATA.replace("Demo_Pkg", "evil")), "METADATA")
    refused(tmp_path, make_wheel(tmp_path, metadata=METADATA.replace("1.0", "9")), "METADATA")
    refused(tmp_path, make_wheel(tmp_path, metadata=METADATA + "Name: evil\n"), "METADATA")
    refused(tmp_path, make_wheel(tmp_path, record=b"\xff\xfe"), "UTF-8")


def test_spellings_of_one_version_are_one(tmp_path):
    unpack(tmp_path, make_wheel(tmp_path, metadata="Metadata-Version: 2.1\nName: demo.PKG\nVersion: 1.0.0\n"))


@pytest.mark.parametrize(
    "name",
    [
        "demo.whl",
        "../demo-1-py3-none-any.whl",
        "demo-1-py3-none-any.zip",
        "-1-py3-none-any.whl",
        "a b-1-py3-none-any.whl",
    ],
)
def test_file_names(name):
    with pytest.raises(HostileInput):
        parse_wheel_filename(name)


@pytest.mark.parametrize(
    "path",
    [
        "demo_pkg-1.0.data/scripts/python",
        "demo_pkg-1.0.data/scripts/python3",
        f"demo_pkg-1.0.data/scripts/python{PYTHON}",
        "demo_pkg-1.0.data/scripts/activate",
        "demo_pkg-1.0.data/data/pyvenv.cfg",
        "demo_pkg-1.0.data/data/bin/python",
        "demo_pkg-1.0.data/data/lib64/x.py",
        "demo_pkg-1.0.data/data/bin",
        "demo_pkg-1.0.data/scripts/sub/tool",
        "demo_pkg-1.0.data/evil/x",
        "demo_pkg-1.0.data/x",
    ],
)
def test_data_that_reaches_for_the_environment(tmp_path, path):
    refused(tmp_path, make_wheel(tmp_path, {"a.py": b"", path: b"x"}))


@pytest.mark.parametrize(
    "path", ["../evil", "/evil", "a/../../evil", "demo_pkg-1.0.data/data/../../../evil", "a\\..\\b"]
)
def test_members_that_escape(tmp_path, path):
    refused(tmp_path, make_wheel(tmp_path, {"a.py": b"", path: b"x"}, record=b""))


@pytest.mark.parametrize(
    "line",
    [
        "../evil = a:b",
        "/evil = a:b",
        "a/b = a:b",
        ".. = a:b",
        "-rf = a:b",
        "a b = a:b",
        " = a:b",
        "x = a",
        "x = a:",
        "x = :b",
        "x = a:b; import os",
        "x = a;import os:b",
        "x = a:b()",
        "x = a:b\x00",
        "x = 1a:b",
        "x = a..b:c",
        "x = a:b c",
        "x = a:b\nx = c:d",
        "noequals",
        "python = a:b",
        "activate = a:b",
    ],
)
def test_entry_points_that_are_more_than_names(tmp_path, line):
    refused(tmp_path, make_wheel(tmp_path, entry_points=f"[console_scripts]\n{line}\n"))


def test_script_and_entry_point_of_one_name(tmp_path):
    files = {"demo_pkg-1.0.data/scripts/demo": b"#!python\n"}
    refused(tmp_path, make_wheel(tmp_path, files, entry_points="[console_scripts]\ndemo = a:b\n"), "twice")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_entry_point_is_a_file_name_and_a_function_or_refused(line):
    try:
        found = parse_entry_points("[console_scripts]\n" + line, FILENAME)
    except ToolError:
        return
    for entry in found:
        assert "/" not in entry.name
        assert entry.name not in ("", ".", "..")
        assert all(word.isidentifier() for word in f"{entry.module}.{entry.attribute}".split("."))


def test_symlink_member(tmp_path):
    path = make_wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        item = zipfile.ZipInfo("link")
        item.external_attr = 0o120777 << 16
        archive.writestr(item, "/etc/passwd")
    refused(tmp_path, path, "`link`")


def test_bytecode(tmp_path):
    files = {
        "a.py": b"def f():\n    return 1\n",
        "bad.py": b"def (",
        "p/__init__.py": b"",
        "p/__pycache__/x.cpython-311.pyc": b"old",
    }
    manifest, root = unpack(tmp_path, make_wheel(tmp_path, files), compiler=compile_here)
    tag = sys.implementation.cache_tag
    paths = {e.path for e in manifest.entries}
    assert f"{SITE}/__pycache__/a.{tag}.pyc" in paths
    assert f"{SITE}/p/__pycache__/__init__.{tag}.pyc" in paths
    assert f"{SITE}/__pycache__/bad.{tag}.pyc" not in paths
    pyc = read(root, f"{SITE}/__pycache__/a.{tag}.pyc")
    assert pyc[4:8] == b"\1\0\0\0", "unchecked hash"
    assert marshal.loads(pyc[16:]).co_filename == f"/{SITE}/a.py", "the path inside, not of the store"
    assert f"__pycache__/a.{tag}.pyc,,\n" in read(root, f"{INFO}/RECORD").decode()


def test_shipped_bytecode_gives_way(tmp_path):
    tag = sys.implementation.cache_tag
    files = {"a.py": b"x = 1\n", f"__pycache__/a.{tag}.pyc": b"stale"}
    _, root = unpack(tmp_path, make_wheel(tmp_path, files), compiler=compile_here)
    assert read(root, f"{SITE}/__pycache__/a.{tag}.pyc") != b"stale"
    _, root = unpack(tmp_path, make_wheel(tmp_path, files))
    assert read(root, f"{SITE}/__pycache__/a.{tag}.pyc") == b"stale"


SOURCE = b"""
import os, collections
NAMES = ("path", "sep", "a string of some words", 12345678901, frozenset({"x", "y"}))
class Thing(collections.UserDict):
    def get_path(self, sep=os.sep, *, mode="r"):
        def inner(x): return [y for y in x if y in {"alpha", "beta"}]
        return inner(self.data), NAMES, sep, mode
"""


def test_bytecode_does_not_depend_on_what_the_process_has_loaded(repository):
    """Marshal marks what is shared, and interned strings are shared with whatever is loaded."""
    code = "import sys; sys.path.insert(0, {path!r}); {more}; from shipway.build.bytecode import compiled; import hashlib; print(hashlib.sha256(compiled({source!r}, '/x/y.py')).hexdigest())"
    seen = set()
    for more in (
        "pass",
        "import json, asyncio, xml.dom.minidom, email, unittest",
        "get_path = alpha = Thing = NAMES = inner = 1",
    ):
        text = code.format(path=os.path.join(repository, "src"), more=more, source=SOURCE)
        seen.add(subprocess.run([sys.executable, "-c", text], check=True, capture_output=True).stdout)
    assert len(seen) == 1
    # The same from the file alone, as the image's own interpreter runs it.


def test_bytecode_script_stands_alone(tmp_path, repository):
    (tmp_path / "a.py").write_bytes(SOURCE)
    (tmp_path / "bad.py").write_bytes(b"def (")
    with open(os.path.join(repository, "src/shipway/build/bytecode.py"), encoding="utf-8") as file:
        text = file.read()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", text, tmp_path],
        input=b"a.py\0bad.py\0",
        check=True,
        capture_output=True,
    )
    expected = compiled(SOURCE, "/a.py")
    assert done.stdout == len(expected).to_bytes(8, "big") + expected + bytes(8)


def test_installed_files_are_importable(tmp_path):
    files = {
        "demo_pkg/__init__.py": b"",
        "demo_pkg/cli.py": b"def main():\n    print('it runs')\n    return 3\n",
    }
    _, root = unpack(
        tmp_path, make_wheel(tmp_path, files, entry_points="[console_scripts]\ndemo = demo_pkg.cli:main\n")
    )
    env = {"PYTHONPATH": os.path.join(root, SITE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, os.path.join(root, "opt/venv/bin/demo")], env=env, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, b"it runs\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_wheels_are_refused_or_harmless(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    path = make_wheel(folder, entry_points="[console_scripts]\ndemo = demo_pkg.cli:main\n")
    with open(path, "rb") as file:
        raw = bytearray(file.read())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with open(path, "wb") as file:
        file.write(raw)
    try:
        manifest, _ = unpack(folder, path)
    except ToolError:
        assert len(os.listdir(folder)) == 2
        return
    assert all(e.path == "opt" or e.path.startswith("opt/venv") for e in manifest.entries)


def test_render_record_quotes():
    assert render_record([("a,b", "", None)], "z/RECORD") == b'"a,b",,\nz/RECORD,,\n'
