"""Ports that stay the same, and who listens at one."""

import contextlib
import itertools
import os
import socket

from shipway.run.network import ports

EPHEMERAL = (32768, 60999)


def test_candidates_are_stable_and_outside_of_what_the_kernel_hands_out():
    seed = ports.seed_of(1000, "/home/ada/p", "jupyter")
    found = list(ports.candidate_ports(seed, EPHEMERAL))
    assert found == list(ports.candidate_ports(seed, EPHEMERAL))
    assert len(set(found)) == len(found) == 22768 + 4536
    assert not [port for port in found if port < 10000 or 32768 <= port <= 60999]
    others = [ports.seed_of(1001, "/home/ada/p", "jupyter"), ports.seed_of(1000, "/home/ada/p", "code")]
    assert len({found[0], *(next(ports.candidate_ports(other, EPHEMERAL)) for other in others)}) == 3


def test_where_the_kernel_hands_out_all_there_are_still_candidates():
    assert next(ports.candidate_ports("x", (1024, 65535))) >= 10000


def test_two_starters_get_two_ports_and_the_next_gets_the_first_again(tmp_path):
    def hold():
        return ports.held_port(str(tmp_path), project="/p", tool="jupyter")

    with hold() as first, hold() as second:
        assert first != second
    with hold() as again:
        assert again == first
    with socket.create_server(("127.0.0.1", first)), hold() as other:
        assert other == second
    assert os.listdir(tmp_path / "ports") == []


def test_a_bound_udp_port_is_not_free():
    with ports.bound_socket(0, "127.0.0.1", "udp") as held:
        number = held.getsockname()[1]
        assert ports.probe_port(number, "127.0.0.1", "udp")
        [one] = ports.find_listeners(number, "udp")
        assert one.address == "127.0.0.1"
    assert not ports.probe_port(number, "127.0.0.1", "udp")


def test_listeners_have_an_address_and_a_process():
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        [one] = ports.find_listeners(number)
        assert (one.pid, one.uid, one.loopback) == (os.getpid(), os.getuid(), True)
        assert f"(process {os.getpid()})" in ports.describe_listener(one)
        with contextlib.closing(socket.create_connection(("127.0.0.1", number))):
            assert len(ports.find_listeners(number)) == 1
    assert ports.find_listeners(number) == ()


def test_the_kernels_tables():
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 777 1\n"
        "   1: 0100007F:1F90 0200007F:AAAA 01 00000000:00000000 00:00000000 00000000  1000        0 778 1\n"
    )
    [(one, inode)] = ports.parse_listeners(table, "tcp", 8080)
    assert one == ports.Listener("tcp", "0.0.0.0", 8080, 1000)
    assert not one.loopback
    assert inode == "777"


def test_rules_are_lines_to_type():
    assert ports.render_firewall_rules(8080)[0] == "sudo ufw allow 8080/tcp"
    assert len(list(itertools.islice(ports.render_firewall_rules(53, "udp"), 9))) == 2
