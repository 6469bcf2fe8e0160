"""The grammar of images of others."""

import pytest

from shipway.core.errors import ExitCode, ToolError
from shipway.core.image_source import Transport, is_image_source, parse_image_source


@pytest.mark.parametrize(
    ("text", "transport", "place", "name"),
    [
        ("docker://alpine", Transport.REGISTRY, "alpine:latest", ""),
        ("registry.example.org/team/cuda:12", Transport.REGISTRY, "registry.example.org/team/cuda:12", ""),
        ("library/debian", Transport.REGISTRY, "library/debian:latest", ""),
        ("oci:base", Transport.OCI, "base", ""),
        ("oci:../base/deb:v1", Transport.OCI, "../base/deb", "v1"),
        ("oci-archive:a.tar", Transport.OCI_ARCHIVE, "a.tar", ""),
        ("docker-archive:a.tar:team/x:1", Transport.DOCKER_ARCHIVE, "a.tar", "team/x:1"),
        ("docker-daemon:x", Transport.DOCKER, "x:latest", ""),
        ("containers-storage:localhost/x:1", Transport.PODMAN, "localhost/x:1", ""),
        ("stored:digits:default", Transport.STORED, "digits:default", ""),
    ],
)
def test_each_transport(text, transport, place, name):
    source = parse_image_source(text)
    assert (source.transport, source.place, source.name) == (transport, place, name)
    assert is_image_source(text)
    assert parse_image_source(str(source)) == source


def test_a_digest_is_kept():
    digest = "sha256:" + "a" * 64
    assert str(parse_image_source(f"r.example.org/x@{digest}")) == f"docker://r.example.org/x@{digest}"


@pytest.mark.parametrize("text", ["debian:bookworm", "ubuntu:noble@2026-01-01", "debian", "docker:x"])
def test_suites_are_none(text):
    assert not is_image_source(text)


@pytest.mark.parametrize(
    "text", ["oci:", "oci://etc", "oci:a\nb", "docker-daemon:", "docker://", "r/A b", "stored:UP"]
)
def test_what_is_refused(text):
    with pytest.raises(ToolError) as caught:
        parse_image_source(text)
    assert caught.value.code == ExitCode.USAGE
