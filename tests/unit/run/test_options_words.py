"""Docker's words for mounts, ports, limits, spaces, users and GPUs, read as values."""

import pytest

from shipway.core.errors import EngineError, ExitCode, ToolError
from shipway.run.life_words import parse_log, parse_restart, require_log
from shipway.run.model import LogOptions, Mount, Port, Restart, RestartKind, TmpfsMount, Ulimit
from shipway.run.mount_words import Place, parse_any_mount, parse_tmpfs, parse_volume
from shipway.run.option_words import (
    gpu_devices,
    parse_cpuset,
    parse_gpus,
    parse_ports,
    parse_space,
    parse_ulimit,
    parse_user,
)

PLACE = Place("/here", "/home/ada", "/state")
MIB = 1 << 20


def refused(parse, text):
    """Message and hints of the refusal of `text`."""
    with pytest.raises(ToolError) as caught:
        parse(text)
    assert caught.value.code == ExitCode.USAGE
    assert caught.value.hints, text
    return "\n".join((caught.value.message, *caught.value.hints))


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/data:/data", Mount("/data", "/data")),
        ("/a b:/c:ro", Mount("/a b", "/c", read_only=True)),
        ("/a:/c:ro,Z", Mount("/a", "/c", read_only=True)),
        ("/tmp/.X11-unix:/tmp/.X11-unix:rw", Mount("/tmp/.X11-unix", "/tmp/.X11-unix")),
        ("./sub:/c", Mount("/here/sub", "/c")),
        ("../up:/c", Mount("/up", "/c")),
        (".:/c/", Mount("/here", "/c")),
        ("~/x:/c", Mount("/home/ada/x", "/c")),
        ("data:/c", Mount("/state/volumes/data", "/c", owned=True)),
        ("data:/c:ro", Mount("/state/volumes/data", "/c", read_only=True, owned=True)),
    ],
)
def test_a_volume_is_a_folder_or_has_a_name(text, mount):
    assert parse_volume(text, PLACE) == mount


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("():/docker_practice", '"$(pwd)"'),
        ("($pwd):/docker_practice", '"$(pwd)"'),
        ("(/home/ada):/docker_practice", '"$(pwd)"'),
        ("$(pwd):/x", '"$(pwd)"'),
        (":/x", "no source"),
        ("/data", "--tmpfs /data"),
        ("/data:data", "absolute path"),
        ("/a:/b:/c:ro", "not a volume"),
        ("/a:/b:rx", "no option of a volume"),
        ("/a:/b:rshared", "do not spread"),
        ("da ta:/b", "./da ta"),
    ],
)
def test_what_is_no_volume_is_refused_with_the_way_out(text, said):
    assert said in refused(lambda it: parse_volume(it, PLACE), text)


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/a:/b:ro", Mount("/a", "/b", read_only=True)),
        ("data:/b", Mount("/here/data", "/b")),
        ("type=bind,source=/a,target=/b", Mount("/a", "/b")),
        ("type=bind,src=/a,dst=/b,readonly", Mount("/a", "/b", read_only=True)),
        ("type=bind,src=a,destination=/b,readonly=false", Mount("/here/a", "/b")),
        ('type=bind,"src=/a,b",target=/c,bind-propagation=rprivate', Mount("/a,b", "/c")),
        ("source=data,target=/b,ro=true", Mount("/state/volumes/data", "/b", read_only=True, owned=True)),
        ("type=tmpfs,target=/b,tmpfs-size=64m,tmpfs-mode=700", TmpfsMount("/b", 64 * MIB, 0o700)),
    ],
)
def test_mounts_are_read_in_both_grammars(text, mount):
    assert parse_any_mount(text, PLACE) == mount


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type=bind,source=/a", "target=/inside"),
        ("type=bind,target=/b", "source=/on/the/host"),
        ("type=cluster,source=a,target=/b", "none that can be made"),
        ("source=/a,target=/b", "type=bind"),
        ("type=bind,source=/a,target=/b,target=/c", "twice"),
        ("type=bind,source=/a,target=/b,readonly=x", "write `readonly` alone"),
        ("type=bind,source=/a,target=/b,bind-propagation=rshared", "do not spread"),
        ("type=bind,source=/a,target=/b,uid=5", "`uid` cannot be kept"),
        ("type=tmpfs,source=a,target=/b", "no source"),
        ("type=tmpfs,target=/b,tmpfs-size=1q", "no size"),
        ("($pwd):/b", '"$(pwd)"'),
    ],
)
def test_a_mount_that_cannot_be_is_refused(text, said):
    assert said in refused(lambda it: parse_any_mount(it, PLACE), text)


def test_tmpfs_has_a_size_and_a_mode():
    assert parse_tmpfs("/x") == TmpfsMount("/x")
    assert parse_tmpfs("/x/:rw,size=1g,mode=755,nosuid") == TmpfsMount("/x", 1 << 30, 0o755)
    assert "no mode" in refused(parse_tmpfs, "/x:mode=9")
    assert "no size" in refused(parse_tmpfs, "/x:size=10q")
    assert "always be run" in refused(parse_tmpfs, "/x:noexec")
    assert "absolute" in refused(parse_volume_at, "/a:x")
    assert "not a place" in refused(parse_tmpfs, "x")


def parse_volume_at(text):
    """As `parse_volume`, at `PLACE`."""
    return parse_volume(text, PLACE)


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("8888:8888", (Port(8888, 8888),)),
        ("8888", (Port(8888),)),
        (":80", (Port(80),)),
        ("127.0.0.1::80", (Port(80),)),
        ("0.0.0.0:8080:80/udp", (Port(80, 8080, "0.0.0.0", "udp"),)),
        ("[::1]:8080:80", (Port(80, 8080, "::1"),)),
        ("localhost:1-2:3-4", (Port(3, 1), Port(4, 2))),
        ("7000-7001", (Port(7000), Port(7001))),
    ],
)
def test_ports(text, ports):
    assert parse_ports(text) == ports


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a port"),
        ("http", "not a port"),
        ("80:", "not a port"),
        ("70000:80", "1 to 65535"),
        ("0:80", "1 to 65535"),
        ("80:80/sctp", "`tcp` or `udp`"),
        ("1-3:4-5", "maps 3 ports to 2"),
        ("300.1.1.1:80:80", "no address"),
    ],
)
def test_what_is_no_port_is_refused(text, said):
    assert said in refused(parse_ports, text)


def test_ulimits():
    assert parse_ulimit("memlock=-1") == Ulimit("memlock", -1, -1)
    assert parse_ulimit("nofile=1024:2048") == Ulimit("nofile", 1024, 2048)
    assert parse_ulimit("stack=unlimited") == Ulimit("stack", -1, -1)
    assert "memlock" in refused(parse_ulimit, "memlok=-1")
    assert "no kernel" in refused(parse_ulimit, "locks=3")
    assert "nofile=1024:2048" in refused(parse_ulimit, "nofile")
    assert "nofile=1024" in refused(parse_ulimit, "nofile=many")
    assert "above the hard" in refused(parse_ulimit, "nofile=9:5")
    assert "above the hard" in refused(parse_ulimit, "nofile=-1:5")


def test_cpusets_are_normal():
    assert parse_cpuset("") == ""
    assert parse_cpuset("3,0-2,8") == "0-3,8"
    assert parse_cpuset("14-27") == "14-27"
    assert "0-3" in refused(parse_cpuset, "a")
    assert "0-3" in refused(parse_cpuset, "3-1")


def test_spaces():
    assert parse_space("host", "pid") == "host"
    assert parse_space("container:dp", "pid") == "container:dp"
    assert parse_space("private", "ipc", ("private", "shareable")) == ""
    assert "`container:NAME`" in refused(lambda text: parse_space(text, "pid"), "hosts")
    assert "`private`" in refused(lambda text: parse_space(text, "ipc", ("private",)), "none")
    assert "name for a container" in refused(lambda text: parse_space(text, "pid"), "container:a/b")


def test_users():
    assert parse_user("1000") == "1000"
    assert parse_user("1000:999") == "1000:999"
    assert "--user 1000" in refused(parse_user, ":5")
    assert "--user 1000" in refused(parse_user, "a b")


@pytest.mark.parametrize(
    ("text", "read", "devices"),
    [
        ("all", "all", ("all",)),
        ("2", "2", ("0", "1")),
        ("device=1", "device=1", ("1",)),
        ('"device=0,1"', '"device=0,1"', ("0", "1")),
        ("device=0,1", '"device=0,1"', ("0", "1")),
        ("count=all", "count=all", ("all",)),
        ("-1", "count=-1", ("all",)),
        ("none", "", ()),
    ],
)
def test_gpus_are_read_as_docker_reads_them(text, read, devices):
    assert parse_gpus(text) == read
    assert not read or gpu_devices(read) == devices


@pytest.mark.parametrize("text", ["", "0", "gpu=1", "device=", "count=1,device=0", "count=x"])
def test_what_chooses_no_gpu_is_refused(text):
    assert "--gpus all" in refused(parse_gpus, text)


def test_capabilities_are_no_list_of_devices():
    assert "only devices" in refused(gpu_devices, 'device=0,"capabilities=utility,compute"')


def test_restart_policies():
    assert parse_restart("always") == Restart(RestartKind.ALWAYS)
    assert parse_restart("on-failure:3") == Restart(RestartKind.ON_FAILURE, 3)
    assert "on-failure[:TIMES]" in refused(parse_restart, "sometimes")
    assert "on-failure:3" in refused(parse_restart, "always:3")
    assert "on-failure:3" in refused(parse_restart, "on-failure:x")


def test_logs_as_in_docker_s_own_page():
    options = ["mode=non-blocking", "max-buffer-size=4m", "max-size=10m", "max-file=3", "tag=x"]
    assert parse_log("json-file", options) == LogOptions(
        "json-file", 10 * MIB, 3, "non-blocking", 4 * MIB, (("tag", "x"),)
    )
    assert parse_log("", ["max-size=-1"]) == LogOptions()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["max-buffer-size=4m"], "mode=non-blocking"),
        (["max-file=3"], "max-size=10m"),
        (["mode=fast"], "non-blocking"),
        (["max-size=10q"], "10m"),
        (["max-file=0", "max-size=1m"], "number of files"),
        (["colour=red"], "max-size=10m"),
        (["max-size"], "max-size=10m"),
    ],
)
def test_options_of_logs_that_make_no_sense_are_refused(options, said):
    assert said in refused(lambda given: parse_log("", given), options)


def test_engines_keep_logs_in_ways_of_their_own():
    require_log(LogOptions("syslog"), "native")
    require_log(LogOptions("json-file", 5, 2, "non-blocking", 5, (("tag", "x"),)), "docker")
    require_log(LogOptions("journald", 5), "podman")
    for log, engine, said in (
        (LogOptions("journald"), "native", "`--log-driver journald`"),
        (LogOptions(others=(("tag", "x"),)), "native", "`--log-opt tag`"),
        (LogOptions("local"), "podman", "`--log-driver local`"),
        (LogOptions(mode="non-blocking"), "podman", "`--log-opt mode`"),
    ):
        with pytest.raises(EngineError, match=said) as caught:
            require_log(log, engine)
        assert "it has" in caught.value.hints[0]


def test_no_log_has_no_options():
    assert "keeps nothing" in refused(lambda given: parse_log("none", given), ["max-size=1m"])
