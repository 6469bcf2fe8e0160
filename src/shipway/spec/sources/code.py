"""Python code and notebooks: what they import, and what notebooks install by commands."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from shipway.spec.facts import Fact, FactKind, Source
from shipway.spec.model import Origin
from shipway.spec.requirement_lines import read_requirement_item

_SKIPPED = re.compile(r"(?:^|/)(?:\.[^/]+|__pycache__|node_modules|site-packages|venv|env|build|dist)/")
_COMMAND = re.compile(r"(?:\w[\w, ]*=\s*)?[!%]\s*(?P<line>.*)\Z")
_FINDS = 500
"""Lines of one notebook that are looked up; the rest have no line, so that no notebook takes minutes."""
_PIP = re.compile(r"(?:sudo\s+)?(?:python3?\s+-m\s+|uv\s+)?pip3?\s+install\s+(?P<rest>.*)\Z")
_APT = re.compile(
    r"(?:sudo\s+)?(?:DEBIAN_FRONTEND=\S+\s+)?apt(?:-get)?\s+(?:-\S+\s+)*install\s+(?P<rest>.*)\Z"
)
_APT_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z", re.ASCII)


def _is_code(suffix: str) -> Source:
    readers = {".py": _read_python, ".ipynb": _read_notebook}
    return Source(
        matches=lambda name: name.endswith(suffix) and not _SKIPPED.search(name), read=readers[suffix]
    )


def _read_python(name: str, text: str) -> Iterable[Fact]:
    try:
        tree = _parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", 0) or 0
        remark = "it is no Python 3, so its imports are not known"
        return [Fact(kind=FactKind.REMARK, text=remark, origin=Origin(file=name, line=line))]
    return [
        Fact(kind=FactKind.IMPORT, text=module, origin=Origin(file=name, line=line), why="code imports it")
        for module, line in sorted(_imports(tree), key=lambda it: it[1])
    ]


def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd escapes in somebody's code are not ours to tell
        return ast.parse(text)


def _imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every absolute import with its line, but for those that only a type checker sees."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and (module := _dynamic(node)):
            yield module, node.lineno
        if isinstance(node, ast.If) and _is_for_checkers(node.test):
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _is_for_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _dynamic(node: ast.Call) -> str:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    first = node.args[0] if node.args else None
    if (
        called in ("import_module", "__import__")
        and isinstance(first, ast.Constant)
        and isinstance(first.value, str)
    ):
        return "" if first.value.startswith(".") else first.value
    return ""


def _read_notebook(name: str, text: str) -> Iterable[Fact]:
    try:
        cells = json.loads(text).get("cells", [])
    except (ValueError, AttributeError, RecursionError):
        return [
            Fact(kind=FactKind.REMARK, text="it is no notebook, so it was not read", origin=Origin(file=name))
        ]
    finder = _LineFinder(text)
    facts: list[Fact] = []
    for cell in cells if isinstance(cells, list) else []:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            facts += _cell(name, _source(cell), finder)
    return facts


def _source(cell: dict[str, Any]) -> list[str]:
    source = cell.get("source", "")
    return ("".join(map(str, source)) if isinstance(source, list) else str(source)).splitlines()


class _LineFinder:
    """Lines of a notebook's file that hold given lines of its code, looked for in order."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.at = 0
        self.finds = 0

    def find(self, code: str) -> int:
        self.finds += 1
        if self.finds > _FINDS:
            return 0
        wanted = {json.dumps(code)[1:-1], json.dumps(code, ensure_ascii=False)[1:-1]}
        for start in (self.at, 0):
            for number in range(start, len(self.lines)):
                if any(text in self.lines[number] for text in wanted):
                    self.at = number
                    return number + 1
        return 0


def _cell(name: str, lines: list[str], finder: _LineFinder) -> Iterator[Fact]:
    shell = bool(lines) and re.match(r"%%(?:bash|sh|!)", lines[0]) is not None
    foreign = (
        bool(lines)
        and lines[0].startswith("%%")
        and not re.match(r"%%(?:time|timeit|capture|prun)\b", lines[0])
    )
    code = []
    for line in lines:
        command = _COMMAND.match(line.strip())
        if command or shell:
            yield from _installs(name, command["line"] if command else line, line, finder)
        magic = command or line.startswith("%") or line.rstrip().endswith("?") or foreign
        code.append(" " * (len(line) - len(line.lstrip())) + "pass" if magic else line)
    try:
        tree = _parsed("\n".join(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        first = next((line for line in lines if line.strip()), "")
        remark = "a cell is no Python 3, so its imports are not known"
        yield Fact(kind=FactKind.REMARK, text=remark, origin=Origin(file=name, line=finder.find(first)))
        return
    for module, number in sorted(_imports(tree), key=lambda it: it[1]):
        origin = Origin(file=name, line=finder.find(lines[number - 1]))
        yield Fact(kind=FactKind.IMPORT, text=module, origin=origin, why="a notebook imports it")


def _installs(name: str, command: str, line: str, finder: _LineFinder) -> Iterator[Fact]:
    for part in re.split(r"&&|;(?=\s)|\|\|", command):
        pip, apt = _PIP.match(part.strip()), _APT.match(part.strip())
        found = pip or apt
        if found is None:
            continue
        origin = Origin(file=name, line=finder.find(line))
        for word in found["rest"].split():
            text = word.strip("'\"")
            good = _is_requirement(text) if pip else _APT_NAME.match(text)
            if good and not text.startswith("-"):
                kind = FactKind.INSTALL if pip else FactKind.APT
                yield Fact(kind=kind, text=text, origin=origin, why="a notebook installs it")


def _is_requirement(text: str) -> bool:
    try:
        read_requirement_item(text)
    except ValueError:
        return False
    return True


PYTHON = _is_code(".py")
NOTEBOOK = _is_code(".ipynb")
