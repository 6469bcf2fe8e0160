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

from shipway.core.short_hash import hash_short


def project_key(project: str) -> str:
    """One path component that names the project folder `project` (absolute, links resolved)."""
    base = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in project.rpartition("/")[2]
    ).strip(".-")
    return f"{base[:40] or 'project'}-{_digest(project)[:12]}"


def _digest(text: str) -> str:
    return hash_short(text.encode("utf-8", "surrogateescape"))


def _digest_lowers(lowers: tuple[str, ...]) -> str:
    return _digest("\n".join(lowers))[:32]


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
    return f"{base}/{_digest_lowers(lowers)}"


def root_folder(state: str, project: str, lowers: tuple[str, ...]) -> str:
    """The environment stacked of `lowers`, merged into one folder."""
    return f"{roots_folder(state, project)}/{_digest_lowers(lowers)}"


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
    digest = _digest(f"{project}\0{target}")
    return f"{state}/ready/{digest[:32]}.json"
