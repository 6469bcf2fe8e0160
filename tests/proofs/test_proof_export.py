"""An exported Dockerfile, built by Docker, holds what our image holds, path by path, but for a reviewed list.

Docker is Debian's, with its built-in BuildKit and no network of its own; the image that lends its tools is made by mmdebstrap.
"""

import os

import pytest
from export_world import BUILD, docker
from rootfs_compare import differences, from_manifests, from_tar, read_allowed

from shipway.verbs.context import Task
from shipway.verbs.export import run_export
from shipway.verbs.prepare import build_planned, plan_project

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = """
name = "small"
base = "debian:bookworm"
apt = ["git", "ca-certificates"]
pip = ["six==1.17.0", "numpy", "tqdm", "docopt==0.6.2"]
env = { GREETING = 'a "b" $HOME' }
command = ["python", "main.py"]

[files]
ignore = ["secret"]

[[build]]
run = ["python", "-B", "-c", "import numpy; open('/opt/made', 'w').write(open('data/words').read())"]
inputs = ["data"]
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.needs_userns,
    pytest.mark.needs_network,
    pytest.mark.needs_docker,
    pytest.mark.needs_tool("mmdebstrap"),
]


@pytest.mark.timeout(900)
def test_docker_builds_what_we_build(docker_with_debian, tmp_path, monkeypatch, shared_store):
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    project = tmp_path / "small"
    (project / "data").mkdir(parents=True)
    for name, text in (
        ("shipway.toml", SPEC),
        ("main.py", "print(1)\n"),
        ("data/words", "hello\n"),
        ("secret", "no\n"),
    ):
        (project / name).write_text(text)
        (project / name).chmod(0o644)
    engine = docker_with_debian
    task = Task(directory=str(project))
    run_export("dockerfile", task, output=str(project / "Dockerfile"))
    planned = plan_project(task, files=True)
    ours = from_manifests([tree.manifest() for tree in build_planned(planned, task).trees])

    docker(engine, "build", *BUILD, "-t", "small", str(project))
    container = docker(engine, "create", "small")
    docker(engine, "export", "-o", str(tmp_path / "small.tar"), container)
    found = differences(ours, from_tar(tmp_path / "small.tar"))

    assert ours["opt/made"].kind == "f"
    assert "work/secret" not in ours
    allowed = read_allowed(os.path.join(HERE, "export_differences.toml"))
    left = [
        (path, what) for path, what in found if not any(one.covers(path, what, "", "") for one in allowed)
    ]
    assert not left, "\n".join(f"{path}: {what}" for path, what in left[:100])
    idle = [one.pattern for one in allowed if not any(one.covers(path, what, "", "") for path, what in found)]
    assert not idle, "entries that cover nothing any more"
    say = "import os, numpy; print(os.getuid(), os.environ['GREETING'])"
    assert docker(engine, "run", "--rm", "--network=none", "small", "python", "-c", say) == '1000 a "b" $HOME'
