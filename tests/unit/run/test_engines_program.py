"""What is said when an engine is missing, stopped, forbidden, too old, elsewhere or of another kind: with programs that only talk."""

import os
import stat

import pytest
from test_engines_command import request

from shipway.core.digest import DiffId
from shipway.core.errors import EngineError, ExitCode, LimitError
from shipway.image.hand_over import join_portable
from shipway.image.oci import ImageConfig, ImageLayer, render_image
from shipway.image.portable import PortableLayer
from shipway.run.inside import find_fault
from shipway.run.model import ImageIds, Limits, Mount
from shipway.run.oci.docker import DOCKER
from shipway.run.oci.engine import describe_oci, run_oci
from shipway.run.oci.image import ensure_image, find_image, local_tag
from shipway.run.oci.program import require_limits, require_program, require_receiver

SILENT = "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"
FORBIDDEN = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
)


def portable():
    layer = ImageLayer(name="a", diff_id=DiffId.of(b"abc"), size=3, packages=(), reason="")
    config = ImageConfig(platform="linux/amd64", env=(), workdir="/", command=(), epoch=0)
    writer = PortableLayer(layer.diff_id, 3, lambda sink: sink.write(b"abc"))
    return join_portable(render_image(config, (layer,)), (writer,), platform="linux/amd64")


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """Install a `docker` that runs a shell script."""

    def install(script):
        path = tmp_path / "bin/docker"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
        return require_program(DOCKER)

    return install


def test_a_missing_engine_is_named_with_its_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr("shipway.run.oci.program.find_tool", lambda name: None)
    with pytest.raises(EngineError, match="Docker is not installed here") as caught:
        run_oci(request(), DOCKER, state=str(tmp_path), emit=[].append, image=portable)
    assert caught.value.code == ExitCode.ENGINE
    assert "docker.io" in caught.value.hints[0]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (SILENT, "Docker does not answer", "systemctl start docker"),
        (FORBIDDEN, "You may not use Docker here", "group"),
        ("some other trouble", "`docker image` failed", "run it again by hand"),
    ],
)
def test_why_an_engine_does_not_work(docker, text, message, hint):
    program = docker(f"echo '{text}' >&2; exit 1")
    with pytest.raises(EngineError, match=message) as caught:
        ensure_image(program, portable(), "tag", [].append)
    assert hint in caught.value.hints[0]
    assert text in caught.value.detail


def test_an_image_of_another_platform_is_refused_before_it_is_moved(docker):
    program = docker(
        'case "$1" in version) echo "linux/arm64 28.1.0";; *) echo "No such image" >&2; exit 1;; esac'
    )
    with pytest.raises(EngineError, match="for linux/amd64, and Docker runs on linux/arm64") as caught:
        ensure_image(program, portable(), "tag", [].append)
    assert "--platform linux/arm64" in caught.value.hints[0]


def test_an_engine_that_is_too_old(docker):
    program = docker("echo linux/amd64 19.3.1")
    with pytest.raises(EngineError, match=r"Docker 19\.3\.1 is too old; 20\.10"):
        require_receiver(program, "linux/amd64")


def test_limits_that_would_only_be_warned_about(docker):
    program = docker("echo memory cpu")
    require_limits(program, request(limits=Limits(memory=1, cpus=2)))
    require_limits(program, request())
    with pytest.raises(LimitError, match="a limit of 7 processes cannot be enforced here"):
        require_limits(program, request(limits=Limits(pids=7)))


def test_an_engine_that_has_another_image_in_the_end(docker):
    program = docker(
        '[ "$2" = inspect ] && [ "$1" = image ] && { echo "No such image" >&2; exit 1; }\n'
        'case "$1" in context) echo unix:///x;; version) echo "linux/amd64 28.1.0";; esac'
    )
    with pytest.raises(EngineError, match="took the image `tag` and has another one now"):
        ensure_image(program, portable(), "tag", [].append)


def test_an_engine_elsewhere_gets_an_archive(docker, monkeypatch, tmp_path):
    image = portable()
    program = docker(
        f'cd {tmp_path}; case "$1" in context) echo ssh://gpu1;; version) echo "linux/amd64 28.1.0";; load) cat > archive;; '
        f"image) [ -e archive ] && echo {image.image.config_digest} || {{ echo No such image >&2; exit 1; }};; esac"
    )
    assert ensure_image(program, image, "shipway/x:y", [].append) == image.image.config_digest
    assert image.image.config in (tmp_path / "archive").read_bytes()


def never():
    raise AssertionError("the image was made")


def ids_of(image):
    return ImageIds(image.image.config_digest, image.image.digest)


def calls(folder):
    return [line.split()[0] for line in (folder / "calls").read_text().splitlines()]


def test_an_image_that_is_known_and_there_is_not_made_again(docker, tmp_path):
    ids = ids_of(portable())
    tag = local_tag(request(), DOCKER)
    docker(f'echo "$*" >> {tmp_path}/calls; [ $1 != image ] || echo "{ids.config} other:1 {tag}"; exit 0')
    state = str(tmp_path / "state")
    outcome = run_oci(request(mounts=(), image=ids), DOCKER, state=state, emit=[].append, image=never)
    assert (outcome.code, calls(tmp_path)) == (0, ["image", "run"])


def test_an_image_that_is_known_and_gone_is_handed_over_again(docker, tmp_path, monkeypatch):
    ids = ids_of(portable())
    docker(
        f'cd {tmp_path}; echo "$*" >> calls; case "$1" in context) echo ssh://gpu1;; version) echo "linux/amd64 28.1.0";; load) cat > archive;; '
        f"image) [ -e archive ] && echo {ids.config} || {{ echo No such image >&2; exit 1; }};; esac"
    )
    state = str(tmp_path / "state")
    assert (
        run_oci(request(mounts=(), image=ids), DOCKER, state=state, emit=[].append, image=portable).code == 0
    )
    assert calls(tmp_path).count("load") == 1
    assert calls(tmp_path)[-1] == "run"


@pytest.mark.parametrize("known", ["config", "manifest"])
def test_the_engine_calls_the_image_by_one_of_its_digests(docker, known):
    ids = ids_of(portable())
    identity = getattr(ids, known).removeprefix(
        "sha256:" if known == "config" else ""
    )  # as Podman and containerd
    assert find_image(docker(f"echo; echo {identity} a:1"), ids, "a:1") == identity


def test_a_name_that_has_moved_on_comes_back(docker, tmp_path):
    ids = ids_of(portable())
    program = docker(f'echo "$*" >> {tmp_path}/calls; [ $1 = tag ] || echo "{ids.config} a:2"')
    assert find_image(program, ids, "a:1") == ids.config
    assert (tmp_path / "calls").read_text().splitlines()[-1] == f"tag {ids.config} a:1"


def test_the_engines_program_is_told_what_the_caller_set(docker, monkeypatch):
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    assert docker('echo "$DOCKER_CONTEXT" "$*"').require("ps", "-a") == "far ps -a"


def test_the_line_that_is_shown(monkeypatch):
    monkeypatch.setattr("shipway.run.oci.program.find_tool", lambda name: None)
    line, *rest = describe_oci(request(env=(("TOKEN", "hunter2"),)), DOCKER, portable)
    assert line.startswith("docker run --rm --interactive --cidfile=RUN/docker.cid --init --pull=never")
    assert f"--entrypoint=python {portable().image.config_digest} train.py --lr '0.1 x'" in line
    assert "hunter2" not in line + "".join(rest)


def test_what_a_command_is_inside(tmp_path):
    for name, mode in (("usr/bin/good", 0o755), ("usr/bin/plain", 0o644)):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(mode)
    (tmp_path / "project").mkdir()
    (tmp_path / "project/tool").touch(0o755)

    def fault(command):
        found = find_fault(
            request(
                argv=(command,), lowers=(f"{tmp_path}/root",), env=(("PATH", "/bin:/usr/bin"),),
                mounts=(Mount(f"{tmp_path}/project", "/work"),),
            )
        )  # fmt: skip
        return found and found.code

    assert [fault(one) for one in ("good", "/usr/bin/good", "./tool", "/work/tool")] == [None] * 4
    assert fault("plain") == ExitCode.NOT_EXECUTABLE
    assert [fault(one) for one in ("none", "./none", "/bin/good")] == [ExitCode.COMMAND_NOT_FOUND] * 3


@pytest.mark.parametrize("code", [125, 126, 127, 137, 143])
def test_a_service_that_went_away_is_told_by_asking_it(docker, tmp_path, code):
    ids = ids_of(portable())
    docker(
        f'case "$1" in image) echo {ids.config};; run) exit {code};; version) echo "{SILENT}" >&2; exit 1;; esac'
    )
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    (tmp_path / "root/usr/bin/python").touch(0o755)
    there = request(mounts=(), image=ids, lowers=(f"{tmp_path}/root",), env=(("PATH", "/usr/bin"),))
    with pytest.raises(EngineError, match="Docker went away while the container ran") as caught:
        run_oci(there, DOCKER, state=str(tmp_path / "state"), emit=[].append, image=never)
    assert caught.value.code is ExitCode.ENGINE
    assert "docker ps" in caught.value.hints[-1]
