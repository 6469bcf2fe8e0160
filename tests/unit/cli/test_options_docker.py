"""Command lines as people know them from Docker, and every option of a run: help, default, check and error."""

import pytest

from shipway.cli.app import execute
from shipway.cli.docker_words import (
    ABSENT,
    ABSENT_IN_BUILD,
    ABSENT_VERBS,
    FAMILIES,
    looks_like_image,
    looks_like_volume,
)
from shipway.cli.help import render_help
from shipway.cli.option import Takes
from shipway.cli.options import BY_NAME
from shipway.cli.options_running import RUNNING
from shipway.cli.parser import UsageError, parse_arguments
from shipway.core.errors import ExitCode, ToolError
from shipway.verbs.invocation import LifeWords, read_invocation, read_life
from shipway.verbs.run import RunWords


def read(*words):
    """The values that were given, without those of flags that were not, and the words."""
    arguments = parse_arguments(words)
    return {name: value for name, value in arguments.values.items() if value}, arguments.words


IT = {"interactive": True, "tty": True}
LITERAL = [
    ("run -it --rm IMG bash", {**IT, "rm": True}, "IMG bash"),
    ("run -ti --rm IMG", {**IT, "rm": True}, "IMG"),
    ("run -dit --name x IMG", {**IT, "detach": True, "name": "x"}, "IMG"),
    ("run -dt IMG:latest /bin/bash", {"detach": True, "tty": True}, "IMG:latest /bin/bash"),
    ("run -d -t IMG:1", {"detach": True, "tty": True}, "IMG:1"),
    ("run -i -t team/img sh", {**IT}, "team/img sh"),
    ("run -t gpu python x.py", {"target": "gpu"}, "python x.py"),
    ("run -tgpu python x.py", {"target": "gpu"}, "python x.py"),
    ("run -v /a:/b -v c:/d true", {"volume": ("/a:/b", "c:/d")}, "true"),
    ("run -v/a:/b true", {"volume": ("/a:/b",)}, "true"),
    ("run -itv /a:/b true", {**IT, "volume": ("/a:/b",)}, "true"),
    ("ps -aq", {"all": True, "quiet-ids": True}, ""),
    ("run -q -v true", {"quiet": 1, "verbose": 1}, "true"),
    ("run -v true", {"verbose": 1}, "true"),
    ("run -vv -- true", {"verbose": 2}, "true"),
    ("run -v ():/docker_practice true", {"volume": ("():/docker_practice",)}, "true"),
    ("run -u 1000:1000 -w /x -e A -m 1g -c 512 true",
     {"user": "1000:1000", "workdir": "/x", "env": ("A",), "memory": 1 << 30, "cpu-shares": 512}, "true"),
    ("run -p 8888:8888 -p 53:53/udp true", {"publish": ("8888:8888", "53:53/udp")}, "true"),
    ("run --net host --pids-limit 5 true", {"network": "host", "pids": 5}, "true"),
    ("run --rm=false --init=true true", {"init": True}, "true"),
    ("run --memory 1g --memory-swap -1 true", {"memory": 1 << 30, "memory-swap": -1}, "true"),
    ("build -t demo_image:0.1 .", {"tag": "demo_image:0.1"}, "."),
    ("build --tag docker_practice:latest .", {"tag": "docker_practice:latest"}, "."),
    ("build -t gpu", {"target": "gpu"}, ""),
    ("image ls", {}, ""),
    ("container prune", {"ended": True}, ""),
    ("-q image rm a:1", {"quiet": 1}, "a:1"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "values", "words"), LITERAL, ids=[line for line, _, _ in LITERAL])
def test_lines_are_read_as_docker_reads_them(line, values, words):
    assert read(*line.split()) == (values, tuple(words.split()))


def test_the_lines_of_the_four_documents_are_read():
    line = "nvidia-docker run -ti --rm --shm-size=8g --ulimit memlock=-1 -p 8888:8888 -v /p:/demo demo_image:0.1 bash"
    arguments = parse_arguments(line.split())
    assert arguments.words == ("demo_image:0.1", "bash")
    assert arguments.values["gpus"] == "all"
    assert "shipway run --gpus all" in arguments.notes[0]
    line = 'run --gpus "device=0,1" --cpuset-cpus=14-27 --network=host -it --rm xvdp/cuda1180-ubuntu2204_ssh'
    values, words = read(*line.split())
    assert (values["gpus"], values["cpuset-cpus"], values["network"]) == ('"device=0,1"', "14-27", "host")
    assert words == ("xvdp/cuda1180-ubuntu2204_ssh",)


def test_an_old_program_s_name_does_not_overrule_what_is_asked_for():
    values, _ = read("nvidia-docker", "run", "--gpus", "device=1", "true")
    assert values["gpus"] == "device=1"
    assert "gpus" not in read("nvidia-docker", "images")[0]


def test_two_words_are_one_verb():
    for first, family in FAMILIES.items():
        for second, words in family.items():
            verb = words.split()[0]
            if verb in BY_NAME and not BY_NAME[verb].argument.replace("[", "").startswith("REF"):
                assert parse_arguments([first, second, "-h"]).verb.name == verb
    with pytest.raises(UsageError, match="half of a command") as caught:
        parse_arguments(["image"])
    assert "ls" in caught.value.hints[0]
    with pytest.raises(UsageError, match="not by `lss`") as caught:
        parse_arguments(["image", "lss"])
    assert caught.value.hints == ("did you mean `ls`?",)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run -entrypoint python img", "write `--entrypoint`"),
        ("run -name=x true", "write `--name=x`"),
        ("run -h box true", "--hostname box"),
        ("run --kernel-memory 1g true", "23.0"),
        ("run --privileged true", "no container has rights"),
        ("run -P true", "`-p 8888:8888`"),
        ("build --file build/Dockerfile.cpu .", "shipway import dockerfile"),
        ("build -f x .", "shipway import dockerfile"),
        ("docker run x", "leave it out"),
        ("run --memory 10q true", "a number with `k`, `m`, `g` or `t`"),
        ("run --shm-size 10q true", "a number with `k`, `m`, `g` or `t`"),
        ("run --memory-swap 10q true", "-1 means all the swap"),
        ("run --cpu-shares 1 true", "from 2 to 262144"),
        ("run --cpus 0 true", "above zero"),
        ("run --log-driver fluentd true", "json-file"),
        ("run --gpu all true", "did you mean `--gpus`?"),
        ("create team/img", "shipway run -d --name"),
        ("info --format {{.LoggingDriver}}", "shipway doctor"),
        ("update --memory 1g x", "shipway up --recreate"),
        ("deploy x", "shipway export compose"),
        ("context use x", "docker context use"),
        ("inspect -f {{.HostConfig.LogConfig.Type}} x", "--json"),
        ("ps --format {{.ID}}", "--json"),
        ("ps -f name=x", "grep"),
    ],
)
def test_what_has_no_meaning_here_says_what_has(line, said):
    with pytest.raises(UsageError) as caught:
        parse_arguments(line.split())
    assert said in "\n".join((caught.value.message, *caught.value.hints))


def test_what_is_absent_is_none_of_our_options():
    ours = {name for option in BY_NAME["run"].options for name in option.names}
    assert not ours & set(ABSENT)
    assert not {name for option in BY_NAME["build"].options for name in option.names} & set(ABSENT_IN_BUILD)
    assert not BY_NAME.keys() & ABSENT_VERBS.keys()


def test_no_container_is_without_an_init(capsys):
    assert execute(["run", "--init=false", "true"]) == ExitCode.ENGINE
    assert "every container has an init" in capsys.readouterr().err


def test_help_alone_is_still_help():
    for line in (["run", "-h"], ["run", "-h", "--", "x"], ["run", "-hq"]):
        assert parse_arguments(line).flag("help")


def test_images_and_volumes_are_told_from_commands_and_switches():
    for word in ("ubuntu:20.04", "team/img:latest", "registry.example.org:5000/a/b:1"):
        assert looks_like_image(word), word
    for word in ("python", "./run.sh", "team/img", "http://x:80", "A:1", "x:"):
        assert not looks_like_image(word), word
    assert looks_like_volume("data:/x")
    assert not looks_like_volume("python")


WRONG = {
    "secret": "TOKEN=value",
    "env": "9=x",
    "env-file": "/nowhere/at/all",
    "volume": ":/x",
    "mount": "type=bind,target=/x",
    "tmpfs": "x",
    "user": "a b",
    "network": "hots",
    "publish": "99999:1",
    "pid": "hosts",
    "ipc": "hosts",
    "ulimit": "memlok=-1",
    "cpuset-cpus": "a",
    "gpus": "gpu",
    "memory": "1m",
    "restart": "sometimes",
    "log-opt": "max-size",
    "name": "a/b",
}
"""Values that only the verb can refuse."""
UNREFUSED = {"image", "entrypoint", "workdir", "hostname", "group-add", "keep"}
"""Whose values are checked against what is there: the store, the environment, the state folder."""
FIELDS = {"env-file": "env_files", "publish": "ports", "cpuset-cpus": "cpuset", "mount": "mounts", "volume": "volumes",
          "ulimit": "ulimits", "secret": "secrets"}  # fmt: skip


@pytest.mark.parametrize("option", RUNNING, ids=[option.name for option in RUNNING])
def test_every_option_has_help_a_default_and_a_check(option):
    if option.name == "dry-run":
        return
    assert option.help
    assert option.default, "the help says what leaving it out means"
    assert option.flags in render_help(BY_NAME["run"])
    if option.takes is Takes.NOTHING or option.name in UNREFUSED:
        return
    if option.choices and not option.open:
        with pytest.raises(UsageError) as caught:
            parse_arguments(["run", f"--{option.name}", "nonsense", "true"])
    elif option.name in WRONG:
        values = parse_arguments(["run", f"--{option.name}", WRONG[option.name], "true"]).values
        with pytest.raises(ToolError) as caught:
            read_words(option.name, values[option.name])
    else:
        with pytest.raises(UsageError) as caught:
            parse_arguments(["run", f"--{option.name}", "[x" if option.kind == "pattern" else "x", "true"])
    assert caught.value.hints, "and an error says what to write"


def read_words(name, value):
    """What the verb makes of one option."""
    life = {"name": "name", "restart": "restart", "log-opt": "log_options"}
    if name in life:
        return read_life(LifeWords(**{life[name]: value}))
    return read_invocation(RunWords(**{FIELDS.get(name, name): value}))


def test_only_what_lives_on_has_a_life():
    assert read_life(LifeWords()) is None
    assert read_life(LifeWords(rm=True, interactive=True)) is None
    assert read_life(LifeWords(name="x", rm=True)).rm
    assert read_life(LifeWords(detach=True)).detach
    assert read_life(LifeWords(log_driver="none")).log.driver == "none"
    with pytest.raises(ToolError, match="removes the container"):
        read_life(LifeWords(rm=True, restart="always"))
    assert read_life(LifeWords(rm=True, restart="no", name="x")).rm
