"""The checksum of a lock's inputs counts what decides the lock and nothing else; drift is said in words."""

from __future__ import annotations

import dataclasses

import pytest

from shipway.core.digest import TreeKey
from shipway.lock.model import BuildCommandLock, Lock, PythonLock, TargetLock
from shipway.lock.parse import parse_lock
from shipway.lock.render import render_lock
from shipway.resolve.freshness import find_drift, inputs_key, rename_lock, requested_lines
from shipway.spec.parse import parse_spec

SPEC = """\
name = "hello"
apt = ["git", "curl"]
pip = ["numpy<2", "einops>=0.8.2,<0.9"]
constraints = ["Rich<15"]
requirements = ["requirements.txt"]
projects = ["."]
env = { A = "1" }
[run]
memory = "1g"
[targets.cpu]
[targets.gpu]
pip = ["jax[cuda12]==0.4.30"]
"""
FILES = {
    "requirements.txt": "jax==0.4.30\nflax>=0.8; python_version >= '3.9'\n",
    "pyproject.toml": '[project]\nname = "hello"\nversion = "1"\ndependencies = ["rich"]\n[tool.black]\nline-length = 1\n',
}


def key_of(text=SPEC, files=FILES):
    return inputs_key(parse_spec(text, files).spec, files)


def lock_of(text=SPEC, files=FILES) -> Lock:
    spec = parse_spec(text, files).spec
    targets = tuple(
        TargetLock(
            name=it.name,
            platform="linux/amd64",
            base=str(it.base),
            requested=requested_lines(it),
            python=PythonLock(version="3.11", executable="/usr/bin/python3.11"),
            bytecode=it.bytecode,
            slim=it.slim,
            env=it.env,
            labels=it.labels,
            workdir=it.workdir,
            command=it.command,
            include=it.files.include,
            ignore=it.files.ignore,
            build=tuple(BuildCommandLock(argv=b.argv, inputs=b.inputs, network=b.network) for b in it.build),
        )
        for it in spec.targets
    )
    lock = Lock(
        name=spec.name,
        inputs=inputs_key(spec, files),
        epoch=5,
        layer_budget=spec.layer_budget,
        targets=targets,
    )
    return parse_lock(render_lock(lock))


SAME = [
    ("comments", SPEC.replace("apt", "# about apt\napt"), FILES),
    ("formatting", SPEC.replace('["git", "curl"]', '[\n  "git",\n\n  "curl",\n]'), FILES),
    ("order of packages", SPEC.replace('"git", "curl"', '"curl", "git"'), FILES),
    ("spaces in a requirement", SPEC.replace("numpy<2", "NumPy < 2"), FILES),
    ("run options", SPEC.replace('"1g"', '"2g"\nmounts = ["/a:/b"]'), FILES),
    ("comments in files", SPEC, {**FILES, "requirements.txt": '# x\nflax >= 0.8 ; python_version >= "3.9"\n\njax==0.4.30 # y\n'}),
    ("other tools' tables", SPEC, {**FILES, "pyproject.toml": FILES["pyproject.toml"].replace("line-length = 1", "line-length = 2")}),
    ("the target meant by default", 'default-target = "gpu"\n' + SPEC, FILES),
    ("order of targets", SPEC.replace("[targets.cpu]\n", "") + "[targets.cpu]\n", FILES),
    ("files that nothing names", SPEC, {**FILES, "other.txt": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "files"), [it[1:] for it in SAME], ids=[it[0] for it in SAME])
def test_does_not_count(text, files):
    assert key_of(text, files) == key_of()
    assert find_drift(parse_spec(text, files).spec, key_of(text, files), lock_of()) == ()


PYPROJECT = FILES["pyproject.toml"]
CHANGED = [
    ("pip added in a file", SPEC, {**FILES, "requirements.txt": "jax==0.4.30\nflax>=0.8; python_version >= '3.9'\nequinox\n"}, ["target `cpu`: pip: `equinox` was added at requirements.txt:3", "target `gpu`: pip: `equinox` was added at requirements.txt:3"]),
    ("pip changed", SPEC.replace("numpy<2", "numpy<3"), FILES, ["target `cpu`: pip: `numpy<2` became `numpy<3` at shipway.toml:3 (pip)"]),
    ("pip removed", SPEC.replace('"jax[cuda12]==0.4.30"', ""), FILES, ["target `gpu`: pip: `jax[cuda12]==0.4.30` was removed; it stood at shipway.toml:12 (targets.gpu.pip)"]),
    ("apt added", SPEC.replace('"git"', '"git", "vim"'), FILES, ["target `cpu`: apt: `vim` was added at shipway.toml:2 (apt)"]),
    ("constraint", SPEC.replace('"Rich<15"', '"rich<15", "a<1"'), FILES, ["target `cpu`: constraint: `a<1` was added at shipway.toml:4 (constraints)"]),
    ("project extras", SPEC.replace('["."]', '[{path = ".", extras = ["x"]}]'), {**FILES, "pyproject.toml": PYPROJECT + '[project.optional-dependencies]\nx = ["y"]\n'}, ["an index, a hash, extras or groups, or the metadata of a local project changed"]),
    ("project metadata", SPEC, {**FILES, "pyproject.toml": PYPROJECT.replace("rich", "rich<9")}, ["an index, a hash, extras or groups, or the metadata of a local project changed"]),
    ("project version", SPEC, {**FILES, "pyproject.toml": PYPROJECT.replace('"1"', '"2"')}, ["an index, a hash, extras or groups, or the metadata of a local project changed"]),
    ("a setup.py appears", SPEC, {**FILES, "setup.py": "x"}, ["an index, a hash, extras or groups, or the metadata of a local project changed"]),
    ("env", SPEC.replace('A = "1"', 'A = "2", B = "3"'), FILES, ["target `cpu`: `env.A` changed", "target `cpu`: `env.B` was added"]),
    ("labels", 'labels = {"org.example.team" = "x"}\n' + SPEC, FILES, ["target `cpu`: `labels.org.example.team` was added"]),
    ("workdir", 'workdir = "/x"\n' + SPEC, FILES, ["target `cpu`: `workdir` was `/work` and is `/x`"]),
    ("command", 'command = ["a"]\n' + SPEC, FILES, ["target `cpu`: `command` was empty and is `['a']`"]),
    ("base", 'base = "debian:trixie"\n' + SPEC, FILES, ["target `cpu`: `base` was `debian:bookworm` and is `debian:trixie`"]),
    ("python", 'python = "3.12"\n' + SPEC, FILES, ["target `cpu`: `python` was 3.11 and is 3.12"]),
    ("slim", 'slim = ["docs"]\n' + SPEC, FILES, ["target `cpu`: `slim` was empty and is `['docs']`"]),
    ("bytecode", "bytecode = true\n" + SPEC, FILES, ["target `cpu`: `bytecode` was off and is on"]),
    ("ignore", SPEC + "[files]\nignore = ['x']\n", FILES, ["target `cpu`: `files.ignore` was empty and is `['x']`"]),
    ("build", SPEC + "[[build]]\nrun = ['x']\n", FILES, ["target `cpu`: the build commands changed"]),
    ("target added", SPEC + "[targets.dev]\n", FILES, ["target `dev` was added"]),
    ("target removed", SPEC.replace("[targets.cpu]", ""), FILES, ["target `cpu` was removed"]),
    ("name", SPEC.replace('"hello"', '"other"', 1), FILES, ["`name` was `hello` and is `other`"]),
    ("platforms", 'platforms = ["linux/amd64", "linux/arm64"]\n' + SPEC, FILES, ["platform `linux/arm64` was added"]),
    ("epoch", "epoch = 7\n" + SPEC, FILES, ["`epoch` was 5 and is 7"]),
    ("budget", "layer-budget = 30\n" + SPEC, FILES, ["`layer-budget` was 64 and is 30"]),
    ("recommends", "recommends = true\n" + SPEC, FILES, []),
    ("index", SPEC + "[indexes.house]\n", FILES, []),
    ("hash", SPEC.replace("numpy<2", "numpy<2 --hash=sha256:" + "0" * 64), FILES, []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "files", "said"), [it[1:] for it in CHANGED], ids=[it[0] for it in CHANGED])
def test_counts_and_is_said(text, files, said):
    key = key_of(text, files)
    assert key != key_of()
    drift = find_drift(parse_spec(text, files).spec, key, lock_of())
    assert drift
    for sentence in said:
        assert sentence in drift


def test_a_new_name_chooses_nothing_anew():
    lock, text = lock_of(), SPEC.replace("hello", "other")
    spec = parse_spec(text, FILES).spec
    renamed = rename_lock(spec, FILES, lock)
    assert renamed == dataclasses.replace(lock, name="other", inputs=key_of(text))
    assert find_drift(spec, key_of(text), lock) == ("`name` was `hello` and is `other`",)
    more = parse_spec(text.replace('"git", ', ""), FILES).spec
    assert rename_lock(more, FILES, lock) is None
    assert rename_lock(parse_spec(SPEC, FILES).spec, FILES, lock) is None


def test_one_change_is_one_sentence_a_target():
    files = {**FILES, "requirements.txt": "jax==0.4.30\nflax>=0.9; python_version >= '3.9'\n"}
    drift = find_drift(parse_spec(SPEC, files).spec, key_of(SPEC, files), lock_of())
    assert drift == tuple(
        f'target `{name}`: pip: `flax>=0.8; python_version >= "3.9"` became `flax>=0.9; python_version >= "3.9"` at requirements.txt:2'
        for name in ("cpu", "gpu")
    )


def test_the_key_does_not_depend_on_the_process():
    assert key_of() == TreeKey("sha256:" + key_of().hex)
    spec = parse_spec(SPEC, FILES).spec
    assert inputs_key(dataclasses.replace(spec, file="elsewhere.toml"), FILES) == key_of()
