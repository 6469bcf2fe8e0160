"""The folder stands alone: standard library only, light to import, runnable wherever it is copied."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile

import shipway.sandbox

FOLDER = os.path.dirname(shipway.sandbox.__file__)
HEAVY = {
    "dataclasses",
    "enum",
    "typing",
    "signal",
    "socket",
    "re",
    "json",
    "subprocess",
    "tempfile",
    "shutil",
    "inspect",
    "logging",
}


def alone(*arguments: str, data: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", *arguments],
        input=data,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_imports_only_the_standard_library():
    for name in os.listdir(FOLDER):
        if not name.endswith(".py"):
            continue
        with open(os.path.join(FOLDER, name)) as file:
            tree = ast.parse(file.read())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert all(alias.name.split(".")[0] in sys.stdlib_module_names for alias in node.names), name
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] in sys.stdlib_module_names, (name, node.module)


def test_import_is_light():
    script = f"import sys; sys.path.append({os.path.dirname(FOLDER)!r}); before = set(sys.modules); import sandbox; print(*sys.modules)"
    loaded = set(alone("-c", script).stdout.split())
    assert "sandbox.launch" in loaded
    assert not loaded & HEAVY


def test_usage():
    done = alone(os.path.join(FOLDER, "sandbox.py"))
    assert done.returncode == 2
    assert "REQUEST.json" in done.stderr


def test_bad_request_is_an_error_of_ours(tmp_path):
    for text in ("{", "[]", '{"argv": []}', '{"argv": ["x"], "ops": [{"op": "Nope"}]}'):
        (tmp_path / "request.json").write_text(text)
        done = alone(os.path.join(FOLDER, "sandbox.py"), str(tmp_path / "request.json"))
        assert done.returncode == 125, text
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr


def test_copied_and_zipped_folder_starts(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "elsewhere" / "box")
    started = alone(str(tmp_path / "elsewhere" / "box" / "sandbox.py"), "--probe")
    assert set(json.loads(started.stdout)) >= {"userns", "overlay_userns", "seccomp_notify"}
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as bundle:
        for name in os.listdir(FOLDER):
            if name.endswith(".py"):
                bundle.write(os.path.join(FOLDER, name), f"sandbox/{name}")
        bundle.writestr(
            "__main__.py", "import sys\nfrom sandbox.standalone import main\nsys.exit(main(sys.argv[1:]))\n"
        )
    zipped = alone(str(tmp_path / "app.zip"), "--probe")
    assert zipped.returncode == 0, zipped.stderr
