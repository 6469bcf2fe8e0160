"""What is read of images of others: distributions, C libraries, packages, interpreters, CUDA; and of broken or hostile ones."""

import time

import pytest
from base_samples import CUDA_ENV, CUDA_IMAGE, ELF, debs, files

from shipway.core.base_facts import BaseFacts
from shipway.core.errors import HostileInput
from shipway.image.base_facts import read_facts


def read(contents, **env):
    return read_facts(files(contents), env)


def test_the_base_of_a_published_tutorial():
    facts = read(CUDA_IMAGE, **CUDA_ENV)
    assert (facts.distribution, facts.suite, facts.release) == ("ubuntu", "jammy", "22.04")
    assert (facts.libc, facts.libc_version) == ("glibc", "2.35")
    assert (facts.cuda, facts.cudnn) == ("12.2.2", "8.9.6")
    assert facts.origin("cuda") == "the package cuda-cudart-12-2 12.2.140-1 and the variable CUDA_VERSION"
    assert facts.origin("cudnn") == "the package libcudnn8 8.9.6.50-1+cuda12.2"
    [python] = facts.pythons
    assert (python.version, python.executable, python.minor) == ("3.10.12", "/usr/bin/python3.10", "3.10")
    assert python.packages == (("pip", "22.0.2"),)
    assert facts.on_search_path == ()
    assert ("libc6", "2.35-0ubuntu3.4", "amd64") in facts.debs


def test_an_empty_image_says_nothing():
    assert read({}) == BaseFacts()


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        ({"/var/lib/dpkg/status": debs("libc6 2.36-9+deb12u14")}, ("glibc", "2.36")),
        ({"/var/lib/dpkg/status.d/libc6": debs("libc6 1:2.31-13").replace("Status: install ok installed\n", "")}, ("glibc", "2.31")),
        ({"/lib64/libc.so.6": "-> libc-2.17.so", "/lib64/libc-2.17.so": ELF}, ("glibc", "2.17")),
        ({"/usr/lib/aarch64-linux-gnu/libc.so.6": ELF + "\0GNU C Library (GNU libc) stable release version 2.39.\0"}, ("glibc", "2.39")),
        ({"/usr/lib64/libc.so.6": ELF + "\0GNU C Library (Ubuntu GLIBC 2.35-0ubuntu3) stable release version 2.35.\0"}, ("glibc", "2.35")),
        ({"/lib/ld-musl-x86_64.so.1": ELF, "/lib/apk/db/installed": "C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\n\nP:busybox\nV:1.36\n"}, ("musl", "1.2.5")),
        ({"/lib/ld-musl-aarch64.so.1": ELF + "\x001.2.4\0"}, ("musl", "1.2.4")),
        ({"/lib/ld-musl-aarch64.so.1": ELF}, ("musl", "")),
        ({"/var/lib/dpkg/status": debs("libc6 2.36-9", "musl 1.2.3-1"), "/lib/ld-musl-x86_64.so.1": ELF}, ("glibc", "2.36")),
        ({"/lib/libc.so.6": ELF + "of another kind", "/lib/ld-musl-x86_64.so.1": ELF}, ("musl", "")),
        ({"/lib/ld-musl-x86_64.so.1": "-> /nowhere"}, ("", "")),
        ({"/lib/libc.so.6": "-> /nowhere"}, ("", "")),
    ],
)  # fmt: skip
def test_the_c_library(contents, found):
    facts = read(contents)
    assert (facts.libc, facts.libc_version) == found
    assert bool(facts.origin("libc")) == bool(found[0])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ID=alpine\nVERSION_ID=3.20.1\n", ("alpine", "", "3.20.1")),
        ("ID='rocky'\nVERSION_ID=\"9.4\"\n", ("rocky", "", "9.4")),
        ('ID="a b"\nVERSION_ID=$(rm)\nVERSION_CODENAME=\x1b[2J\n', ("", "", "")),
        ("# ID=x\nNAME=ID=y\n", ("", "", "")),
    ],
)
def test_what_the_image_calls_itself(text, found):
    facts = read({"/etc/os-release": text})
    assert (facts.distribution, facts.suite, facts.release) == found


def test_only_installed_packages_count():
    status = debs("a 1", "b 2") + debs("c 3").replace("installed", "config-files").replace(
        "install ok", "deinstall ok"
    )
    status += debs("d 4").replace("ok installed", "ok triggers-pending")
    assert [name for name, _, _ in read({"/var/lib/dpkg/status": status}).debs] == ["a", "b", "d"]


def test_packages_of_distroless_images():
    folder = "/var/lib/dpkg/status.d"
    one = "Package: base-files\nVersion: 12.4+deb12u5\nArchitecture: amd64\nDescription: x\n"
    facts = read({f"{folder}/base-files": one, f"{folder}/base-files.md5sums": "00  etc/x\n"})
    assert facts.debs == (("base-files", "12.4+deb12u5", "amd64"),)


@pytest.mark.parametrize(
    "status", ["Package: a\nVersion: 1 2\nArchitecture: amd64\n", "Package: ../a\nVersion: 1\nArchitecture: amd64\n", "Package: a\n"]
)  # fmt: skip
def test_a_list_of_packages_that_dpkg_never_wrote_is_refused(status):
    with pytest.raises(HostileInput, match="list of Debian packages"):
        read({"/var/lib/dpkg/status": status})


PYTHON = {"/usr/local/bin/python3": "-> python3.11", "/usr/local/bin/python3.11": ELF}
SITE = "/usr/local/lib/python3.11/site-packages"


@pytest.mark.parametrize(
    ("contents", "env", "version"),
    [
        (
            {
                "/usr/local/include/python3.11/patchlevel.h": '/* x */\n#define PY_VERSION             "3.11.9"\n'
            },
            {},
            "3.11.9",
        ),
        ({}, {"PYTHON_VERSION": "3.11.4"}, "3.11.4"),
        ({}, {"PYTHON_VERSION": "3.12.1"}, "3.11"),
        ({"/usr/local/conda-meta/python-3.11.7-hab00c5b_0_cpython.json": "{}"}, {}, "3.11.7"),
        ({"/var/lib/dpkg/status": debs("python3.11 3.11.2-6")}, {}, "3.11"),
    ],
)
def test_the_exact_version_of_an_interpreter(contents, env, version):
    [python] = read(PYTHON | contents, **env).pythons
    assert (python.version, python.executable) == (version, "/usr/local/bin/python3.11")


def test_the_version_of_alpines_interpreter():
    apk = "P:python3\nV:3.12.3-r1\n\n"
    [python] = read(
        {"/usr/bin/python3": "-> python3.12", "/usr/bin/python3.12": ELF, "/lib/apk/db/installed": apk}
    ).pythons
    assert python.version == "3.12.3"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("numpy-1.26.4.dist-info/METADATA", "", [("numpy", "1.26.4")]),
        ("Typing_Extensions-4.9.0.dist-info/METADATA", "", [("typing-extensions", "4.9.0")]),
        ("zope.interface-6.0-py3.11-linux-x86_64.egg/EGG-INFO/PKG-INFO", "", [("zope-interface", "6.0")]),
        ("PyGObject-3.42.2.egg-info", "", [("pygobject", "3.42.2")]),
        ("six-1.16.0-py3.11.egg-info/PKG-INFO", "", [("six", "1.16.0")]),
        ("mypkg.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: mypkg\nVersion: 0.3\n", [("mypkg", "0.3")]),
        ("torch-2.5.1+cu124.dist-info/METADATA", "", [("torch", "2.5.1+cu124")]),
        ("mypkg.egg-info/other", "", []),
        ("-1.dist-info/METADATA", "", []),
        ("x\x1b[2J-1.dist-info/METADATA", "", []),
        ("numpy/__init__.py", "", []),
    ],
)
def test_distributions_by_their_names(name, text, found):
    [python] = read(PYTHON | {f"{SITE}/{name}": text}).pythons
    assert python.packages == tuple(found)


def test_the_interpreter_of_path_comes_first_and_each_once():
    contents = PYTHON | {
        "/bin": "-> usr/bin",
        "/usr/bin/python3": "-> python3.12",
        "/usr/bin/python3.12": ELF,
        "/usr/bin/python3.9": ELF,
        "/usr/bin/python3.13t": ELF,
        "/usr/bin/python": "-> /etc/alternatives/python",
        "/etc/alternatives/python": "-> /usr/bin/python3.12",
        "/opt/conda/bin/python": "-> python3.10",
        "/opt/conda/bin/python3": "-> python3.10",
        "/opt/conda/bin/python3.10": ELF,
        "/opt/shims/bin/python3": "#!/bin/sh\nexec python3.12\n",
        "/opt/pypy/bin/python3": "-> pypy3.10",
        "/opt/pypy/bin/pypy3.10": ELF,
    }
    usual = [python.executable for python in read(contents).pythons]
    assert usual == [
        "/usr/local/bin/python3.11",
        "/usr/bin/python3.12",
        "/usr/bin/python3.9",
        "/opt/conda/bin/python3.10",
    ]
    conda = [python.executable for python in read(contents, PATH="/opt/conda/bin:relative:/usr/bin").pythons]
    assert conda[:2] == ["/opt/conda/bin/python3.10", "/usr/bin/python3.12"]
    assert sorted(conda) == sorted(usual)


def test_where_each_interpreter_looks():
    """Debian's own has `dist-packages` and not what pip of another one in /usr/local installed; and the first of two wins."""
    contents = PYTHON | {
        "/usr/bin/python3.11": ELF,
        f"{SITE}/ours-1.dist-info/METADATA": "",
        "/usr/local/lib/python3.11/dist-packages/both-2.dist-info/METADATA": "",
        "/usr/lib/python3/dist-packages/both-1.dist-info/METADATA": "",
        "/usr/lib/python3/dist-packages/theirs-1.dist-info/METADATA": "",
    }
    packages = {python.executable: python.packages for python in read(contents).pythons}
    assert packages["/usr/local/bin/python3.11"] == (("ours", "1"),)
    assert packages["/usr/bin/python3.11"] == (("both", "2"), ("theirs", "1"))


@pytest.mark.parametrize(
    ("seen", "packages"), [("false", [("own", "1")]), ("true", [("below", "1"), ("own", "1")])]
)
def test_a_virtual_environment(seen, packages):
    contents = PYTHON | {
        "/app/.venv/bin/python": "-> /usr/local/bin/python3",
        "/app/.venv/bin/python3": "-> python",
        "/app/.venv/pyvenv.cfg": f"home = /usr/local/bin\ninclude-system-site-packages = {seen}\nversion = 3.11.4\n",
        "/app/.venv/lib/python3.11/site-packages/own-1.dist-info/METADATA": "",
        f"{SITE}/own-0.dist-info/METADATA": "",
        f"{SITE}/below-1.dist-info/METADATA": "",
    }
    environment, interpreter = read(contents, PATH="/app/.venv/bin:/usr/local/bin").pythons
    assert (environment.executable, environment.home) == (
        "/app/.venv/bin/python3",
        "/usr/local/bin/python3.11",
    )
    assert environment.packages == tuple(packages)
    assert (interpreter.executable, interpreter.home) == ("/usr/local/bin/python3.11", "")


def test_an_environment_with_a_copy_of_its_interpreter():
    contents = PYTHON | {
        "/venv/bin/python3": ELF,
        "/venv/lib/python3.11/site-packages/own-1.dist-info/METADATA": "",
        "/venv/pyvenv.cfg": "home = /usr/local/bin\n",
    }
    environment = read(contents, PATH="/venv/bin").pythons[0]
    assert (environment.executable, environment.home) == ("/venv/bin/python3", "/usr/local/bin/python3.11")


JSON = '{\n   "cuda" : {\n      "name" : "CUDA SDK",\n      "version" : "%s"\n   }\n}\n'


@pytest.mark.parametrize(
    ("contents", "env", "cuda"),
    [
        ({"/usr/local/cuda/version.json": JSON % "13.0.3"}, {}, "13.0.3"),
        ({"/usr/local/cuda-12.2/version.json": JSON % "12.2.20230823"}, {}, "12.2"),
        ({"/usr/local/cuda-12.2/version.json": JSON % "12.2.20230823"}, {"CUDA_VERSION": "12.2.2"}, "12.2.2"),
        ({"/usr/local/cuda/version.json": JSON % "11.8.0"}, {"CUDA_VERSION": "12.2.2"}, "11.8.0"),
        ({"/usr/local/cuda/version.txt": "CUDA Version 10.1.243\n"}, {}, "10.1.243"),
        ({"/usr/local/cuda/version.json": '{"cuda": ["version"]}'}, {}, ""),
        ({"/usr/local/cuda/version.json": "[" * 60000}, {}, ""),
        ({"/var/lib/dpkg/status": debs("cuda-cudart-12-4 12.4.127-1")}, {}, "12.4"),
        ({"/var/lib/dpkg/status": debs("nvidia-cuda-toolkit 11.8.89~11.8.0-5~deb12u1")}, {}, "11.8.0"),
        ({"/var/lib/dpkg/status": debs("libcudart12 12.0.146~12.0.1-4build4")}, {}, "12.0.1"),
        ({}, {"CUDA_VERSION": "12.4.1.003"}, "12.4.1"),
        ({}, {"CUDA_VERSION": "yes"}, ""),
    ],
)
def test_cuda(contents, env, cuda):
    facts = read(contents, **env)
    assert facts.cuda == cuda
    assert bool(facts.origin("cuda")) == bool(cuda)


HEADER = "#define CUDNN_MAJOR 9\n#define CUDNN_MINOR 1\n#define CUDNN_PATCHLEVEL 0\n#define CUDNN_VERSION (CUDNN_MAJOR * 10000)\n"


@pytest.mark.parametrize(
    ("contents", "env", "cudnn"),
    [
        ({"/var/lib/dpkg/status": debs("libcudnn9-cuda-12 9.1.0.70-1")}, {}, "9.1.0"),
        ({"/var/lib/dpkg/status": debs("nvidia-cudnn 8.9.2.26~cuda12+3")}, {}, "8.9.2"),
        ({"/var/lib/dpkg/status": debs("libcudnn8-dev 8.9.2.26-1")}, {}, ""),
        (
            {"/usr/include/cudnn_version.h": "-> /etc/alternatives/h", "/etc/alternatives/h": HEADER},
            {},
            "9.1.0",
        ),
        ({"/usr/lib/x86_64-linux-gnu/libcudnn.so.8.9.6": ELF}, {}, "8.9.6"),
        ({}, {"CUDNN_VERSION": "9.1.0.70"}, "9.1.0"),
        ({}, {}, ""),
    ],
)
def test_cudnn(contents, env, cudnn):
    facts = read(contents, **env)
    assert facts.cudnn == cudnn
    assert bool(facts.origin("cudnn")) == bool(cudnn)


def test_what_the_search_path_shows():
    contents = CUDA_IMAGE | {"/usr/local/cuda-12.2/targets/x86_64-linux/lib/libz.so.1": ELF}
    path = "/usr/local/nvidia/lib:/usr/local/cuda/lib64::relative"
    assert read(contents, LD_LIBRARY_PATH=path).on_search_path == (
        "/usr/local/cuda/lib64/libcudart.so.12",
        "/usr/local/cuda/lib64/libcudart.so.12.2.140",
    )


def test_many_interpreters_over_one_large_folder():
    """Each reads the same packages: they are read once."""
    site = {f"/all/p{number}.egg-info": "Version: 1" for number in range(5_000)}
    many = {f"/usr/local/bin/python3.{number}": ELF for number in range(100)}
    links = {f"/usr/local/lib/python3.{number}/site-packages": "-> /all" for number in range(100)}
    began = time.process_time()
    facts = read(site | many | links)
    assert time.process_time() - began < 10
    assert len(facts.pythons) == 64
    assert {len(python.packages) for python in facts.pythons} == {5_000}


@pytest.mark.parametrize("variable", ["PATH", "LD_LIBRARY_PATH"])
def test_a_path_that_names_one_large_folder_in_many_ways(variable):
    """Each way is another text; the folder is gone through once. Bound in the processor's time, as below."""
    contents = {f"/usr/bin/tool{number}": "" for number in range(20_000)} | PYTHON
    began = time.process_time()
    facts = read(contents, **{variable: ":".join("/usr/bin" + "/" * number for number in range(1, 600))})
    assert time.process_time() - began < 10
    assert len(facts.pythons) == 1


@pytest.mark.parametrize(
    "contents",
    [
        {"/lib/apk/db/installed": "P:x\n" * 300_000},
        {"/var/lib/dpkg/status": "\n" * 1_000_000},
        {"/var/lib/dpkg/status": "Description: " + " \t" * 1_000_000},
        {"/var/lib/dpkg/status": "Status: x\n \n" * 200_000},
        {"/usr/lib64/libc.so.6": ELF + "GNU C Library " * 300_000},
        {"/etc/os-release": 'ID="' * 20_000},
        PYTHON | {"/usr/local/pyvenv.cfg": "home = /" + "x" * 60_000 + " y"},
    ],
)
def test_texts_that_are_made_to_be_slow_are_not(contents):
    """Bound in the processor's time of this process: a quadratic reader would need minutes."""
    began = time.process_time()
    read(contents)
    assert time.process_time() - began < 10
