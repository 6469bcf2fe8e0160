import json

from shipway.core.digest import DiffId, Digest
from shipway.image.oci import ImageConfig, ImageLayer, render_image

CONFIG = ImageConfig(
    platform="linux/arm64", env=(("PATH", "/bin"),), workdir="/work", command=("python",), epoch=1_700_000_000
)
LAYERS = (
    ImageLayer(name="os", diff_id=DiffId.of(b"1"), size=1, packages=("a 1",), reason="because"),
    ImageLayer(name="files", diff_id=DiffId.of(b"2"), size=1, packages=(), reason="source"),
)


def test_config_and_manifest_agree():
    image = render_image(CONFIG, LAYERS)
    config, manifest = json.loads(image.config), json.loads(image.manifest)
    assert (
        config["rootfs"]["diff_ids"]
        == [layer["digest"] for layer in manifest["layers"]]
        == [layer.diff_id for layer in LAYERS]
    )
    assert manifest["config"] == {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": Digest.of(image.config),
        "size": len(image.config),
    }
    assert (config["os"], config["architecture"]) == ("linux", "arm64")
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert len(config["history"]) == len(LAYERS)


def test_the_digest_moves_with_the_content_only():
    one = render_image(CONFIG, LAYERS)
    assert render_image(CONFIG, LAYERS).digest == one.digest
    assert render_image(CONFIG, LAYERS[::-1]).digest != one.digest
    assert one.digest == Digest.of(one.manifest)
    assert one.config_digest == Digest.of(one.config)
