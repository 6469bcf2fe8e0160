import pytest
from archive_samples import keyring_of, make_key, sign

from shipway.core.errors import SignatureError
from shipway.resolve.keys import read_keyring, verify_clearsigned

TEXT = b"Origin: Test\nSuite: one\n- a line with a dash\n"


@pytest.fixture(scope="module")
def key():
    return make_key()


def trusted(key):
    return [key.extract_certificate()]


def test_what_was_signed_comes_back_with_its_signer(key):
    signed = verify_clearsigned(sign(TEXT, key), trusted(key), name="InRelease")
    assert signed.content.rstrip(b"\n") == TEXT.rstrip(b"\n")
    assert signed.signers == (key.extract_certificate().fingerprint,)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"Suite: one", b"Suite: two"),
        lambda data: data.replace(b"Origin", b"Suite: x\nOrigin"),
        lambda data: b"Suite: evil\n\n" + data,
        lambda data: data + data,
        lambda data: TEXT,
        lambda data: b"<!DOCTYPE html><title>Log in</title>",
        lambda data: b"",
        lambda data: data[: len(data) // 2],
    ],
    ids=["changed", "added", "text before", "twice", "unsigned", "html", "empty", "cut"],
)
def test_anything_else_is_refused(key, change):
    with pytest.raises(SignatureError) as caught:
        verify_clearsigned(change(sign(TEXT, key)), trusted(key), name="InRelease")
    assert "`InRelease`" in caught.value.message
    assert caught.value.hints


def test_text_after_the_signature_is_not_content(key):
    signed = verify_clearsigned(sign(TEXT, key) + b"Suite: evil\n", trusted(key), name="InRelease")
    assert b"evil" not in signed.content


def test_another_key_is_not_believed(key):
    with pytest.raises(SignatureError):
        verify_clearsigned(sign(TEXT, make_key("Other <o@example.org>")), trusted(key), name="InRelease")


def test_a_key_that_merely_has_the_same_name_is_not_believed(key):
    with pytest.raises(SignatureError):
        verify_clearsigned(sign(TEXT, make_key()), trusted(key), name="InRelease")


@pytest.mark.parametrize("distribution", ["debian", "ubuntu"])
def test_keyrings_ship_with_us(distribution):
    assert len(read_keyring(distribution)) >= 2


def test_a_keyring_of_the_host_replaces_ours(tmp_path, key):
    path = tmp_path / "mine.pgp"
    path.write_bytes(keyring_of(key))
    assert [one.fingerprint for one in read_keyring("debian", str(path))] == [
        key.extract_certificate().fingerprint
    ]


def test_an_unknown_distribution_names_the_variable():
    with pytest.raises(SignatureError) as caught:
        read_keyring("acme")
    assert "SHIPWAY_KEYRING_ACME" in caught.value.hints[0]


def test_a_broken_keyring_is_named(tmp_path):
    path = tmp_path / "broken"
    path.write_bytes(b"no keys")
    with pytest.raises(SignatureError, match="broken"):
        read_keyring("debian", str(path))
