"""Where the modules of a wheel lie in the folder it came from, and the finder that imports them there."""

import subprocess
import sys

import pytest

from shipway.sources.editable import find_layout, steering_digest, steers
from shipway.sources.editable_finder import render_finder
from shipway.sources.values import SourceFile

INFO = ("pkg-1.dist-info/METADATA", "pkg-1.dist-info/RECORD")


@pytest.mark.parametrize(
    ("installed", "sources", "modules", "roots"),
    [
        (["pkg/__init__.py", "pkg/a.py"], ["src/pkg/__init__.py", "src/pkg/a.py"], {"pkg": "src/pkg/__init__.py"}, ["src"]),
        (["pkg/__init__.py"], ["pkg/__init__.py", "setup.py"], {"pkg": "pkg/__init__.py"}, []),
        (["tool.py"], ["tool.py", "tests/tool.py"], {"tool": "tool.py"}, []),
        (["a/__init__.py", "b.py"], ["lib/a/__init__.py", "lib/b.py"], {"a": "lib/a/__init__.py", "b": "lib/b.py"}, ["lib"]),
        # A namespace is shared with others, so only what is in it is taken.
        (["ns/x/__init__.py", "ns/y.py"], ["src/ns/x/__init__.py", "src/ns/y.py"],
         {"ns.x": "src/ns/x/__init__.py", "ns.y": "src/ns/y.py"}, ["src"]),
        # The copy that holds more of the package is meant, not the example that has its name.
        (["pkg/__init__.py", "pkg/a.py"], ["examples/pkg/__init__.py", "python/pkg/__init__.py", "python/pkg/a.py"],
         {"pkg": "python/pkg/__init__.py"}, ["python"]),
        # package-dir = { pkg = "code" }
        (["pkg/__init__.py", "pkg/a.py"], ["code/__init__.py", "code/a.py", "tests/__init__.py"],
         {"pkg": "code/__init__.py"}, []),
        (["pkg/__init__.py"], ["tests/__init__.py"], {}, []),  # nothing says that this is it
        (["pkg.cpython-311-x86_64-linux-gnu.so"], ["src/lib.rs"], {}, []),
    ],
)  # fmt: skip
def test_layouts(installed, sources, modules, roots):
    layout = find_layout([*installed, *INFO], sources)
    assert (dict(layout.modules), list(layout.roots)) == (modules, roots)


def test_what_an_edit_cannot_reach_is_named():
    installed = [
        "pkg/__init__.py",
        "bare/__init__.py",
        "pkg/made.py",
        "_fast.cpython-311-x86_64-linux-gnu.so",
        *INFO,
    ]
    layout = find_layout(installed, ["src/pkg/__init__.py", "other/__init__.py"])
    assert layout.unplaced == ("bare",)


def test_what_only_the_wheel_has_stays_there():
    layout = find_layout(
        ["pkg/__init__.py", "pkg/_fast.cpython-311-x86_64-linux-gnu.so", "pkg/_version.py", "pkg/sub/__init__.py", "pkg/g/__init__.py"],
        ["src/pkg/__init__.py", "src/pkg/sub/__init__.py", "src/pkg/_fast.c"],
    )  # fmt: skip
    assert dict(layout.kept) == {
        "pkg._fast": "pkg/_fast.cpython-311-x86_64-linux-gnu.so",
        "pkg._version": "pkg/_version.py",
        "pkg.g": "pkg/g/__init__.py",
    }


def test_what_decides_a_build_is_no_edit():
    def digest(**changed):
        files = {"pyproject.toml": b"p", "src/a.py": b"a", "src/fast.c": b"c"} | changed
        return steering_digest(
            SourceFile(path=path, mode=0o644, data=data) for path, data in sorted(files.items())
        )

    assert digest() == digest(**{"src/a.py": b"b", "src/new.py": b""})
    assert (
        len({str(digest()), str(digest(**{"src/fast.c": b"d"})), str(digest(**{"pyproject.toml": b"q"}))})
        == 3
    )
    assert [path for path in ("setup.py", "a/setup.cfg", "a.pyx", "a.py", "README.md") if steers(path)] == [
        "setup.py",
        "a/setup.cfg",
        "a.pyx",
    ]


def test_the_finder_goes_before_what_is_installed(tmp_path):
    site, live = tmp_path / "site", tmp_path / "live" / "src"
    for folder, word in ((site, "built"), (live, "live")):
        (folder / "pkg" / "sub").mkdir(parents=True)
        (folder / "pkg" / "__init__.py").write_text(f"WORD = {word!r}\n")
        (folder / "pkg" / "sub" / "__init__.py").write_text(f"WORD = {word!r}\n")
    (site / "pkg" / "_version.py").write_text("version = 7\n")
    (live / "new.py").write_text("WORD = 'new'\n")
    modules = {
        "pkg": f"{live}/pkg/__init__.py",
        "pkg._version": f"{site}/pkg/_version.py",
        "gone": "/nowhere.py",
    }
    files = render_finder("site", modules, [str(live)])
    for path, text in files:
        (tmp_path / path).write_text(text)

    script = (
        f"import site; site.addsitedir({str(site)!r})\n"
        "import pkg, pkg.sub, pkg._version, new, importlib.resources as r\n"
        "print(pkg.WORD, pkg.sub.WORD, pkg._version.version, new.WORD, r.files('pkg'))\n"
        "import gone"
    )
    done = subprocess.run([sys.executable, "-Ic", script], capture_output=True, text=True, check=False)
    assert done.stdout == f"live live 7 new {live}/pkg\n"
    assert "No module named 'gone'" in done.stderr
