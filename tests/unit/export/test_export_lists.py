"""requirements.txt, pylock.toml and SBOMs, read back by whoever reads them in earnest."""

import json
import re
import tomllib

import pytest
from export_examples import LOCK, SOURCES, WHEELS, contents
from packaging.pylock import Pylock

from shipway.core.errors import NotFound
from shipway.export.model import install_order
from shipway.export.pylock import render_pylock
from shipway.export.requirements import render_requirements
from shipway.export.sbom import FORMATS, render_sbom

ADDRESSES = {one.filename: f"https://index.example/{one.filename}" for one in (*WHEELS, *SOURCES)}


def test_installation_goes_from_what_is_needed_to_what_needs_it():
    names = [[deb.name for deb in group] for group in install_order(contents())]
    assert names == [["bash", "libc6", "libgcc-s1"], ["openssl"], ["perl", "perl-modules"], ["git"]]


def test_every_requirement_has_its_digest():
    lines = [
        line
        for line in render_requirements(contents("full")).splitlines()
        if not line.startswith("#") and line
    ]
    pairs = dict(zip(lines[::2], lines[1::2], strict=True))
    by_name = {wheel.name: wheel for wheel in LOCK.wheels}
    for name in ("jax", "numpy", "secret-sauce", "nvidia-cudnn-cu12"):
        assert pairs.pop(f"{name}==1.5 \\") == f"    --hash={by_name[name].sha256}"
    assert pairs == {"olden==1.5 \\": f"    --hash={SOURCES[0].sha256}"}


def test_what_no_digest_can_name_is_a_comment():
    text = render_requirements(contents("full"))
    assert f"\n# forge @ git+https://git.example/forge@{'c' * 40}#subdirectory=sub\n" in text
    assert "\n# ./packages/mine\n" in text
    assert "# from the index `company`\nsecret-sauce==1.5" in text


def test_pylock_is_read_by_packaging():
    lock = Pylock.from_dict(tomllib.loads(render_pylock(contents("full"), ADDRESSES)))
    packages = {one.name: one for one in lock.packages}
    assert list(packages) == sorted(packages)
    assert packages["numpy"].wheels[0].hashes == {"sha256": LOCK.wheels[0].sha256.hex}
    assert packages["numpy"].wheels[0].url == ADDRESSES["numpy-1.5-py3-none-any.whl"]
    assert packages["olden"].sdist.hashes == {"sha256": SOURCES[0].sha256.hex}
    assert packages["forge"].vcs.commit_id == "c" * 40
    assert packages["forge"].vcs.subdirectory == "sub"
    assert packages["mine"].directory.path == "packages/mine"
    assert str(lock.requires_python) == "==3.11.*"


def test_pylock_without_an_address_says_which():
    with pytest.raises(NotFound, match=r"jax-1\.5-py3-none-any\.whl"):
        render_pylock(contents(), {})


def test_spdx_has_the_shape_that_its_schema_asks_for():
    document = json.loads(render_sbom(contents("full"), "spdx", version="1"))
    assert document["spdxVersion"] == "SPDX-2.3"
    assert document["SPDXID"] == "SPDXRef-DOCUMENT"
    assert document["dataLicense"] == "CC0-1.0"
    assert document["creationInfo"] == {"created": "2023-11-14T22:13:20Z", "creators": ["Tool: shipway-1"]}
    ids = [one["SPDXID"] for one in document["packages"]]
    assert len(set(ids)) == len(ids) == 1 + len(contents("full").debs) + 7
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one) for one in ids)
    for package in document["packages"]:
        assert {"name", "SPDXID", "downloadLocation", "filesAnalyzed"} <= package.keys()
    for relation in document["relationships"]:
        assert relation["spdxElementId"] in {*ids, "SPDXRef-DOCUMENT"}
        assert relation["relatedSpdxElement"] in ids
    kinds = {one["relationshipType"] for one in document["relationships"]}
    assert kinds == {"DESCRIBES", "CONTAINS", "DEPENDS_ON"}


def test_cyclonedx_has_the_shape_that_its_schema_asks_for():
    document = json.loads(render_sbom(contents("full"), "cyclonedx", version="1"))
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", document["serialNumber"])
    refs = {one["bom-ref"] for one in document["components"]} | {document["metadata"]["component"]["bom-ref"]}
    assert len(refs) == 1 + len(document["components"])
    for entry in document["dependencies"]:
        assert entry["ref"] in refs
        assert set(entry["dependsOn"]) <= refs
        assert len(set(entry["dependsOn"])) == len(entry["dependsOn"])
    git = next(one for one in document["components"] if one["name"] == "git")
    assert git["purl"] == "pkg:deb/debian/git@1%3A2.0~rc1-1?arch=amd64&distro=bookworm"
    assert git["hashes"][0]["content"] == LOCK.debs[3].sha256.hex
    jax = next(one for one in document["dependencies"] if one["ref"].startswith("pkg:pypi/jax@"))
    assert jax["dependsOn"] == ["pkg:pypi/numpy@1.5"]


@pytest.mark.parametrize("form", FORMATS)
def test_an_sbom_depends_on_nothing_but_the_lock(form):
    first = render_sbom(contents(), form, version="1")
    assert render_sbom(contents(), form, version="1") == first
    identity = re.search(r"urn:uuid:[0-9a-f-]+", first)
    other = re.search(r"urn:uuid:[0-9a-f-]+", render_sbom(contents("gpu"), form, version="1"))
    assert identity
    assert other
    assert identity[0] != other[0]
    assert "python" in render_sbom(contents("standalone"), form, version="1")
