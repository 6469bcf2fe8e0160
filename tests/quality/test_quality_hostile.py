"""The page of hostile images names a test for every class; each of them exists."""

from __future__ import annotations

import re

from quality_files import python_files, read

PAGE = "docs/architecture/hostile-images.md"
_CELL = re.compile(r"`(test_\w+\.py)(?:: (test_\w+))?`((?:, `test_\w+`)*)")


def test_every_test_of_the_page_exists():
    tests = {path.rpartition("/")[2]: read(path) for path in python_files("tests/")}
    cells = [
        (file, [first, *re.findall(r"test_\w+", more)]) for file, first, more in _CELL.findall(read(PAGE))
    ]
    lost = [
        f"{file}: {name}"
        for file, names in cells
        for name in names
        if file not in tests or (name and f"def {name}(" not in tests[file])
    ]
    assert not lost
    assert len(cells) > 40


def test_every_class_of_the_page_has_a_test():
    rows = [
        line for line in read(PAGE).splitlines() if line.startswith("| ") and not line.startswith("| class")
    ]
    assert not [row for row in rows if "test_" not in row]
