"""Targets over an image of others: its layers come first, its words hold where the target has none."""

import pytest

from shipway.core.digest import BlobDigest, DiffId, Digest, TreeKey, key_of
from shipway.core.errors import LockFormatError, ToolError
from shipway.core.foreign import layer_inputs
from shipway.lock.model import BaseImage, BaseLayer, Deb, LayerLock, Lock, PythonLock, TargetLock
from shipway.lock.parse import parse_lock
from shipway.lock.render import render_lock
from shipway.plan.layers import Contents, choose_layers
from shipway.plan.model import TreeKind
from shipway.plan.target import plan_target

PLATFORM = "linux/amd64"
TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
DEB = Deb(
    name="hello", version="1", architecture="amd64", sha256=BlobDigest.of(b"d"), size=1, path="pool/h.deb",
    archive="debian", source="hello",
)  # fmt: skip


def layer(text):
    return BaseLayer(
        diff_id=DiffId.of(text), sha256=BlobDigest.of(text + b"z"), size=2, media_type=TYPE, unpacked=3
    )


def base(**more):
    words = {
        "name": "docker://registry.example.org/team/base:1",
        "env": (("PATH", "/opt/tool/bin:/usr/bin"), ("LANG", "de_DE.UTF-8"), ("A", "base")),
        "user": "app",
        "entrypoint": ("/entry",),
        "command": ("serve",),
        "distribution": "debian",
        "suite": "bookworm",
        **more,
    }
    manifest = Digest.of(b"m")
    return BaseImage(
        platform=PLATFORM, manifest=manifest, config=manifest, layers=(layer(b"1"), layer(b"2")), **words
    )


def lock_of(image, **more):
    members = (
        LayerLock(name="os-1", members=(DEB.id,), reason="r"),
        LayerLock(name="system", members=("system",), reason="r"),
    )
    target = TargetLock(
        name="cpu", platform=PLATFORM, base=image.name, image=image.id, debs=(DEB.id,), layers=members, **more
    )
    from shipway.lock.model import ArchiveLock

    archive = ArchiveLock(
        alias="debian", distribution="debian", suite="bookworm", components=("main",),
        date="2026-01-01T00:00:00Z", release=BlobDigest.of(b"r"), signers=(),
    )  # fmt: skip
    return Lock(
        name="x",
        inputs=TreeKey.of(b""),
        epoch=0,
        archives=(archive,),
        bases=(image,),
        debs=(DEB,),
        targets=(target,),
    )


def plan(image, **more):
    return plan_target(lock_of(image, **more), "cpu", PLATFORM)


def test_layers_of_the_base_come_first_as_they_came():
    made = plan(base())
    assert [one.name for one in made.layers] == ["base-1", "base-2", "os-1", "system"]
    diff_ids = [one.diff_id for one in base().layers]
    assert [one.came.diff_id for one in made.layers[:2]] == diff_ids
    assert [one.key for one in made.trees[:2]] == [
        key_of(layer_inputs(diff_ids[0], ())),
        key_of(layer_inputs(diff_ids[1], diff_ids[:1])),
    ]
    assert {one.kind for one in made.trees[:2]} == {TreeKind.BASE}


def test_the_words_of_the_base_hold_where_the_target_has_none():
    settings = plan(base()).settings
    assert dict(settings.env) == {"PATH": "/opt/tool/bin:/usr/bin", "LANG": "de_DE.UTF-8", "A": "base"}
    assert (settings.user, settings.entrypoint, settings.command) == ("app", ("/entry",), ("serve",))
    own = plan(
        base(),
        env=(("A", "own"),),
        command=("train",),
        python=PythonLock(version="3.11", executable="/usr/bin/python3.11"),
    ).settings
    assert dict(own.env)["A"] == "own"
    assert dict(own.env)["PATH"] == "/opt/venv/bin:/opt/tool/bin:/usr/bin"
    assert (own.entrypoint, own.command) == (("/entry",), ("train",))


def test_the_image_says_what_it_stands_on():
    assert dict(plan(base()).settings.labels) == {
        "org.opencontainers.image.base.digest": base().manifest,
        "org.opencontainers.image.base.name": "registry.example.org/team/base:1",
    }
    assert list(dict(plan(base(name="oci:base")).settings.labels)) == ["org.opencontainers.image.base.digest"]


def test_what_scripts_leave_depends_on_the_layers_below():
    one, two = plan(base()), plan(base(suite="trixie"))
    assert one.trees[-1].inputs["base"] == [each.diff_id for each in base().layers]
    assert one.trees[-1].key != two.trees[-1].key
    assert [plan(base(usrmerge=flag)).trees[2].inputs["usrmerge"] for flag in (True, False)] == [True, False]


def test_layers_of_the_base_count_for_the_budget():
    debs = tuple(
        Deb(**{name: getattr(DEB, name) for name in Deb.__slots__} | {"name": f"d{n}", "size": 9 << 20})
        for n in range(100)
    )
    contents = {
        "debs": debs,
        "wheels": (),
        "python": False,
        "standalone": False,
        "commands": False,
        "files": True,
    }
    alone = [
        sum(
            one.name.startswith("deb-")
            for one in choose_layers(Contents(**contents, below=below), budget=100)
        )
        for below in (0, 50, 99)
    ]
    assert alone == [79, 49, 0]
    with pytest.raises(ToolError, match="has 100 layers"):
        choose_layers(Contents(**contents, below=100), budget=64)


def test_a_lock_with_a_base_is_read_as_it_was_written():
    lock = lock_of(base())
    text = render_lock(lock)
    assert parse_lock(text) == lock
    assert render_lock(parse_lock(text)) == text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"image": "sha256:', '"image": "sha256:0', "`image`|not locked"),
        (f'"media-type": "{TYPE}"', '"media-type": "text/html"', "no media type of a layer"),
        ('"name": "docker://registry.example.org/team/base:1"', '"name": "debian"', "no image of others"),
        ('"diff-id": "sha256:', '"diff-id": "md5:', "`diff-id`"),
        (f'"manifest": "{Digest.of(b"m")}"', f'"manifest": "{Digest.of(b"n")}"', "is not locked"),
        ('"A": "base"', '"": "base"', "no name of a variable"),
    ],
)
def test_a_lock_that_contradicts_itself_is_refused(old, new, said):
    text = render_lock(lock_of(base()))
    assert old in text
    with pytest.raises(LockFormatError, match=said):
        parse_lock(text.replace(old, new))
