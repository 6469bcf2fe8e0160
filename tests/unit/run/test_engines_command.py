"""A run as the command line of Docker and Podman."""

import csv

import pytest

from shipway.core.errors import EngineError
from shipway.run.model import Account, HostFile, Limits, Mount, Network, RunRequest, Top
from shipway.run.oci.command import parse_version, plan_inputs, render_run, wanted_limits
from shipway.run.oci.docker import DOCKER
from shipway.run.oci.image import local_tag
from shipway.run.oci.podman import podman_for

ADA = Account(1000, 100, "ada", "users", "/home/ada", "/bin/bash")


def request(**more):
    values = {
        "project": "/data/proj", "name": "proj", "target": "gpu", "lowers": ("/store/a",), "files": (HostFile("etc/passwd", b"x"),),
        "argv": ("python", "train.py", "--lr", "0.1 x"), "env": (("A", "1"),), "cwd": "/work", "account": ADA,
        "mounts": (Mount("/home/ada/x", "/home/ada", owned=True), Mount("/data/proj", "/work")), "hostname": "proj-gpu",
        "network": Network.HOST, "shm_size": 64 << 20, "limits": Limits(), "top": Top.THROWN_AWAY, "keep": "", "tty": False,
        "skeleton": "",
    }  # fmt: skip
    return RunRequest(**{**values, **more})


def test_the_whole_line():
    assert render_run(request(), DOCKER, image="sha256:ab", folder="/r") == (
        "run", "--rm", "--interactive", "--cidfile=/r/docker.cid", "--init", "--pull=never", "--user=1000:100",
        "--workdir=/work", "--hostname=proj-gpu", "--network=host", "--shm-size=67108864b", "--cap-drop=ALL", "--security-opt=no-new-privileges",
        "--tmpfs=/run:exec,mode=1777", "--tmpfs=/var/tmp:exec,mode=1777", "--env-file=/r/env",
        "--mount=type=bind,source=/r/scratch,target=/tmp",
        "--mount=type=bind,source=/r/files/etc/passwd,target=/etc/passwd,readonly",
        "--mount=type=bind,source=/home/ada/x,target=/home/ada", "--mount=type=bind,source=/data/proj,target=/work",
        "--entrypoint=python", "sha256:ab", "train.py", "--lr", "0.1 x",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"tty": True}, {"--tty"}),
        ({"top": Top.READ_ONLY}, {"--read-only"}),
        ({"network": Network.NONE}, {"--network=none"}),
        (
            {"limits": Limits(memory=5, cpus=1.5, pids=9)},
            {"--memory=5b", "--memory-swap=5b", "--cpus=1.5", "--pids-limit=9"},
        ),
    ],
)
def test_each_wish_adds_just_its_words(more, words):
    plain = set(render_run(request(), DOCKER, image="i"))
    assert set(render_run(request(**more), DOCKER, image="i")) - plain == words


def test_a_comma_in_a_path_divides_nothing():
    odd = request(mounts=(Mount('/a,readonly"b', "/work", read_only=True),))
    (word,) = [word for word in render_run(odd, DOCKER, image="i") if "target=/work" in word]
    assert next(csv.reader([word.removeprefix("--mount=")])) == [
        "type=bind", 'source=/a,readonly"b', "target=/work", "readonly",
    ]  # fmt: skip


def test_an_option_like_command_stays_a_command():
    words = render_run(request(argv=("--privileged", "-v")), DOCKER, image="i")
    assert words[-3:] == ("--entrypoint=--privileged", "i", "-v")


def test_values_of_variables_are_not_on_the_line():
    secret = request(env=(("TOKEN", "hunter2"), ("TEXT", "a\nhunter2"), ("TAB", "hunter2\t")))
    line = render_run(secret, DOCKER, image="i")
    assert not any("hunter2" in word for word in line)
    assert "--env=TEXT" in line
    inputs = plan_inputs(secret.env)
    assert inputs.file == b"TOKEN=hunter2\n"
    assert inputs.inherited == (("TEXT", "a\nhunter2"), ("TAB", "hunter2\t"))


@pytest.mark.parametrize("name", ["PATH", "DOCKER_HOST", "LD_PRELOAD", "CONTAINERS_CONF", "HOME"])
def test_no_variable_of_the_container_leads_the_engines_program(name):
    with pytest.raises(EngineError, match=name):
        plan_inputs(((name, "a\nb"),))
    assert plan_inputs(((name, "a"),)).inherited == ()


def test_podman_maps_the_caller_to_itself_unless_it_is_root():
    user, root = podman_for(1000), podman_for(0)
    assert "--userns=keep-id" in render_run(request(), user, image="i")
    assert "--userns=keep-id" not in render_run(request(), root, image="i")
    assert user.pull == ("--tls-verify=false",)


def test_nothing_is_kept():
    with pytest.raises(EngineError, match="Docker keeps nothing") as caught:
        render_run(request(top=Top.KEPT, keep="x"), DOCKER, image="i")
    assert any("--engine native" in hint for hint in caught.value.hints)


def test_images_of_two_projects_with_one_name_have_two_names():
    one, other = local_tag(request(), DOCKER), local_tag(request(project="/else/proj"), DOCKER)
    assert one.startswith("shipway/proj:gpu-")
    assert one != other
    assert local_tag(request(), podman_for(1000)) == f"localhost/{one}"


def test_small_words():
    assert [parse_version(text) for text in ("20.10.24+dfsg1", "5.8", "dev")] == [(20, 10), (5, 8), (0, 0)]
    assert wanted_limits(request(limits=Limits(memory=0, pids=3))) == ("memory", "pids")
