"""Documentation: links lead somewhere, generated pages are current, the README's commands are what they must be."""

from __future__ import annotations

import os
import re

import pytest
from quality_files import ROOT, python_files, read, repository_files

from shipway.cli.environment import VARIABLES
from shipway.cli.reference import render_pages

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _pages() -> list[str]:
    return [path for path in repository_files() if path.endswith(".md")]


def _anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def find_broken_links(path: str, text: str) -> list[str]:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", text)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
        if not os.path.exists(os.path.join(ROOT, file)):
            broken.append(f"{path}: {link}")
        elif anchor and anchor not in _anchors(read(file)):
            broken.append(f"{path}: {link} (no such heading)")
    return broken


def test_links_lead_somewhere():
    assert not [broken for path in _pages() for broken in find_broken_links(path, read(path))]


def test_a_broken_link_is_found():
    assert find_broken_links(
        "README.md", "[x](no-such-file.md) [y](STYLE.md#no-such-heading) [z](STYLE.md#style)"
    ) == [
        "README.md: no-such-file.md",
        "README.md: STYLE.md#no-such-heading (no such heading)",
    ]


@pytest.mark.parametrize("name", sorted(render_pages()))
def test_generated_page_is_current(name):
    assert read(f"docs/reference/{name}") == render_pages()[name], (
        "run `python -m shipway.cli.reference docs/reference`"
    )


def test_every_page_of_the_documentation_can_be_reached():
    seen: set[str] = set()
    waiting = ["docs/index.md", "README.md", "CONTRIBUTING.md"]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.endswith(".md") or not os.path.isfile(os.path.join(ROOT, path)):
            continue
        seen.add(path)
        for link in _LINK.findall(read(path)):
            target = os.path.normpath(os.path.join(os.path.dirname(path), link.partition("#")[0]))
            waiting.append(target)
    lost = [
        path
        for path in _pages()
        if path.startswith("docs/") and path not in seen and "/decisions/" not in path
    ]
    assert not lost


def test_decisions_are_numbered_without_gaps_or_doubles():
    numbers = sorted(
        int(os.path.basename(path)[:4]) for path in _pages() if path.startswith("docs/decisions/")
    )
    assert numbers == list(range(1, len(numbers) + 1))


def test_no_page_cites_line_numbers():
    cited = re.compile(r"\b(?:src|tests|bench)/[\w/]+\.py:\d+\b")
    assert not [f"{path}: {match[0]}" for path in _pages() for match in cited.finditer(read(path))]


@pytest.mark.parametrize("heading", ["Run it", "Test it"])
def test_the_readme_has_one_command_below(heading):
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", read("README.md"), re.MULTILINE | re.DOTALL)
    assert section, f"no heading `{heading}`"
    fences = _FENCE.findall(section[1])
    assert fences, f"no fenced block below `{heading}`"
    assert len(fences[0].splitlines()) == 3, "the first block holds one line"
    script = fences[0].splitlines()[1].split()[-1]
    assert os.access(os.path.join(ROOT, script), os.X_OK)


def test_ci_runs_the_readmes_test_command():
    command = re.search(r"^## Test it\n+```sh\n(.*)\n```", read("README.md"), re.MULTILINE)
    assert command
    assert command[1] in read(".ci/run")


def test_every_variable_of_ours_is_documented():
    documented = {variable.name for variable in VARIABLES}
    families = tuple(name.partition("<")[0] for name in documented if "<" in name)
    used: set[str] = set()
    for path in python_files("src/"):
        used |= set(re.findall(r"\bSHIPWAY_[A-Z][A-Z_]*[A-Z]\b_?", read(path)))
    assert not [name for name in used if name not in documented and not name.startswith(families)]


def test_every_change_note_has_a_kind():
    notes = [os.path.basename(path) for path in repository_files() if path.startswith("changes/")]
    assert notes
    assert all(
        re.fullmatch(r"\d+(-[a-z-]+)?\.(feature|fix|deprecation|removal|internal)\.md", note)
        for note in notes
    )
