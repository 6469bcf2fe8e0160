import hashlib

import pytest

from shipway.core.errors import HostileInput
from shipway.resolve.packages import Dependency, PackageIndex, parse_dependencies
from shipway.resolve.versions import compare_versions, is_newer


def stanza(name, **fields):
    values = {
        "Package": name,
        "Version": "1.0",
        "Architecture": "amd64",
        "Filename": f"pool/{name}.deb",
        "Size": "12",
        "SHA256": hashlib.sha256(name.encode()).hexdigest(),
        **{key.replace("_", "-"): value for key, value in fields.items()},
    }
    return "".join(f"{key}: {value}\n" for key, value in values.items() if value is not None)


def index(*stanzas):
    return PackageIndex("\n".join(stanzas).encode(), archive="debian", suite="bookworm", component="main")


def test_a_record_has_what_the_lock_needs():
    (record,) = index(
        stanza("git", Source="git-core (1.1)", Pre_Depends="a", Depends="b (>= 2), c | d", Essential="yes")
    ).records("git")
    assert (record.name, record.version, record.size, record.path) == ("git", "1.0", 12, "pool/git.deb")
    assert record.source == "git-core"
    assert record.essential
    assert [group[0].name for group in parse_dependencies(record.depends)] == ["a", "b", "c"]


def test_names_in_other_fields_are_not_packages():
    found = index(stanza("one", Description="text\n Package: fake\n"), stanza("two"))
    assert found.names == {"one", "two"}


def test_an_empty_index():
    assert not index("").names


def test_several_versions_of_one_name():
    found = index(stanza("a"), stanza("b", Version="2"), stanza("a", Version="3"))
    assert [record.version for record in found.records("a")] == ["1.0", "3"]
    assert found.find(("a", "3", "amd64"))[0].version == "3"
    assert found.find(("a", "4", "amd64")) is None


def test_essential_names_and_providers():
    found = index(
        stanza("base", Essential="yes"),
        stanza("mawk", Provides="awk"),
        stanza("gawk", Provides="x, awk (= 1)"),
        stanza("z"),
    )
    assert found.essential_names() == ("base",)
    assert found.providers("awk") == ("gawk", "mawk")
    assert found.providers("nothing") == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"Filename": "../../etc/passwd"},
        {"Filename": "/etc/passwd"},
        {"Filename": None},
        {"SHA256": "0" * 63},
        {"SHA256": None},
        {"Size": "-1"},
        {"Size": None},
        {"Version": "1 && rm"},
        {"Version": None},
    ],
)
def test_a_description_that_no_archive_writes_is_refused(fields):
    with pytest.raises(HostileInput, match="`evil`"):
        list(index(stanza("evil", **fields)).records("evil"))


def test_dependencies():
    assert parse_dependencies("libc6 (>= 2.3), perl:any | perl5 (<< 6)") == [
        [Dependency(name="libc6", relation=">=", version="2.3")],
        [Dependency(name="perl", architecture="any"), Dependency(name="perl5", relation="<<", version="6")],
    ]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0", "1.1"),
        ("1.9", "1.10"),
        ("1.0~rc1", "1.0"),
        ("1.0~~", "1.0~"),
        ("1.0", "1.0a"),
        ("1.0a", "1.0+b1"),
        ("9", "1:0"),
        ("1.0-1", "1.0-2"),
        ("1.0-1", "1.0-1+b1"),
        ("2.36-9+deb12u9", "2.36-9+deb12u10"),
        ("1.0", "1.0-1"),
        ("1.2.3-1~bpo1", "1.2.3-1"),
    ],
)
def test_version_order(older, newer):
    assert is_newer(newer, older)
    assert compare_versions(older, newer) < 0
    assert compare_versions(newer, newer) == 0


def test_leading_zeros_do_not_count():
    assert compare_versions("1.01", "1.1") == 0
