"""`[run]` in the words of Docker: read, combined, refused, and written for other tools."""

import pytest

from shipway.core.errors import SpecError
from shipway.core.events import silent
from shipway.export.options import engine_options
from shipway.run.model import Limits, Network, Port, Restart, RestartKind, TmpfsMount, Ulimit
from shipway.spec.model import Network as SpecNetwork
from shipway.spec.model import RunOptions
from shipway.spec.parse import parse_spec
from shipway.spec.render import render_spec
from shipway.verbs.project import read_project
from shipway.verbs.run_options import read_run_options

SPEC = """\
name = "digits"
[run]
memory = "4g"
memory-swap = "6g"
cpuset-cpus = "0-3"
cpu-shares = 512
ulimits = ["memlock=-1"]
tmpfs = ["/scratch:size=1g"]
ports = ["8888:8888"]
ipc = "private"
user = "root"
restart = "on-failure:3"
[targets.cpu]
[targets.gpu]
without = ["ports:8888:8888"]
[targets.gpu.run]
ulimits = ["nofile=1024:2048"]
memory-swap = -1
"""


def test_every_key_becomes_a_value(tmp_path):
    (tmp_path / "shipway.toml").write_text(SPEC)
    options = read_run_options(read_project(str(tmp_path), silent), "cpu")
    assert options.limits == Limits(4 << 30, None, None, "0-3", 512, 6 << 30)
    assert options.ports == (Port(8888, 8888),)
    assert options.network is Network.BRIDGE
    assert options.ulimits == (Ulimit("memlock", -1, -1),)
    assert options.tmpfs == (TmpfsMount("/scratch", 1 << 30),)
    assert (options.user, options.ipc_space) == ("root", "")
    assert options.restart == Restart(RestartKind.ON_FAILURE, 3)
    gpu = read_run_options(read_project(str(tmp_path), silent), "gpu")
    assert [limit.name for limit in gpu.ulimits] == ["memlock", "nofile"]
    assert (gpu.ports, gpu.network, gpu.limits.memory_swap) == ((), Network.HOST, -1)


def test_it_is_written_as_it_was_read():
    spec = parse_spec(SPEC).spec
    assert parse_spec(render_spec(spec)).spec == spec


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('ports = ["http"]', "8888:8888"),
        ('ulimits = ["memlock"]', "memlock=-1"),
        ('tmpfs = ["scratch"]', "/scratch:size=1g"),
        ('cpuset-cpus = "a"', "0-13"),
        ("cpu-shares = 1", "2"),
        ('memory-swap = "10q"', "units"),
        ('restart = "sometimes"', "on-failure:3"),
        ('user = "a b"', "root"),
        ('ports = ["80:80"]\nnetwork = "host"', "network"),
        ('memory = "4g"\nmemory-swap = "2g"', "less than `memory`"),
    ],
)
def test_what_makes_no_sense_is_refused(line, said):
    with pytest.raises(SpecError) as caught:
        parse_spec(f"[run]\n{line}\n")
    assert said in "\n".join((caught.value.message, *caught.value.hints))


def test_what_only_a_run_knows_names_the_spec(tmp_path):
    (tmp_path / "shipway.toml").write_text('[run]\nports = ["70000:80"]\n')
    with pytest.raises(SpecError, match=r"`\[run\]` of the spec: `70000`"):
        read_run_options(read_project(str(tmp_path), silent), "default")


def test_exports_say_it_in_the_words_of_engines():
    run = RunOptions(
        network=SpecNetwork.BRIDGE,
        ports=("8888:8888", "80", "0.0.0.0:6006:6006"),
        ulimits=("memlock=-1",),
        tmpfs=("/scratch:size=1g",),
        cpuset="0-3",
        memory=5,
        memory_swap=-1,
        ipc="host",
    )
    assert engine_options(run) == (
        "--network=bridge",
        "--publish=127.0.0.1:8888:8888",
        "--publish=127.0.0.1::80",
        "--publish=0.0.0.0:6006:6006",
        "--ipc=host",
        "--memory=5",
        "--memory-swap=-1",
        "--cpuset-cpus=0-3",
        "--ulimit=memlock=-1",
        "--tmpfs=/scratch:size=1g",
    )
