"""A package comes into a running container, and what was installed in it by hand goes into the spec or away: on every engine."""

import json
import os
import subprocess
import sys

import pytest
from test_life_contract import ENGINES

pytestmark = [pytest.mark.needs_network]
SPEC = """\
name = "packed"
base = "debian:bookworm"
pip = [
    "pip==24.0",
    "packaging==24.0",  # mine
]
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return str(tmp_path_factory.mktemp("packages") / "store")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("packages-cache"))


class Packed:
    """One project with a container that runs."""

    def __init__(self, folder, engine, store, cache, settings):
        self.folder = folder / "packed"
        self.folder.mkdir()
        self.spec = self.folder / "shipway.toml"
        self.spec.write_text(SPEC)
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        own = {
            "SHIPWAY_ENGINE": engine,
            "SHIPWAY_STORE": store,
            "XDG_CACHE_HOME": cache,
            "TMPDIR": str(self.temporary),
        }
        self.environ = {**os.environ, **settings, **own}

    def call(self, *words, code=0):
        argv = [sys.executable, "-m", "shipway", "-q", "-C", str(self.folder), *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=self.environ)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def python(self, text):
        return self.call("exec", "python", "-c", text).strip()

    def status(self):
        """Name -> versions, of the only container."""
        [one] = json.loads(self.call("status", "--json"))["containers"]
        return {pack["name"]: (pack["before"], pack["after"]) for pack in (*one["python"], *one["os"])}


@pytest.fixture(params=ENGINES)
def packed(request, services, tmp_path, store, cache):
    made = Packed(tmp_path, request.param, store, cache, services(request.param))
    yield made
    made.call("down", "--time", "0.1")


def test_a_container_follows_the_lock_and_is_looked_into(packed):
    packed.call("up")
    assert packed.python("import packaging; print(packaging.__version__)") == "24.0"
    said = packed.call("add", "iniconfig==2.0.0")
    assert "container packed" in said
    assert packed.python("import iniconfig; print(iniconfig.__file__)").startswith("/opt/venv/")
    assert packed.status() == {}
    assert os.listdir(packed.temporary) == []

    # Another version of what was imported: the compiled form of the old one is not taken for the new one's.
    packed.call("add", "packaging==24.1")
    assert packed.python("import packaging; print(packaging.__version__)") == "24.1"

    quietly = ("exec", "python", "-m", "pip", "install", "-q", "--disable-pip-version-check")
    packed.call(*quietly, "six==1.16.0", "packaging==24.2")
    packed.call("exec", "python", "-m", "pip", "uninstall", "-qy", "iniconfig")
    packed.call("exec", "sh", "-c", "echo > /usr/local/mine")
    assert packed.status() == {
        "iniconfig": ("2.0.0", None),
        "packaging": ("24.1", "24.2"),
        "six": (None, "1.16.0"),
    }
    assert packed.call("status", "--check", code=24)

    packed.call("freeze", "six")
    assert '"six==1.16.0"' in packed.spec.read_text()
    assert packed.status().keys() == {"iniconfig", "packaging"}
    packed.call("freeze", "--discard")
    assert packed.status() == {}
    versions = packed.python(
        "import packaging, iniconfig, six; print(packaging.__version__, six.__version__)"
    )
    assert versions == "24.1 1.16.0"


@pytest.mark.parametrize("packed", ENGINES[:1], indirect=True)
def test_what_came_stays_at_a_restart_and_goes_again(packed):
    packed.call("up")
    packed.call("exec", "sh", "-c", "echo > /usr/local/mine")
    packed.call("add", "six==1.16.0", "packaging==24.1")
    said = packed.call("rm", "--force", "--dry-run", "packed")
    assert "with it 1 file (1 B) that it wrote outside mounts" in said
    packed.call("restart", "--time", "0.1")
    assert packed.call("rm", "--force", "--dry-run", "packed") == said
    assert packed.python("import six; print(six.__version__)") == "1.16.0"

    # As after an `add` that was killed when it had written the spec: the same words do the rest.
    packed.spec.write_text(
        packed.spec.read_text().replace('"six==1.16.0"', '"six==1.16.0", "iniconfig==2.0.0"')
    )
    packed.call("add", "iniconfig")
    assert packed.python("import iniconfig; print(iniconfig.__file__)").startswith("/opt/venv/")
    packed.call("remove", "six", "iniconfig")
    packed.call("add", "packaging==24.0")
    assert packed.spec.read_text() == SPEC
    assert packed.python("import importlib.util as u; print(u.find_spec('six'))") == "None"
    [one] = json.loads(packed.call("status", "--json"))["containers"]
    assert (one["older"], one["others"]) == (False, [{"folder": "/usr/local", "paths": 1}])
