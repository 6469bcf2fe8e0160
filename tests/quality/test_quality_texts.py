"""What may not stand in a committed file: host names of registries, paths of a machine, unfinished places."""

from __future__ import annotations

import ast
import collections
import glob
import os
import re
import subprocess
import sys

from quality_files import ROOT, python_files, read, repository_files


def _public_hosts() -> re.Pattern[str]:
    """Put together here, so that this file does not name them either."""
    dot, py, deb = r"\.", "py" + "pi", "deb" + "ian"
    names = [
        py + dot + "org", "python" + "hosted" + dot + "org", f"(deb|security|snapshot|ftp){dot}{deb}{dot}org",
        f"(archive|security|ports|snapshot){dot}ubu" + "ntu" + dot + "com", "registry" + dot + "np" + "mjs",
        "docker" + dot + "io/", "gh" + "cr" + dot + "io", "conda" + dot + "anaconda" + dot + "org",
    ]  # fmt: skip
    return re.compile("|".join(names), re.IGNORECASE)


def _hosts_of_this_machine() -> set[str]:
    """Hosts of the indexes and archives that this machine is set up with."""
    texts = [value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SHIPWAY_"))]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True
    )
    texts.append(done.stdout)
    for path in [*glob.glob("/etc/apt/sources.list*"), *glob.glob("/etc/apt/sources.list.d/*")]:
        if os.path.isfile(path):
            with open(path, errors="replace") as file:
                texts.append(file.read())
    hosts = {
        host.lower()
        for text in texts
        for host in re.findall(r"https?://(?:[^@/\s]*@)?([A-Za-z0-9.-]+)", text)
    }
    return {host for host in hosts if "." in host and not host.startswith(("127.", "localhost"))}


def test_no_registry_is_named():
    public = _public_hosts()
    own = _hosts_of_this_machine()
    found = []
    for path in repository_files():
        text = read(path)
        found += [f"{path}: {match[0]}" for match in public.finditer(text)]
        lower = text.lower()
        found += [f"{path}: {host}" for host in own if host in lower]
    assert not found


def test_no_path_of_this_machine():
    places = [ROOT + "/"]
    home = os.path.expanduser("~root" if os.geteuid() == 0 else f"~{os.environ.get('USER', '')}")
    places.append(home + "/.")
    found = [f"{path}: {place}" for path in repository_files() for place in places if place in read(path)]
    assert not found


def test_nothing_is_left_unfinished():
    words = re.compile(
        "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error", r"pass  # (stub|todo)"])
    )
    found = [
        f"{path}: {match[0]}"
        for path in python_files("src/", "tests/", "bench/", "examples/")
        for match in words.finditer(read(path))
    ]
    assert not found


def test_messages_begin_alike():
    """An error's message begins small, as it stands behind `error:`, but for names."""
    names = {"Apptainer", "Docker", "Podman", "Python"}
    found = []
    for path in python_files("src/shipway/"):
        for call in [
            node for node in ast.walk(ast.parse(read(path))) if isinstance(node, ast.Call) and node.args
        ]:
            kind = getattr(call.func, "id", getattr(call.func, "attr", ""))
            text = call.args[0].values[0] if isinstance(call.args[0], ast.JoinedStr) else call.args[0]
            if not kind.endswith(("Error", "NotFound", "_wrong")) or not isinstance(text, ast.Constant):
                continue
            word = re.match(r"[A-Z][a-z]*(?=[ '])", str(text.value))
            if word and word[0] not in names:
                found.append(f"{path}: {text.value}")
    assert not found


def test_every_room_opens_with_its_charter():
    for path in python_files("src/shipway/"):
        if path.count("/") != 3 or not path.endswith("/__init__.py"):
            continue
        tree = ast.parse(read(path))
        charter = ast.get_docstring(tree) or ""
        assert 3 <= charter.count("\n") + 1 <= 20, f"{path}: a charter has 3 to 20 lines"
        assert "Read " in " ".join(charter.split()), f"{path}: says what to read first"


def test_private_names_stay_in_their_file():
    found = []
    for path in python_files("src/"):
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shipway"):
                if f"src/{(node.module or '').replace('.', '/')}" == os.path.dirname(path):
                    continue  # a private file of the same room
                found += [
                    f"{path}: {alias.name}"
                    for alias in node.names
                    if alias.name.startswith("_") and alias.name != "__version__"
                ]
    assert not found


_RUN_INSIDE = {"src/shipway/build/bytecode.py", "src/shipway/build/wheel_driver.py"}
"""Programs that the sandbox starts inside a tree; their streams are pipes to us."""


def test_only_cli_writes_to_the_streams():
    found = []
    for path in python_files("src/shipway/"):
        if path.startswith(("src/shipway/cli/", "src/shipway/sandbox/")) or path in _RUN_INSIDE:
            continue
        for node in ast.walk(ast.parse(read(path))):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("stdout", "stderr")
                and isinstance(node.value, ast.Name)
            ):
                if node.value.id == "sys":
                    found.append(path)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                found.append(path)
    assert not found


def test_test_files_have_names_of_their_own():
    names = collections.Counter(os.path.basename(path) for path in python_files("tests/"))
    assert not [
        name for name, count in names.items() if count > 1 and name not in ("__init__.py", "conftest.py")
    ]


def test_no_test_sleeps():
    """Tests wait for what they need with a deadline, on a pipe or a lock; a sleep hides a race."""
    found = []
    for path in python_files("tests/"):
        for node in ast.walk(ast.parse(read(path))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "sleep"
            ):
                number = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else 1
                if isinstance(number, int | float) and number > 0.1:  # a poll's pause is fine
                    found.append(f"{path}: sleep({number})")
    assert not found


def test_the_licence_and_the_type_marker_are_there():
    assert "Apache License" in read("LICENSE")
    assert "src/shipway/py.typed" in repository_files()
