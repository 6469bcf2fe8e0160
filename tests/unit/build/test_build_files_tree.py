"""The project's files: chosen by rules, read without following links, the same digest wherever the project lies."""

from __future__ import annotations

import os
import shutil
import socket

import pytest
from build_samples import tree_on_disk

from shipway.build.files_tree import copy_files, make_files, scan_files
from shipway.core.errors import BuildError, SpecError


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    (root / "src/pkg").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "src/pkg/a.py").write_text("a")
    (root / "src/b.py").write_text("b")
    (root / "data/big.bin").write_bytes(b"x" * 3000)
    (root / "run.sh").write_text("#!/bin/sh\n")
    os.chmod(root / "run.sh", 0o755)
    os.symlink("src/b.py", root / "link")
    return root


def paths(project, include=(), ignore=(), **kwargs) -> list[str]:
    return [entry.path for entry in scan_files(str(project), include, ignore, **kwargs).entries]


ALL = ["data", "data/big.bin", "link", "run.sh", "src", "src/b.py", "src/pkg", "src/pkg/a.py"]


def test_everything_by_default(project):
    assert paths(project) == ALL


def test_histories_and_caches_stay_out_unless_taken_back(project):
    for name in (".git", "src/__pycache__", ".venv"):
        (project / name).mkdir()
        (project / name / "x").write_text("x")
    assert paths(project) == ALL
    assert ".git/x" in paths(project, ignore=["!.git"])


def test_ignore_files_then_rules(project):
    (project / ".dockerignore").write_text("# all\ndata\n*.sh\n")
    (project / ".containerignore").write_text("!run.sh\n")
    found = paths(project, ignore=["**/b.py", ".*ignore"])
    assert found == ["link", "run.sh", "src", "src/pkg", "src/pkg/a.py"]


def test_include(project):
    assert paths(project, ["src/pkg", "run.sh"]) == ["run.sh", "src/pkg", "src/pkg/a.py"]
    assert paths(project, ["**/*.py"], ["src/b.py"]) == ["src/pkg/a.py"]


@pytest.mark.parametrize("pattern", ["[", "a\\", "!"])
def test_malformed_patterns(project, pattern):
    with pytest.raises(SpecError) as caught:
        scan_files(str(project), (), [pattern])
    assert caught.value.hints


def test_ignore_file_that_is_no_text(project):
    (project / ".dockerignore").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match="dockerignore"):
        scan_files(str(project))


def test_digest_is_of_content_and_not_of_place_time_or_umask(project, tmp_path):
    one = scan_files(str(project))
    other = tmp_path / "elsewhere/copy"
    shutil.copytree(project, other, symlinks=True)
    for folder, _, files in os.walk(other):
        for name in files:
            if not os.path.islink(os.path.join(folder, name)):
                mode = os.stat(os.path.join(folder, name)).st_mode
                os.chmod(os.path.join(folder, name), 0o700 if mode & 0o100 else 0o600)
                os.utime(os.path.join(folder, name), (5, 5))
    os.chmod(other / "src", 0o700)
    assert scan_files(str(other)).digest == one.digest


@pytest.mark.parametrize("change", ["content", "mode", "name", "link", "directory"])
def test_digest_changes_with(project, change):
    before = scan_files(str(project)).digest
    match change:
        case "content":
            (project / "src/b.py").write_text("B")
        case "mode":
            os.chmod(project / "src/b.py", 0o755)
        case "name":
            os.rename(project / "src/b.py", project / "src/c.py")
        case "link":
            os.unlink(project / "link")
            os.symlink("src", project / "link")
        case "directory":
            (project / "empty").mkdir()
    assert scan_files(str(project)).digest != before


def test_links_are_kept_and_never_followed(project, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("private")
    os.symlink(secret, project / "out")
    os.symlink(secret / "key", project / "key")
    root = tmp_path / "root"
    root.mkdir()
    manifest = copy_files(scan_files(str(project)), str(project), str(root), workdir="/work")
    assert not any(e.path.startswith("work/out/") for e in manifest.entries)
    assert os.readlink(root / "work/out") == str(secret)
    assert os.readlink(root / "work/key") == str(secret / "key")


def test_sockets_and_fifos_are_left_out_and_said(project):
    os.mkfifo(project / "fifo")
    place = os.getcwd()
    os.chdir(project)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind("sock")
    finally:
        os.chdir(place)
        listener.close()
    said = []
    assert paths(project, emit=said.append) == ALL
    assert [note.level for note in said] == ["warning", "warning"]
    assert "`fifo`" in said[0].text
    assert paths(project, ignore=["fifo", "sock"]) == ALL


def test_marked_caches_are_left_out_and_said(project):
    (project / "cache").mkdir()
    (project / "cache/CACHEDIR.TAG").write_bytes(b"Signature: 8a477f597d28d172789f06886806bc55\n# x\n")
    (project / "cache/x").write_text("x")
    said = []
    assert paths(project, emit=said.append) == ALL
    assert "`cache`" in said[0].text


def test_names_that_no_layer_can_hold(project):
    (project / ".wh.x").write_text("")
    with pytest.raises(BuildError, match=r"\.wh\.x"):
        scan_files(str(project))
    assert paths(project, ignore=[".wh.*"]) == ALL


def test_unreadable_file_is_named(project, monkeypatch):
    honest = os.open

    def closed(name, *args, **kwargs):
        if name == "b.py":
            raise PermissionError(13, "Permission denied")
        return honest(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", closed)
    with pytest.raises(BuildError, match=r"src/b\.py") as caught:
        scan_files(str(project))
    assert caught.value.hints


def test_file_that_changes_while_it_is_read(project, monkeypatch):
    honest = os.read

    def growing(fd, size):
        data = honest(fd, size)
        if data.startswith(b"x"):
            with open(project / "data/big.bin", "ab") as file:
                file.write(b"more")
        return data

    monkeypatch.setattr(os, "read", growing)
    with pytest.raises(BuildError, match=r"data/big\.bin"):
        scan_files(str(project))


def test_file_that_becomes_a_link_while_it_is_read(project, monkeypatch, tmp_path):
    (tmp_path / "secret").write_text("secret")
    honest = os.open

    def swapping(name, *args, **kwargs):
        if name == "b.py":
            os.unlink(project / "src/b.py")
            os.symlink(tmp_path / "secret", project / "src/b.py")
        return honest(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", swapping)
    with pytest.raises(BuildError, match="changes while"):
        scan_files(str(project))


def test_change_between_scan_and_copy(project, tmp_path):
    files = scan_files(str(project))
    (project / "src/b.py").write_text("B")
    (tmp_path / "root").mkdir()
    with pytest.raises(BuildError, match=r"src/b\.py"):
        copy_files(files, str(project), str(tmp_path / "root"), workdir="/work")


def test_directory_that_becomes_a_link_between_scan_and_copy(project, tmp_path):
    files = scan_files(str(project))
    os.rename(project / "src", tmp_path / "moved")
    os.symlink(tmp_path / "moved", project / "src")
    (tmp_path / "root").mkdir()
    with pytest.raises(BuildError, match="src"):
        copy_files(files, str(project), str(tmp_path / "root"), workdir="/work")


def test_tree_below_the_working_directory(project, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    inputs = {"include": [], "ignore": ["data"], "workdir": "/home/me/work"}
    inputs["content"] = scan_files(str(project), inputs["include"], inputs["ignore"]).digest.hex
    manifest = make_files(inputs, str(project), str(root))
    assert [e.path for e in manifest.entries][:4] == ["home", "home/me", "home/me/work", "home/me/work/link"]
    assert {e.mtime for e in manifest.entries} == {315532800}
    assert {e.mode for e in manifest.entries if e.kind == "f"} == {0o644, 0o755}
    assert set(tree_on_disk(root)) == {e.path for e in manifest.entries}
    with pytest.raises(BuildError, match="changed"):
        make_files(inputs | {"content": "0" * 64}, str(project), str(root))


def test_known_files_are_not_read_again(project, monkeypatch):
    import time

    old = time.time_ns() - 10**12
    for folder, _, files in os.walk(project):
        for name in files:
            os.utime(os.path.join(folder, name), ns=(old, old), follow_symlinks=False)
    later = time.time_ns() + 10**11
    first = scan_files(str(project), now_ns=later)
    assert set(first.stamps) == {"data/big.bin", "run.sh", "src/b.py", "src/pkg/a.py"}
    monkeypatch.setattr("shipway.build.files_tree.read_steadily", lambda *args: pytest.fail("read again"))
    again = scan_files(str(project), known=first.stamps, now_ns=later)
    assert again.digest == first.digest


def test_fresh_files_are_not_trusted(project):
    import time

    assert scan_files(str(project), now_ns=time.time_ns()).stamps == {}
    assert scan_files(str(project)).stamps == {}


def test_odd_names(project):
    for name in ("new\nline", "back\\slash", "\u00fcml\u00e4ut", "sp ace"):
        (project / name).write_text(name)
    with open(os.fsencode(str(project)) + b"/raw\xff", "w") as file:
        file.write("raw")
    assert "raw\udcff" in paths(project)
    assert "back\\slash" in paths(project)
