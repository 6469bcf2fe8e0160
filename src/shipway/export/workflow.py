"""A workflow for GitHub Actions that locks, builds, runs and compares what the project prints (pure).

Steps are plain `run:` lines, which can be read, and run by hand. Only what nothing but an action can do is one: the checkout
and the cache between runs.
"""

from __future__ import annotations

from typing import NamedTuple

PLACE = ".github/workflows/shipway.yml"
"""Relative to the project."""

_TEXT = """\
# Written by `shipway init --ci`: the lock matches the spec, the image builds, and the project prints what it printed before.
name: shipway
on:
  push:
  pull_request:
permissions:
  contents: read
jobs:
  works:
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    steps:
      - uses: actions/checkout@v4
      - name: Keep unpacked packages between runs
        uses: actions/cache@v4
        with:
          path: ~/.local/share/shipway/store
          key: shipway-${{{{ runner.arch }}}}-${{{{ hashFiles('{lock}') }}}}
          restore-keys: shipway-${{{{ runner.arch }}}}-
      - name: Let users make containers, which this system's AppArmor forbids
        run: sudo sysctl -qw kernel.apparmor_restrict_unprivileged_userns=0
      - name: Install shipway
        run: pipx install 'shipway=={version}'
      - name: The lock matches the spec
        run: shipway lock --check
      - name: The image builds
        run: shipway build --locked{target}
      - name: It prints what it printed before
        run: |
          shipway run --locked{target} >"${{RUNNER_TEMP:-/tmp}}/output.txt"
          diff -u '{expected}' "${{RUNNER_TEMP:-/tmp}}/output.txt"
"""


class Workflow(NamedTuple):
    """What the workflow has to know."""

    version: str
    """Of shipway."""
    expected: str
    """The file with what is to be printed, relative to the project; without quotes or newlines."""
    target: str = ""
    """Empty: the default one."""
    lock: str = "shipway.lock"


def render_workflow(workflow: Workflow) -> str:
    """The file's text."""
    return _TEXT.format(
        version=workflow.version,
        expected=workflow.expected,
        lock=workflow.lock,
        target=f" --target {workflow.target}" if workflow.target else "",
    )
