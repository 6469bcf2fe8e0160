"""The environment's skeleton and stand-alone interpreters."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile

import pytest
import zstandard

from shipway.build.python_tree import unpack_python
from shipway.build.venv_tree import make_venv
from shipway.core.errors import HostileInput, SpecError

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def environment(tmp_path, **kwargs):
    root = tmp_path / f"root{len(os.listdir(tmp_path))}"
    root.mkdir()
    return make_venv(
        str(root),
        python=kwargs.pop("python", "3.11"),
        executable=kwargs.pop("executable", "/usr/bin/python3.11"),
        **kwargs,
    ), root


def test_what_a_new_environment_holds(tmp_path):
    manifest, root = environment(tmp_path)
    assert {e.path: e.target for e in manifest.entries if e.kind == "l"} == {
        "opt/venv/lib64": "lib",
        "opt/venv/bin/python": "/usr/bin/python3.11",
        "opt/venv/bin/python3": "python",
        "opt/venv/bin/python3.11": "python",
    }
    assert "opt/venv/lib/python3.11/site-packages" in {e.path for e in manifest.entries}
    assert "include-system-site-packages = false\n" in (root / "opt/venv/pyvenv.cfg").read_text()
    other, _ = environment(tmp_path, system_site_packages=True)
    assert other.identity() != manifest.identity()
    assert environment(tmp_path)[0].identity() == manifest.identity()


@pytest.mark.parametrize(
    ("python", "executable"),
    [
        ("3", "/usr/bin/python3"),
        ("3.11", "usr/bin/python3"),
        ("3.11\n", "/x"),
        ("3.11", "/x\nhome = /evil"),
        ("../3.11", "/x"),
    ],
)
def test_wrong_words(tmp_path, python, executable):
    with pytest.raises(SpecError):
        environment(tmp_path, python=python, executable=executable)


def test_python_believes_it(tmp_path):
    """The skeleton, made at its own place on this host, is an environment for this Python."""
    prefix = str(tmp_path / "real")
    _, root = environment(tmp_path, python=PYTHON, executable=os.path.realpath(sys.executable), prefix=prefix)
    shutil.move(str(root) + prefix, prefix)
    site = f"{prefix}/lib/python{PYTHON}/site-packages"
    with open(f"{site}/here.py", "w") as file:
        file.write("")
    code = "import sys, here; print(sys.prefix, sys.prefix != sys.base_prefix, here.__file__)"
    done = subprocess.run(
        [f"{prefix}/bin/python", "-I", "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == [prefix, "True", f"{site}/here.py"]


@pytest.mark.parametrize("shell", ["sh", "bash", "fish", "csh"])
def test_activate_and_back(tmp_path, shell):
    if not shutil.which(shell):
        assert shell in ("fish", "csh", "bash"), "every host has sh"
        return
    _, root = environment(tmp_path)
    suffix = {"fish": ".fish", "csh": ".csh"}.get(shell, "")
    activate = root / f"opt/venv/bin/activate{suffix}"
    word = "source" if suffix else "."
    script = f"{word} {activate}; echo in $VIRTUAL_ENV $PATH; deactivate; echo out $PATH"
    done = subprocess.run(
        [shell, "-c", script],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    inside, outside = done.stdout.splitlines()
    assert inside.replace(" ", ":").startswith("in:/opt/venv:/opt/venv/bin:/usr/bin")
    assert outside.replace(" ", ":") == "out:/usr/bin:/bin"


def archive(tmp_path, members: dict[str, bytes | str], *, packer="gz", lead="python/") -> str:
    """A stand-alone interpreter's archive: text values are link targets."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, value in members.items():
            info = tarfile.TarInfo(lead + name if lead is not None else name)
            info.uid = info.gid = 1000
            info.mtime = 1_700_000_000
            if isinstance(value, str):
                info.type, info.linkname = tarfile.SYMTYPE, value
                tar.addfile(info)
            else:
                info.size, info.mode = len(value), 0o775 if "bin/" in name else 0o664
                tar.addfile(info, io.BytesIO(value))
    path = tmp_path / f"cpython.tar.{packer}"
    import gzip

    path.write_bytes(
        {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}[packer](out.getvalue())
    )
    return str(path)


HONEST = {
    "bin/python3.12": b"\x7fELF",
    "bin/python3": "python3.12",
    "lib/python3.12/os.py": b"x",
    "lib/libpython3.so": b"y",
}


def unpack(tmp_path, path, **kwargs):
    root = tmp_path / f"root{len(os.listdir(tmp_path))}"
    root.mkdir()
    return unpack_python(path, str(root), **kwargs)


@pytest.mark.parametrize("packer", ["gz", "zst"])
def test_install_only(tmp_path, packer):
    manifest = unpack(tmp_path, archive(tmp_path, HONEST, packer=packer), python="3.12")
    found = {e.path: (e.kind, e.mode, e.uid, e.mtime) for e in manifest.entries if e.kind != "d"}
    assert found == {
        "opt/python/bin/python3": ("l", 0o777, 0, 315532800),
        "opt/python/bin/python3.12": ("f", 0o755, 0, 315532800),
        "opt/python/lib/python3.12/os.py": ("f", 0o644, 0, 315532800),
        "opt/python/lib/libpython3.so": ("f", 0o644, 0, 315532800),
    }


def test_full_layout_is_the_same_tree(tmp_path):
    plain = unpack(tmp_path, archive(tmp_path, HONEST), python="3.12")
    full = {"PYTHON.json": b"{}", "build/objects.o": b"o"} | {
        f"install/{name}": value for name, value in HONEST.items()
    }
    assert (
        unpack(tmp_path, archive(tmp_path, full, packer="zst"), python="3.12").identity() == plain.identity()
    )


@pytest.mark.parametrize(
    "extra",
    [{"../../evil": b"x"}, {"lib": "/etc", "lib/x": b"x"}, {"bin/python3.12": b"twice"}],
)
def test_hostile(tmp_path, extra):
    base = {"bin/python3.12": b""} if "lib" in extra else HONEST
    path = archive(tmp_path, {**base, **extra} if "bin/python3.12" not in extra else base)
    if "bin/python3.12" in extra:
        with pytest.raises(HostileInput):
            unpack(tmp_path, path, python="3.13")
        return
    with pytest.raises(HostileInput):
        unpack(tmp_path, path, python="3.12")


def test_members_beside_the_interpreter(tmp_path):
    with pytest.raises(HostileInput, match="not below"):
        unpack(
            tmp_path,
            archive(tmp_path, {"python/bin/python3.12": b"", "etc/evil": b""}, lead=""),
            python="3.12",
        )
