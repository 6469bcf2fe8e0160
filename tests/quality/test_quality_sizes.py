"""Budgets: files of one purpose, functions that fit on a screen."""

from __future__ import annotations

import ast
import statistics

from quality_files import python_files, read

FILE_LIMIT = 600
FILE_AIM = 300
TABLES = {"src/shipway/cli/options.py", "src/shipway/cli/environment.py"}
"""Declarative tables, exempt from the aim."""
FUNCTION_LIMIT = 60


def _functions() -> list[tuple[str, int]]:
    return [
        (f"{path}: {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in python_files("src/")
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_too_long():
    long = {path: lines for path in python_files("src/") if (lines := read(path).count("\n")) > FILE_LIMIT}
    assert not long


def test_most_files_keep_to_the_aim():
    sizes = {path: read(path).count("\n") for path in python_files("src/") if path not in TABLES}
    long = [path for path, lines in sizes.items() if lines > FILE_AIM]
    assert len(long) <= len(sizes) * 0.15, long


def test_no_function_is_too_long():
    assert not [name for name, lines in _functions() if lines > FUNCTION_LIMIT]


def test_most_functions_are_small():
    lengths = sorted(lines for _, lines in _functions())
    assert statistics.median(lengths) <= 10
    assert lengths[int(len(lengths) * 0.9)] <= 35
