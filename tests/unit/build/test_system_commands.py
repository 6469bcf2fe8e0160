"""Build commands over a tiny root: what they change, and nothing else, becomes a tree."""

import os

import pytest
from mini_debian import base_package, unpack_parts

from shipway.build.commands_tree import CommandRunner, digest_of_inputs
from shipway.core.errors import BuildError
from shipway.core.manifest import Entry, Manifest

needs_sandbox = pytest.mark.needs_userns
ENV = {"PATH": "/usr/sbin:/usr/bin", "HOME": "/root"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    (part,) = unpack_parts(tmp_path_factory.mktemp("base"), [base_package()])
    links = [name for name in ("bin", "lib", "lib64", "sbin") if not os.path.lexists(f"{part.root}/{name}")]
    for name in links:
        os.symlink(f"usr/{name}", f"{part.root}/{name}")
    entries = [Entry(name, "l", 0o777, target=f"usr/{name}") for name in links]
    for name in ("dev", "proc"):
        os.mkdir(f"{part.root}/{name}")
        entries.append(Entry(name, "d", 0o755))
    return [(part.root, Manifest([*part.manifest.entries, *entries]))]


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src/a.txt").write_text("a\n")
    (folder / "run.sh").write_text("#!/bin/sh\ncp src/a.txt /etc/a\n")
    (folder / "run.sh").chmod(0o755)
    return folder


@pytest.fixture
def run(tmp_path, base, project):
    def go(*commands, mode="auto", name="one"):
        root = tmp_path / name
        root.mkdir()
        go.said, go.root = [], root
        runner = CommandRunner(
            base,
            str(root),
            str(tmp_path / f"{name}-work"),
            project=str(project),
            workdir="/work",
            env=ENV,
            mode=mode,
        )
        return {entry.path: entry for entry in runner.run(commands, emit=go.said.append).entries}

    return go


@needs_sandbox
@pytest.mark.parametrize(
    "mode",
    [
        "namespaces",
        pytest.param("chroot", marks=pytest.mark.needs_root),
        pytest.param("proot", marks=pytest.mark.needs_tool("proot")),
    ],
)
def test_what_a_command_changes_is_the_tree(run, mode):
    found = run((("./run.sh",), ("run.sh", "src"), False), (("chown", "8:8", "/etc/a"), (), False), mode=mode)
    assert set(found) == {"etc", "etc/a"}
    assert (found["etc/a"].uid, found["etc/a"].mode, found["etc/a"].size) == (8, 0o644, 2)


@needs_sandbox
def test_an_input_that_a_command_changes_stays(run):
    found = run((("sh", "-c", "echo more >> src/a.txt; echo new > src/b"), ("src",), False))
    assert {path for path in found if path.startswith("work/src/")} == {"work/src/a.txt", "work/src/b"}


@needs_sandbox
def test_the_project_itself_is_never_written(run, project):
    run((("sh", "-c", "rm -r src; echo x > run.sh"), ("src", "run.sh"), False))
    assert (project / "src/a.txt").read_text() == "a\n"
    assert "cp" in (project / "run.sh").read_text()


@needs_sandbox
def test_no_network_unless_asked_and_then_aloud(run):
    run((("sh", "-c", "cat /proc/net/dev > /etc/net"), (), False))
    assert len((run.root / "etc/net").read_text().splitlines()) == 3
    run((("sh", "-c", "true"), (), True), name="two")
    assert any("cannot be reproduced" in event.text for event in run.said)


@needs_sandbox
def test_a_failing_command_says_how(run):
    with pytest.raises(BuildError) as caught:
        run((("sh", "-c", "echo why >&2; exit 3"), (), False))
    assert "exit code 3" in caught.value.message
    assert "why" in caught.value.detail


@needs_sandbox
def test_a_missing_command_says_so(run):
    with pytest.raises(BuildError, match="`nothing-here`"):
        run((("nothing-here",), (), False))


def test_the_digest_of_inputs_follows_names_modes_and_contents(project):
    digests = [digest_of_inputs(str(project), ["src", "run.sh"])]
    os.utime(project / "src/a.txt", (1, 1))
    assert digest_of_inputs(str(project), ["run.sh", "src", "src"]) == digests[0]
    (project / "src/a.txt").write_text("b\n")
    digests.append(digest_of_inputs(str(project), ["src", "run.sh"]))
    (project / "src/a.txt").chmod(0o755)
    digests.append(digest_of_inputs(str(project), ["src", "run.sh"]))
    (project / "src/a.txt").rename(project / "src/c.txt")
    digests.append(digest_of_inputs(str(project), ["src", "run.sh"]))
    assert len(set(digests)) == 4


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "link", "missing"])
def test_inputs_stay_in_the_project(project, path):
    (project / "link").symlink_to("/etc")
    with pytest.raises(BuildError):
        digest_of_inputs(str(project), [path])
