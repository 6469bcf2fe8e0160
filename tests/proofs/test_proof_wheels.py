"""Our Python environment equals what uv and pip install, path by path: type, executable bit, link and content.

Forty of the most used packages and everything they need are downloaded once (kept below `SHIPWAY_TEST_CACHE`), installed by
`uv pip install` and `pip install`, and unpacked by us at the same kind of prefix. Whatever differs must be on the list
`REVIEWED`, which has a reason for each kind of difference. Then the same packages are locked and built as a project, and in
its container `pip check` is content, everything imports, and entry points start.
"""

from __future__ import annotations

import csv
import fcntl
import filecmp
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import pytest
from uv import find_uv_bin

from shipway.build.wheel_tree import compile_here, unpack_wheel
from shipway.core.events import silent

pytestmark = [
    pytest.mark.needs_network,
    pytest.mark.needs_tool("uv"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PACKAGES = """
numpy scipy pandas scikit-learn matplotlib jax flax optax equinox tensorboard jupyterlab ipython notebook pillow
opencv-python-headless transformers datasets tokenizers huggingface-hub lightgbm networkx sympy seaborn plotly pyarrow
polars numba h5py tqdm requests fastapi pydantic statsmodels nltk gensim einops safetensors
rich typer click pytest black uvicorn sqlalchemy
""".split()  # noqa: SIM905  # fmt: skip
IMPORTS = """
numpy scipy.linalg pandas sklearn.linear_model matplotlib.pyplot jax.numpy flax.linen optax equinox tensorboard IPython PIL.Image
cv2 transformers datasets tokenizers huggingface_hub lightgbm networkx sympy seaborn plotly.graph_objects pyarrow polars numba
h5py tqdm requests fastapi pydantic statsmodels.api nltk gensim einops safetensors rich typer click pytest sqlalchemy
google.protobuf mpl_toolkits.mplot3d
""".split()  # noqa: SIM905  # fmt: skip
SCRIPTS = [
    "jupyter-lab",
    "jupyter",
    "ipython",
    "tensorboard",
    "f2py",
    "pygmentize",
    "httpx",
    "uvicorn",
    "nltk",
    "tqdm",
    "pytest",
    "numba",
    "black",
    "typer",
    "hf",
]

REVIEWED = {
    "INSTALLER": "names the tool that installed the package, so it says shipway",
    "REQUESTED": "marks what a user asked pip for; in an image the lock says that, and a tree must not depend on who asked",
    "RECORD": "the same files, sorted by path, never executable; ours leaves out REQUESTED, and states digests of our own scripts",
    "entry point": "each installer has its own text for the script of an entry point; ours imports and calls the same function",
    "shebang": "scripts with `#!python` start with the environment's interpreter; pip and uv write the host path",
    "bytecode": "ours are unchecked-hash files that carry the path inside the image; pip and uv write time stamps",
    "uv_cache.json": "uv notes when a wheel's local file was made; where a tree came from is in the lock",
    "lock": "uv keeps a lock file in an environment that it may change; ours never changes",
    "empty directory": "uv keeps empty directories that a wheel lists; nothing can depend on them, pip drops them too",
}


@dataclass(frozen=True)
class Item:
    kind: str
    executable: bool
    target: str


@pytest.fixture
def cache(request) -> str:
    """Where downloads and installed trees stay between tests and runs."""
    root = os.environ.get("SHIPWAY_TEST_CACHE") or str(request.config.cache.mkdir("shipway-downloads"))
    name = hashlib.sha256(" ".join([PYTHON, *PACKAGES]).encode()).hexdigest()[:12]
    path = os.path.join(root, f"proof-wheels-{name}")
    os.makedirs(path, exist_ok=True)
    return path


def once(path: str, make) -> str:
    """`path`, made by `make(temporary)` unless it is there; complete or absent. Other test processes wait."""
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            temporary = f"{path}.new"
            shutil.rmtree(temporary, ignore_errors=True)
            make(temporary)
            os.rename(temporary, path)
    return path


def run(*argv: str, **env: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PIP_FIND_LINKS"} | env
    if argv[0] == "uv":
        argv = (find_uv_bin(), *argv[1:])
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def wheels(cache: str) -> list[str]:
    def download(folder: str) -> None:
        run(sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", folder, *PACKAGES)

    return sorted(glob.glob(once(os.path.join(cache, "wheels"), download) + "/*.whl"))


def tree_at(path: str, *, exclude: frozenset[str] = frozenset()) -> dict[str, Item]:
    """Every path below `path` but `exclude`."""
    found = {}
    for folder, directories, files in os.walk(path):
        for name in [*directories, *files]:
            full = os.path.join(folder, name)
            relative = os.path.relpath(full, path)
            if relative in exclude:
                continue
            if os.path.islink(full):
                found[relative] = Item("l", executable=False, target=os.readlink(full))
            elif os.path.isdir(full):
                found[relative] = Item("d", executable=False, target="")
            else:
                found[relative] = Item("f", executable=bool(os.lstat(full).st_mode & 0o111), target="")
    return found


def bare_environment(path: str) -> frozenset[str]:
    run(sys.executable, "-m", "venv", "--without-pip", path)
    return frozenset(tree_at(path))


def installed(place: str, files: list[str], tool: str) -> tuple[str, dict[str, Item]]:
    """An environment below `place` that `tool` filled from wheels, and what it put there; pip with bytecode."""
    folder = os.path.dirname(files[0])
    path = os.path.join(place, "theirs")
    shutil.rmtree(path, ignore_errors=True)
    skeleton = bare_environment(path)
    python = os.path.join(path, "bin/python")
    wanted = [f"{wheel_name(file)}=={wheel_version(file)}" for file in files]
    common = ["install", "-q", "--no-index", "--no-deps", "--find-links", folder]
    if tool == "uv":
        run("uv", "pip", *common, "--python", python, *wanted, UV_CACHE_DIR=f"{path}-cache")
    else:
        run(sys.executable, "-m", "pip", f"--python={path}", *common, "--compile", *wanted)
    return path, tree_at(path, exclude=skeleton)


def without_bytecode(tree: tuple[str, dict[str, Item]]) -> tuple[str, dict[str, Item]]:
    """The environment `tree` as the tool leaves it that is asked for no bytecode: pip makes it last, and states it in RECORD."""
    path, items = tree
    for folder, _, names in os.walk(path):
        if folder.endswith(".dist-info") and "RECORD" in names:
            with open(f"{folder}/RECORD", encoding="utf-8", newline="") as file:
                kept = [line for line in file if ".pyc," not in line]
            with open(f"{folder}/RECORD", "w", encoding="utf-8", newline="") as file:
                file.writelines(kept)
    return path, {name: item for name, item in items.items() if not name.endswith((".pyc", "/__pycache__"))}


def wheel_name(file: str) -> str:
    return os.path.basename(file).split("-")[0]


def wheel_version(file: str) -> str:
    return os.path.basename(file).split("-")[1]


def _unpack(job: tuple[str, str, str, bool]) -> None:
    file, root, prefix, bytecode = job
    os.makedirs(root)
    unpack_wheel(
        file, root, python=PYTHON, prefix=prefix, compiler=compile_here if bytecode else None, emit=silent
    )


def ours(place: str, files: list[str], *, bytecode: bool) -> tuple[str, dict[str, Item]]:
    """An environment below `place` made of our trees, laid over each other at the prefix that they were made for."""
    path, stage = os.path.join(place, "ours"), os.path.join(place, "stage")
    for old in (path, stage):
        shutil.rmtree(old, ignore_errors=True)
    skeleton = bare_environment(path)
    jobs = [(file, os.path.join(stage, os.path.basename(file)), path, bytecode) for file in files]
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_unpack, jobs))
    for _, root, prefix, _ in jobs:
        overlay(os.path.join(root, prefix.lstrip("/")), path)
    shutil.rmtree(stage)
    return path, tree_at(path, exclude=skeleton)


def overlay(tree: str, onto: str) -> None:
    """Move the files of `tree` into `onto`; two packages that bring one path must bring the same."""
    for folder, directories, files in os.walk(tree):
        place = os.path.join(onto, os.path.relpath(folder, tree))
        for name in directories:
            os.makedirs(os.path.join(place, name), exist_ok=True)
        for name in files:
            source, target = os.path.join(folder, name), os.path.join(place, name)
            assert not os.path.lexists(target) or filecmp.cmp(source, target, shallow=False), target
            os.rename(source, target)


def differences(ours: tuple[str, dict[str, Item]], theirs: tuple[str, dict[str, Item]]) -> list[str]:
    """What differs and is not reviewed."""
    (our_root, our_items), (their_root, their_items) = ours, theirs
    found = []
    for path in sorted(our_items.keys() | their_items.keys()):
        one, other = our_items.get(path), their_items.get(path)
        if one is None or other is None:
            if reason_for_one_side(path, other, their_root) is None:
                found.append(f"{path}: only {'theirs' if one is None else 'ours'}")
            continue
        if one != other and not path.endswith(".dist-info/RECORD"):
            found.append(f"{path}: ours {one}, theirs {other}")
        mine, others = f"{our_root}/{path}", f"{their_root}/{path}"
        if (
            one.kind == "f"
            and not filecmp.cmp(mine, others, shallow=False)
            and not reason_for_content(path, our_root, their_root)
        ):
            found.append(f"{path}: other content")
    return found


def reason_for_one_side(path: str, theirs: Item | None, their_root: str) -> str | None:
    if theirs is None:
        return None
    if path.endswith(".dist-info/REQUESTED"):
        return REVIEWED["REQUESTED"]
    if path.endswith(".dist-info/uv_cache.json"):
        return REVIEWED["uv_cache.json"]
    if path == ".lock":
        return REVIEWED["lock"]
    if theirs.kind == "d" and not any(files for _, _, files in os.walk(f"{their_root}/{path}")):
        return REVIEWED["empty directory"]
    return None


def reason_for_content(path: str, our_root: str, their_root: str) -> str | None:
    with open(f"{our_root}/{path}", "rb") as file:
        mine = file.read()
    with open(f"{their_root}/{path}", "rb") as file:
        other = file.read()
    if path.endswith(".dist-info/INSTALLER"):
        return REVIEWED["INSTALLER"] if mine == b"shipway\n" else None
    if path.endswith(".dist-info/RECORD"):
        return REVIEWED["RECORD"] if same_record(mine, other) else None
    if path.endswith(".pyc"):
        return REVIEWED["bytecode"] if mine[:4] == other[:4] and mine[4:8] == b"\1\0\0\0" else None
    if path.startswith("bin/"):
        return reason_for_script(mine, other, our_root)
    return None


def same_record(mine: bytes, other: bytes) -> bool:
    """Whether both list the same files, with the same digests where content is not on our list."""

    def rows(text: bytes) -> dict[str, str]:
        return {row[0]: row[1] for row in csv.reader(text.decode().splitlines())}

    ours, theirs = rows(mine), rows(other)
    extra = re.compile(r"[^/]*\.dist-info/(REQUESTED|uv_cache\.json)")
    theirs = {path: digest for path, digest in theirs.items() if not extra.fullmatch(path)}
    # uv does not list the bytecode that it makes, so such rows are compared with pip's alone.
    listed = {path for path in ours if not path.endswith(".pyc") or path in theirs}
    if listed != theirs.keys() or list(ours) != sorted(ours):
        return False
    own = ("/INSTALLER", "/RECORD", ".pyc")
    return all(
        ours[path] == theirs[path]
        for path in listed
        if not path.endswith(own) and not path.startswith("../../../bin/")
    )


def reason_for_script(mine: bytes, other: bytes, our_root: str) -> str | None:
    first, _, rest = mine.partition(b"\n")
    if first != f"#!{our_root}/bin/python".encode():
        return None
    if other.partition(b"\n")[2] == rest:
        return REVIEWED["shebang"]
    calls = re.compile(rb"^\s*from ([\w.]+) import ([\w.]+)$", re.MULTILINE)
    same = calls.findall(mine) == calls.findall(other)
    called = re.search(rb"sys\.exit\(([\w.]+)\(\)\)", mine)
    return REVIEWED["entry point"] if same and called and called[1] + b"()" in other else None


def test_the_set_is_large_enough(cache):
    names = {wheel_name(file).lower().replace("_", "-") for file in wheels(cache)}
    missing = [name for name in PACKAGES if name.lower().replace("_", "-") not in names]
    assert not missing
    assert len(PACKAGES) >= 30


def test_equal_path_by_path(cache):
    """Without bytecode like both, with it like pip: which of the files uv compiles is its own rule."""
    place = os.path.join(cache, "alike")
    files = wheels(cache)
    try:
        plain = ours(os.path.join(place, "plain"), files, bytecode=False)
        compiled = ours(os.path.join(place, "compiled"), files, bytecode=True)
        by_uv = installed(os.path.join(place, "uv"), files, "uv")
        by_pip = installed(os.path.join(place, "pip"), files, "pip")
        found = {
            "uv": differences(plain, by_uv),
            "pip, bytecode": differences(compiled, by_pip),
            "pip": differences(plain, without_bytecode(by_pip)),
        }
    finally:
        # Only the downloads are worth their place between runs.
        shutil.rmtree(place, ignore_errors=True)
    assert not any(found.values()), "\n".join(
        f"{len(some)} differences from {tool}:\n" + "\n".join(some[:60]) for tool, some in found.items()
    )


INSIDE = """
import json, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

def start(words):
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return [] if done.returncode == 0 else [[words, done.stdout[-1000:] + done.stderr[-2000:]]]

with ThreadPoolExecutor(2) as pool:
    print(json.dumps(sum(pool.map(start, json.load(open("commands.json"))), [])))
"""


@pytest.mark.needs_userns
def test_it_works_in_its_container(tmp_path):
    """`pip check` is content, everything imports, and entry points start."""
    project = tmp_path / "forty"
    project.mkdir()
    # lightgbm's wheel wants the OpenMP library of the system.
    spec = {"name": "forty", "base": "debian:bookworm", "apt": ["libgomp1"], "pip": ["pip", *PACKAGES]}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in spec.items())
    (project / "shipway.toml").write_text(text + 'env = { JAX_PLATFORMS = "cpu", MPLBACKEND = "agg" }\n')
    (project / "inside.py").write_text(INSIDE)
    commands = [["python", "-m", "pip", "check"]]
    commands += [["python", "-W", "ignore", "-c", f"import {name}"] for name in IMPORTS]
    commands += [[script, "--help"] for script in SCRIPTS]
    (project / "commands.json").write_text(json.dumps(commands))
    done = run(sys.executable, "-m", "shipway", "-C", str(project), "run", "--", "python", "inside.py")
    assert json.loads(done) == []
