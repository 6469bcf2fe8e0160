"""A target over an image of others as text for other tools: they begin with that image, by digest."""

import json
from dataclasses import replace

import pytest
from export_examples import CPU, LOCK, PLATFORM

from shipway.core.digest import BlobDigest, DiffId, Digest
from shipway.core.errors import SpecError
from shipway.export.apptainer import render_apptainer
from shipway.export.dockerfile import render_dockerfile
from shipway.export.model import read_contents
from shipway.export.provenance import render_provenance
from shipway.export.sbom import render_sbom
from shipway.lock.model import BaseImage, BaseLayer

DIGEST = Digest.of(b"manifest")
LAYER = BaseLayer(
    diff_id=DiffId.of(b"l"), sha256=BlobDigest.of(b"b"), size=1, media_type="application/x", unpacked=1
)


def over(name="docker://registry.example.org/team/base:1", *, base=None, **changes):
    words = {"distribution": "debian", "suite": "bookworm", "user": "app", **(base or {})}
    image = BaseImage(name=name, platform=PLATFORM, manifest=DIGEST, config=DIGEST, layers=(LAYER,), **words)
    target = replace(CPU, base=name, image=image.id, **changes)
    return read_contents(replace(LOCK, bases=(image,), targets=(target,)), CPU.name, PLATFORM)


def test_a_dockerfile_begins_with_the_image_by_digest():
    text = render_dockerfile(over())
    assert (
        f"FROM --platform={PLATFORM} registry.example.org/team/base@{DIGEST} AS system\nUSER root\n" in text
    )
    assert "FROM scratch" not in text
    assert "dpkg --force-unsafe-io --force-confdef --force-confold" in text
    assert "ARG BOOTSTRAP=debian:bookworm" in text


@pytest.mark.parametrize(
    ("render", "first"), [(render_dockerfile, "--unpack"), (render_apptainer, "apt-helper")]
)
def test_a_slim_target_leaves_the_base_as_it_is(render, first):
    text = render(over(slim=("docs",)))
    places = [
        text.index(one)
        for one in ("touch /began", first, "find / -xdev -cnewer /began -regextype", "rm -f /began")
    ]
    assert places == sorted(places)
    assert "/began" not in render(over())


def test_without_packages_nothing_is_installed():
    text = render_dockerfile(over(debs=(), python=None, wheels=(), base={"user": "", "suite": ""}))
    assert f"@{DIGEST} AS system\n\n# --- The image." in text
    assert "dpkg" not in text


def test_a_definition_file_begins_with_it_too():
    text = render_apptainer(over())
    assert f"\nFrom: registry.example.org/team/base@{DIGEST}\n" in text
    assert "--force-downgrade" not in text


@pytest.mark.parametrize("render", [render_dockerfile, render_apptainer])
@pytest.mark.parametrize("name", ["oci:base", "docker-daemon:base:1", "stored:base:1"])
def test_an_image_that_only_this_machine_has_is_refused(render, name):
    with pytest.raises(SpecError, match="in no registry") as caught:
        render(over(name))
    assert "push it to a registry" in caught.value.hints[0]


def test_a_bill_of_materials_lists_it():
    purl = f"pkg:oci/base@{DIGEST.replace(':', '%3A')}?repository_url=registry.example.org%2Fteam%2Fbase"
    assert purl in render_sbom(over(), "spdx", version="1")
    components = json.loads(render_sbom(over(), "cyclonedx", version="1"))["components"]
    assert components[0]["purl"] == purl
    assert "pkg:generic/base-image@sha256%3A" in render_sbom(over("oci:base"), "spdx", version="1")


def test_the_provenance_names_it_by_digest():
    statement = json.loads(render_provenance(over(), Digest.of(b"image"), version="1"))
    first = statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]
    assert first["digest"] == {"sha256": DIGEST.hex}
    assert first["name"] == "docker://registry.example.org/team/base:1"
    assert first["uri"].startswith("pkg:oci/base@sha256%3A")
