"""`explain` in words: how `run` would start what is built, and why it cannot be said yet."""

import pytest

from shipway.cli.show_image import explain_document, render_explain
from shipway.verbs.explain import ExplainResult, LayerWork


def layer(name, *missing, **more):
    return LayerWork(name=name, reason="", packages=(), trees=1, missing=missing, fetch=0, **more)


def result(**more):
    values = {
        "folder": "/x",
        "spec": "shipway.toml",
        "name": "x",
        "target": "default",
        "platform": "linux/amd64",
        "lock": "fresh",
        "drift": (),
        "wishes": (),
        "layers": (layer("os-0"), layer("files", "files", files=True)),
        "fetch": 0,
    }
    return ExplainResult(**{**values, **more})


def test_the_run_in_words_stands_at_the_end():
    text = render_explain(result(engine="docker", run=("command    echo", "", "docker run --rm x echo")))
    assert text.endswith("\n\nengine     docker\ncommand    echo\n\ndocker run --rm x echo\n")
    document = explain_document(result(engine="docker", run=("docker run",)))
    assert (document["engine"], document["run"]) == ("docker", ["docker run"])


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"lock": "stale"}, "follows when all of it is built"),
        ({"layers": (layer("os-0", "hello"),)}, "follows when all of it is built"),
        ({}, "needs a command; `shipway explain -- COMMAND` says it"),
    ],
    ids=["stale", "unbuilt", "no command"],
)
def test_why_it_cannot_be_said(more, what):
    assert render_explain(result(engine="podman", **more)).endswith(f"\nrun with podman: {what}\n")


def test_nothing_is_said_when_nobody_asked():
    assert "run with" not in render_explain(result())
    assert explain_document(result())["run"] is None
