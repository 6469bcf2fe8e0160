import pickle

import pytest

from shipway.core.digest import BlobDigest, DiffId, Digest, canonical_json, key_of
from shipway.core.errors import ExitCode, SpecError, ToolError, Vanished
from shipway.core.text import shown
from shipway.core.units import parse_age, parse_size, render_age, render_size

GOOD = "sha256:" + "0f" * 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0f" * 32,
        "sha256:" + "0F" * 32,
        "sha512:" + "0f" * 32,
        GOOD + "\n",
        GOOD + "0",
        "sha256:../../" + "0" * 58,
        "sha256:" + "\u0660" * 64,
    ],
)
def test_what_is_no_digest_is_refused_before_it_can_be_a_path(text):
    with pytest.raises(ValueError, match="not a sha256 digest"):
        BlobDigest(text)


def test_a_digest_knows_its_hex_and_its_kind():
    assert DiffId(GOOD).hex == "0f" * 32
    assert type(DiffId.from_hex("0f" * 32)) is DiffId
    assert Digest.of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_canonical_json_has_one_form():
    assert canonical_json({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'.encode()
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


@pytest.mark.parametrize(
    ("text", "count"), [("512", 512), ("8g", 8 << 30), ("1.5 GiB", 3 << 29), ("64MB", 64 << 20), ("1k", 1024)]
)
def test_sizes_are_read_in_powers_of_1024(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "g", "-1", "1x", "1 2", "0x10", "1e3"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


def test_sizes_are_shown_for_people():
    assert [render_size(n) for n in (0, 1023, 1536, 5 << 30, 3 << 40)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 GiB",
        "3.0 TiB",
    ]


def test_ages():
    assert parse_age("2w") == 14 * parse_age("1d") == 14 * 86400
    with pytest.raises(ValueError, match="not an age"):
        parse_age("soon")


def test_untrusted_text_cannot_steer_a_terminal():
    assert shown("a\x1b[31mb\r\n") == "a\\x1b[31mb\\r\\n"
    assert shown("safe\u202etxt.exe") == "safe\\u202etxt.exe"
    assert shown("\udcff") == "\\udcff"
    assert len(shown("x" * 1000)) == 200
    assert shown("naïve/путь") == "naïve/путь"


def test_errors_survive_the_way_out_of_a_worker_process():
    error = SpecError("no `x`", hints=["do y"], detail="z")
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), back.message, back.hints, back.code, back.detail) == (
        SpecError,
        "no `x`",
        ("do y",),
        ExitCode.SPEC,
        "z",
    )
    gone = pickle.loads(pickle.dumps(Vanished("gone", names=["a"])))
    assert gone.names == ("a",)


def test_every_error_kind_has_its_own_exit_code():
    kinds = [kind for kind in ToolError.__subclasses__() if kind.__module__ == ToolError.__module__]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert all(code not in {ExitCode.OK, ExitCode.USAGE} for code in codes)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 seconds"),
        (1.9, "1 second"),
        (119, "1 minute"),
        (3 * 3600 + 5, "3 hours"),
        (2 * 86400, "2 days"),
    ],
)
def test_ages_for_people(seconds, text):
    assert render_age(seconds) == text
