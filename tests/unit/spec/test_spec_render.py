"""Any spec as text parses back to the same spec."""

from __future__ import annotations

import dataclasses
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.core.waste import Waste
from shipway.spec.model import (
    Base,
    BuildCommand,
    FileRules,
    IndexSource,
    LocalProject,
    MountRule,
    Network,
    Origin,
    RunOptions,
    Spec,
    Target,
    Wish,
)
from shipway.spec.parse import parse_spec
from shipway.spec.render import render_document, render_spec

HERE = Origin(file="x")
PROJECT = (
    '[project]\nname = "p"\n[project.optional-dependencies]\na = []\nb = []\n[dependency-groups]\ng = []\n'
)
FILES = {"pyproject.toml": PROJECT, "libs/tool/pyproject.toml": PROJECT}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
NAME = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,5}[a-z0-9])?", fullmatch=True)


def unique(strategy, size=3, key=None):
    return (
        st.lists(strategy, max_size=size, unique_by=key).map(tuple)
        if key
        else st.lists(strategy, max_size=size, unique=True).map(tuple)
    )


def wishes(*texts):
    return unique(st.builds(Wish, text=st.sampled_from(texts), origin=st.just(HERE)), key=lambda it: it.text)


HASHED = st.builds(
    Wish, text=st.just("numpy<2"), hashes=st.just(("sha256:" + "0" * 64,)), origin=st.just(HERE)
)
VARIABLES = st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,4}", fullmatch=True), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6), max_size=3).map(lambda it: tuple(sorted(it.items())))  # fmt: skip
COMMAND = st.lists(TEXT, min_size=1, max_size=3).map(tuple)
PATHS = unique(st.sampled_from(["src", "a b", "data/x.csv", ".", "ü"]))
PATTERNS = unique(st.sampled_from(["src", "*.py", "!keep", "**/x", "#hash", '"quoted"']))
MOUNTS = unique(
    st.builds(MountRule, source=st.sampled_from(["~/d", "/a", "../x"]), target=st.sampled_from(["/data", "/in/put", "/x"]), read_only=st.booleans()),
    key=lambda it: it.target,
)  # fmt: skip
RUN = st.builds(
    RunOptions,
    mounts=MOUNTS,
    shm_size=st.none() | st.integers(1, 1 << 40),
    memory=st.none() | st.integers(1, 1 << 40),
    cpus=st.none() | st.floats(0.1, 64),
    pids=st.none() | st.integers(1, 9999),
    network=st.sampled_from(Network),
    env=VARIABLES,
    pass_env=unique(st.sampled_from(["lower_a", "lower_b"])),
    cache=st.booleans(),
    secrets=unique(st.sampled_from(["SECRET_A", "SECRET_B?", "file:~/x:/run/x"])),
)
PROJECTS = unique(
    st.builds(
        LocalProject, path=st.sampled_from([".", "libs/tool"]), extras=unique(st.sampled_from(["a", "b"])),
        groups=unique(st.sampled_from(["g"])), origin=st.just(HERE),
    ),
    key=lambda it: it.path,
)  # fmt: skip
TARGET = st.builds(
    Target,
    name=st.just("x"),
    base=st.builds(Base, distribution=st.sampled_from(["debian"]), suite=st.sampled_from(["bookworm", "trixie"]), date=st.sampled_from(["", "2026-07-01"])),
    python=st.sampled_from(["", "3.12"]),
    apt=wishes("git", "curl=7.88", "libgl1"),
    recommends=st.booleans(),
    pip=st.one_of(wishes("jax==0.4.30", "flax", "a @ git+https://h.invalid/a", 'b; python_version < "3.9"'), HASHED.map(lambda it: (it,))),
    constraints=wishes("scipy<2", "toolz"),
    projects=PROJECTS,
    bytecode=st.booleans(),
    slim=st.sets(st.sampled_from(Waste)).map(lambda kinds: tuple(sorted(map(str, kinds)))),
    env=VARIABLES,
    workdir=st.sampled_from(["/work", "/hello"]),
    command=st.just(()) | COMMAND,
    files=st.builds(FileRules, include=PATTERNS, ignore=PATTERNS),
    build=unique(st.builds(BuildCommand, argv=COMMAND, inputs=PATHS, network=st.booleans())),
    run=RUN,
)  # fmt: skip


@st.composite
def specs(draw):
    names = draw(st.lists(NAME, min_size=1, max_size=3, unique=True))
    common = draw(TARGET)
    fields = [field.name for field in dataclasses.fields(Target) if field.name != "name"]
    targets = []
    for name in names:
        other = draw(TARGET)
        changed = draw(st.sets(st.sampled_from(fields), max_size=4))
        targets.append(
            dataclasses.replace(common, name=name, **{field: getattr(other, field) for field in changed})
        )
    indexes = draw(unique(st.builds(IndexSource, alias=NAME.filter(lambda it: it != "default"), url=st.sampled_from(["", "https://h.invalid/s"])), key=lambda it: it.alias))  # fmt: skip
    return Spec(
        name=draw(NAME),
        file="shipway.toml",
        platforms=draw(unique(st.sampled_from(["linux/amd64", "linux/arm64"]))),
        targets=tuple(targets),
        default_target=draw(st.sampled_from(names)),
        indexes=indexes,
        layer_budget=draw(st.integers(21, 100)),
        epoch=draw(st.none() | st.integers(0, 1 << 33)),
    )


@given(specs())
@settings(max_examples=80, deadline=None)
def test_parse_of_render_is_the_spec(spec):
    text = render_spec(spec)
    assert parse_spec(text, FILES).spec == spec, text


def test_comments_stand_above_keys_and_behind_items():
    document = {"name": "x", "pip": ["a", "b"], "targets": {"gpu": {"pip": ["c"]}}}
    comments = {("name",): ["the name"], ("pip", 1): ["why", "more"], ("targets", "gpu"): ["twin"]}
    text = render_document(document, comments)
    assert text == (
        '# the name\nname = "x"\npip = [\n    "a",\n    "b",  # why; more\n]\n\n# twin\n[targets.gpu]\npip = ["c"]\n'
    )
    assert tomllib.loads(text) == document


def test_what_targets_share_is_written_once():
    text = 'name = "x"\napt = ["git"]\npip = ["a"]\n\n[targets.cpu]\n\n[targets.gpu]\npip = ["b"]\n'
    assert render_spec(parse_spec(text).spec) == text
