"""Images as a few lines of paths, to read facts from: no store, no disk."""

from shipway.core.manifest import Entry
from shipway.core.overlay import Placed
from shipway.image.base_files import BaseFiles

ELF = "\x7fELF"


def files(contents):
    """`contents`: path -> text; `-> target` for a link. Folders are implied; what begins like an ELF can be executed."""
    entries = {}
    for path, text in contents.items():
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            entries.setdefault(folder, Entry(folder, "d", 0o755))
        name = "/".join(parts)
        if text.startswith("-> "):
            entries[name] = Entry(name, "l", 0o777, target=text[3:])
        elif path.endswith("/"):
            entries[name] = Entry(name, "d", 0o755)
        else:
            entries[name] = Entry(name, "f", 0o755 if text.startswith(ELF) else 0o644, size=len(text))
    held = {path.strip("/"): text.encode("utf-8", "surrogateescape") for path, text in contents.items()}
    places = {path: Placed(entry, 0) for path, entry in entries.items()}
    return BaseFiles(places, lambda place, size: held[place.entry.path][:size])


def debs(*packages):
    """dpkg's status with `name version` each."""
    return "".join(
        f"Package: {name}\nStatus: install ok installed\nPriority: optional\nArchitecture: amd64\n"
        f"Version: {version}\nDescription: x\n Version: 9 is no field here\n\n"
        for name, version in (package.split(" ") for package in packages)
    )


CUDA_ENV = {
    "PATH": "/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "NVARCH": "x86_64",
    "NVIDIA_REQUIRE_CUDA": "cuda>=12.2 brand=tesla,driver>=470,driver<471",
    "NV_CUDA_CUDART_VERSION": "12.2.140-1",
    "CUDA_VERSION": "12.2.2",
    "LD_LIBRARY_PATH": "/usr/local/nvidia/lib:/usr/local/nvidia/lib64",
    "NVIDIA_VISIBLE_DEVICES": "all",
    "NV_CUDNN_VERSION": "8.9.6.50",
    "NV_CUDNN_PACKAGE_NAME": "libcudnn8",
}
"""Of nvidia/cuda:12.2.2-cudnn8-devel-ubuntu22.04, as its public Dockerfile sets it."""
CUDA_IMAGE = {
    "/etc/os-release": "-> ../usr/lib/os-release",
    "/usr/lib/os-release": 'PRETTY_NAME="Ubuntu 22.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\n',
    "/lib": "-> usr/lib",
    "/bin": "-> usr/bin",
    "/var/lib/dpkg/status": debs(
        "libc6 2.35-0ubuntu3.4", "cuda-cudart-12-2 12.2.140-1", "libcudnn8 8.9.6.50-1+cuda12.2", "python3.10 3.10.12-1~22.04.3"
    ),
    "/usr/local/cuda": "-> /etc/alternatives/cuda",
    "/etc/alternatives/cuda": "-> /usr/local/cuda-12.2",
    "/usr/local/cuda-12.2/lib64": "-> targets/x86_64-linux/lib",
    "/usr/local/cuda-12.2/targets/x86_64-linux/lib/libcudart.so.12": "-> libcudart.so.12.2.140",
    "/usr/local/cuda-12.2/targets/x86_64-linux/lib/libcudart.so.12.2.140": ELF,
    "/usr/lib/x86_64-linux-gnu/libcudnn.so.8": "-> libcudnn.so.8.9.6",
    "/usr/lib/x86_64-linux-gnu/libcudnn.so.8.9.6": ELF,
    "/usr/bin/python3": "-> python3.10",
    "/usr/bin/python3.10": ELF,
    "/usr/lib/python3/dist-packages/pip-22.0.2.dist-info/METADATA": "",
}  # fmt: skip
"""The same image with `python3-pip`: versions from NVIDIA's Dockerfile and Ubuntu's archive of that time, paths as its packages have."""
