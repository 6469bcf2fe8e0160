"""What scenarios find on their machine: engines, a stored image, an index with packages that are small."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "contract"))
from life_world import IMAGE, Terminal, store_image

from private_engines import PRIVATE
from shipway.image.names import find_name, put_name
from shipway.store.store import Store
from shipway.testing.package_index import PackageIndex

_PROGRAMS = ("nohup", "dircolors", "wc", "grep", "tail")
_WINDOWS = ("xmessage",)
"""Scenarios that open some need them; not every machine has them."""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
_JAX = {
    "jax/__init__.py": "def devices(kind):\n    raise RuntimeError(f'no {kind} here')\n",
    "jax/numpy/__init__.py": (
        "class _Cpu:\n    def __repr__(self):\n        return 'CpuDevice(id=0)'\n"
        "class _Array:\n    def devices(self):\n        return {_Cpu()}\n"
        "def ones(count):\n    return _Array()\n"
    ),
}
"""As much of JAX as the tutorial imports."""


class Engines:
    """Engines of our own, started when the first scenario wants them."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._settings: dict[str, dict[str, str]] = {"": {}, "native": {}}

    def settings(self, engine: str) -> dict[str, str]:
        """The variables by which its program finds it."""
        if engine not in self._settings:
            self._settings[engine] = self._stack.enter_context(PRIVATE[engine]())
        return self._settings[engine]

    def close(self) -> None:
        """End them."""
        self._stack.close()


def make_store(folder: Path) -> str:
    """A store with one image of this machine's programs."""
    windows = tuple(name for name in _WINDOWS if shutil.which(name, path="/usr/bin:/bin"))
    store_image(folder / "layout", str(folder / "store"), (*_PROGRAMS, *windows))
    return str(folder / "store")


def name_images(path: str, names: list[str]) -> None:
    """Have the image under these names, too."""
    store = Store.open(path)
    for name in names:
        put_name(store, name, find_name(store, IMAGE))


@contextlib.contextmanager
def small_index(folder: Path):
    """An index with packages of the tutorials that hold next to nothing, and the real pip; its address."""
    with PackageIndex(metadata=True) as index:
        index.add_wheel("jax", "0.4.30", files=_JAX, requires=["jaxlib==0.4.30"])
        index.add_wheel("jaxlib", "0.4.30")
        index.add_wheel("equinox", "0.11.10", requires=["jax>=0.4.13", "jaxtyping"])
        index.add_wheel("jaxtyping", "0.3.11")
        index.add_wheel("tensorflow", "2.16.1")
        index.add_wheel("scikit-learn", "1.5.0")
        index.add_file("pip", *_real_pip(folder))
        yield index.simple_url


def _real_pip(folder: Path) -> tuple[str, bytes]:
    """The wheel of pip 24.0, made again from what it installs."""
    place = folder / "pip"
    uv = Path(sys.executable).with_name("uv")
    words = [uv, "pip", "install", "-q", "--python", sys.executable, "--target", place, "pip==24.0"]
    subprocess.run(words, check=True, capture_output=True)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(place.glob("pip*/**/*")):
            if (
                path.is_file()
                and path.suffix != ".pyc"
                and path.name not in ("RECORD", "INSTALLER", "REQUESTED")
            ):
                archive.write(path, path.relative_to(place))
        record = (place / "pip-24.0.dist-info/RECORD").read_text().splitlines(keepends=True)
        kept = [
            line
            for line in record
            if line.startswith("pip") and "INSTALLER" not in line and "REQUESTED" not in line
        ]
        archive.writestr("pip-24.0.dist-info/RECORD", "".join(kept))
    return "pip-24.0-py3-none-any.whl", sink.getvalue()


def run_at_terminal(
    command: str, typed: list[tuple[str, str]], folder: str, env: dict[str, str]
) -> tuple[int, str]:
    """Exit code and what was shown, without what only moves the cursor or colours."""
    terminal = Terminal(["sh", "-c", command], env, folder)
    shown = ""
    try:
        for appears, keys in typed:
            if appears:
                shown += terminal.expect(appears.encode(), 60).decode("utf-8", "replace") + appears
            if keys:
                terminal.type(keys.encode())
        rest, code = terminal.finish()
    finally:
        terminal.process.kill()
    return code, _ESCAPES.sub("", shown + rest)


def remove_containers(env: dict[str, str], folder: str) -> None:
    """All that the scenario left."""
    words = [sys.executable, "-m", "shipway", "-q"]
    listed = subprocess.run(
        [*words, "ps", "-a", "--quiet-ids"], env=env, cwd=folder, capture_output=True, text=True, check=True
    )
    for one in listed.stdout.split():  # one that goes with its command needs nobody
        subprocess.run([*words, "rm", "--force", one], env=env, cwd=folder, capture_output=True, check=False)
