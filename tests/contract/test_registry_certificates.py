"""`certs.d`: a registry's own authority and our certificate for it, used there and nowhere else."""

import os
import subprocess

import pytest
from registry_world import CONFIG, LAYER, MANIFEST, MANIFEST_TYPE, blob_of, open_at

from shipway.core.digest import Digest
from shipway.core.errors import FetchError, ToolError
from shipway.core.reference import parse_reference
from shipway.host.registries import read_registry_settings
from shipway.host.registry_certs import find_certificates
from shipway.image.registry.push import push
from shipway.testing.registry import FakeRegistry, Trick

pytestmark = pytest.mark.needs_tool("openssl")


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authority:
    """A certificate authority in a folder, and what it has signed."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate = f"{folder}/{name}.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", f"{folder}/{name}.key", "-out", self.certificate)  # fmt: skip

    def sign(self, name):
        """A certificate for `name` and 127.0.0.1, and its key; two files."""
        stem = f"{self.folder}/{self.name}-{name}"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{stem}.key", "-out", f"{stem}.csr")  # fmt: skip
        with open(f"{stem}.ext", "w") as file:
            file.write("subjectAltName=IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", self.certificate, "-CAkey", f"{self.folder}/{self.name}.key",
                "-CAcreateserial", "-days", "2", "-extfile", f"{stem}.ext", "-out", f"{stem}.crt")  # fmt: skip
        return f"{stem}.crt", f"{stem}.key"

    def server(self):
        """One file, as servers want it."""
        path = f"{self.folder}/{self.name}-server.pem"
        with open(path, "wb") as file:
            file.writelines(read(part) for part in self.sign("server"))
        return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    return Authority(str(tmp_path_factory.mktemp("company")), "company")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(str(tmp_path_factory.mktemp("stranger")), "stranger")


@pytest.fixture(scope="module")
def files(company, stranger):
    """The server's file, and a client's two of each authority."""
    return company.server(), company.sign("ada"), stranger.sign("mallory")


def keep(home, host, *, tool="containers", authority="", client=(), name="client"):
    """Fill the folder that is kept for `host`."""
    folder = home / ".config" / tool / "certs.d" / host
    folder.mkdir(parents=True, exist_ok=True)
    if authority:
        (folder / "ca.crt").write_bytes(read(authority))
    for path, suffix in zip(client, ("cert", "key"), strict=False):
        (folder / f"{name}.{suffix}").write_bytes(read(path))
    return folder


def fill(running):
    for data in (LAYER, CONFIG):
        running.add_blob("team/thing", data)
    running.add_manifest("team/thing", "v1", MANIFEST, MANIFEST_TYPE)


def manifest(running, tmp_path, **more):
    name = f"{running.host}/team/thing:v1"
    with open_at(name, tmp_path, **more) as opened:
        return opened.get_manifest(parse_reference(name)).body


@pytest.mark.parametrize("tool", ["containers", "docker"])
def test_the_authority_of_one_registry_is_enough_for_it(company, files, tmp_path, tool):
    with FakeRegistry(certificate=files[0]) as running:
        fill(running)
        keep(tmp_path, running.host, tool=tool)
        with pytest.raises(FetchError, match="certificate") as caught:
            manifest(running, tmp_path)
        assert "`certs.d`" in caught.value.hints[0]
        assert running.seen == []
        keep(tmp_path, running.host, tool=tool, authority=company.certificate)
        assert manifest(running, tmp_path) == MANIFEST
        with open_at(f"{running.host}/team/thing:v1", tmp_path) as opened:
            opened.fetch_blob(Digest.of(LAYER), len(LAYER), str(tmp_path / "layer"))
        assert read(tmp_path / "layer") == LAYER


def test_another_authority_is_not_enough(stranger, files, tmp_path):
    with FakeRegistry(certificate=files[0]) as running:
        fill(running)
        keep(tmp_path, running.host, authority=stranger.certificate)
        with pytest.raises(FetchError, match="certificate"):
            manifest(running, tmp_path)
        assert running.seen == []


def test_a_registry_that_wants_to_know_us_is_shown_our_certificate(company, files, tmp_path):
    server, client, wrong = files
    with FakeRegistry(certificate=server, client_authority=company.certificate) as running:
        fill(running)
        keep(tmp_path, running.host, authority=company.certificate)
        with pytest.raises(FetchError):
            manifest(running, tmp_path)
        keep(tmp_path, running.host, client=wrong)
        with pytest.raises(FetchError):
            manifest(running, tmp_path)
        assert running.seen == []
        keep(tmp_path, running.host, client=client)
        assert manifest(running, tmp_path) == MANIFEST
        name = parse_reference(f"{running.host}/team/new:v1")
        with open_at(name.text, tmp_path, push=True) as opened:
            done = push(opened, name, [blob_of(LAYER), blob_of(CONFIG)], MANIFEST, MANIFEST_TYPE)
        assert len(done.uploaded) == 2


def test_another_host_sees_neither_our_certificate_nor_our_trust(company, files, tmp_path):
    """A redirect from the one registry to another: what is kept for the first means nothing there."""
    server, client, _ = files
    with (
        FakeRegistry(certificate=server, client_authority=company.certificate) as running,
        FakeRegistry(certificate=server, client_authority=company.certificate) as other,
    ):
        fill(running)
        fill(other)
        keep(tmp_path, running.host, authority=company.certificate, client=client)
        running.elsewhere = f"https://{other.host}"
        running.order("GET", "/blobs/", Trick.REDIRECT)
        with (
            open_at(f"{running.host}/team/thing:v1", tmp_path) as opened,
            pytest.raises(FetchError, match="certificate"),
        ):
            opened.fetch_blob(Digest.of(LAYER), len(LAYER), str(tmp_path / "layer"))
        keep(tmp_path, other.host, authority=company.certificate)
        with open_at(f"{running.host}/team/thing:v1", tmp_path) as opened, pytest.raises(FetchError):
            opened.fetch_blob(Digest.of(LAYER), len(LAYER), str(tmp_path / "layer"))
        assert other.seen == []
        keep(tmp_path, other.host, client=client)
        with open_at(f"{running.host}/team/thing:v1", tmp_path) as opened:
            opened.fetch_blob(Digest.of(LAYER), len(LAYER), str(tmp_path / "layer"))


# --- folders


def folders_of(tmp_path):
    return read_registry_settings({"HOME": str(tmp_path)}, root=str(tmp_path / "root")).certificate_folders


def test_the_first_folder_that_knows_the_host_is_the_one(tmp_path):
    order = [str(tmp_path / place) for place in (
        ".config/containers/certs.d", ".config/docker/certs.d", "root/etc/containers/certs.d", "root/etc/docker/certs.d"
    )]  # fmt: skip
    folders = folders_of(tmp_path)
    assert list(folders) == order
    assert find_certificates("hub.example.org", folders) is None
    for folder in reversed(order):
        os.makedirs(f"{folder}/hub.example.org:5000")
        found = find_certificates("Hub.example.org:5000", folders)
        assert (found.folder, found.authorities) == (f"{folder}/hub.example.org:5000", ())
    assert find_certificates("hub.example.org", folders) is None


@pytest.mark.parametrize("host", ["..", ".", "", "a/../b", "../../etc", "a\0b", "hub..org", "[::1]/.."])
def test_no_host_is_a_path(tmp_path, host):
    folders = folders_of(tmp_path)
    os.makedirs(f"{folders[0]}/b")
    (tmp_path / ".config/containers/lonely.key").write_text("x")
    (tmp_path / ".config/containers/certs.d/lonely.key").write_text("x")
    assert find_certificates(host, folders) is None


@pytest.mark.parametrize("left", ["client.cert", "client.key"])
def test_half_a_pair_is_named(tmp_path, files, left):
    folder = keep(tmp_path, "hub.example.org", client=files[1])
    (folder / left).unlink()
    with pytest.raises(ToolError, match=f"`{left}` is missing"):
        find_certificates("hub.example.org", folders_of(tmp_path))


def test_files_that_are_none_are_named(company, files, tmp_path):
    server, client, wrong = files
    with FakeRegistry(certificate=server) as running:
        folder = keep(tmp_path, running.host, authority=company.certificate, client=(client[0], wrong[1]))
        with pytest.raises(ToolError, match=r"client\.key` is no key of the certificate"):
            manifest(running, tmp_path)
        keep(tmp_path, running.host, client=client)
        openssl(
            "ec", "-in", client[1], "-aes128", "-passout", "pass:word", "-out", str(folder / "client.key")
        )
        with pytest.raises(ToolError, match="encrypted"):
            manifest(running, tmp_path)
        (folder / "ca.crt").write_text("none")
        with pytest.raises(ToolError, match=r"ca\.crt` is no certificate"):
            manifest(running, tmp_path)
        assert running.seen == []
