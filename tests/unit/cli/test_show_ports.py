"""A container's ports as people and programs see them."""

import json
from types import SimpleNamespace

from shipway.cli.show_ports import describe_ways, ports_document, render_ports
from shipway.run.life.oci_status import parse_inspected
from shipway.run.model import Port
from shipway.verbs.port import PortsResult, Shown

CONTAINER = SimpleNamespace(name="digits", id="0123456789ab")
LOCAL = Shown(Port(8888, 18888), listening=True, program="python3", open=True)
OTHERS = Shown(Port(53, 5353, "0.0.0.0", "udp"), listening=False, program="", open=False)


def result(*ports, shared=False):
    return PortsResult(CONTAINER, shared, ports)


def test_a_table():
    lines = render_ports(result(LOCAL, OTHERS)).splitlines()
    assert lines[1].split() == ["8888/tcp", "127.0.0.1:18888", "python3", "this", "machine"]
    assert lines[2].endswith("no, and this machine's port is closed  others too")


def test_ways_in():
    text = describe_ways(result(LOCAL, OTHERS), "box")
    assert "`ssh -L 18888:127.0.0.1:18888 box`" in text
    assert "`sudo ufw allow 5353/udp`" in text
    assert "8888/tcp`" not in text
    assert "-p HOST:CONTAINER" in describe_ways(result(), "box")
    assert "this machine's" in describe_ways(result(shared=True), "box")
    alone = result()._replace(lost="`first` has ended")
    assert describe_ways(alone, "box") == ports_document(alone)["note"] == "`first` has ended"


def test_a_document():
    [one, two] = ports_document(result(LOCAL, OTHERS))["ports"]
    assert (one["host"], one["loopback"], one["firewall"]) == (18888, True, [])
    assert (two["protocol"], two["open"], len(two["firewall"])) == ("udp", False, 2)


def test_what_engines_say():
    ports = {
        "8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18090"}],
        "53/udp": [{"HostIp": "", "HostPort": "5353"}],
    }
    one = {"Id": "x", "NetworkSettings": {"Ports": {**ports, "9/tcp": None}}}

    def status(state):
        return parse_inspected(json.dumps([{**one, "State": {"Status": state}}]))["x"]

    assert status("running").ports == (Port(8000, 18090), Port(53, 5353, "0.0.0.0", "udp"))
    assert status("exited").ports == ()
