"""A Makefile whose targets build and run the image of each target with Docker.

The target for the GPU, or else the default one, has the plain names `docker-build` and `docker-run`; the others have their name
behind these. Dockerfiles are real files, made again when the lock is newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.export.model import require_one_line
from shipway.export.options import describe_unmounted, engine_options, image_name, mount_source
from shipway.export.shell import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipway.export.model import Contents
    from shipway.spec.model import RunOptions


def render_makefile(targets: Sequence[Contents], runs: Mapping[str, RunOptions], *, default: str) -> str:
    """The Makefile. `runs`: by name of target.

    Raises:
        SpecError: a mount or variable has a line break.
    """
    plain = next((one for one in targets if one.uses_gpu), None)
    plain = plain or next((one for one in targets if one.target.name == default), targets[0])
    ordered = [plain, *(one for one in targets if one is not plain)]
    suffixes = ["", *(f"-{one.target.name}" for one in ordered[1:])]
    names = [f"docker-{verb}{suffix}" for verb in ("build", "run") for suffix in suffixes]
    lines = [
        f"# {plain.lock.name}. Written by `shipway export makefile`; change the spec and export again.",
        "# Containers run as you, with the project at its working directory: `docker exec -it NAME bash` enters one.",
        *(f"# {sentence}" for sentence in describe_unmounted(ordered)),
        f".PHONY: {' '.join(names)}",
        "",
        f"IMAGE_NAME := {image_name(plain)}",
    ]
    for contents, suffix in zip(ordered, suffixes, strict=True):
        lines += ["", *_build(contents, suffix)]
    for contents, suffix in zip(ordered, suffixes, strict=True):
        lines += ["", *_run(contents, suffix, runs[contents.target.name])]
    for contents in ordered:
        lines += ["", *_dockerfile(contents)]
    return "\n".join(lines) + "\n"


def _file(contents: Contents) -> str:
    return f"build/Dockerfile.{contents.target.name}"


def _build(contents: Contents, suffix: str) -> list[str]:
    tag = f"$(IMAGE_NAME){suffix}:latest"
    return [
        f"docker-build{suffix}: {_file(contents)}",
        f"\tDOCKER_BUILDKIT=1 docker build --tag {tag} --file $< .",
    ]


def _dockerfile(contents: Contents) -> list[str]:
    return [
        f"{_file(contents)}: shipway.lock",
        "\tmkdir -p $(@D)",
        f"\tshipway export dockerfile --target {contents.target.name} --platform {contents.target.platform} --output $@",
    ]


def _run(contents: Contents, suffix: str, run: RunOptions) -> list[str]:
    words = ["--detach", "--tty", "--init", *engine_options(run), "--env=HOME=/tmp"]
    words += ["--gpus=all"] if contents.uses_gpu else []
    mounts = [("$(CURDIR)", contents.settings.workdir)]
    for mount in (*run.mounts, *run.secret_files):
        source = mount_source(mount, home="$(HOME)", project="$(CURDIR)")
        mounts.append((source, f"{mount.target}:ro" if mount.read_only else mount.target))
    text = " ".join([*(_word(word) for word in words), *(_volume(*mount) for mount in mounts)])
    name = f"$(IMAGE_NAME){suffix}"
    return [
        f"docker-run{suffix}:",
        f'\tdocker run --user "$$(id -u):$$(id -g)" {text} --name {name} {name}:latest /bin/bash',
    ]


def _word(text: str) -> str:
    """`text` for the shell, in a recipe of make."""
    return quoted([require_one_line(text, "a run option")]).replace("$", "$$")


def _volume(source: str, target: str) -> str:
    """A mount whose source may start with a variable of make."""
    variable, bracket, rest = source.partition(")") if source.startswith("$(") else ("", "", source)
    return f"--volume={variable}{bracket}{_word(rest) if rest else ''}:{_word(target)}"
