"""TOML text -> Spec: what is understood, where each wish comes from, and what is refused with which words."""

from __future__ import annotations

import pytest

from shipway.core.errors import ExitCode, SpecError
from shipway.spec.inputs import find_missing_files, find_spec_file
from shipway.spec.model import Base, BuildCommand, MountRule, Network
from shipway.spec.parse import parse_spec

FULL = """\
name = "hello"
base = "ubuntu:noble@2026-07-01"
python = "3.12"
platforms = ["linux/arm64", "linux/amd64"]
apt = ["git", "curl=7.88.1-10+deb12u5"]
recommends = true
pip = ["jax == 0.4.30", "numpy<2 ; python_version < '3.13'"]
requirements = ["requirements.txt", "pyproject.toml"]
constraints = ["scipy<2"]
constraint-files = ["bounds.txt"]
projects = [".", { path = "libs/tool", extras = ["fast"], groups = ["dev"] }]
extras = ["plot"]
groups = ["all"]
bytecode = true
workdir = "/hello/"
command = "python train.py && echo done"
layer-budget = 40
epoch = 1700000000
default-target = "gpu"
env = { B = "2", A = 1 }

[files]
include = ["src"]
ignore = ["data", "!data/labels.csv"]

[run]
mounts = ["~/datasets:/data:ro", "../x:/x/"]
shm-size = "8g"
memory = 1024
cpus = 2
pids = 100
network = "none"
env = { WANDB_MODE = "offline" }
pass-env = ["HF_TOKEN"]

[[build]]
run = ["make", "-C", "kernels"]
inputs = ["kernels"]
network = true

[indexes.house]
url = "https://packages.invalid/simple/"
packages = ["torch"]

[indexes.wheels]
folder = "./wheels"

[targets.cpu]

[targets.gpu]
inherits = "cpu"
without = ["apt:curl", "pip:numpy", "env:B", "mounts:/x", "build:1", "pass-env:HF_TOKEN", "ignore:data", "run-env:WANDB_MODE", "projects:libs/tool", "constraints:scipy"]
pip = ["jax[cuda12]==0.4.30"]
base = "debian:trixie"
run.network = "host"
recommends = false
"""
PYPROJECT = """\
[build-system]
requires = ["flit_core"]
[project]
name = "Hello.World"
dependencies = [
  "rich",
]
[project.optional-dependencies]
plot = ["matplotlib"]
[dependency-groups]
test = ["pytest"]
all = [{include-group = "test"}, "ruff"]
"""
FILES = {
    "requirements.txt": "flax  # comment\n-r more/extra.txt\n-e ./libs/tool\n",
    "more/extra.txt": "optax==0.2.2 \\\n    --hash=sha256:" + "a" * 64 + "\n-c ../bounds2.txt\n",
    "bounds.txt": "chex<1\n",
    "bounds2.txt": "toolz<1\n",
    "pyproject.toml": PYPROJECT,
    "libs/tool/pyproject.toml": '[project]\nname="tool"\n[project.optional-dependencies]\nfast=["numba"]\n[dependency-groups]\ndev=["black"]\n',
}


def test_everything_is_understood():
    parsed = parse_spec(FULL, FILES)
    spec = parsed.spec
    assert (spec.name, spec.default_target, spec.layer_budget, spec.epoch) == ("hello", "gpu", 40, 1700000000)
    assert spec.platforms == ("linux/arm64", "linux/amd64")
    cpu = spec.target("cpu")
    assert cpu.base == Base(distribution="ubuntu", suite="noble", date="2026-07-01")
    assert [wish.text for wish in cpu.apt] == ["git", "curl=7.88.1-10+deb12u5"]
    assert [wish.text for wish in cpu.pip] == [
        *(
            "jax == 0.4.30",
            "numpy<2 ; python_version < '3.13'",
            "rich",
            "flax",
            "optax==0.2.2",
            "pytest",
            "ruff",
            "black",
        )
    ]
    assert [wish.text for wish in cpu.constraints] == ["scipy<2", "toolz<1", "chex<1"]
    assert [(it.path, it.extras, it.groups) for it in cpu.projects] == [
        *((".", ("plot",), ()), ("libs/tool", ("fast",), ("dev",)), ("libs/tool", (), ()))
    ]
    assert cpu.env == (("A", "1"), ("B", "2"))
    assert cpu.workdir == "/hello"
    assert cpu.command == ("/bin/sh", "-c", "python train.py && echo done")
    assert cpu.files.include == ("src",)
    assert cpu.files.ignore == ("data", "!data/labels.csv")
    assert cpu.build == (BuildCommand(argv=("make", "-C", "kernels"), inputs=("kernels",), network=True),)
    run = cpu.run
    assert run.mounts == (
        MountRule(source="~/datasets", target="/data", read_only=True),
        MountRule(source="../x", target="/x"),
    )
    assert (run.shm_size, run.memory, run.cpus, run.pids, run.network) == (
        8 << 30,
        1024,
        2.0,
        100,
        Network.NONE,
    )
    assert run.env == (("WANDB_MODE", "offline"),)
    assert run.pass_env == ("HF_TOKEN",)
    assert [(it.alias, it.url, it.folder, it.packages) for it in spec.indexes] == [
        *(("house", "https://packages.invalid/simple", "", ("torch",)), ("wheels", "", "wheels", ()))
    ]


def test_every_wish_says_where_it_was_written():
    cpu = parse_spec(FULL, FILES).spec.target("cpu")
    places = {wish.text: str(wish.origin) for wish in (*cpu.apt, *cpu.pip, *cpu.constraints)}
    assert places["git"] == "shipway.toml:5 (apt)"
    assert places["jax == 0.4.30"] == "shipway.toml:7 (pip)"
    assert places["rich"] == "pyproject.toml:6 (project.dependencies)"
    assert places["flax"] == "requirements.txt:1"
    assert places["optax==0.2.2"] == "more/extra.txt:1"
    assert places["pytest"] == "pyproject.toml:11 (dependency-groups.test)"
    assert places["toolz<1"] == "bounds2.txt:1"
    assert str(cpu.projects[0].origin) == "shipway.toml:11 (projects)"
    optax = next(wish for wish in cpu.pip if wish.text == "optax==0.2.2")
    assert optax.hashes == ("sha256:" + "a" * 64,)


def test_a_target_extends_overrides_and_drops():
    gpu = parse_spec(FULL, FILES).spec.target("")
    assert gpu.name == "gpu"
    assert str(gpu.base) == "debian:trixie"
    assert [wish.text for wish in gpu.apt] == ["git"]
    assert [wish.text for wish in gpu.pip][:2] == ["jax == 0.4.30", "rich"]
    assert gpu.pip[-1].text == "jax[cuda12]==0.4.30"
    assert [it.path for it in gpu.projects] == ["."]
    assert [wish.text for wish in gpu.constraints] == ["toolz<1", "chex<1"]
    assert gpu.env == (("A", "1"),)
    assert not gpu.recommends
    assert gpu.build == ()
    assert gpu.run.network is Network.HOST
    assert [mount.target for mount in gpu.run.mounts] == ["/data"]
    assert gpu.run.pass_env == ()
    assert gpu.run.env == ()
    assert gpu.files.ignore == ("!data/labels.csv",)


def test_files_to_read_are_named_until_nothing_is_missing():
    have: dict[str, str | None] = {}
    rounds = []
    while missing := find_missing_files(FULL, have):
        rounds.append(missing)
        have.update({name: FILES.get(name) for name in missing})
    assert {name for names in rounds for name in names} >= FILES.keys()
    assert len(rounds) <= 4
    assert parse_spec(FULL, have).spec == parse_spec(FULL, FILES).spec


def test_in_pyproject_and_alone():
    text = PYPROJECT + '[tool.shipway]\napt = ["git"]\nrequirements = ["pyproject.toml"]\n'
    spec = parse_spec(text, {"pyproject.toml": text}, file="pyproject.toml").spec
    assert spec.name == "hello.world"
    assert spec.default_target == "default"
    assert str(spec.target().apt[0].origin) == "pyproject.toml:14 (tool.shipway.apt)"
    assert [wish.text for wish in spec.target().pip] == ["rich"]
    with pytest.raises(SpecError, match=r"tool\.shipway"):
        parse_spec("[project]\nname='x'", {}, file="pyproject.toml")


def test_the_folder_gives_the_name_at_last():
    assert parse_spec("", {}, folder="My Project!").spec.name == "my-project"
    assert parse_spec("", {}, folder="!!").spec.name == "project"


def test_which_file_is_the_spec():
    own, table = "name='x'", "[tool.shipway]\n"
    assert (
        find_spec_file({"shipway.toml": own, "pyproject.toml": "[project]\nname='shipway'"}) == "shipway.toml"
    )
    assert find_spec_file({"pyproject.toml": table}) == "pyproject.toml"
    assert find_spec_file({"pyproject.toml": "[project]\n", "shipway.toml": None}) is None
    assert find_spec_file({}) is None
    with pytest.raises(SpecError, match="both"):
        find_spec_file({"shipway.toml": own, "pyproject.toml": table})
    with pytest.raises(SpecError, match="no TOML"):
        find_spec_file({"pyproject.toml": "shipway ="})


REFUSED = [
    # text of the spec, words of the message, words of a hint
    ("nme = 'x'", "shipway.toml:1: `nme`: is no key", "did you mean `name`?"),
    ("\n\nshm_size = 1", "shipway.toml:3: `shm_size`", "did you mean `shm-size`?|belongs to `.run.`"),
    ("mounts = []", "`mounts`: is no key", "`mounts` belongs to `[run]`"),
    ("[run]\nmount = []", "shipway.toml:2: `run.mount`", "did you mean `mounts`?"),
    ("[targets.x]\nname = 'y'", "`targets.x.name`: is no key", "belongs to the top"),
    ("name = 3", "must be a text, and is a whole number", 'name = "digits"'),
    ("name = 'A b'", "is no name", "lower-case"),
    ("apt = 'git'", "must be a list, and is a text", 'apt = ["git", "libgl1"]'),
    ("apt = [\n 'git',\n 'Curl']", "shipway.toml:3: `apt`: `Curl`", "lower-case"),
    ("apt = ['git curl']", "is no name of an OS package", "one package an item"),
    ("apt = ['-o=x']", "is no name of an OS package", ""),
    ("recommends = 'yes'", "must be true or false", ""),
    ("layer-budget = true", "must be a whole number, and is true or false", ""),
    ("layer-budget = 500", "must be between 21 and 100", ""),
    ("epoch = -1", "must be between 0", ""),
    ("python = 3.10", "must be a text", "quotes"),
    ("python = '2.7'", "no version of Python", ""),
    ("base = 'debian:bokworm'", "`bokworm` is no suite", "did you mean `bookworm`?"),
    ("base = 'debain:bookworm'", "is no base", "did you mean `debian`?"),
    ("base = 'debian:12'", "not the name of a suite", "debian:bookworm"),
    ("base = 'alpine:3.20'", "is no base", "docker://alpine:3.20"),
    ("base = 'docker://Bad/Name'", "is no image reference", "team/name:tag"),
    ("base = 'oci:'", "names no path", "oci:PATH"),
    ("base = 'debian:bookworm@yesterday'", "no date", "YYYY-MM-DD"),
    ("platforms = ['linux/amd46']", "none of its values", "linux/amd64"),
    ("pip = ['jax=0.4']", "is no requirement: `=0.4` is no version bound", "requirements look like"),
    ("pip = ['a @ file:///home/x/altgraph-0.17.2-py2.py3-none-any.whl']", "one machine", "altgraph==0.17.2"),
    ("pip = ['a @ https://me:pw@x.invalid/a.whl']", "user or password", "netrc"),
    ("pip = ['-r requirements.txt']", "line of a requirements file", "`requirements`"),
    ("pip = ['jax==1', 'jax==2']", "`jax==2` contradicts `jax==1` of shipway.toml:1 (pip)", "without"),
    ("requirements = ['../r.txt']", "outside the project", "below"),
    ("requirements = ['/r.txt']", "outside the project", ""),
    ("\nrequirements = ['r.txt']", "shipway.toml:2: `requirements`: file `r.txt` is not there", ""),
    ("requirements = ['pyproject.toml']", "needs `pyproject.toml`", ""),
    ("projects = ['.']", "holds no Python project", "pyproject.toml"),
    ("projects = [{paht = '.'}]", "`projects.paht`: is no key", "did you mean `path`?"),
    ("projects = [{extras = ['x']}]", "`path` is missing", ""),
    ("groups = ['dev']", "needs `pyproject.toml`", ""),
    ("workdir = 'work'", "no absolute path", ""),
    ("workdir = '/a/../etc'", "no absolute path", ""),
    ("workdir = '/usr/local'", "belongs to the system", ""),
    ("workdir = '/'", "no absolute path", ""),
    ("command = []", "must name a program", ""),
    ("command = [1]", "must be a text", ""),
    ("env = { '1A' = 'x' }", "no name of a variable", ""),
    ("env = { A = true }", "must be a text", ""),
    ("[env]\nA = '1'\nA = '2'", "is no TOML", "once"),
    ("[files]\nignore = ['[']", "is no pattern", ""),
    ("files = ['x']", "must be a table", "[files]"),
    ("[run]\nmounts = ['/data']", "is no mount", "SOURCE:TARGET"),
    ("[run]\nmounts = ['/data:data']", "is no mount", ""),
    ("[run]\nmounts = ['/a:/d', '/b:/d']", "two mounts at `/d`", "without"),
    ("[run]\nmounts = ['/a:/work']", "where the project itself is mounted", ""),
    ("[run]\nmounts = ['/a:/usr']", "belongs to the system", ""),
    ("[run]\nshm-size = 'lots'", "`lots` is no size", "units"),
    ("[run]\ncpus = 0", "must be more than 0", ""),
    ("[run]\ncpus = nan", "must be more than 0", ""),
    ("[run]\nnetwork = 'hots'", "none of its values", "did you mean `host`?"),
    ("[run]\npass-env = ['A=b']", "no name of a variable", "name only"),
    ("[run]\npass-env = ['A', 'A']", "named twice", ""),
    ("[run]\nenv = {A = '1'}\npass-env = ['A']", "set in `run.env` and taken from the caller", ""),
    ("[run]\nenv = {A = '1'}\nsecrets = ['A?']", "set in `run.env` and taken from the caller", ""),
    ("[run]\nsecrets = ['A=b']", "", ""),
    ("[run]\nsecrets = ['file:~/.netrc']", "", ""),
    ("[build]\nrun = 'x'", "must be a list of tables", "[[build]]"),
    ("[[build]]\ninputs = ['x']", "`run` is missing", ""),
    ("[[build]]\nrun = 'x'\ninputs = ['../x']", "outside the project", ""),
    ("[indexes.x]\nurl = 'https://me:pw@h.invalid/s'", "user or password", "netrc"),
    ("[indexes.x]\nurl = 'ftp://h.invalid/s'", "no address", ""),
    ("[indexes.x]\nurl = 'https://h.invalid/s'\nfolder = 'w'", "contradict", ""),
    ("[indexes.default]\nurl = 'https://h.invalid/s'", "is taken", "another alias"),
    ("[indexes.a]\npackages=['x']\n[indexes.b]\npackages=['X']", "comes from two indexes", ""),
    ("[targets.'A B']\n", "is no name", ""),
    ("targets = []", "must be a table of tables", ""),
    ("[targets.a]\ninherits = 'b'\n[targets.b]\ninherits = 'a'", "in a circle", ""),
    ("[targets.cpu]\n[targets.gpu]\ninherits = 'cup'", "no target `cup`", "did you mean `cpu`?"),
    ("pip=['jaxlib']\n[targets.a]\nwithout = ['pip:jaxlb']", "drops nothing", "did you mean `jaxlib`?"),
    ("[targets.a]\nwithout = ['jaxlib']", "does not say what to drop", "pip:jaxlib"),
    ("default-target = 'gpu'", "no target `gpu`", "`default`"),
    ("python='3.12'\nsystem-site-packages=true", "cannot use packages for the base's Python 3.11", "3.11"),
    ("name = ", "is no TOML", ""),
    ("a = " + "[" * 5000, "is no TOML", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said", "hint"), REFUSED, ids=[text[:40] for text, _, _ in REFUSED])
def test_refused_with_the_place_and_the_next_step(text, said, hint):
    with pytest.raises(SpecError) as caught:
        parse_spec(text)
    assert caught.value.code == ExitCode.SPEC
    assert said in str(caught.value)
    hints = " ".join(caught.value.hints) + str(caught.value)
    assert any(it in hints for it in hint.replace("`.run.`", "`[run]`").split("|"))
    assert caught.value.hints
    assert "pw@" not in str(caught.value)


def test_all_mistakes_are_reported_together_in_order():
    text = "nme = 'x'\napt = [1, 'Q']\n[run]\nmemory = 'x'\n[targets.a]\nrequirements = ['r.txt']\n"
    with pytest.raises(SpecError) as caught:
        parse_spec(text, {"r.txt": "ok\n--pre\n"})
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("5 mistakes")
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [
        *("r.txt:2", "shipway.toml:1", "shipway.toml:2", "shipway.toml:2", "shipway.toml:4")
    ]


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("env = { HF_TOKEN = 'abc' }", True),
        ("env = { X = 'hf_abcdefghijklmnopqrstuvwxyz' }", True),
        ("run.env = { DB_PASSWORD = 'x' }", True),
        ("env = { TOKENIZERS_PARALLELISM = 'false', PATH = '/x' }", False),
        ("env = { API_KEY = '' }", False),
        ("run.env = { HUGGINGFACE_HOME = '/x' }", True),
        ("run.env = { HF_HOME = '/x' }", False),
        ("[[build]]\nrun = 'x'\nnetwork = true", True),
    ],
)
def test_what_looks_secret_or_cannot_be_reproduced_is_said(text, warned):
    notes = parse_spec(text).notes
    assert bool(notes) is warned
    assert all(note.level == "warning" and "shipway.toml:" in note.text for note in notes)


def test_hostile_text_in_messages_is_made_harmless():
    with pytest.raises(SpecError) as caught:
        parse_spec('name = "\\u001b[2J\\u202eevil"')
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)
