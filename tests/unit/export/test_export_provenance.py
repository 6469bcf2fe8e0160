"""The provenance statement: in-toto Statement v1, SLSA provenance v1, and nothing of this machine."""

import json
import os
import socket

import pytest
from export_examples import LOCK, SOURCES, contents, digest

from shipway.core.digest import Digest
from shipway.export.provenance import render_provenance
from shipway.lock.render import render_lock

IMAGE = Digest.of(b"manifest")


def statement(name="full", **changes):
    return json.loads(render_provenance(contents(name, **changes), IMAGE, version="9.9"))


def test_the_statement_has_the_fields_that_the_formats_want():
    made = statement()
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["predicateType"] == "https://slsa.dev/provenance/v1"
    assert made["subject"] == [{"name": "Docker practice-full", "digest": {"sha256": IMAGE.hex}}]
    definition = made["predicate"]["buildDefinition"]
    lock = {"name": "shipway.lock", "digest": {"sha256": Digest.of(render_lock(LOCK).encode()).hex}}
    assert definition["externalParameters"] == {"lock": lock, "target": "full", "platform": "linux/amd64"}
    assert definition["internalParameters"]["recipes"]["wheel"] == LOCK.recipes.wheel
    assert made["predicate"]["runDetails"]["builder"]["version"] == {"shipway": "9.9"}


def test_everything_that_the_image_is_made_from_stands_in_it_by_digest():
    found = statement()["predicate"]["buildDefinition"]["resolvedDependencies"]
    digests = {one["digest"]["sha256"] for one in found}
    wanted = {digest(name).hex for name in ("libc6", "git", "bookworm", "bookworm-security", "w numpy")}
    assert wanted <= digests
    assert {source.sha256.hex for source in SOURCES} <= digests
    assert digest("w setuptools").hex in digests  # what the sdist is built with
    assert len({(one["uri"], one["digest"]["sha256"]) for one in found}) == len(found)
    by_uri = {one["uri"]: one for one in found}
    assert by_uri[f"git+https://git.example/forge@{'c' * 40}"]["digest"]["gitCommit"] == "c" * 40
    assert by_uri["urn:shipway:project:packages%2Fmine"]["name"] == "mine 1.5"
    assert by_uri["pkg:pypi/olden@1.5?file_name=olden-1.5.tar.gz"]


def test_a_target_says_only_what_it_has():
    found = statement("cpu")["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert digest("w secret-sauce").hex not in {one["digest"]["sha256"] for one in found}


@pytest.mark.parametrize("name", ["cpu", "standalone"])
def test_nothing_of_this_machine_and_no_clock(name):
    text = render_provenance(contents(name), IMAGE, version="9.9")
    assert text == render_provenance(contents(name), IMAGE, version="9.9")
    for mine in (socket.gethostname(), os.getcwd(), os.path.expanduser("~")):
        assert mine not in text
