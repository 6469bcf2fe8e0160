"""Every OCI document that we write, held against the schemas that image-spec 1.1.1 publishes, and against its closed lists of keys."""

import copy
import json
import re

import jsonschema
import pytest
from image_samples import EPOCH, own_image, write_layout
from oci_schemas import SCHEMAS

from shipway.core.digest import BlobDigest, DiffId, Digest
from shipway.core.events import silent
from shipway.core.reference import parse_reference
from shipway.image.attached import EMPTY, SPDX_TYPE, STATEMENT_TYPE, Attachment, render_artifact
from shipway.image.document import Descriptor
from shipway.image.encode import Encoding
from shipway.image.index import render_index
from shipway.image.load import load_images
from shipway.image.oci import MANIFEST_TYPE, ImageConfig, ImageLayer, render_image
from shipway.image.registry.model import Descriptor as Listed
from shipway.image.registry.referrers import add_referrers
from shipway.image.save import pack_image, save_layout
from shipway.store.store import Store

NAME = parse_reference("team/model:1")
DIGEST = BlobDigest.of(b"x")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")
KEYS = {
    "config": {"created", "architecture", "os", "variant", "config", "rootfs", "history"},
    "config.config": {"User", "Env", "Entrypoint", "Cmd", "WorkingDir", "Labels"},
    "descriptor": {"mediaType", "digest", "size", "annotations", "artifactType", "platform"},
    "image-manifest": {"schemaVersion", "mediaType", "artifactType", "config", "layers", "subject", "annotations"},
    "image-index": {"schemaVersion", "mediaType", "manifests"},
    "image-layout": {"imageLayoutVersion"},
}  # fmt: skip
"""What may stand in a document of ours; the schemas allow any other key."""


def validate(kind, body):
    """`body` is a document of `kind`, by the schema, by our list of keys, and byte for byte canonical."""
    document = json.loads(body)
    jsonschema.Draft4Validator(SCHEMAS[kind]).validate(document)
    assert document.keys() <= KEYS[kind]
    if kind == "config":
        assert document["config"].keys() <= KEYS["config.config"]
        times = [document["created"], *(line["created"] for line in document["history"])]
        assert all(map(_TIME.match, times))
        assert len(document["history"]) == len(document["rootfs"]["diff_ids"])
    for one in descriptors(document):
        assert one.keys() <= KEYS["descriptor"]
        Digest(one["digest"])
    return document


def descriptors(document):
    found = [document[key] for key in ("config", "subject") if "digest" in document.get(key, {})]
    return [*found, *document.get("layers", []), *document.get("manifests", [])]


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


@pytest.mark.parametrize("encoding", list(Encoding))
def test_images_of_ours(store, encoding):
    packed = pack_image(store, own_image(store), encoding, silent, oci=True)
    validate("config", packed.config)
    document = validate("image-manifest", packed.manifest)
    assert document["mediaType"] == packed.media_type == MANIFEST_TYPE


@pytest.mark.parametrize("command", [(), ("python",)])
@pytest.mark.parametrize("labels", [(), (("org.example.a", "b"),)])
def test_what_a_configuration_may_leave_out(command, labels):
    settings = ImageConfig(
        platform="linux/arm64", env=(), workdir="/", command=command, epoch=EPOCH, labels=labels
    )
    layer = ImageLayer(name="os", diff_id=DiffId.of(b"1"), size=1, packages=(), reason="because")
    image = render_image(settings, (layer,))
    validate("config", image.config)
    validate("image-manifest", image.manifest)


def test_what_a_base_brings_into_a_configuration():
    settings = ImageConfig(
        platform="linux/amd64",
        env=(("A", "b"),),
        workdir="/",
        command=(),
        epoch=EPOCH,
        user="app:1000",
        entrypoint=("/start",),
    )
    layer = ImageLayer(name="os", diff_id=DiffId.of(b"1"), size=1, packages=(), reason="because")
    document = validate("config", render_image(settings, (layer,)).config)
    assert (document["config"]["User"], document["config"]["Entrypoint"]) == ("app:1000", ["/start"])


def test_layouts_of_one_platform_and_of_several(store, tmp_path):
    packed = pack_image(store, own_image(store), Encoding.GZIP, silent, oci=True)
    config = json.loads(packed.config)
    config.update(architecture="arm64", variant="v8")
    other = packed._replace(config=json.dumps(config).encode(), manifest=packed.manifest + b" ")
    for folder, images in (("one", [packed]), ("two", [packed, other])):
        digest = save_layout(str(tmp_path / folder), NAME, *images)
        validate("image-layout", (tmp_path / folder / "oci-layout").read_bytes())
        index = validate("image-index", (tmp_path / folder / "index.json").read_bytes())
        assert [entry["digest"] for entry in index["manifests"]] == [digest]
        if len(images) > 1:
            inner = validate("image-index", (tmp_path / folder / "blobs/sha256" / digest.hex).read_bytes())
            assert inner["manifests"][1]["platform"] == {
                "os": "linux",
                "architecture": "arm64",
                "variant": "v8",
            }


def test_images_of_others_as_we_pack_them_anew(store, tmp_path):
    from image_samples import layer

    write_layout(str(tmp_path / "layout"), layer(("a", b"a")))
    [loaded] = load_images(store, str(tmp_path / "layout"), platform="linux/amd64", emit=silent)
    for encoding in Encoding:
        validate("image-manifest", pack_image(store, loaded.image, encoding, silent, oci=True).manifest)


def test_attachments_and_their_lists():
    documents = [
        Attachment(media_type=SPDX_TYPE, body=b"{}"),
        Attachment(media_type=STATEMENT_TYPE, body=b"{}", predicate="https://slsa.dev/provenance/v1"),
    ]
    listed = []
    for one in documents:
        body = render_artifact(one, (MANIFEST_TYPE, DIGEST, 7), EPOCH)
        document = validate("image-manifest", body)
        assert (
            document["artifactType"] == one.media_type
        )  # asked for where the configuration is the empty one
        assert document["config"]["digest"] == Digest.of(EMPTY)
        listed.append(Listed(media_type=MANIFEST_TYPE, digest=Digest.of(body), size=len(body), artifact_type=one.media_type,
                             annotations=one.notes))  # fmt: skip
    validate("image-index", add_referrers(b'{"manifests":[]}', "hub", listed))


def test_indexes_of_several_platforms():
    platforms = ("linux/arm64/v8", "linux/amd64")
    fresh = [Descriptor(media_type=MANIFEST_TYPE, digest=DIGEST, size=1, platform=one) for one in platforms]
    document = validate("image-index", render_index(fresh))
    assert [entry["platform"]["architecture"] for entry in document["manifests"]] == ["amd64", "arm64"]


# --- the check itself


def broken():
    """Documents with one mistake each."""
    image = render_image(
        ImageConfig(platform="linux/amd64", env=(), workdir="/", command=("x",), epoch=EPOCH),
        (ImageLayer(name="os", diff_id=DiffId.of(b"1"), size=1, packages=(), reason="because"),),
    )
    manifest, config = json.loads(image.manifest), json.loads(image.config)
    index = json.loads(
        render_index([Descriptor(media_type=MANIFEST_TYPE, digest=DIGEST, size=1, platform="linux/amd64")])
    )
    changes = [
        ("image-manifest", manifest, lambda it: it.update(schemaVersion=1)),
        ("image-manifest", manifest, lambda it: it.pop("layers")),
        ("image-manifest", manifest, lambda it: it["layers"].clear()),
        ("image-manifest", manifest, lambda it: it["layers"][0].update(size="1")),
        ("image-manifest", manifest, lambda it: it["layers"][0].update(mediaType="layer")),
        ("image-manifest", manifest, lambda it: it["config"].update(digest="abc")),
        ("image-manifest", manifest, lambda it: it.update(annotations={"a": 1})),
        ("image-manifest", manifest, lambda it: it.update(name="mine")),
        ("image-manifest", manifest, lambda it: it["layers"][0].update(name="mine")),
        ("config", config, lambda it: it.pop("os")),
        ("config", config, lambda it: it["rootfs"].update(type="tree")),
        ("config", config, lambda it: it["config"].update(Env={"A": "b"})),
        ("config", config, lambda it: it["config"].update(Command=["x"])),
        ("config", config, lambda it: it.update(created="yesterday")),
        ("image-index", index, lambda it: it["manifests"][0]["platform"].pop("os")),
        ("image-index", index, lambda it: it.update(manifests={})),
        ("image-layout", {"imageLayoutVersion": "1.0.0"}, lambda it: it.update(imageLayoutVersion="2")),
    ]
    for kind, document, change in changes:
        wrong = copy.deepcopy(document)
        change(wrong)
        yield kind, wrong


@pytest.mark.parametrize(("kind", "document"), list(broken()))
def test_a_wrong_document_is_found(kind, document):
    with pytest.raises((jsonschema.ValidationError, AssertionError)):
        validate(kind, json.dumps(document))
