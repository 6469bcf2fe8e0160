"""A Dockerfile that builds the same packages from the same lock, with nothing of shipway in it.

It needs BuildKit as Docker 20.10 has it built in, so it names no frontend image. Stages: `fetch` gets the locked files by
digest, `unpack` lays out the essential set, `system` lets `dpkg` install everything over an empty image, `python` lets pip fill
the environment, and the last one puts these together. The image that `fetch` starts from only lends its tools.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shipway.core.errors import SpecError
from shipway.core.image_source import parse_image_source
from shipway.export.model import install_order, require_one_line, require_pullable
from shipway.export.requirements import direct_reference, hashed_line, hashed_source_line
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
    unpack_script,
)
from shipway.plan.target import PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.export.model import Built, Contents
    from shipway.lock.model import BaseImage

_PYTHON = "/opt/python"


def render_dockerfile(contents: Contents) -> str:
    """The Dockerfile.

    Raises:
        SpecError: data are copied into the image, or a variable, path or command of the target cannot be written in a Dockerfile.
    """
    copied = next((use.name for use in contents.target.data if use.copy), None)
    if copied is not None:
        raise SpecError(
            f"a Dockerfile cannot hold the data `{copied}`, which are copied from the store",
            hints=['write `how = "mount"` for them, or hand the image itself over: `shipway save`'],
        )
    blocks = [_head(contents), _fetch(contents), _system(contents)]
    if contents.target.python:
        blocks.append(_python(contents))
    blocks.append(_final(contents))
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def render_ignore(contents: Contents, patterns: Sequence[str]) -> str:
    """What belongs beside it as `<name>.dockerignore`: `patterns` are all that keep a file out of the image, in order."""
    lines = ["# Written by `shipway export dockerfile`: the files that shipway keeps out of the image, too."]
    if contents.target.include:
        lines += ["**", *(f"!{pattern}" for pattern in contents.target.include)]
    return "\n".join([*lines, *patterns]) + "\n"


def _head(contents: Contents) -> list[str]:
    arguments = [f"#   {mirror_argument(alias)}: addresses of the archive `{alias}`, the best first; without it,"
                 " those that the image BOOTSTRAP has" for alias in aliases(contents)]  # fmt: skip
    dates = [f"#   {one.alias} {one.suite} as of {one.date}" for one in contents.lock.archives]
    lines = [
        f"# {contents.title}.",
        "# Written by `shipway export dockerfile` from the lock; change the spec and export again.",
        "#",
        "# Build it:  DOCKER_BUILDKIT=1 docker build -f Dockerfile -t NAME .",
        "# Every package is the locked one, checked by its sha256. Where packages come from is not written here:",
        *arguments,
    ]
    if contents.target.python:
        lines += [
            "#   PIP_INDEX_URL, PIP_EXTRA_INDEX_URL: Python indexes; without them, pip's own. Addresses with passwords belong",
            "#     into a secret: --secret id=pip,src=pip.conf",
            "#   --secret id=certs,src=FILE: certificates to trust, where a company has its own",
        ]
        if contents.target.python.origin != "base":
            lines.append(f"#   PYTHON_URL: address of {contents.target.python.filename}; it must be given")
    lines += [
        "# Archives drop old packages. Then a snapshot service's address is a mirror like any other. The lock knows:",
        *dates,
        f"ARG BOOTSTRAP={contents.distribution}:{contents.suite}",
    ]
    return lines


def _fetch(contents: Contents) -> list[str]:
    platform = contents.target.platform
    lines = [
        "# --- The locked OS packages: archive, sha256, path below the archive.",
        f"FROM --platform={platform} ${{BOOTSTRAP}} AS fetch",
        *(f"ARG {mirror_argument(alias)}" for alias in aliases(contents)),
    ]
    if contents.debs:
        lines += _run([listing(fetch_list(contents), "/debs.list")])
        lines += _run(["set -eu", *fetch_script(contents)])
    else:
        lines += _run(["apt-get update -qq"])
    python = contents.target.python
    if python and python.origin != "base" and python.sha256:
        check = f"echo {quoted([f'{python.sha256.hex}  /python.archive'])} | sha256sum --quiet -c"
        unpack = [
            "mkdir -p /python/unpacked",
            "tar -C /python/unpacked -xf /python.archive",
            (
                f"if [ -d /python/unpacked/python/install ]; then mv /python/unpacked/python/install /python{_PYTHON[4:]}; "
                f"else mv /python/unpacked/python /python{_PYTHON[4:]}; fi"
            ),
        ]
        lines += [
            "# The stand-alone interpreter.",
            "ARG PYTHON_URL",
            "ADD ${PYTHON_URL} /python.archive",
            *_run(["set -eu", check, *unpack, f"chown -R 0:0 /python{_PYTHON[4:]}"]),
        ]
    elif python:
        lines += [
            "# The suite's pip, as a tool of this build; no part of the image.",
            *_run(["set -eu", *pip_script()]),
        ]
    return lines


def _system(contents: Contents) -> list[str]:
    if contents.base is not None:
        return _over(contents, contents.base)
    first, *rest = install_order(contents)
    commands = [
        "set -eu",
        QUIET,
        "cd /mnt",
        r"printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d",
        'install() { dpkg --force-unsafe-io "$@" > /tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; exit 1; }; }',
        f"install --force-depends --install {quoted(file_of(deb) for deb in first)}",
        *(f"install --install {quoted(file_of(deb) for deb in group)}" for group in rest),
        "install --configure --pending",
        "rm -f /tmp/dpkg.log /var/lib/dpkg/*-old /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache",
        "rm -f /usr/sbin/policy-rc.d /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log",
        *slim_script(contents, "/"),
    ]
    return [
        "# --- The essential set laid out in a folder, then installed by its own dpkg in an image that holds nothing else.",
        "FROM fetch AS unpack",
        *_run(["set -eu", *unpack_script(first, "/rootfs", contents.target.platform.partition("/")[2])]),
        "",
        "FROM scratch AS system",
        "COPY --from=unpack /rootfs /",
        "# Dates in account files are the lock's.",
        f"ARG SOURCE_DATE_EPOCH={contents.lock.epoch}",
        *_run(commands, mounts=(f"type=bind,from=fetch,source={DEBS},target=/mnt",)),
    ]


def _over(contents: Contents, base: BaseImage) -> list[str]:
    lines = [
        f"# --- The base `{parse_image_source(base.name).place}`, as it was locked.",
        f"FROM --platform={contents.target.platform} {require_pullable(base)} AS system",
        *(["USER root"] if base.user else []),
    ]
    if not contents.debs:
        return lines
    options = "--force-unsafe-io --force-confdef --force-confold"
    names = quoted(file_of(deb) for group in install_order(contents) for deb in group)
    commands = [
        "set -eu",
        QUIET,
        "cd /mnt",
        "policy=/usr/sbin/policy-rc.d",
        (
            r"if [ -e $policy ]; then policy=; else printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy; fi"
        ),
        f'install() {{ dpkg {options} "$@" > /tmp/dpkg.log 2>&1 || {{ cat /tmp/dpkg.log; exit 1; }}; }}',
        *begin_slimming(contents),
        f"install --force-depends --unpack {names}",
        "install --force-depends --configure --pending",
        *slim_script(contents, "/", since=BEGAN),
        "rm -f /tmp/dpkg.log $policy",
    ]
    mount = f"type=bind,from=fetch,source={DEBS},target=/mnt"
    return [*lines, f"ARG SOURCE_DATE_EPOCH={contents.lock.epoch}", *_run(commands, mounts=(mount,))]


def _python(contents: Contents) -> list[str]:
    python = contents.target.python
    assert python is not None
    standalone = python.origin != "base"
    mounts = [
        "type=cache,target=/var/cache/pip",
        "type=secret,id=pip,target=/etc/pip.conf",
        "type=secret,id=certs",
    ]
    start = [
        "set -eu",
        "export PIP_CACHE_DIR=/var/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore",
    ]
    if standalone:
        start.append(f"{python.executable} -m ensurepip >/dev/null")
    else:
        mounts += [f"type=bind,from=fetch,source={PIP}/usr/lib/python3/dist-packages,target=/run/pip",
                   "type=bind,from=fetch,source=/etc/ssl/certs,target=/run/certs"]  # fmt: skip
        start.append("export PYTHONPATH=/run/pip PIP_CERT=/run/certs/ca-certificates.crt")
    pip = f"{python.executable} -m pip --python"
    start.append("if [ -s /run/secrets/certs ]; then export PIP_CERT=/run/secrets/certs; fi")
    site = " --system-site-packages" if contents.target.system_site_packages else ""
    lines = [
        f"# --- The Python environment at {PREFIX}. Only this folder leaves the stage.",
        "FROM system AS python",
        *([f"COPY --from=fetch /python{_PYTHON[4:]} {_PYTHON}"] if standalone else []),
        "ARG PIP_INDEX_URL",
        "ARG PIP_EXTRA_INDEX_URL",
        f"RUN {python.executable} -m venv --without-pip{site} {PREFIX}",
    ]
    files = ["--no-deps --require-hashes --only-binary :all:"]
    if contents.wheels:
        install = f"{pip} {PREFIX} install {files[0]} --no-compile -r /requirements.txt"
        lines += _run([listing([hashed_line(wheel) for wheel in contents.wheels], "/requirements.txt")])
        lines += _run([*start, install], mounts=mounts)
    for number, built in enumerate(contents.built):
        lines += _build(built, f"/build/{number}", pip, start, mounts)
    if contents.target.bytecode:
        site_packages = f"{PREFIX}/lib/python{python.version}/site-packages"
        compiling = f"{python.executable} -m compileall -q --invalidation-mode unchecked-hash {site_packages}"
        lines += [
            "# Some packages ship files that are no Python of any version; these stay without bytecode.",
            *_run([f"{compiling} || true"]),
        ]
    if slimming := slim_script(contents, PREFIX):
        lines += ["# What the target leaves out of packages (`slim`), as in the system.", *_run(slimming)]
    return lines


def _build(built: Built, place: str, pip: str, start: list[str], mounts: list[str]) -> list[str]:
    """One wheel from its source, in an environment of the locked build requirements."""
    source = built.source
    python = pip.partition(" ")[0]
    lines = [
        f"# {source.name} {source.version} has no wheel that could be fetched: it is built from its {source.kind} source."
    ]
    steps = [*start, f"{python} -m venv --without-pip {place}"]
    if built.requires:
        wanted = listing([hashed_line(wheel) for wheel in built.requires], f"{place}.txt")
        steps += [
            wanted,
            f"{pip} {place} install --no-deps --require-hashes --only-binary :all: -r {place}.txt",
        ]
    what = quoted([direct_reference(source)])
    if source.kind == "sdist":
        steps.append(listing([hashed_source_line(source)], f"{place}-source.txt"))
        what = f"--require-hashes -r {place}-source.txt"
    elif source.kind == "local":
        lines.append(f"COPY {json.dumps([source.path or '.', place + '-source'])}")
        what = f"{place}-source"
    steps += [
        f"PATH={place}/bin:$PATH {pip} {place} wheel --no-deps --no-build-isolation -w {place}-wheel {what}",
        f"{pip} {PREFIX} install --no-deps --no-compile --no-index --find-links {place}-wheel {quoted([source.name])}",
    ]
    return [*lines, *_run(steps, mounts=mounts)]


def _final(contents: Contents) -> list[str]:
    target, settings = contents.target, contents.settings
    workdir = require_one_line(settings.workdir, "the working directory")
    lines = ["# --- The image.", "FROM system"]
    if target.python:
        if target.python.origin != "base":
            lines.append(f"COPY --from=fetch /python{_PYTHON[4:]} {_PYTHON}")
        lines.append(f"COPY --from=python {PREFIX} {PREFIX}")
    for name, value in settings.env:
        lines.append(f"ENV {name}={_env(require_one_line(value, f'the variable `{name}`'))}")
    lines += [f"LABEL {name}={_env(value)}" for name, value in settings.labels]
    lines.append(f"WORKDIR {_path(workdir)}")
    for command in target.build:
        lines += [f"COPY {json.dumps([path, f'{workdir}/{path}'])}" for path in command.inputs]
        lines.append(f"RUN {json.dumps(list(command.argv))}")
    lines += [
        "COPY . .",
        "# Not root: the caller's numbers at run time (`--user $(id -u):$(id -g)`), else these. With USER_NAME they get a",
        "# name, too, which editors ask for.",
        "ARG USER_ID=1000",
        "ARG USER_NAME",
        *_run([
            ('if [ -n "${USER_NAME:-}" ]; then '
            'echo "$USER_NAME:x:$USER_ID:$USER_ID::/home/$USER_NAME:/bin/sh" >> /etc/passwd && '
            'echo "$USER_NAME:x:$USER_ID:" >> /etc/group && '
            'mkdir -p "/home/$USER_NAME" && chown "$USER_ID:$USER_ID" "/home/$USER_NAME"; fi')
        ]),
        "USER ${USER_ID}:${USER_ID}",
    ]  # fmt: skip
    if settings.command:
        lines.append(f"CMD {json.dumps(list(settings.command))}")
    return lines


def _run(statements: Sequence[str], *, mounts: Sequence[str] = ()) -> list[str]:
    """One RUN over several lines. A line break inside a statement stays one."""
    lines = [line for statement in statements for line in f"{statement};".split("\n")]
    lines[-1] = lines[-1].removesuffix(";")
    head = [f"--mount={mount}" for mount in mounts]
    text = [*head, *lines]
    indented = [text[0], *(f"    {line}" for line in text[1:])]
    return ("RUN " + " \\\n".join(indented)).split("\n")


def _env(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def _path(value: str) -> str:
    return value.replace("\\", "\\\\").replace("$", "\\$")
