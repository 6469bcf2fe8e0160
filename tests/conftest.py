"""What holds for every test: no real home, store or state; needs are markers; what a machine lacks is counted, or fails.

`SHIPWAY_REQUIRE=all`, or a list of abilities separated by commas (`root,userns,docker,network,tool`), turns the skip of a
missing ability into a failure; CI sets it.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest
import uv

# How long an example takes says more of what else the machine does than of the code; tests of hostile input set a bound.
hypothesis.settings.register_profile(
    "noisy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("noisy")

_REAL_HOME = os.path.realpath(os.path.expanduser("~"))
_OURS = re.compile(r"SHIPWAY_(?!REQUIRE$|TEST_)")
_HOST_NETWORK = re.compile(r"SHIPWAY_(MIRROR|SNAPSHOT|INDEX)_")
_HOST_SETTINGS = {name: value for name, value in os.environ.items() if _OURS.match(name)}
_HOST_FILES = {
    "PIP_CONFIG_FILE": os.path.join(_REAL_HOME, ".config", "pip", "pip.conf"),
    "UV_CONFIG_FILE": os.path.join(_REAL_HOME, ".config", "uv", "uv.toml"),
    "NPM_CONFIG_USERCONFIG": os.path.join(_REAL_HOME, ".npmrc"),
}
_XDG = ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")


def _can_root() -> str:
    return "" if os.geteuid() == 0 else "not root"


def _can_userns() -> str:
    script = "import ctypes,sys; sys.exit(ctypes.CDLL(None, use_errno=True).unshare(0x10000000) and 1)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], check=False)
    return "the kernel refuses user namespaces" if done.returncode else ""


def _can_tun() -> str:
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as problem:
        return f"/dev/net/tun: {problem.strerror}"
    return ""


def _can_docker() -> str:
    if shutil.which("dockerd") and shutil.which("docker") and os.geteuid() == 0:
        return ""
    return "no dockerd that could be started privately (needs root, docker and dockerd)"


def _can_network() -> str:
    """Ask the host's own pip, or uv where there is none, whether its index answers; no address is known here."""
    if os.environ.get("SHIPWAY_TEST_OFFLINE"):
        return "SHIPWAY_TEST_OFFLINE is set"
    with tempfile.TemporaryDirectory() as folder:
        if importlib.util.find_spec("pip"):
            quietly = ["download", "-q", "--no-deps", "--no-cache-dir", "--timeout", "20", "--retries", "1"]
            command = [sys.executable, "-m", "pip", *quietly, "-d", folder, "iniconfig"]
        else:
            command = [uv.find_uv_bin(), "pip", "compile", "-q", "--no-cache", "--system-certs", "-"]
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            input=b"iniconfig\n",
            env={**os.environ, "HOME": _REAL_HOME},
        )
    return "" if done.returncode == 0 else "the host's Python index does not answer"


# What shipway brings itself lies beside the interpreter that runs this.
_TOOL_PATH = os.pathsep.join(
    [os.path.dirname(sys.executable), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]
)
_ABILITIES = {
    "needs_root": _can_root,
    "needs_userns": _can_userns,
    "needs_tun": _can_tun,
    "needs_docker": _can_docker,
    "needs_network": _can_network,
}
_TOOLS = (
    "mmdebstrap",
    "ssh",
    "skopeo",
    "umoci",
    "docker",
    "dockerd",
    "docker-compose",
    "podman",
    "runc",
    "proot",
    "newuidmap",
    "apt-get",
    "uv",
    "pip",
    "hyperfine",
    "docker-registry",
    "htpasswd",
    "make",
    "ssh",
    "sshd",
    "unsquashfs",
    "patchelf",
    "pasta",
    "slirp4netns",
    "Xvfb",
    "xmessage",
    "xwd",
    "xauth",
    "chromium",
    "node",
    "npm",
)


@functools.cache
def _lack(marker: str) -> str:
    """Why this machine lacks what `marker` needs, or nothing. Asked once, in the real environment."""
    return _ABILITIES[marker]()


def _lacking(item: pytest.Item) -> tuple[str, str]:
    """Ability and reason of the first thing that `item` needs and this machine lacks."""
    for marker in _ABILITIES:
        if item.get_closest_marker(marker) and (why := _lack(marker)):
            return marker.removeprefix("needs_"), why
    for mark in item.iter_markers("needs_tool"):
        for tool in mark.args:
            if shutil.which(tool, path=_TOOL_PATH) is None:
                return "tool", f"`{tool}` is not installed"
    return "", ""


def pytest_configure(config: pytest.Config) -> None:
    # Whoever starts the suite in the background has it ignore Ctrl-C, and tests of interrupts would wait for ever.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Abilities are asked for before any fixture moves HOME away.
    config.stash[_REQUIRED] = {word for word in os.environ.get("SHIPWAY_REQUIRE", "").split(",") if word}


_REQUIRED = pytest.StashKey[set[str]]()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What this machine can do."""
    if hasattr(config, "workerinput"):
        return []
    quick = [name for name in _ABILITIES if name != "needs_network"]
    can = [name.removeprefix("needs_") for name in quick if not _lack(name)]
    cannot = [f"{name.removeprefix('needs_')} ({_lack(name)})" for name in quick if _lack(name)]
    tools = [tool for tool in _TOOLS if shutil.which(tool, path=_TOOL_PATH)]
    missing = [tool for tool in _TOOLS if tool not in tools]
    required = ", ".join(sorted(config.stash[_REQUIRED])) or "nothing"
    return [
        f"machine: {os.cpu_count()} CPUs, kernel {os.uname().release}, {os.uname().machine}",
        f"can: {', '.join(can) or 'nothing'}; cannot: {', '.join(cannot) or 'nothing'}; must: {required}",
        f"tools: {', '.join(tools)}; missing: {', '.join(missing) or 'none'}",
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What may take longer than usual comes first, so that no worker is left alone with it at the end."""
    usual = float(config.getini("timeout") or 0)

    def allowed(item: pytest.Item) -> float:
        mark = item.get_closest_marker("timeout")
        return max(usual, mark.args[0]) if mark else usual

    items.sort(key=allowed, reverse=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip with a counted reason, or fail where the ability was promised."""
    ability, why = _lacking(item)
    if not ability:
        return
    required = item.config.stash[_REQUIRED]
    if "all" in required or ability in required:
        pytest.fail(f"this machine must have `{ability}`: {why}", pytrace=False)
    pytest.skip(f"needs {ability}: {why}")


@pytest.fixture(scope="session", autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory):
    """Move every folder that shipway knows to a temporary one, also for fixtures that outlive a test."""
    patch = pytest.MonkeyPatch()
    for name in _HOST_SETTINGS:
        patch.delenv(name)
    _move(patch, str(tmp_path_factory.mktemp("home")))
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _places_of_this_test(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch
):
    """Give each test a home of its own. Tests that need the network see where the host says its mirrors and indexes are."""
    _move(monkeypatch, str(tmp_path_factory.mktemp("home")))
    if request.node.get_closest_marker("needs_network"):
        for name, value in _HOST_SETTINGS.items():
            if _HOST_NETWORK.match(name):
                monkeypatch.setenv(name, value)
        for name, path in _HOST_FILES.items():
            if name not in os.environ and os.path.exists(path):
                monkeypatch.setenv(name, path)


def _move(patch: pytest.MonkeyPatch, home: str) -> None:
    patch.setenv("HOME", home)
    for name in _XDG:
        folder = os.path.join(home, name.lower())
        os.makedirs(folder, mode=0o700, exist_ok=True)
        patch.setenv(name, folder)
    patch.setenv("SHIPWAY_STORE", os.path.join(home, "store"))


def _refuse_real_places(event: str, args: tuple[object, ...]) -> None:
    """An audit hook: whoever forgot to use the moved folders fails at once, at the line that did it."""
    if event not in _TOUCHING:
        return
    for path in args[:2]:
        if isinstance(path, (str, bytes)) and os.fsdecode(path).startswith(_REAL_PLACES):
            raise RuntimeError(f"a test reached for the real `{os.fsdecode(path)}`")


_TOUCHING = {
    "open",
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.listdir",
    "os.scandir",
    "os.link",
    "os.symlink",
}
_REAL_PLACES = tuple(
    os.path.join(_REAL_HOME, *place)
    for place in ((".local", "share", "shipway"), (".local", "state", "shipway"), (".config", "shipway"))
)
sys.addaudithook(_refuse_real_places)


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all tests of this run share, in every worker."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def shared_store(session_folder: Path) -> str:
    """A store that all tests of this run share, in every worker, so that nothing is downloaded twice.

    `SHIPWAY_TEST_STORE` keeps it between runs.
    """
    kept = os.environ.get("SHIPWAY_TEST_STORE")
    if kept:
        os.makedirs(kept, exist_ok=True)
        return kept
    store = session_folder / "shared-store"
    store.mkdir(exist_ok=True)
    return str(store)


@pytest.fixture(scope="session")
def repository() -> str:
    """The root of this checkout."""
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
