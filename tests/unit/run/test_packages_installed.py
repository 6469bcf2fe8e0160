"""What was installed in a container behind our back is told from the paths that it wrote."""

from shipway.run.top.installed import Top, Written, find_installed

SITE = "opt/venv/lib/python3.11/site-packages"


def info(name, version, files=(), *, requires=(), **more):
    """The files of an installed distribution."""
    base = f"{SITE}/{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    found = {
        f"{base}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}\nLong text\n",
        **{f"{SITE}/{path}": "x" for path in files},
        **{f"{base}/{key}": text for key, text in more.items()},
    }
    inside = [path.removeprefix(f"{SITE}/") for path in found]
    return {
        **found,
        f"{base}/RECORD": "".join(f"{path},sha256=x,1\n" for path in (*inside, "../../../bin/tool")),
    }


def top_of(below, above, extra=()):
    """What differs from the files `below` to the files `above`."""
    written = [Written(path, "D") for path in below if path not in above]
    written += [
        Written(path, "C" if path in below else "A") for path in above if above[path] != below.get(path)
    ]

    def reader(files):
        return lambda path: files[path].encode() if path in files else None

    return Top((*written, *extra), reader(above), reader(below))


def test_an_install_with_its_requirement_and_its_caches():
    new = {
        **info(
            "Eq_Uinox",
            "0.11",
            ["equinox/__init__.py"],
            requires=["jaxtyping>=0.2", "pytest; extra == 'dev'"],
            REQUESTED="",
        ),
        **info("jaxtyping", "0.3"),
        "opt/venv/bin/tool": "#!",
        f"{SITE}/equinox/__pycache__/__init__.cpython-311.pyc": "c",
        "usr/local/notes": "mine",
    }
    found = find_installed(
        top_of(
            {},
            new,
            [
                Written(f"{SITE}/equinox", "A", is_folder=True),
                Written(f"{SITE}/equinox/__pycache__", "A", is_folder=True),
                Written("usr/local", "C", is_folder=True),
            ],
        )
    )
    one, two = found.python
    assert (one.name, one.before, one.after, one.requested, one.requires) == (
        "eq-uinox",
        "",
        "0.11",
        True,
        {"jaxtyping"},
    )
    assert (two.name, two.requested) == ("jaxtyping", False)
    assert found.others == ("usr/local/notes",)
    assert {*one.paths, *two.paths} == (new.keys() | {f"{SITE}/equinox", f"{SITE}/equinox/__pycache__"}) - {
        "usr/local/notes"
    }


def test_another_version_and_one_taken_out():
    old = {**info("numpy", "2.1", ["numpy/a.py", "numpy/b.py"]), **info("six", "1.16", ["six.py"])}
    new = info("numpy", "1.26", ["numpy/a.py"])
    found = find_installed(top_of(old, {**new, f"{SITE}/numpy/a.py": "other"}))
    assert [(one.name, one.before, one.after) for one in found.python] == [
        ("numpy", "2.1", "1.26"),
        ("six", "1.16", ""),
    ]
    assert f"{SITE}/numpy/b.py" in found.python[0].paths
    assert f"{SITE}/six.py" in found.python[1].paths
    assert found.others == ()


def test_the_same_version_again_is_no_change_and_one_from_elsewhere_is():
    old = info("six", "1.16")
    assert find_installed(top_of(old, {**old, f"{SITE}/six-1.16.dist-info/INSTALLER": "pip"})).python == ()
    commit = '{"url": "https://example.org/six", "vcs_info": {"vcs": "git", "commit_id": "abc"}}'
    again = info("six", "1.16", **{"direct_url.json": commit})
    [one] = find_installed(top_of(old, again)).python
    assert one.source == "git+https://example.org/six@abc"
    folder = info(
        "mine", "0.1", **{"direct_url.json": '{"url": "file:///work", "dir_info": {"editable": true}}'}
    )
    [one] = find_installed(top_of({}, folder)).python
    assert (one.source, one.editable) == ("file:///work", True)
    broken = info("six", "1.17", **{"direct_url.json": "[]"})
    assert find_installed(top_of(old, broken)).python[0].source == ""


def test_a_folder_that_is_no_distribution_is_a_file_of_others():
    found = find_installed(top_of({}, {f"{SITE}/odd.dist-info/METADATA": "no fields here"}))
    assert found.python == ()
    assert found.others == (f"{SITE}/odd.dist-info/METADATA",)


def _status(*packages):
    return "\n".join(
        f"Package: {name}\nStatus: {state}\nArchitecture: amd64\nVersion: {version}\n"
        for name, version, state in packages
    )


def test_os_packages():
    ok = "install ok installed"
    old = {
        "var/lib/dpkg/status": _status(("git", "1", ok), ("curl", "7", ok)),
        "bin/curl": "x",
        "var/lib/dpkg/info/curl.list": "/bin/curl\n",
    }
    new = {
        "var/lib/dpkg/status": _status(
            ("git", "2", ok), ("htop", "3", ok), ("libx", "1", ok), ("curl", "7", "deinstall ok config-files")
        ),
        "var/lib/apt/extended_states": "Package: libx\nArchitecture: amd64\nAuto-Installed: 1\n\n",
        "var/lib/dpkg/info/htop.list": "/.\n/usr\n/usr/bin/htop\n",
        "usr/bin/htop": "x",
        "var/lib/dpkg/info/libx:amd64.list": "/lib/libx.so\n",
        "usr/lib/libx.so": "x",
        "var/log/dpkg.log": "x",
        "etc/mine": "x",
    }
    found = find_installed(top_of(old, new))
    assert [(one.name, one.before, one.after, one.requested) for one in found.os] == [
        ("curl", "7", "", True),
        ("git", "1", "2", True),
        ("htop", "", "3", True),
        ("libx", "", "1", False),
    ]
    assert found.os[0].paths == {"bin/curl"}
    assert "usr/bin/htop" in found.os[2].paths
    assert found.os[3].paths == {"usr/lib/libx.so"}
    assert found.others == ("etc/mine",)
    assert "var/log/dpkg.log" in found.bookkeeping
