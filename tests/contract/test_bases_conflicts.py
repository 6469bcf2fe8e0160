"""A base that the chosen packages do not go with, through the real command line: told when locking, and no package is fetched."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from test_bases import OK, Yard, make_layout

from shipway.testing.package_index import PackageIndex

pytestmark = [pytest.mark.needs_userns, pytest.mark.needs_tool("apt-get")]

CONFLICT = 13
DEBS = (
    "libgcc-s1 12",
    "libstdc++6 12",
    "zlib1g 1.2",
    "python3.10 3.10.12-1",
    "libpython3.10-stdlib 3.10.12-1",
)
CUDA = ("cuda-cudart-12-2 12.2.140-1", "libcudnn8 8.9.6.50-1+cuda12.2")
PYTHON = "/usr/bin/python3.10"


def make_base(folder: Path, *debs: str, libc: str = "libc6 2.35-0ubuntu3.4") -> None:
    """A layout that looks like Ubuntu 22.04 with its Python: as much of it as locking looks at."""
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
        for name, version in (deb.split() for deb in (libc, *DEBS, *debs))
    )
    held = {
        "etc/os-release": "ID=ubuntu\nVERSION_ID=24.04\nVERSION_CODENAME=noble\n",
        "var/lib/dpkg/status": status,
        PYTHON[1:]: "\x7fELF",
    }
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path, text in held.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text), 0o755
            tar.addfile(member, io.BytesIO(text.encode()))
    make_layout(folder, layer.getvalue())


@pytest.fixture
def yard(tmp_path):
    return Yard(tmp_path)


@pytest.fixture
def index():
    """jax as it was in the middle of 2024: with CUDA of the system, or as wheels."""
    plugin, linux = "jax-cuda12-plugin", "cp310-cp310-manylinux2014_x86_64.manylinux2014_aarch64"
    with PackageIndex(metadata=True) as made:
        made.add_wheel(
            "jax", "0.4.30",
            extras={"cuda12": [f"{plugin}[with_cuda]==0.4.30"], "cuda12_local": [f"{plugin}==0.4.30"]},
        )  # fmt: skip
        made.add_wheel(
            plugin, "0.4.30", tag=linux,
            extras={"with_cuda": ["nvidia-cudnn-cu12>=9.0,<10.0", "nvidia-cuda-runtime-cu12>=12.1.105"]},
        )  # fmt: skip
        made.add_wheel(
            "nvidia-cudnn-cu12", "9.1.0.70", tag="py3-none-manylinux2014_x86_64.manylinux2014_aarch64"
        )
        made.add_wheel(
            "nvidia-cuda-runtime-cu12", "12.4.127", tag="py3-none-manylinux2014_x86_64.manylinux2014_aarch64"
        )
        yield made


def lock(yard, index, wish):
    yard.at("oci:../base", f'pip = ["{wish}"]\n')
    return yard.run("lock", SHIPWAY_INDEX_DEFAULT=index.simple_url)


def fetched(index) -> list[str]:
    return [request.path for request in index.requests if request.path.endswith(".whl")]


def test_cudnn_of_the_base_is_too_old_for_the_framework(yard, index):
    """The base and the wish of a published tutorial (seed 002)."""
    make_base(yard.folder / "base", *CUDA)
    refused = lock(yard, index, "jax[cuda12_local]==0.4.30")
    assert refused.returncode == CONFLICT, refused.stderr
    assert (
        "`jax-cuda12-plugin 0.4.30` needs cuDNN 9.0 or newer, below 10, and the base has 8.9.6"
        in refused.stderr
    )
    assert "the package libcudnn8 8.9.6.50-1+cuda12.2" in refused.stderr
    assert "ask for `jax[cuda12]`" in refused.stderr
    assert fetched(index) == []
    assert not (yard.project / "shipway.lock").exists()


def test_cuda_twice_is_a_warning(yard, index):
    make_base(yard.folder / "base", *CUDA)
    done = lock(yard, index, "jax[cuda12]==0.4.30")
    assert done.returncode == OK, done.stderr
    assert "CUDA is there twice: 12.2 in the base and 12.4.127 in `nvidia-cuda-runtime-cu12`" in done.stderr
    assert "cuDNN is there twice" in done.stderr
    assert "take a plain base" in done.stderr
    target = json.loads((yard.project / "shipway.lock").read_text())["targets"][0]
    assert target["python"] == {"executable": PYTHON, "version": "3.10"}
    assert fetched(index) == []


def test_a_plain_base_is_the_way_out(yard, index):
    make_base(yard.folder / "base")
    done = lock(yard, index, "jax[cuda12]==0.4.30")
    assert (done.returncode, "twice" in done.stderr) == (OK, False), done.stderr


def test_a_wheel_that_needs_a_newer_c_library_than_the_base_has(yard, index):
    make_base(yard.folder / "base", libc="libc6 2.27-3ubuntu1")
    index.add_wheel("arrays", "2.0", tag="cp310-cp310-manylinux_2_28_x86_64.manylinux_2_28_aarch64")
    refused = lock(yard, index, "arrays")
    assert refused.returncode == CONFLICT, refused.stderr
    said = refused.stderr.partition("error: ")[2]
    assert "`arrays` is asked for by shipway.toml:4" in said
    assert "arrays 2.0 has no wheel for Python 3.10" in said
    assert "with glibc 2.27" in said
    assert "a base with a newer C library could use one" in said
