import pytest

from shipway.core.errors import SpecError
from shipway.host.apt_config import parse_apt_directives
from shipway.host.mirrors import Mirrors, read_mirrors, snapshot_template


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/apt/apt.conf.d").mkdir()
    return tmp_path


def read(root, environ=None, **options):
    return read_mirrors(environ or {}, root=str(root), **options)


def test_nothing_known_is_nothing(root):
    assert read(root) == Mirrors()


def test_one_line_sources(root):
    (root / "etc/apt/sources.list").write_text(
        "# a comment\n"
        "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://one.example/debian bookworm main # x\n"
        "deb http://sec.example/debian-security bookworm-security main\n"
        "deb-src http://src.example/debian bookworm main\n"
        "#deb http://off.example/debian bookworm main\n"
        "deb http://other.example/apt stable-cli main\n"
    )
    found = read(root)
    assert found.of("debian") == ("http://one.example/debian",)
    assert found.of("debian-security") == ("http://sec.example/debian-security",)


def test_deb822_sources_with_a_snapshot_in_the_comment(root):
    (root / "etc/apt/sources.list.d/debian.sources").write_text(
        "Types: deb\n# http://snap.example/archive/debian/20250520T000000Z\nURIs: http://one.example/debian/ http://two.example/debian\n"
        "Suites: trixie trixie-updates\nComponents: main\n\n"
        "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n"
    )
    found = read(root)
    assert found.of("debian") == ("http://one.example/debian", "http://two.example/debian")
    assert found.snapshots_of("debian", "20260101T000000Z") == (
        "http://snap.example/archive/debian/20260101T000000Z",
    )


def test_an_archive_of_somebody_else_is_not_the_distribution(root):
    (root / "etc/apt/sources.list").write_text(
        "deb http://third.example/linux bookworm stable\n"
        "deb [signed-by=/usr/share/keyrings/acme.gpg] http://acme.example/apt bookworm main\n"
    )
    assert read(root).of("debian") == ()


def test_ubuntu_is_told_by_its_suites(root):
    (root / "etc/apt/sources.list").write_text("deb http://u.example/ubuntu noble main universe\n")
    found = read(root)
    assert found.of("ubuntu") == ("http://u.example/ubuntu",)
    assert found.of("ubuntu-security") == ("http://u.example/ubuntu-security", "http://u.example/ubuntu")


def test_mirror_files(root, tmp_path):
    listed = tmp_path / "mirrors.list"
    listed.write_text("http://m1.example/debian\tpriority:1\nhttp://m2.example/debian\n# no\n")
    (root / "etc/apt/sources.list").write_text(f"deb mirror+file:{listed} bookworm main\n")
    assert read(root).of("debian") == ("http://m1.example/debian", "http://m2.example/debian")


def test_the_environment_goes_first(root):
    (root / "etc/apt/sources.list").write_text("deb http://host.example/debian bookworm main\n")
    environ = {
        "SHIPWAY_MIRROR_DEBIAN": "http://a.example/debian/ http://b.example/debian",
        "SHIPWAY_MIRROR_DEBIAN_SECURITY": "http://s.example/sec",
        "SHIPWAY_SNAPSHOT_DEBIAN": "http://snap.example",
        "SHIPWAY_KEYRING_DEBIAN": "/k.gpg",
    }
    found = read(root, environ)
    assert found.of("debian") == (
        "http://a.example/debian",
        "http://b.example/debian",
        "http://host.example/debian",
    )
    assert found.of("debian-security") == ("http://s.example/sec",)
    assert found.snapshots_of("debian", "20260101T000000Z") == (
        "http://snap.example/archive/debian/20260101T000000Z",
    )
    assert found.keyrings == {"debian": "/k.gpg"}


def test_a_configuration_file(root, tmp_path):
    path = tmp_path / "mirrors.toml"
    path.write_text('[mirrors]\ndebian = "http://c.example/debian/"\n[keyrings]\nacme = "/a.gpg"\n')
    found = read(root, config_files=(str(path), str(tmp_path / "missing.toml")))
    assert found.of("debian") == ("http://c.example/debian",)
    assert found.keyrings == {"acme": "/a.gpg"}


@pytest.mark.parametrize(
    "text", ["mirrors = 1", "[mirrors]\ndebian = 1", "[mirrors]\ndebian = []", "[mirrors"]
)
def test_a_wrong_configuration_file_is_named(root, tmp_path, text):
    path = tmp_path / "mirrors.toml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        read(root, config_files=(str(path),))
    assert "mirrors.toml" in caught.value.message


def test_templates_and_debootstrap_are_the_last_resort(root):
    (root / "usr/share/python-apt/templates").mkdir(parents=True)
    (root / "usr/share/python-apt/templates/Debian.info").write_text(
        "Suite: {series}\nRepositoryType: deb\nBaseURI: https://t.example/debian/\nComponent: main\n\n"
        "Suite: {series}-security\nBaseURI: https://ts.example/\nComponent: main\n"
    )
    (root / "usr/share/debootstrap/scripts").mkdir(parents=True)
    (root / "usr/share/debootstrap/scripts/gutsy").write_text("  default_mirror http://d.example/ubuntu\n")
    found = read(root)
    assert found.of("debian") == ("https://t.example/debian",)
    assert found.of("ubuntu") == ("http://d.example/ubuntu",)


def test_proxies_of_apt_are_obeyed(root):
    (root / "etc/apt/apt.conf.d/01proxy").write_text(
        'Acquire::http::Proxy "http://cache.example:3142";\nAcquire { http { Proxy::direct.example "DIRECT"; }; };\n'
    )
    found = read(root)
    assert found.proxy_for("http://m.example/debian") == "http://cache.example:3142"
    assert found.proxy_for("http://direct.example/debian") == ""
    assert found.proxy_for("https://m.example/debian") is None
    assert found.location("http://m.example/debian", "dists/x").proxy == "http://cache.example:3142"
    assert found.location("http://direct.example/debian", "dists/x").proxy == "DIRECT"
    assert found.location("https://m.example/debian", "dists/x").proxy == ""


def test_credentials_in_a_mirror_are_kept_apart():
    location = Mirrors().location("https://me:secret@m.example/debian", "pool/x")
    assert location.url == "https://m.example/debian/pool/x"
    assert location.auth.user == "me"
    assert "secret" not in repr(location)


def test_apt_directives():
    text = 'A::B "1"; // c\nX { Y "2"; Z { W "3"; }; };\n#clear Q;\n/* A::B "9"; */\nL:: "4";\n'
    assert parse_apt_directives(text) == {"a::b": "1", "x::y": "2", "x::z::w": "3", "l::": "4"}


def test_snapshot_templates():
    assert (
        snapshot_template("http://s/archive/debian/20250520T000000Z/", "debian")
        == "http://s/archive/debian/@SNAPSHOTID@"
    )
    assert snapshot_template("http://s/x/@SNAPSHOTID@", "debian") == "http://s/x/@SNAPSHOTID@"
