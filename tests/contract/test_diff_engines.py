"""`diff` of a container of Docker or Podman with its image says what the engine's own `diff` says, and more."""

import json
import shutil

import pytest
from engine_world import make_archive, make_root

from private_engines import PRIVATE, call_engine
from shipway.cli.app import execute
from shipway.core.errors import ExitCode

STATUS = "Package: tool\nStatus: install ok installed\nVersion: {}\nArchitecture: all\n"
CHANGE = (
    "rm /opt/data; echo changed > /opt/tool; mkdir /opt/new; touch /opt/new/file; chmod 700 /usr/bin/touch;"
    " rm -r /var/gone; echo '{}' > /var/lib/dpkg/status"
).format(STATUS.format("2").replace("\n", "'$'\\n''"))
STORES = {"docker": "docker-daemon", "podman": "containers-storage"}

pytestmark = [pytest.mark.needs_root, pytest.mark.slow]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("docker", marks=pytest.mark.needs_docker),
        pytest.param("podman", marks=[pytest.mark.needs_tool("podman"), pytest.mark.needs_tool("runc")]),
    ],
)
def engine(request, tmp_path_factory):
    """Name and variables of a private engine with the image `small:1` and the container `box` that has changed it."""
    root = tmp_path_factory.mktemp("diff") / "root"
    make_root(root)
    shutil.copy(shutil.which("chmod"), root / "usr/bin/chmod")
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(STATUS.format("1"))
    (root / "var/gone/deep").mkdir(parents=True)
    (root / "var/gone/deep/file").write_text("x")
    (root / "opt/second").hardlink_to(root / "opt/tool")
    archive = make_archive(root)
    with PRIVATE[request.param]() as settings:

        def call(*words):
            return call_engine(request.param, settings, *words)

        call("import", "--change", "ENV A=1", "--change", 'CMD ["sh"]', str(archive), "small:1")
        call("run", "--name=box", "--network=none", "--env=A=2", "small:1", "bash", "-c", CHANGE)
        yield request.param, settings, call


@pytest.fixture
def diff(engine, monkeypatch, tmp_path, capsys):
    """`shipway diff` in an empty folder, for this engine."""
    name, settings, call = engine
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(tmp_path)

    def diff(*words, code=0):
        assert execute(("diff", *words, "--json")) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        return json.loads(out) if code == 0 else err

    return name, call, diff


@pytest.mark.timeout(180)
def test_a_container_with_its_image(diff):
    name, call, run = diff
    found = run(f"{name}:box")
    assert found["before"] == f"{name} image box"
    assert [(one["name"], one["before"], one["after"]) for one in found["packages"]] == [("tool", "1", "2")]
    config = {one["key"]: (one["before"], one["after"]) for one in found["config"]}
    assert config.pop("command") == ("sh", f"bash -c {CHANGE}")
    assert config == {"env.A": ("1", "2")}
    files = {one["path"]: one for one in found["files"] if one["owner"] != "written at every start"}
    assert {path: one["what"] for path, one in files.items()} == {
        "/opt/data": "removed", "/opt/tool": "changed", "/opt/new": "added",
        "/opt/new/file": "added", "/usr/bin/touch": "changed", "/var/gone": "removed", "/var/gone/deep": "removed",
        "/var/gone/deep/file": "removed", "/var/lib/dpkg/status": "changed",
    }  # fmt: skip
    assert files["/usr/bin/touch"]["aspects"] == ["mode"]
    theirs = [line.split(" ", 1) for line in call("diff", "box").splitlines()]
    told = {path for kind, path in theirs if kind in "AD" and path.startswith(("/opt", "/usr", "/var"))}
    assert told <= {path for path, one in files.items() if one["what"] != "changed"}
    assert {"/opt/data", "/opt/new/file", "/var/gone"} <= told


def test_an_image_of_the_engine_with_an_archive(diff, tmp_path):
    name, call, run = diff
    call("save", "-o", str(tmp_path / "small.tar"), "small:1")
    assert run(f"{STORES[name]}:small:1", str(tmp_path / "small.tar"))["same"]


def test_the_sizes_of_an_image_of_the_engine(engine, diff, capsys):
    name, _, _ = diff
    assert execute(("size", f"{STORES[name]}:small:1", "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["packages"][0]["kind"]) == ("small:1", "other")


@pytest.mark.parametrize("word", ["{}:nothing", "{}:--help", "{store}:nothing", "{store}:--all"])
def test_what_the_engine_does_not_have(diff, word):
    name, _, run = diff
    said = run(word.format(name, store=STORES[name]), f"{name}:box", code=ExitCode.NOT_FOUND)
    assert "has no" in said


def test_an_engine_that_does_not_answer(engine, diff, monkeypatch):
    name, _, run = diff
    if name == "docker":
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/s")
        assert "does not answer" in run("docker:box", code=ExitCode.ENGINE)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("shipway.host.proc.DEFAULT_PATH", "/nowhere")
    assert "is not installed" in run(f"{name}:box", code=ExitCode.ENGINE)
