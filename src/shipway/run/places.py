"""Where runs keep things in the state folder: paths from names (pure).

homes/KEY/home          the home volume of a project
homes/KEY/project.json  which project that is
kept/KEY/NAME/…         writable tops that live on
roots/KEY/DIGEST/…      environments merged into one folder
runs/ID/…               what lives as long as one container
ready/DIGEST.json       launch records
volumes/NAME            volumes with names
cache                   the cache of all projects
"""

from __future__ import annotations

import hashlib


def project_key(project: str) -> str:
    """One path component that names the project folder `project` (absolute, links resolved)."""
    base = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in project.rpartition("/")[2]
    ).strip(".-")
    digest = hashlib.sha256(project.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{base[:40] or 'project'}-{digest}"


def homes_folder(state: str, project: str = "") -> str:
    """Of all projects, or of one."""
    return f"{state}/homes/{project_key(project)}" if project else f"{state}/homes"


def home_folder(state: str, project: str) -> str:
    """What is mounted as home."""
    return f"{homes_folder(state, project)}/home"


def kept_folder(state: str, project: str, name: str = "") -> str:
    """Of all tops kept of a project, or of one."""
    base = f"{state}/kept/{project_key(project)}"
    return f"{base}/{name}" if name else base


def bytecode_folder(state: str, project: str, lowers: tuple[str, ...] = ()) -> str:
    """Of all environments of a project, or of the one stacked of `lowers`."""
    base = f"{state}/bytecode/{project_key(project)}"
    if not lowers:
        return base
    text = "\n".join(lowers).encode("utf-8", "surrogateescape")
    return f"{base}/{hashlib.sha256(text).hexdigest()[:32]}"


def root_folder(state: str, project: str, lowers: tuple[str, ...]) -> str:
    """The environment stacked of `lowers`, merged into one folder."""
    text = "\n".join(lowers).encode("utf-8", "surrogateescape")
    return f"{roots_folder(state, project)}/{hashlib.sha256(text).hexdigest()[:32]}"


def roots_folder(state: str, project: str = "") -> str:
    """Merged environments of all projects, or of one."""
    return f"{state}/roots/{project_key(project)}" if project else f"{state}/roots"


def runs_folder(state: str, identity: str = "") -> str:
    """Of all runs, or of one."""
    return f"{state}/runs/{identity}" if identity else f"{state}/runs"


def volume_folder(state: str, name: str = "") -> str:
    """Of all volumes with names, or of one."""
    return f"{state}/volumes/{name}" if name else f"{state}/volumes"


def cache_folder(state: str) -> str:
    """What is mounted as cache in all containers."""
    return f"{state}/cache"


def ready_file(state: str, project: str, target: str) -> str:
    """The launch record of one target; an empty `target` is the spec's default."""
    text = f"{project}\0{target}".encode("utf-8", "surrogateescape")
    return f"{state}/ready/{hashlib.sha256(text).hexdigest()[:32]}.json"
