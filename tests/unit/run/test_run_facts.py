import os

import pytest
from run_values import ENVIRONMENT, HOST, TRUE

from shipway.run.facts import (
    find_inside,
    read_certificates,
    read_host_facts,
    read_image_facts,
    read_resolv_conf,
)
from shipway.run.native import _lay_over
from shipway.run.request import plan_run


@pytest.fixture
def lowers(tmp_path):
    """Two trees: `top` hides something of `base`."""
    top, base = tmp_path / "top", tmp_path / "base"
    for folder in ("etc", "usr/bin"):
        (top / folder).mkdir(parents=True)
    for folder in ("etc/skel", "usr/bin", "usr/lib", "opt/data"):
        (base / folder).mkdir(parents=True)
    (base / "bin").symlink_to("usr/bin")
    (base / "usr/bin/sh").symlink_to("dash")
    (base / "usr/bin/dash").write_text("")
    (base / "usr/bin/bash").write_text("")
    (base / "etc/passwd").write_text("base")
    (top / "etc/passwd").write_text("top")
    (base / "etc/group").write_text("group")
    (top / "etc/inside").symlink_to("/usr/lib")
    (top / "etc/up").symlink_to("../../../../etc/passwd")
    (top / "etc/loop").symlink_to("loop")
    (top / "etc/outside").symlink_to(str(tmp_path / "secret"))
    (tmp_path / "secret").write_text("secret")
    return str(top), str(base)


def inside(lowers, path):
    found = find_inside(lowers, path)
    return found and (found.host, found.path)


def test_the_top_tree_wins(lowers):
    top, base = lowers
    assert inside(lowers, "/etc/passwd") == (f"{top}/etc/passwd", "/etc/passwd")
    assert inside(lowers, "/etc/group") == (f"{base}/etc/group", "/etc/group")


def test_links_are_followed_inside_and_over_trees(lowers):
    top, base = lowers
    assert inside(lowers, "/bin/bash") == (f"{base}/usr/bin/bash", "/usr/bin/bash")
    assert inside(lowers, "/bin/sh") == (f"{base}/usr/bin/dash", "/usr/bin/dash")
    assert inside(lowers, "/etc/inside") == (f"{base}/usr/lib", "/usr/lib")
    assert inside(lowers, "/etc/inside/..") == (f"{top}/usr", "/usr")
    assert inside(lowers, "/etc/inside/../../etc/group") == (f"{base}/etc/group", "/etc/group")


def test_links_end_inside(lowers):
    top, _ = lowers
    assert inside(lowers, "/etc/up") == (f"{top}/etc/passwd", "/etc/passwd")
    assert inside(lowers, "/etc/outside") is None
    assert inside(lowers, "/etc/loop") is None
    assert inside(lowers, "/etc/passwd/x") is None
    assert inside((), "/etc") is None


@pytest.mark.parametrize("what", ["link", "file"])
def test_what_a_folder_stands_over_leads_nowhere(tmp_path, what):
    """As the kernel shows it: a lower link or file is hidden by a folder, with all that is below it in this tree and others."""
    (tmp_path / "outside" / "skel").mkdir(parents=True)
    (tmp_path / "outside" / "passwd").write_text("of the host")
    top, base, last = tmp_path / "top", tmp_path / "base", tmp_path / "last"
    (top / "etc").mkdir(parents=True)
    (last / "etc").mkdir(parents=True)
    (last / "etc" / "passwd").write_text("hidden")
    base.mkdir()
    if what == "link":
        (base / "etc").symlink_to(tmp_path / "outside")
    else:
        (base / "etc").write_text("")
    facts = read_image_facts([str(top), str(base), str(last)])
    assert (facts.passwd, facts.skeleton) == ("", "")


@pytest.mark.needs_userns
def test_a_whiteout_hides_what_is_below(lowers):
    top, _ = lowers
    os.mknod(f"{top}/etc/group", 0o020000, os.makedev(0, 0))
    assert inside(lowers, "/etc/group") is None


def test_what_is_known_of_an_image(lowers):
    facts = read_image_facts(lowers)
    assert facts.passwd == "top"
    assert facts.group == "group"
    assert facts.shells == ("/usr/bin/bash", "/usr/bin/dash", "/usr/bin/sh")
    assert facts.skeleton == f"{lowers[1]}/etc/skel"
    assert not facts.certificates
    assert not facts.zoneinfo
    assert not facts.foreign


def test_an_empty_image_has_no_facts(tmp_path):
    facts = read_image_facts((str(tmp_path),))
    assert (facts.passwd, facts.shells, facts.skeleton) == ("", (), "")


def test_trees_of_others_are_noticed(lowers, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: os.stat(lowers[0]).st_uid + 1)
    assert read_image_facts(lowers).foreign


def test_folders_over_foreign_trees_hide_no_link(lowers, tmp_path):
    os.chmod(f"{lowers[1]}/opt", 0o711)
    environment = ENVIRONMENT._replace(
        lowers=lowers, workdir="/bin/deep/project", facts=ENVIRONMENT.facts._replace(foreign=True)
    )
    over = tmp_path / "over"
    _lay_over(
        plan_run(environment, TRUE._replace(workdir="/opt/data"), HOST, home="/h", bytecode="/bytecode"),
        str(over),
    )
    made = sorted(str(path.relative_to(over)) for path in over.rglob("*"))
    assert made == ["etc", "usr", "usr/bin"], "`bin` is a link, so what it leads to is made"
    environment = environment._replace(workdir="/opt/data/x")
    _lay_over(plan_run(environment, TRUE, HOST, home="/h", bytecode="/bytecode"), str(tmp_path / "over2"))
    assert os.stat(tmp_path / "over2/opt").st_mode & 0o777 == 0o711
    assert os.path.isdir(tmp_path / "over2/opt/data")


def test_the_caller_and_the_host(monkeypatch):
    facts = read_host_facts({"SSL_CERT_FILE": "/mine.pem", "SHELL": "/bin/fish"})
    assert (facts.uid, facts.gid) == (os.getuid(), os.getgid())
    assert facts.own_certificates == "/mine.pem"
    assert facts.shell == "/bin/fish"
    assert facts.memory > 1 << 26


def test_a_caller_without_an_account_is_who_the_environment_says(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    monkeypatch.setattr(os, "getgid", lambda: 3_999_999_998)
    facts = read_host_facts({"LOGNAME": "batch"})
    assert (facts.user, facts.group) == ("batch", "")
    assert read_host_facts({}).user == ""


def test_the_zone_of_the_caller_comes_first():
    zone = "/usr/share/zoneinfo/Asia/Tokyo"
    if not os.path.exists(zone):
        pytest.skip("this host has no time zone database")
    facts = read_host_facts({"TZ": "Asia/Tokyo"})
    with open(zone, "rb") as file:
        assert facts.localtime == file.read()
    assert facts.timezone == "Asia/Tokyo"


@pytest.mark.parametrize("zone", ["../../../etc/passwd", "/etc/passwd", "No/Such"])
def test_a_strange_zone_is_not_followed(zone):
    assert b"root:" not in read_host_facts({"TZ": zone}).localtime


def test_name_servers_behind_a_link(tmp_path):
    etc, run = tmp_path / "etc", tmp_path / "run"
    etc.mkdir()
    (run / "systemd/resolve").mkdir(parents=True)
    stub = run / "systemd/resolve/stub-resolv.conf"
    (etc / "resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    upstream = run / "systemd/resolve/resolv.conf"
    upstream.write_text("nameserver 192.0.2.1\n")
    assert read_resolv_conf(str(etc), str(run)) == "nameserver 192.0.2.1\n", "the link leads nowhere"
    stub.write_text("nameserver 127.0.0.53\n")
    assert read_resolv_conf(str(etc), str(run)) == "nameserver 127.0.0.53\n"
    (etc / "resolv.conf").unlink()
    upstream.unlink()
    assert read_resolv_conf(str(etc), str(run)) == ""


def test_certificates_are_read_from_the_callers_choice_first(tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "system").write_bytes(b"system")
    host = HOST._replace(own_certificates=f"{tmp_path}/mine", certificates=f"{tmp_path}/system")
    assert read_certificates(host) == b"mine"
    assert read_certificates(host._replace(own_certificates="")) == b"system"
    assert read_certificates(host._replace(own_certificates=f"{tmp_path}/absent")) == b""
    assert read_certificates(host._replace(own_certificates=str(tmp_path))) == b""
