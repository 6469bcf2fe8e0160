"""Dockerfiles of tutorials and of habit: what each line becomes in a spec, and everything that is wrong in it."""

from __future__ import annotations

import tomllib

import pytest

from shipway.core.errors import SpecError
from shipway.spec.dockerfile.convert import Around, import_dockerfile
from shipway.spec.dockerfile.near import find_mounts, is_nearly, is_wanted_beside
from shipway.spec.dockerfile.parse import parse_dockerfile
from shipway.spec.dockerfile.report import without_secrets
from shipway.spec.parse import parse_spec

FIRST = """\
FROM ubuntu
RUN apt-get update
RUN apt-get install -y python
RUN apt-get install -y python-pip
RUN pip install --upgrade pip
RUN pip install tensorflow
RUN pip install sklearn
CMD ["echo","Image created successfully"]
"""
"""The example of a page about containers, as it stands there."""

SECOND = """\
# syntax=docker/dockerfile:1

FROM nvidia/cuda:12.2.2-cudnn8-devel-ubuntu22.04
LABEL maintainer="somebody@example.org"

COPY ./requirements.txt /requirements.txt

WORKDIR /docker-practice
ENV PYTHONPATH=/docker-practice:/docker-practice/src

# ubuntu dependencies
RUN --mount=type=cache,target=/var/cache/apt \\
apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes \\
    build-essential \\
    python3-pip

# install python dependencies
RUN pip install -r /requirements.txt \\
&& rm -f /requirements.txt

CMD ["/bin/bash"]
"""
MAKEFILE = """\
IMAGE_NAME := docker_practice

docker-run :
\tdocker run --gpus all -dt -v "$(shell pwd)":"/${IMAGE_NAME}" --name ${IMAGE_NAME} ${IMAGE_NAME}:latest /bin/bash
"""


def read(text, files=None, **around):
    """Import, and parse what came out: the text must be a spec."""
    names = None if files is None else tuple(files)
    imported = import_dockerfile(parse_dockerfile(text), Around(name="demo", names=names, **around))
    spec = parse_spec(imported.text, {**(files or {})}, folder="demo").spec
    return imported, spec


def said(imported, outcome, line=None):
    return [
        it.what
        for one in imported.lines
        for it in one.findings
        if it.outcome == outcome and line in (None, one.line)
    ]


def wrong(imported, line=None):
    return said(imported, "wrong", line)


def has(sentences, part):
    return any(part in it for it in sentences)


def test_the_first_tutorials_dockerfile_with_all_that_is_wrong_in_it():
    imported, spec = read(FIRST)
    target = spec.target()
    assert (str(target.base), target.python) == ("ubuntu:noble", "3.12")
    assert [wish.text for wish in target.pip] == ["pip", "tensorflow", "scikit-learn"]
    assert target.apt == ()
    assert target.command == ("echo", "Image created successfully")
    assert has(wrong(imported, 1), "no tag")
    assert has(wrong(imported, 1), "no USER")
    assert has(wrong(imported, 2), "index is updated in a step of its own")
    assert has(wrong(imported, 3), "`python` was Python 2")
    assert has(wrong(imported, 3), "--no-install-recommends")
    assert has(wrong(imported, 4), "`python-pip` was Python 2")
    assert has(wrong(imported, 4), "a layer for each install: lines 3, 4")
    assert has(wrong(imported, 5), "`pip` is installed for installing's sake")
    assert has(wrong(imported, 6), "`tensorflow` has no version")
    assert has(wrong(imported, 7), "`sklearn` is not the package that is meant")
    assert has(wrong(imported, 7), "a layer for each install: lines 6, 7")
    assert "# Dockerfile:7: pip installs it" in imported.text
    assert [line.line for line in imported.lines] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert all(line.findings for line in imported.lines)


def test_the_second_tutorials_dockerfile_whose_working_directory_is_one_character_off_the_mount():
    files = {"requirements.txt": "jax==0.4.30\n", "src/example.py": "import jax\n"}
    imported, spec = read(SECOND, files, mounts=find_mounts({"Makefile": MAKEFILE}))
    target = spec.target()
    assert (str(target.base), target.workdir) == ("ubuntu:jammy", "/docker-practice")
    assert [wish.text for wish in target.pip] == ["pip", "jax==0.4.30"], (
        "`pip install` is typed in its container"
    )
    assert [wish.text for wish in target.apt] == ["build-essential"]
    assert dict(target.env) == {"PYTHONPATH": "/docker-practice:/docker-practice/src"}
    assert target.command == ()
    assert has(wrong(imported, 8), "Makefile:4 mounts the project at `/docker_practice`")
    assert has(wrong(imported, 3), "CUDA comes with the base and again with the wheels")
    assert has(wrong(imported, 3), "`devel`")
    assert not has(wrong(imported), "index is updated")
    assert not has(wrong(imported), "a layer for each install")
    assert "[[build]]" not in imported.text


def test_the_third_ones_from_with_an_equals_sign():
    text = "ARG baseimage\nFROM=${baseimage}\n"
    imported, spec = read(text)
    assert str(spec.target().base) == "debian:bookworm"
    assert has(wrong(imported, 2), "`FROM=` is no instruction")
    assert has(wrong(imported, 2), "names no image")
    imported, spec = read(text, arguments={"baseimage": "nvidia/cuda:11.8.0-devel-ubuntu22.04"})
    assert str(spec.target().base) == "ubuntu:jammy"


@pytest.mark.parametrize(
    ("image", "base", "python", "fault"),
    [
        ("debian:bookworm-slim", "debian:bookworm", "", "not pinned by digest"),
        ("debian:12.5", "debian:bookworm", "", "not pinned"),
        ("library/ubuntu:22.04", "ubuntu:jammy", "", "not pinned"),
        ("ubuntu:latest", "ubuntu:noble", "", "`latest`"),
        ("ubuntu:18.04", "ubuntu:noble", "", "no release of ubuntu that shipway can build"),
        ("debian@sha256:" + "a" * 64, "debian:bookworm", "", ""),
        ("python:3.11-slim-bookworm", "debian:bookworm", "3.11", "not pinned"),
        ("python:3.12.4", "debian:bookworm", "3.12.4", "not pinned"),
        ("python:3.10-alpine", "debian:bookworm", "3.10", "musl"),
        ("python", "debian:bookworm", "3.11", "the version of Python is not said"),
        ("nvidia/cuda:12.4.1-runtime-ubuntu22.04", "ubuntu:jammy", "", "again with the wheels"),
        ("nvidia/cuda:12.4.1-base-rockylinux9", "ubuntu:noble", "", "again with the wheels"),
        ("continuumio/miniconda3", "debian:bookworm", "", "no tag"),
    ],
)
def test_images_become_bases(image, base, python, fault):
    imported, spec = read(f"FROM {image}\nUSER me\n")
    target = spec.target()
    assert (str(target.base), target.python) == (base, python)
    assert has(wrong(imported, 1), fault) if fault else not wrong(imported)


def test_images_of_frameworks_become_packages():
    _, spec = read("FROM pytorch/pytorch:2.5.1-cuda12.4-cudnn9-devel\n")
    assert [wish.text for wish in spec.target().pip] == ["torch==2.5.1"]
    _, spec = read("FROM tensorflow/tensorflow:2.15.0-gpu\n")
    assert [wish.text for wish in spec.target().pip] == ["tensorflow[and-cuda]==2.15.0"]


def draft(text, **around):
    """The import, and its document as it is written; which is a spec."""
    imported = import_dockerfile(parse_dockerfile(text), Around(name="demo", **around))
    parse_spec(imported.text, {}, folder="demo")
    return imported, tomllib.loads(imported.text)


def test_an_image_that_is_not_known_stays_as_it_is():
    imported, document = draft(
        "FROM registry.example.org/team/thing:1\nRUN pip install einops==0.8\nUSER me\n"
    )
    assert document["base"] == "registry.example.org/team/thing:1"
    assert document["system-site-packages"] is True
    assert "python" not in document
    assert has(wrong(imported, 1), "not pinned by digest")
    assert said(imported, "left") == []
    assert "held by digest in the lock" in imported.text


@pytest.mark.parametrize(
    ("image", "base", "left"),
    [
        ("team/thing:1", "team/thing:1", "names no registry"),
        ("julia:1.10", "docker://julia:1.10", "names no registry"),
        ("localhost/thing", "localhost/thing", ""),
        ("lab:5000/thing:2@sha256:" + "a" * 64, "lab:5000/thing:2@sha256:" + "a" * 64, ""),
        ("alpine:3.20", "debian:bookworm", "has no apt"),
        ("node:20-alpine", "debian:bookworm", "has no apt"),
        ("registry.example.org/distroless/java17", "debian:bookworm", "has no apt"),
        ("scratch", "debian:bookworm", "has no apt"),
    ],
)
def test_other_images(image, base, left):
    imported, document = draft(f"FROM {image}\nRUN apt-get update && apt-get install -y python3 git\n")
    assert document["base"] == base
    assert "system-site-packages" not in document
    assert has(said(imported, "left", 1), left) if left else said(imported, "left", 1) == []


def test_what_a_plain_base_is_taken_for_can_be_kept():
    imported, _ = draft("FROM alpine:3.20\n")
    steps = [it.why for line in imported.lines for it in line.findings if it.outcome == "left"]
    assert steps == [
        '`base = "docker://alpine:3.20"` keeps it for a target that needs neither `apt` nor `pip`'
    ]


CUDA_DEVEL = "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\n"


@pytest.mark.parametrize(
    ("rest", "names", "why"),
    [
        ("RUN pip install torch==2.6.0 flash-attn==2.7.4\n", None, "`flash-attn` in line 2"),
        (
            "RUN pip install git+https://git.example.org/NVlabs/nvdiffrast.git@v0.3.3\n",
            None,
            "`nvdiffrast.git` in line 2",
        ),
        ("ENV TORCH_CUDA_ARCH_LIST='8.0 8.6'\n", None, "`TORCH_CUDA_ARCH_LIST` in line 2"),
        ("RUN nvcc -o /usr/local/bin/tool tool.cu\n", None, "`nvcc` in line 2"),
        ("RUN apt-get update && apt-get install -y cuda-nvcc-12-4\n", None, "`cuda-nvcc-12-4` in line 2"),
        ("COPY . .\n", ("ops/kernel.cu", "setup.py"), "`ops/kernel.cu` in the project"),
    ],
)
def test_a_cuda_image_is_kept_by_who_compiles_cuda_code(rest, names, why):
    imported, document = draft(CUDA_DEVEL + rest, names=names)
    assert document["base"] == "nvidia/cuda:12.4.1-devel-ubuntu22.04"
    assert f"for CUDA code is compiled: {why}" in imported.text
    assert has(wrong(imported, 1), "again with wheels")
    assert not has(wrong(imported, 1), "`devel`")
    assert "system-site-packages" not in document
    steps = [it.why for line in imported.lines for it in line.findings if it.outcome == "wrong"]
    assert "the lock holds the image by digest" in steps
    assert has(steps, "choose wheels for CUDA 12.4;")


@pytest.mark.parametrize(
    "rest",
    [
        "RUN pip install torch==2.6.0 numpy\n",
        "# nvcc\nRUN echo cuda\n",
        "COPY cuda.py .\n",
        "RUN apt-get install -y libcudnn8\n",
    ],
)
def test_a_cuda_image_is_not_kept_for_less(rest):
    imported, document = draft(CUDA_DEVEL + rest, names=("train.py",))
    assert document["base"] == "ubuntu:jammy"
    steps = [it.why for line in imported.lines for it in line.findings if it.outcome == "wrong"]
    assert has(steps, '`base = "nvidia/cuda:12.4.1-devel-ubuntu22.04"`')


def test_compiling_needs_the_compiler():
    imported, _ = draft("FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN pip install flash-attn\n")
    assert has(wrong(imported, 1), "this image has no `nvcc`")


def test_a_framework_that_takes_cuda_of_the_image():
    """The second tutorial's own wish, after its way to a GPU; on a plain base its CUDA comes as wheels."""
    image = "FROM nvidia/cuda:12.2.2-cudnn8-devel-ubuntu22.04\n"
    imported, document = draft(image + "RUN pip install jax[cuda12_local]==0.4.30\n")
    assert (document["base"], document["pip"]) == ("ubuntu:jammy", ["jax[cuda12]==0.4.30"])
    assert has(wrong(imported, 1), "cuDNN 8 of the image")
    assert has(wrong(imported, 2), "takes CUDA and cuDNN from the image")
    _, kept = draft(image + "RUN nvcc a.cu && pip install jax[cuda12_local]==0.4.30\n")
    assert kept["pip"] == ["jax[cuda12-local]==0.4.30"]


def test_habits_of_apt():
    imported, spec = read(
        "FROM debian:12\nRUN apt-get update && sudo apt-get install --no-install-recommends -y git=1:2.39.5-0+deb12u2 \\\n"
        " libgl1 python3.11-dev && rm -rf /var/lib/apt/lists/*\nRUN apt-get -y upgrade\nRUN apt install vim\n"
    )
    target = spec.target()
    assert [wish.text for wish in target.apt] == ["git=1:2.39.5-0+deb12u2", "libgl1", "vim"]
    assert target.python == "3.11"
    assert wrong(imported, 2) == ["`sudo` in a build: the step is root already"]
    assert has(wrong(imported, 4), "depend on the day")
    assert has(wrong(imported, 5), "not told `-y`")


def test_habits_of_pip_and_indexes():
    imported, spec = read(
        "FROM python:3.11\nRUN pip3 install --no-cache-dir torch==2.4.0 torchvision --index-url https://wheels.example.org/whl/cpu\n"
        "RUN python -m pip install 'numpy>=1,<3' jax[cuda12]==0.4.30 git+https://git.example.org/a/tool.git@v1 --trusted-host x\n"
        "RUN uv pip install --system cv2\n"
    )
    target = spec.target()
    assert [wish.text for wish in target.pip] == [
        "torch==2.4.0",
        "torchvision",
        "numpy<3,>=1",
        "jax[cuda12]==0.4.30",
        "tool @ git+https://git.example.org/a/tool.git@v1",
        "opencv-python-headless",
    ]
    assert [(it.alias, it.url, it.packages) for it in spec.indexes] == [
        ("wheels-example-org-whl-cpu", "https://wheels.example.org/whl/cpu", ("torch", "torchvision"))
    ]
    assert has(wrong(imported, 3), "switches certificates off")
    assert has(wrong(imported, 3), "a branch or tag of a repository moves")
    assert has(wrong(imported, 4), "`cv2` is not the package that is meant")
    assert not has(wrong(imported, 2), "no-cache-dir")


def test_requirements_are_found_where_they_were_copied_from():
    files = {
        "docker/req.txt": "numpy\n",
        "pyproject.toml": '[project]\nname = "x"\nversion = "1"\n',
        "x.py": "",
    }
    imported, spec = read(
        "FROM python:3.11\nWORKDIR /app\nCOPY docker/req.txt ./\nRUN pip install -r req.txt -r gone.txt\nCOPY . .\nRUN pip install -e .\n",
        files,
    )
    assert [str(wish.origin) for wish in spec.target().pip] == ["docker/req.txt:1"]
    assert [it.path for it in spec.target().projects] == ["."]
    assert spec.target().workdir == "/app"
    assert said(imported, "left", 4) == ["`gone.txt` is not copied out of the project in front of this step"]


def test_copying_everything_in_front_of_the_install_is_said():
    files = {"requirements.txt": "numpy\n"}
    imported, _ = read(
        "FROM python:3.11\nCOPY . /app\nWORKDIR /app\nRUN pip install -r requirements.txt\n", files
    )
    assert has(wrong(imported, 2), "each change of any file installs everything again")


def test_secrets_are_neither_taken_nor_shown():
    token = "ghp_" + "a1B2" * 8
    text = (
        f"FROM debian:12\nARG HF_TOKEN={token}\nENV API_KEY=hunter2value LEVEL=3\nENV DB_PASSWORD old-form-secret\n"
        f"RUN git clone https://me:hidden-word@git.example.org/x\nRUN echo 'root:open-sesame' | chpasswd\n"
        f"RUN SECRET=quiet-word ./run --token {token}\nRUN echo $HF_TOKEN > /etc/x\n"
    )
    imported, spec = read(text)
    everything = imported.text + repr(imported.lines)
    for word in (token, "hunter2value", "old-form-secret", "hidden-word", "open-sesame", "quiet-word"):
        assert word not in everything
    assert spec.target().run.pass_env == ("API_KEY", "DB_PASSWORD")
    assert dict(spec.target().env) == {"LEVEL": "3"}
    for line in (2, 3, 4):
        assert has(wrong(imported, line), "stays in the image's history")
    assert has(wrong(imported, 7), "a secret stands in the step")


def test_secrets_are_taken_out_of_any_text():
    assert (
        without_secrets("RUN HF_TOKEN=abc x --password=abc PASSWORD abc")
        == "RUN HF_TOKEN=… x --password=… PASSWORD …"
    )
    assert without_secrets("pip install keyring tokenizers==0.1") == "pip install keyring tokenizers==0.1"


def test_downloads_are_told_and_what_stands_on_them_is_left():
    imported, spec = read(
        'FROM debian:12\nRUN curl -fsSL https://x.example.org/i.sh | sudo bash -s -- -y\nRUN bash -c "$(wget -qO- https://x.example.org/j)"\n'
        "ADD https://x.example.org/model.bin /models/\nRUN wget https://x.example.org/a.tgz && tar xf a.tgz && make -C a\n"
        "RUN git clone https://x.example.org/r.git\n"
    )
    assert spec.target().build == ()
    assert has(wrong(imported, 2), "run without a look")
    assert has(wrong(imported, 3), "run without a look")
    assert has(wrong(imported, 4), "without its checksum")
    assert has(said(imported, "left", 5), "`tar xf a.tgz && make -C a` stands on what the step fetched")
    assert has(wrong(imported, 6), "a repository is cloned as it is")


def test_other_commands_become_build_commands():
    files = {"setup.cfg": "", "csrc/a.c": ""}
    imported, spec = read(
        'FROM debian:12\nARG MODE=fast\nWORKDIR /app\nCOPY csrc ./csrc\nRUN mkdir -p /data && make -C csrc MODE=$MODE\nRUN ["/bin/tool", "x"]\n'
        'SHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN <<EOF\nset -e\nif true; then touch /srv/x; fi\nEOF\n',
        files,
    )
    first, second, third = spec.target().build
    assert first.argv == ("/bin/sh", "-e", "-c", "cd /app\nMODE='fast'\nmake -C csrc MODE=$MODE")
    assert first.inputs == ("csrc",)
    assert second.argv == ("/bin/tool", "x")
    assert third.argv[:-1] == ("/bin/bash", "-o", "pipefail", "-e", "-c")
    assert "if true; then touch /srv/x; fi" in third.argv[-1]
    assert has(said(imported, "becomes", 5), "[[build]]")


def test_stages_give_their_python_packages_and_keep_their_tools():
    text = (
        "FROM python:3.11-bookworm AS builder\nRUN apt-get update && apt-get install -y gcc\nRUN pip install --prefix=/install flask==3.0.0\n"
        "FROM node:20 AS docs\nRUN npm ci\nFROM python:3.11-slim-bookworm\nCOPY --from=builder /install /usr/local\n"
        "COPY --from=builder /usr/bin/thing /usr/bin/thing\nRUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*\nUSER app\n"
    )
    imported, spec = read(text)
    target = spec.target()
    assert imported.stage == "2"
    assert [wish.text for wish in target.pip] == ["flask==3.0.0"]
    assert [wish.text for wish in target.apt] == ["libgomp1"]
    assert has(said(imported, "nothing", 4), "no part of stage")
    assert has(said(imported, "left", 8), "files of stage or image `builder` are copied")
    assert not has(wrong(imported), "USER")
    imported, spec = read(text, stage="builder")
    assert [wish.text for wish in spec.target().apt] == ["gcc"]
    with pytest.raises(SpecError, match="no stage `x`"):
        read(text, stage="x")


def test_a_stage_inherits_variables_but_no_arguments():
    _, spec = read("FROM debian:12 AS a\nARG V=1\nENV LEVEL=$V HOME=/x\nFROM a\nENV COPY=$LEVEL-${V:-none}\n")
    assert dict(spec.target().env) == {"LEVEL": "1", "COPY": "1-none"}


def test_conda_becomes_packages_of_the_index():
    imported, spec = read(
        "FROM continuumio/miniconda3:24.1\nRUN conda install -y -c pytorch python=3.10 pytorch=2.1.0 cudatoolkit=11.8 'scipy>=1.10' numpy=1.26 && conda clean -ya\n"
    )
    assert spec.target().python == "3.10"
    assert [wish.text for wish in spec.target().pip] == ["torch==2.1.0", "scipy>=1.10", "numpy==1.26.*"]
    assert has(wrong(imported, 2), "conda")


def test_commands_and_entry_points():
    _, spec = read('FROM debian:12\nCMD ["old"]\nENTRYPOINT ["python", "train.py"]\nCMD ["--epochs", "3"]\n')
    assert spec.target().command == ("python", "train.py", "--epochs", "3")
    imported, spec = read("FROM debian:12\nCMD python train.py\n")
    assert spec.target().command == ("sh", "-c", "python train.py")
    assert has(wrong(imported, 2), "signals")
    imported, _ = read('FROM debian:12\nCMD ["a"]\nCMD ["b"]\n')
    assert has(wrong(imported, 2), "only the last CMD")


def test_what_has_no_place_is_said():
    imported, spec = read(
        "FROM --platform=linux/arm64 debian:12\nMAINTAINER x\nEXPOSE 8888\nVOLUME /data\nUSER root\nONBUILD RUN x\nWORKDIR /usr/src\n"
        "COPY authorized_keys /srv/keys/\nCOPY ../up /x\nADD a.tar.gz /x\nRUN useradd -m me && chmod -R 777 /opt\n"
    )
    assert spec.platforms == ("linux/arm64",)
    assert has(wrong(imported, 2), "deprecated")
    assert has(said(imported, "nothing", 3), "ports")
    assert has(wrong(imported, 4), "VOLUME")
    assert has(wrong(imported, 1), "runs as root")
    assert has(said(imported, "left", 6), "ONBUILD")
    assert has(said(imported, "left", 7), "belongs to the system")
    assert has(wrong(imported, 8), "keys or secrets")
    assert has(wrong(imported, 9), "outside the project")
    assert has(said(imported, "left", 10), "unpacks")
    assert has(wrong(imported, 11), "everybody may change")
    assert has(said(imported, "nothing", 11), "useradd")


def test_conditions_around_packages_are_left_to_a_person():
    imported, spec = read("FROM debian:12\nRUN if true; then apt-get install -y git; fi\n")
    assert spec.target().apt == ()
    assert has(said(imported, "left", 2), "under conditions or in a loop")


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("/docker_practice", "/docker-practice", True),
        ("/workspace", "/workspaces", True),
        ("/workspace", "/worskpace", True),
        ("/app", "/api", False),
        ("/app", "/app/", False),
        ("/home/data", "/home/results", False),
        ("/data1", "/data2", False),
        ("/projects/a", "/projects/b", False),
    ],
)
def test_paths_that_are_nearly_the_same(one, other, near):
    assert is_nearly(one, other) is near
    assert is_nearly(other, one) is near


def test_mounts_are_found_in_scripts_and_compose_files():
    texts = {
        "run.sh": "docker run \\\n  -v $PWD:/work_dir -it \\\n --mount type=bind,source=.,target=/other x\n",
        "compose.yaml": "services:\n  a:\n    volumes:\n      - ./src:/srv/src:ro\n",
    }
    assert [(str(it.origin), it.target) for it in find_mounts(texts)] == [
        ("compose.yaml:4", "/srv/src"),
        ("run.sh:2", "/work_dir"),
        ("run.sh:3", "/other"),
    ]
    assert is_wanted_beside("Makefile")
    assert not is_wanted_beside("src/deep/run.sh")


def test_steps_that_are_common_and_need_nothing():
    imported, spec = read(
        "FROM ubuntu:22.04\nRUN apt-get update && apt-get install -y libgl1-mesa-glx && rm -rf /etc/apt/sources.list.d/x.list\n"
        "RUN ln -s /usr/bin/python3 /usr/bin/python\nRUN echo 'export A=1' >> ~/.bashrc\nRUN python -c \"import nltk; nltk.download('punkt')\"\n"
        'ENTRYPOINT ["a"]\nCMD ["b"]\n'
    )
    assert [wish.text for wish in spec.target().apt] == ["libgl1"]
    assert spec.target().build == ()
    assert has(wrong(imported, 2), "gone from present releases")
    assert has(said(imported, "left", 5), "fetches what no lock names")
    assert all(line.findings for line in imported.lines)


def test_a_step_with_a_secret_gives_its_packages_and_no_build_command():
    files = {"pyproject.toml": '[project]\nname = "x"\nversion = "1"\n'}
    imported, spec = read(
        "FROM python:3.11\nWORKDIR /app\nCOPY . .\nRUN --mount=type=secret,id=netrc uv sync --frozen && ./login\n",
        files,
    )
    assert [it.path for it in spec.target().projects] == ["."]
    assert spec.target().build == ()
    assert has(said(imported, "left", 4), "given in secret")


def test_inputs_follow_the_folder_that_a_step_goes_to():
    files = {"setup.py": "", "ops/setup.py": ""}
    _, spec = read("FROM python:3.11\nCOPY . /app\nWORKDIR /app\nRUN cd ops && ./make setup.py\n", files)
    assert spec.target().build[0].inputs == ("ops", "ops/setup.py")
