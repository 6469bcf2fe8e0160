"""Command lines of pasta and slirp4netns, and what they are asked."""

import json

from shipway.run.model import HostFile, Port
from shipway.run.network.programs import (
    PASTA,
    SLIRP,
    find_doubt,
    find_obstacle,
    has_default_route,
    order_programs,
    own_words,
    read_version,
    render_forward,
    render_pasta,
    render_slirp,
    with_name_server,
)

FDS = {"user": 7, "net": 8}
ROUTE = "Iface\tDestination\tGateway \tFlags\neth0\t{}\t0102A8C0\t0003\n"
LOCAL6 = "0" * 32 + " 00 " + "0" * 32 + " 00 " + "0" * 32 + " ffffffff 00000001 00000000 00200200       lo\n"


def test_pasta():
    ports = (Port(80, 8080), Port(53, 5353, "0.0.0.0", "udp"), Port(81, 8081, "::1"))
    line = " ".join(render_pasta("/p", ports, FDS, folder="/f", root=False))
    assert "-t 127.0.0.1/8080:80 -t ::1/8081:81 -u 0.0.0.0/5353:53 -T none -U none" in line
    assert line.endswith("--userns /proc/self/fd/7 --netns /proc/self/fd/8")
    assert "--runas" not in line
    assert "-t none -u none" in " ".join(render_pasta("/p", (), FDS, folder="/f", root=True))


def test_what_a_program_cannot_show():
    same, other, far = (
        Port(53, 53, protocol="udp"),
        Port(53, 54, protocol="udp"),
        Port(53, 54, "0.0.0.0", "udp"),
    )
    assert not find_obstacle(PASTA, 0, same)
    assert "same number" in find_obstacle(PASTA, 0, other)
    assert not find_obstacle(PASTA, read_version("pasta 0.0~git20240726.57a21d2-1"), other)
    assert not find_obstacle(PASTA, 0, far)
    assert "loopback" in find_obstacle(SLIRP, 0, same)
    assert not find_obstacle(SLIRP, 0, far)
    assert not find_obstacle(SLIRP, 0, Port(80, 81))


def test_doubts():
    assert find_doubt(PASTA, 0, Port(80, 81, "0.0.0.0"))
    assert not find_doubt(SLIRP, 0, Port(80, 81, "0.0.0.0"))
    assert not find_doubt(PASTA, 0, Port(80, 81))


def test_versions():
    assert read_version("pasta unknown version\nCopyright Red Hat") == 0
    assert read_version("pasta 2024_09_06.6b38f07") == 20240906


def test_slirp4netns():
    words = render_slirp("/s", FDS, folder="/f", ready=9)
    assert words[-3:] == ["--netns-type=path", "/proc/self/fd/8", "tap0"]
    assert {"--disable-host-loopback", "--ready-fd=9"} <= set(words)
    asked = json.loads(render_forward(Port(53, 5353, "0.0.0.0", "udp")))
    assert asked["arguments"] == {
        "proto": "udp",
        "host_addr": "0.0.0.0",
        "host_port": 5353,
        "guest_port": 53,
    }


def test_a_host_without_a_way_out_is_served_by_slirp4netns():
    assert order_programs(routed=True)[0] == PASTA
    assert order_programs(routed=False)[0] == SLIRP
    assert has_default_route(ROUTE.format("00000000"), "")
    assert not has_default_route(ROUTE.format("0002A8C0"), LOCAL6)
    assert has_default_route("", LOCAL6.replace("      lo", "    eth0"))


def test_the_name_server_is_the_programs():
    given = HostFile(
        "etc/resolv.conf", b"# by x\nnameserver 127.0.0.53\noptions edns0\nsearch x\nnameserver ::1\n"
    )
    other = HostFile("etc/hosts", b"nameserver")
    [found, same] = with_name_server((given, other), "10.0.2.3")
    assert found.data == b"nameserver 10.0.2.3\n# by x\noptions edns0\nsearch x\n"
    assert same == other


def test_what_a_program_says_of_the_system_log_is_left_out():
    assert (
        own_words("Failed to send 46 bytes to syslog\nExternal interface not usable\n")
        == "External interface not usable"
    )
