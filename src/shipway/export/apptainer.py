"""An Apptainer definition file that puts the locked packages over the suite's own small image.

A definition has one root that it starts from, so what that image holds beside the locked packages (apt above all) stays. Every
locked package is there in its locked version, checked by its sha256; a package that the image has newer is set back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.errors import SpecError
from shipway.export.model import install_order, require_one_line, require_pullable
from shipway.export.requirements import hashed_line, hashed_source_line
from shipway.export.shell import (
    BEGAN,
    DEBS,
    PIP,
    QUIET,
    aliases,
    begin_slimming,
    fetch_list,
    fetch_script,
    file_of,
    listing,
    mirror_argument,
    pip_script,
    quoted,
    slim_script,
)
from shipway.plan.target import PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.export.model import Contents


def render_apptainer(contents: Contents) -> str:
    """The definition file.

    Raises:
        SpecError: the target holds what a definition file has no way to say: a build command, an interpreter that is no
            package of the suite, or a Python package from git or a folder.
    """
    _require_plain(contents)
    workdir = require_one_line(contents.settings.workdir, "the working directory")
    command = quoted(require_one_line(word, "the command") for word in contents.settings.command)
    lines = [
        f"# {contents.title}.",
        "# Written by `shipway export apptainer` from the lock; change the spec and export again.",
        "# Build: apptainer build NAME.sif FILE",
        f'# Run:   apptainer run --cleanenv --bind "$PWD:{workdir}" --pwd {workdir} NAME.sif',
        "# The project's files are bound, not copied. Beside the locked packages, the image has what its base brings.",
        "",
        "Bootstrap: docker",
        f"From: {require_pullable(contents.base) if contents.base else f'{contents.distribution}:{contents.suite}'}",
        "",
        "%post",
        *(f"    {line}" for line in _post(contents)),
        "",
        "%environment",
    ]
    for name, value in contents.settings.env:
        lines.append(f"    export {name}={quoted([require_one_line(value, f'the variable `{name}`')])}")
    if contents.settings.labels:
        lines += ["", "%labels", *(f"    {name} {value}" for name, value in contents.settings.labels)]
    lines += [
        "",
        "%runscript",
        '    if [ "$#" -gt 0 ]; then exec "$@"; fi',
        f"    exec {command or '/bin/sh'}",
    ]
    return "\n".join(lines) + "\n"


def _require_plain(contents: Contents) -> None:
    target = contents.target
    unfit = [built.source.id for built in contents.built if built.source.kind != "sdist"]
    unfit += ["the stand-alone Python"] if target.python and target.python.origin != "base" else []
    unfit += [f"the build command `{' '.join(command.argv)}`" for command in target.build]
    unfit += [f"the copied data `{use.name}`" for use in target.data if use.copy]
    if unfit:
        raise SpecError(
            f"a definition file cannot hold {', '.join(unfit)}",
            hints=[
                "export a Dockerfile, build it, and convert: `apptainer build NAME.sif docker-daemon:NAME:latest`"
            ],
        )


def _post(contents: Contents) -> list[str]:
    lines = [
        "set -eu",
        QUIET,
        "# Where packages come from; empty: as the image's own settings say. PIP_INDEX_URL may be exported here, too.",
    ]
    lines += [f"{mirror_argument(alias)}=''" for alias in aliases(contents)]
    steps = begin_slimming(contents)
    steps += [listing(fetch_list(contents), "/debs.list"), *fetch_script(contents)] if contents.debs else []
    if contents.target.python:
        steps += pip_script()
    steps += _packages(contents) if contents.debs else []
    if contents.target.python:
        steps += _python(contents)
    steps += slim_script(contents, "/", since=BEGAN)
    steps += [f"rm -rf {DEBS} {PIP} /debs.list /requirements.txt /build /var/lib/apt/lists/*"]
    steps += [f"mkdir -p {quoted([contents.settings.workdir])}"]
    return [*lines, *_lines(steps)]


def _packages(contents: Contents) -> list[str]:
    if contents.base is not None:
        force = "--force-unsafe-io --force-confdef --force-confold --force-depends"
        names = quoted(file_of(deb) for group in install_order(contents) for deb in group)
        return [
            f"cd {DEBS}",
            f"dpkg {force} --unpack {names} >/dev/null",
            f"dpkg {force} --configure --pending >/dev/null",
            "cd /",
        ]
    first, *rest = install_order(contents)
    force = "--force-unsafe-io --force-downgrade --force-confnew"
    steps = [
        f"cd {DEBS}",
        f"dpkg {force} --force-depends --install {quoted(file_of(deb) for deb in first)} >/dev/null",
    ]
    steps += [f"dpkg {force} --install {quoted(file_of(deb) for deb in group)} >/dev/null" for group in rest]
    return [*steps, "dpkg --configure --pending", "cd /"]


def _python(contents: Contents) -> list[str]:
    python = contents.target.python
    assert python is not None
    site = " --system-site-packages" if contents.target.system_site_packages else ""
    pip = f"PYTHONPATH={PIP}/usr/lib/python3/dist-packages {PREFIX}/bin/python -m pip"
    steps = ["export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_CACHE_DIR=1"]
    steps.append(f"{python.executable} -m venv --without-pip{site} {PREFIX}")
    install = "install --no-deps --no-compile --require-hashes"
    if contents.wheels:
        steps.append(listing([hashed_line(wheel) for wheel in contents.wheels], "/requirements.txt"))
        steps.append(f"{pip} {install} --only-binary :all: -r /requirements.txt")
    for number, built in enumerate(contents.built):
        place = f"/build/{number}"
        steps.append(f"{python.executable} -m venv --without-pip {place}")
        inside = pip.replace(f"{PREFIX}/bin", f"{place}/bin")
        if built.requires:
            steps.append(listing([hashed_line(wheel) for wheel in built.requires], f"{place}.txt"))
            steps.append(f"{inside} {install} --only-binary :all: -r {place}.txt")
        steps += [
            listing([hashed_source_line(built.source)], f"{place}-source.txt"),
            (
                f"PATH={place}/bin:$PATH {inside} wheel --no-deps --no-build-isolation --require-hashes"
                f" -r {place}-source.txt -w {place}-wheel"
            ),
            f"{pip} install --no-deps --no-compile --no-index --find-links {place}-wheel {quoted([built.source.name])}",
        ]
    return steps


def _lines(steps: Sequence[str]) -> list[str]:
    """Statements; a line break inside one is continued."""
    return [line for step in steps for line in step.replace("\n", " \\\n").split("\n")]
