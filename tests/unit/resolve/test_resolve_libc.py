import pytest

from shipway.core.digest import BlobDigest
from shipway.core.errors import NotFound
from shipway.lock.model import Deb
from shipway.resolve.libc import glibc_of


def deb(name, version):
    return Deb(
        name=name, version=version, architecture="amd64", sha256=BlobDigest.of(b""), size=1, path="p", archive="debian", source=name
    )  # fmt: skip


@pytest.mark.parametrize(
    ("version", "found"), [("2.36-9+deb12u14", (2, 36)), ("2.41-12", (2, 41)), ("1:2.9-1", (2, 9))]
)
def test_the_library_version_is_read_from_the_package(version, found):
    assert glibc_of([deb("bash", "5.2"), deb("libc6", version)]) == found


def test_a_base_without_it_is_named():
    with pytest.raises(NotFound, match="libc6"):
        glibc_of([deb("bash", "5.2")])
