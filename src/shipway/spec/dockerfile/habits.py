"""Tables of what people write in Dockerfiles and mean something else by. Kept by hand."""

from __future__ import annotations

from shipway.spec.dockerfile.words import word_set

PYTHON_OF_APT = word_set(
    "python python2 python2.7 python3 python3-minimal python-is-python3 python3-pip python-pip python3-venv python-dev "
    "python3-dev python3-setuptools python3-wheel python3-distutils python3-virtualenv python-setuptools pipx "
    "python-virtualenv virtualenv python3-full python3-pip-whl"
)
"""OS packages that are there for the sake of Python itself, which a spec names by `python`."""

GONE_FROM_APT = frozenset(
    {"python", "python-pip", "python-dev", "python-setuptools", "python-virtualenv", "python2.7"}
)
"""OS packages that no present release has: they were Python 2."""

PIP_OF_APT = frozenset({"python3-pip", "python-pip"})
"""OS packages that bring pip, which whoever asks for it also calls in the container."""

APT_MEANT = {
    "libgl1-mesa-glx": "libgl1",
    "libgl1-mesa-dev": "libgl-dev",
    "netcat": "netcat-openbsd",
    "nodejs-legacy": "nodejs",
    "libtinfo5": "libtinfo6",
    "python-opencv": "python3-opencv",
}
"""OS packages that present releases have under another name."""

PIP_MEANT = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "cv2": "opencv-python-headless",
    "pil": "pillow",
    "yaml": "pyyaml",
    "bs4": "beautifulsoup4",
    "dotenv": "python-dotenv",
    "tensorflow-gpu": "tensorflow[and-cuda]",
    "pytorch": "torch",
    "python-magic-bin": "python-magic",
    "opencv": "opencv-python-headless",
    "crypto": "pycryptodome",
}
"""Python names that are import names, old or someone else's -> the package that is meant."""

CONDA_MEANT = {
    "pytorch": "torch", "pytorch-cuda": "", "cudatoolkit": "", "cuda": "", "cudnn": "", "cuda-toolkit": "", "nccl": "",
    "pytorch-gpu": "torch", "cpuonly": "", "pip": "", "conda": "", "mamba": "", "matplotlib-base": "matplotlib",
    "opencv": "opencv-python-headless", "tensorflow-gpu": "tensorflow[and-cuda]", "pytables": "tables",
    "python-graphviz": "graphviz", "faiss-gpu": "faiss-cpu", "blas": "", "mkl": "", "libblas": "", "nomkl": "",
    "setuptools": "", "wheel": "", "msgpack-python": "msgpack", "ruamel_yaml": "ruamel.yaml",
}  # fmt: skip
"""conda's names that the Python index has under another one, or not at all (empty: wheels bring it, or nothing needs it)."""

TOOLS_OF_PIP = frozenset({"pip", "setuptools", "wheel", "uv", "virtualenv", "pipenv", "poetry", "pip-tools"})
"""Packages that install packages; the environment needs none of them."""

NOTHING_TO_DO = {
    "adduser": "you are yourself inside, with your own name, number and files",
    "useradd": "you are yourself inside, with your own name, number and files",
    "usermod": "you are yourself inside, with your own name, number and files",
    "groupadd": "you are yourself inside, with your own groups",
    "addgroup": "you are yourself inside, with your own groups",
    "chown": "files of the project belong to you inside as outside",
    "ldconfig": "it runs after OS packages are installed",
    "update-ca-certificates": "it runs when OS packages are installed",
    "dpkg-reconfigure": "OS packages are configured once, with their defaults",
    "locale-gen": "the locale inside is C.UTF-8",
    "update-locale": "the locale inside is C.UTF-8",
    "update-alternatives": "Python is named by `python`; OS packages set their alternatives themselves",
    "echo": "it only says something",
    "virtualenv": "the environment is its own, and is made from the lock",
    "source": "the environment is on PATH",
    ".": "the environment is on PATH",
    "hash": "it only concerns the building shell",
    "sync": "it only concerns the build",
    "sleep": "it only concerns the build",
    "nvidia-smi": "the driver comes from the host",
}
"""Programs whose effect a spec does not need."""

CONTEXT = frozenset({"cd", "set", "export", "umask", "shopt", "true", ":", "exit", "unset", "ulimit"})
"""Words that only change the shell in which the others run."""

NETWORK = word_set(
    "curl wget aria2c git svn hg npm npx yarn pnpm node cargo rustup go gem bundle R Rscript gsutil aws gcloud gdown "
    "huggingface-cli hf kaggle rsync scp ssh ftp add-apt-repository apt-key gpg dvc apk yum dnf microdnf zypper pacman "
    "bazel poetry pdm pipenv hatch rye pixi"
)
"""Programs that fetch; build commands of a spec have no network unless they say so."""

DROPPED_VARIABLES = {
    "DEBIAN_FRONTEND": "OS packages are configured without questions",
    "PIP_NO_CACHE_DIR": "nothing runs pip", "PIP_DISABLE_PIP_VERSION_CHECK": "nothing runs pip",
    "PIP_DEFAULT_TIMEOUT": "nothing runs pip", "PIP_ROOT_USER_ACTION": "nothing runs pip",
    "PIP_BREAK_SYSTEM_PACKAGES": "nothing runs pip", "PIP_INDEX_URL": "the host's configuration says where indexes are",
    "PIP_EXTRA_INDEX_URL": "the host's configuration says where indexes are",
    "UV_SYSTEM_PYTHON": "nothing runs uv", "UV_COMPILE_BYTECODE": "`bytecode = true` does so",
    "UV_LINK_MODE": "nothing runs uv", "VIRTUAL_ENV": "the environment has a place of its own",
    "CONDA_DIR": "there is no conda", "PATH": "the environment is on PATH",
    "NVIDIA_VISIBLE_DEVICES": "GPUs are given when a container starts",
    "NVIDIA_DRIVER_CAPABILITIES": "GPUs are given when a container starts",
    "HOME": "the home folder inside is your own volume", "USER": "you are yourself inside",
    "TZ": "the host's time zone is taken", "SHELL": "the shell is your own where the image has it",
}  # fmt: skip
"""Variables that only the build needed, or that shipway sets itself."""

PREDEFINED = word_set(
    "HTTP_PROXY http_proxy HTTPS_PROXY https_proxy FTP_PROXY ftp_proxy NO_PROXY no_proxy ALL_PROXY all_proxy "
    "TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDOS BUILDARCH BUILDVARIANT"
)
"""Arguments that BuildKit sets."""

SECRET_FILES = (
    "id_rsa",
    "id_ed25519",
    "id_ecdsa",
    ".ssh",
    ".netrc",
    ".env",
    ".aws",
    ".git-credentials",
    ".pypirc",
    "credentials.json",
)
"""File names that hold keys."""
