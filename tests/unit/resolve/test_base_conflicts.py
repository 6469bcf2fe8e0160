"""What a base and the packages for it do to each other; every rule with what it says and with what it does not object to."""

import pytest

from shipway.core.base_facts import BaseFacts, FoundPython
from shipway.core.digest import BlobDigest
from shipway.core.errors import ConflictError, ExitCode
from shipway.lock.model import PythonLock, TargetLock, Wheel
from shipway.resolve.base_conflict import Kind, Level
from shipway.resolve.base_conflicts import facts_of_packages, find_conflicts, require_no_conflict

TUTORIAL = BaseFacts(
    distribution="ubuntu", suite="jammy", release="22.04", libc="glibc", libc_version="2.35",
    pythons=(FoundPython(version="3.10.12", executable="/usr/bin/python3.10"),),
    cuda="12.2.2", cudnn="8.9.6",
    origins=(
        ("libc", "the package libc6 2.35-0ubuntu3.4"), ("cuda", "the package cuda-cudart-12-2 12.2.140-1"),
        ("cudnn", "the package libcudnn8 8.9.6.50-1+cuda12.2"),
    ),
)  # fmt: skip
"""nvidia/cuda:12.2.2-cudnn8-devel-ubuntu22.04 with Ubuntu's Python, as `image.base_facts` reads it (test_base_facts)."""
PLAIN = BaseFacts(libc="glibc", libc_version="2.35", pythons=TUTORIAL.pythons)
ALPINE = BaseFacts(
    distribution="alpine", libc="musl", libc_version="1.2.5", origins=(("libc", "the package musl 1.2.5-r0"),)
)


def wheel(name, version, tag="py3-none-any"):
    filename = f"{name.replace('-', '_')}-{version}-{tag}.whl"
    return Wheel(name=name, version=version, filename=filename, sha256=BlobDigest.of(b""), size=1)


def nvidia(name, version):
    return wheel(f"nvidia-{name}", version, "py3-none-manylinux2014_x86_64")


def target(python="3.10", executable="/usr/bin/python3.10", **more):
    lock = PythonLock(version=python, executable=executable) if python else None
    return TargetLock(name="gpu", platform="linux/amd64", base="some/base:1", python=lock, **more)


def find(facts, *wheels, **more):
    return find_conflicts(facts, target(**more), wheels)


def kinds(conflicts):
    return [(one.kind, one.level) for one in conflicts]


JAX_LOCAL = (
    wheel("jax", "0.4.30"),
    wheel("jaxlib", "0.4.30", "cp310-cp310-manylinux2014_x86_64"),
    wheel("jax-cuda12-pjrt", "0.4.30", "py3-none-manylinux2014_x86_64"),
    wheel("jax-cuda12-plugin", "0.4.30", "cp310-cp310-manylinux2014_x86_64"),
)
"""`jax[cuda12_local]==0.4.30`"""
JAX_BUNDLED = (*JAX_LOCAL, nvidia("cuda-runtime-cu12", "12.9.79"), nvidia("cudnn-cu12", "9.10.2.21"))


def test_the_base_of_a_published_tutorial_is_refused_with_its_cudnn_and_the_way_out():
    """seed 002: cuDNN 8 in the base, `jax[cuda12_local]==0.4.30`, whose CUDA plugin asks for cuDNN 9."""
    [conflict] = find(TUTORIAL, *JAX_LOCAL)
    assert kinds([conflict]) == [(Kind.CUDNN, Level.ERROR)]
    with pytest.raises(ConflictError) as caught:
        require_no_conflict(target(), [conflict])
    assert caught.value.code == ExitCode.CONFLICT
    assert caught.value.message == (
        "the base `some/base:1` of target `gpu` and its packages do not go together\n"
        "  `jax-cuda12-plugin 0.4.30` needs cuDNN 9.0 or newer, below 10, and the base has 8.9.6 "
        "(`jax_cuda12_plugin-0.4.30-cp310-cp310-manylinux2014_x86_64.whl`, and the package libcudnn8 8.9.6.50-1+cuda12.2): "
        "the program stops, or runs without the GPU"
    )
    assert caught.value.hints == (
        "ask for `jax[cuda12]`, which brings CUDA and cuDNN as wheels, on a plain base such as `ubuntu:jammy`",
    )


def test_the_way_out_of_the_tutorial():
    assert find(PLAIN, *JAX_BUNDLED) == ()
    assert kinds(find(TUTORIAL, *JAX_BUNDLED)) == [(Kind.CUDA, Level.WARNING), (Kind.CUDNN, Level.WARNING)]


def facts_with(cuda="", cudnn=""):
    return BaseFacts(libc="glibc", libc_version="2.35", pythons=TUTORIAL.pythons, cuda=cuda, cudnn=cudnn)


@pytest.mark.parametrize(
    ("wheels", "cuda", "cudnn", "found"),
    [
        ([wheel("jax-cuda12-plugin", "0.4.28")], "12.2.2", "8.9.6", []),
        ([wheel("jax-cuda12-plugin", "0.4.28")], "12.2.2", "9.1.0", [(Kind.CUDNN, Level.ERROR)]),
        ([wheel("jax-cuda12-plugin", "0.4.29")], "12.2.2", "9.0.0", []),
        ([wheel("jax-cuda12-plugin", "0.4.31")], "12.2.2", "9.0.0", [(Kind.CUDNN, Level.ERROR)]),
        ([wheel("jax-cuda12-plugin", "0.7.0")], "12.8.1", "9.7.0", [(Kind.CUDNN, Level.ERROR)]),
        ([wheel("jax-cuda12-plugin", "0.7.0")], "12.8.1", "9.8.0", []),
        ([wheel("jax-cuda12-plugin", "0.7.0")], "11.8.0", "9.8.0", [(Kind.CUDA, Level.ERROR)]),
        ([wheel("jax-cuda12-plugin", "0.7.0")], "12.0.1", "9.8.0", [(Kind.CUDA, Level.ERROR)]),
        ([wheel("jax-cuda13-plugin", "0.9.0")], "12.8.1", "9.8.0", [(Kind.CUDA, Level.ERROR)]),
        ([wheel("jax-cuda12-plugin", "0.7.0")], "12.8.1", "", [(Kind.CUDNN, Level.ERROR)]),
        ([wheel("jax-cuda12-plugin", "0.7.0")], "", "", [(Kind.CUDA, Level.WARNING)]),
        ([wheel("jaxlib", "0.4.25+cuda12.cudnn89")], "12.2.2", "8.9.6", []),
        ([wheel("jaxlib", "0.4.29+cuda12.cudnn91")], "12.2.2", "8.9.6", [(Kind.CUDNN, Level.ERROR)]),
        ([wheel("jaxlib", "0.4.30")], "12.2.2", "8.9.6", []),
        ([wheel("tensorflow", "2.19.0")], "", "", []),
        ([wheel("tensorflow", "2.19.0")], "12.5.1", "9.3.0", []),
        ([wheel("tensorflow", "2.19.0")], "12.2.2", "8.9.6", [(Kind.CUDNN, Level.WARNING)]),
        ([wheel("tensorflow", "2.14.0")], "12.2.2", "8.9.6", [(Kind.CUDA, Level.WARNING)]),
        ([wheel("tensorflow", "1.15.5")], "12.2.2", "8.9.6", []),
        ([wheel("numpy", "2.0.0")], "12.2.2", "8.9.6", []),
    ],
)
def test_frameworks_that_take_cuda_of_the_base(wheels, cuda, cudnn, found):
    assert kinds(find(facts_with(cuda, cudnn), *wheels)) == found


def test_cuda_that_comes_twice_in_other_versions():
    torch = (
        wheel("torch", "2.6.0"),
        nvidia("cuda-runtime-cu12", "12.4.127"),
        nvidia("cudnn-cu12", "9.1.0.70"),
    )
    cuda, cudnn = find(facts_with("11.8.0", "9.1.0"), *torch)
    assert cuda.what == "CUDA is there twice: 11.8.0 in the base and 12.4.127 in `nvidia-cuda-runtime-cu12`"
    assert "compiled with the base's meets the other" in cuda.consequence
    assert "unless the project compiles CUDA code" in cuda.remedy
    assert cudnn.consequence == "the image is larger by all of it"


def test_cuda_of_newer_wheels_whose_names_say_no_version():
    wheels = (wheel("torch", "2.15.0"), nvidia("cuda-runtime", "13.2.75"), nvidia("cudnn-cu13", "9.26.0.51"))
    assert kinds(find(facts_with("12.8.1"), *wheels)) == [(Kind.CUDA, Level.WARNING)]


def on_path(*paths, cuda="12.2.2", cudnn=""):
    return BaseFacts(libc="glibc", libc_version="2.35", cuda=cuda, cudnn=cudnn, on_search_path=paths)


@pytest.mark.parametrize(
    ("facts", "wheels", "level"),
    [
        (on_path("/x/libcudnn.so.9", cudnn="9.1.0"), [nvidia("cudnn-cu12", "9.8.0.87")], Level.ERROR),
        (on_path("/x/libcudnn.so.9", cudnn="9.8.1"), [nvidia("cudnn-cu12", "9.8.0.87")], Level.WARNING),
        (on_path("/x/libcudnn.so.9"), [nvidia("cudnn-cu12", "9.8.0.87")], Level.WARNING),
        (on_path("/x/libcudnn.so.9.1.0"), [nvidia("cudnn-cu12", "9.8.0.87")], Level.ERROR),
        (on_path("/x/libcudnn.so.8", cudnn="8.9.6"), [nvidia("cudnn-cu12", "9.8.0.87")], None),
        (on_path("/x/libcublas.so.12"), [nvidia("cublas-cu12", "12.9.1.4"), nvidia("cuda-runtime-cu12", "12.9.79")], Level.ERROR),
        (on_path("/x/libcufft.so.11"), [nvidia("cufft-cu12", "11.4.1.4"), nvidia("cuda-runtime-cu12", "12.9.79")], Level.ERROR),
        (on_path("/x/libcufft.so.11"), [nvidia("cufft", "12.0.0.61"), nvidia("cuda-runtime", "13.0.96")], None),
        (on_path("/x/libcublas.so.12"), [nvidia("cuda-runtime-cu12", "12.9.79")], None),
        (on_path("/x/libnccl.so.2", "/x/libnccl.so.2.18.3"), [nvidia("nccl-cu12", "2.21.5")], Level.ERROR),
        (on_path("/x/libnccl.so.2"), [nvidia("nccl-cu12", "2.21.5")], Level.WARNING),
        (on_path("/x/libcudart.so.12"), [wheel("numpy", "2.0.0")], None),
    ],
)  # fmt: skip
def test_a_search_path_that_hides_libraries_of_wheels(facts, wheels, level):
    found = [one for one in find(facts, *wheels) if one.kind is Kind.SEARCH_PATH]
    assert [one.level for one in found] == ([level] if level else [])
    assert [
        one for one in find(facts, *wheels, env=(("LD_LIBRARY_PATH", ""),)) if one.kind is Kind.SEARCH_PATH
    ] == []


def test_what_is_said_of_a_hidden_library():
    facts = on_path("/usr/local/cuda/lib64/libnccl.so.2", "/usr/local/cuda/lib64/libnccl.so.2.18.3", cuda="")
    [one] = find(facts, nvidia("nccl-cu12", "2.21.5"))
    assert (
        one.what
        == "LD_LIBRARY_PATH of the base hides `nvidia-nccl-cu12 2.21.5` behind an older copy, of 2.18.3"
    )
    assert one.where == "`/usr/local/cuda/lib64/libnccl.so.2.18.3` and 1 more"
    assert one.remedy == 'set `LD_LIBRARY_PATH = ""` under `[env]`, or take a plain base'


@pytest.mark.parametrize(
    ("tag", "glibc", "refused"),
    [
        ("cp310-cp310-manylinux_2_28_x86_64", "2.27", True),
        ("cp310-cp310-manylinux_2_28_x86_64", "2.28", False),
        ("cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64", "2.17", False),
        ("cp310-cp310-manylinux_2_27_x86_64.manylinux_2_28_x86_64", "2.27", False),
        ("cp310-cp310-manylinux2014_x86_64", "2.16", True),
        ("cp310-cp310-manylinux1_x86_64", "2.5", False),
        ("py3-none-any", "2.5", False),
    ],
)
def test_a_c_library_that_is_too_old(tag, glibc, refused):
    facts = BaseFacts(libc="glibc", libc_version=glibc, origins=(("libc", "/lib64/libc.so.6"),))
    found = find(facts, wheel("numpy", "2.1.0", tag))
    assert kinds(found) == ([(Kind.LIBC, Level.ERROR)] if refused else [])
    assert all(f"the base has glibc {glibc}" in one.what and "/lib64/libc.so.6" in one.where for one in found)


@pytest.mark.parametrize("facts", [ALPINE, BaseFacts()])
def test_wheels_with_compiled_code_need_glibc(facts):
    [one] = find(
        facts,
        wheel("numpy", "2.1.0", "cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64"),
        wheel("six", "1"),
    )
    assert (one.kind, one.level) == (Kind.LIBC, Level.ERROR)
    assert ("musl 1.2.5" if facts.libc else "no C library") in one.what


@pytest.mark.parametrize(
    ("tag", "facts", "said"),
    [
        ("cp310-cp310-musllinux_1_2_x86_64", ALPINE, ""),
        ("cp310-cp310-musllinux_1_3_x86_64", ALPINE, "needs musl 1.3, the base has musl 1.2.5"),
        ("cp310-cp310-musllinux_1_1_x86_64", PLAIN, "needs musl 1.1, the base has glibc 2.35"),
        ("cp310-cp310-manylinux_2_17_x86_64.musllinux_1_1_x86_64", ALPINE, ""),
        ("cp310-cp310-manylinux_2_17_x86_64.musllinux_1_3_x86_64", ALPINE, "needs musl 1.3"),
    ],
)
def test_musl(tag, facts, said):
    found = find(facts, wheel("numpy", "2.1.0", tag))
    assert len(found) == bool(said)
    assert all(said in one.what for one in found)


def test_a_c_library_that_the_lock_brings_newer():
    old = BaseFacts(libc="glibc", libc_version="2.27", origins=(("cuda", "x"), ("libc", "/lib64/libc.so.6")))
    newer = wheel("numpy", "2.1.0", "cp310-cp310-manylinux_2_28_x86_64")
    assert find(old, newer, debs=("bash=5:amd64", "libc6=2.28-10+deb10u1:amd64")) == ()
    [one] = find(old, wheel("x", "1", "cp310-cp310-manylinux_2_31_x86_64"), debs=("libc6=2.28-10:amd64",))
    assert "the package libc6 2.28-10 of the lock" in one.where
    assert "the base has glibc 2.28" in one.what


@pytest.mark.parametrize(
    ("facts", "libc", "fits"),
    [
        (PLAIN, "gnu", True),
        (PLAIN, "musl", False),
        (ALPINE, "gnu", False),
        (ALPINE, "musl", True),
        (BaseFacts(), "gnu", False),
        (BaseFacts(libc="glibc", libc_version="2.12"), "gnu", False),
    ],
)
def test_an_interpreter_of_its_own_needs_its_c_library(facts, libc, fits):
    filename = f"cpython-3.12.7-20241016-x86_64-unknown-linux-{libc}-install_only_stripped.tar.gz"
    lock = PythonLock(
        version="3.12", executable="/opt/python/bin/python3.12", origin="standalone", filename=filename
    )
    whole = TargetLock(name="cpu", platform="linux/amd64", base="b", python=lock)
    assert kinds(find_conflicts(facts, whole, ())) == ([] if fits else [(Kind.PYTHON, Level.ERROR)])


def test_another_interpreter_than_the_lock_says():
    [one] = find(PLAIN, python="3.11")
    assert (one.kind, one.level) == (Kind.PYTHON, Level.ERROR)
    assert one.what == "the lock says Python 3.11, the base has 3.10"
    assert find(PLAIN, python="3.11", executable="/usr/bin/python3.11") == ()


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("cp310-cp310-manylinux2014_x86_64", True), ("cp311-cp311-manylinux2014_x86_64", False), ("cp39-cp39-manylinux2014_x86_64", False),
        ("cp38-abi3-manylinux2014_x86_64", True), ("cp311-abi3-manylinux2014_x86_64", False), ("py3-none-any", True), ("py2.py3-none-any", True),
        ("py2-none-any", False), ("py39-none-any", True), ("py311-none-any", False), ("pp310-pypy310_pp73-manylinux2014_x86_64", False),
        ("cp39.cp310-cp39.cp310-manylinux2014_x86_64", True),
    ],
)  # fmt: skip
def test_wheels_of_another_python(tag, fits):
    found = find(PLAIN, wheel("thing", "1.0", tag))
    assert kinds(found) == ([] if fits else [(Kind.PYTHON, Level.ERROR)])
    assert find(PLAIN, wheel("thing", "1.0", tag), python="") == ()


TORCH_IMAGE = BaseFacts(
    libc="glibc", libc_version="2.35",
    pythons=(
        FoundPython(version="3.11.10", executable="/opt/conda/bin/python3.11", packages=(("numpy", "1.26.4"), ("torch", "2.5.1+cu124"))),
        FoundPython(version="3.10.12", executable="/usr/bin/python3.10"),
    ),
)  # fmt: skip
CONDA = {"python": "3.11", "executable": "/opt/conda/bin/python3.11"}


def test_packages_of_the_base_that_the_target_sees_in_other_versions():
    [one] = find(TORCH_IMAGE, wheel("numpy", "2.1.0"), wheel("six", "1"), **CONDA, system_site_packages=True)
    assert (one.kind, one.level) == (Kind.PACKAGES, Level.WARNING)
    assert "`numpy` 1.26.4 and 2.1.0" in one.what
    assert find(TORCH_IMAGE, wheel("numpy", "1.26.4"), **CONDA, system_site_packages=True) == ()


@pytest.mark.parametrize(
    ("words", "why", "remedy"),
    [
        (CONDA, "`system-site-packages` is not set", "system-site-packages = true"),
        ({}, "the target has Python 3.10 at `/usr/bin/python3.10`", 'python = "3.11"'),
        ({"system_site_packages": True}, "the target has Python 3.10", 'python = "3.11"'),
    ],
)
def test_a_framework_of_the_base_that_the_target_does_not_see(words, why, remedy):
    """Who takes an image for its torch must hear that it is not the torch that runs."""
    [one] = find(TORCH_IMAGE, **words)
    assert (one.kind, one.level) == (Kind.PACKAGES, Level.WARNING)
    assert "do not see `torch 2.5.1+cu124` of the base" in one.what
    assert why in one.what
    assert remedy in one.remedy
    [again] = find(TORCH_IMAGE, wheel("torch", "2.6.0"), **words)
    assert again.remedy == "take a plain base, for the lock has them"


def test_a_framework_in_an_environment_of_the_base():
    interpreter = FoundPython(version="3.11.4", executable="/usr/local/bin/python3.11")
    inner = FoundPython(
        version="3.11.4",
        executable="/opt/venv/bin/python3",
        home=interpreter.executable,
        packages=(("torch", "2.5.1"),),
    )
    facts = BaseFacts(libc="glibc", libc_version="2.36", pythons=(inner, interpreter))
    for seen in (False, True):
        [one] = find(facts, python="3.11", executable=interpreter.executable, system_site_packages=seen)
        assert "they are in an environment of the base" in one.what
        assert one.where == "the packages of `/opt/venv/bin/python3`"


def test_a_target_without_python_has_nothing_to_hear():
    assert find(TORCH_IMAGE, python="") == find(ALPINE, python="") == find(TUTORIAL, python="") == ()


def test_a_system_of_packages_is_looked_at_as_well():
    """A plain base brings no CUDA, or the distribution's own."""
    plain = target(debs=("libc6=2.36-9+deb12u14:amd64", "python3.10=3.10.12-1:amd64"))
    [one] = find_conflicts(facts_of_packages(plain), plain, JAX_LOCAL)
    assert (one.kind, one.level) == (Kind.CUDA, Level.WARNING)
    assert (
        one.what == "`jax-cuda12-plugin 0.4.30` takes CUDA and cuDNN from the system, and the base has none"
    )
    assert find_conflicts(facts_of_packages(plain), plain, JAX_BUNDLED) == ()
    own = target(
        debs=(
            "libc6=2.36-9:amd64",
            "libcudart11.0=11.8.89~11.8.0-5:amd64",
            "nvidia-cudnn=8.9.2.26~cuda12+3:amd64",
        )
    )
    facts = facts_of_packages(own)
    assert (facts.cuda, facts.cudnn) == ("11.8.0", "8.9.2")
    assert kinds(find_conflicts(facts, own, JAX_LOCAL)) == [
        (Kind.CUDA, Level.ERROR),
        (Kind.CUDNN, Level.ERROR),
    ]
    assert kinds(find_conflicts(facts, own, JAX_BUNDLED)) == [
        (Kind.CUDA, Level.WARNING),
        (Kind.CUDNN, Level.WARNING),
    ]


def test_errors_come_first_and_warnings_are_given_back():
    found = find(TUTORIAL, *JAX_LOCAL, nvidia("cuda-runtime-cu12", "12.9.79"))
    assert [one.level for one in found] == [Level.ERROR, Level.WARNING]
    warnings = found[1:]
    assert require_no_conflict(target(), warnings) == warnings


def test_the_order_of_wheels_does_not_matter():
    wheels = [*JAX_LOCAL, nvidia("cuda-runtime-cu12", "12.9.79"), wheel("tensorflow", "2.19.0")]
    assert find(TUTORIAL, *wheels) == find(TUTORIAL, *reversed(wheels))
