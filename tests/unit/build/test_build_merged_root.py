import os

from shipway.build.merged_root import MergedRoot
from shipway.core.manifest import DIRECTORY, FILE, SYMLINK, Entry, Manifest


def tree(place, **paths):
    """A tree on disk: `d` a directory, `>target` a link, anything else a file's content."""
    entries = []
    os.makedirs(place)
    for name, what in ((name.replace("__", "/"), what) for name, what in paths.items()):
        full = f"{place}/{name}"
        if what == "d":
            os.mkdir(full)
            entries.append(Entry(name, DIRECTORY, 0o755))
        elif what.startswith(">"):
            os.symlink(what[1:], full)
            entries.append(Entry(name, SYMLINK, 0o777, target=what[1:]))
        else:
            with open(full, "w") as file:
                file.write(what)
            entries.append(Entry(name, FILE, 0o644, size=len(what), digest="0" * 64))
    return str(place), Manifest(entries)


def test_a_link_of_one_tree_never_leads_a_file_of_another_outside(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "root").mkdir()
    merged = MergedRoot(str(tmp_path / "root"))
    merged.add(*tree(tmp_path / "one", x=f">{outside}"))
    merged.add(*tree(tmp_path / "two", x="d", x__passwd="evil"))
    assert os.listdir(outside) == []
    assert (tmp_path / "root/x/passwd").read_text() == "evil"
    assert not (tmp_path / "root/x").is_symlink()


def test_a_link_over_a_directory_replaces_it_and_what_it_holds(tmp_path):
    (tmp_path / "root").mkdir()
    merged = MergedRoot(str(tmp_path / "root"))
    merged.add(*tree(tmp_path / "one", lock="d", lock__held="1"))
    merged.add(*tree(tmp_path / "two", lock=">/run/lock"))
    assert os.readlink(tmp_path / "root/lock") == "/run/lock"


def test_what_only_was_put_there_is_no_change(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "upper").mkdir()
    root, manifest = tree(tmp_path / "one", etc="d", etc__motd="hello", link=">etc")
    merged = MergedRoot(str(tmp_path / "root"))
    merged.add(root, manifest)
    merged.split({entry.path: entry for entry in manifest.entries}, str(tmp_path / "upper"))
    assert os.listdir(tmp_path / "upper") == []
