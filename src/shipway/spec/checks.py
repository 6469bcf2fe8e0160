"""Contradictions between values that are each fine."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.spec.bases import find_base_python
from shipway.spec.model import Network, Spec, Target, Wish
from shipway.spec.requirement import normal_name, parse_requirement
from shipway.spec.sheet import Place


def check_spec(spec: Spec, place: Place) -> None:
    """Note every contradiction in `spec`, whose table stands at `place`."""
    for target in spec.targets:
        _check_pins(target, place)
        _check_mounts(target, place)
        _check_python(target, place)
        _check_run(target, place)
        secrets = {word.removesuffix("?") for word in target.run.secret_variables}
        both = sorted({name for name, _ in target.run.env} & {*target.run.pass_env, *secrets})
        for name in both:
            spot = place.at("run", "secrets" if name in secrets else "pass-env")
            spot.refuse(
                f"target `{target.name}`: `{name}` is set in `run.env` and taken from the caller",
                "keep one of them",
            )
    _check_indexes(spec, place)


def _check_pins(target: Target, place: Place) -> None:
    pinned: dict[str, tuple[str, Wish]] = {}
    for wish in target.pip:
        requirement = parse_requirement(wish.text)
        if not requirement.pin or requirement.marker:
            continue
        version, first = pinned.setdefault(requirement.name, (requirement.pin, wish))
        if _release(version) != _release(requirement.pin):
            text = f"target `{target.name}`: `{wish.text}` contradicts `{first.text}` of {first.origin}"
            hint = (
                f'keep one of them; a target drops what it inherits by `without = ["pip:{requirement.name}"]`'
            )
            place.sheet.findings.refuse(wish.origin, text, hint)


def _release(version: str) -> str:
    """`version` without zeros that PEP 440 does not count."""
    text = version.lower()
    while text.endswith(".0"):
        text = text[:-2]
    return text


def _check_mounts(target: Target, place: Place) -> None:
    spot = place.at("run", "mounts")
    for name in _twice(mount.target for mount in target.run.mounts):
        hint = f'a target drops what it inherits by `without = ["mounts:{name}"]`'
        spot.refuse(f"target `{target.name}`: two mounts at `{name}`", hint)
    seen = {mount.target: "a mount" for mount in target.run.mounts} | {target.workdir: "the project"}
    for data in target.data:
        if data.target in seen:
            place.at("data", data.name, "target").refuse(
                f"target `{target.name}`: {seen[data.target]} is at `{data.target}` already",
                "choose another target",
            )
        seen[data.target] = f"`data.{data.name}`"
    if any(mount.target == target.workdir for mount in target.run.mounts):
        hint = "choose another target, or leave the mount out"
        spot.refuse(
            f"target `{target.name}`: `{target.workdir}` is `workdir`, where the project itself is mounted",
            hint,
        )


def _check_run(target: Target, place: Place) -> None:
    run = target.run
    if run.ports and run.network is not Network.BRIDGE:
        hint = 'leave `network` out, or write `network = "bridge"`'
        place.at("run", "ports").refuse(
            f'target `{target.name}`: with `network = "{run.network}"` no port is shown', hint
        )
    swap = run.memory_swap
    if swap is not None and run.memory is not None and 0 <= swap < run.memory:
        hint = (
            "it is the sum of memory and swap; the same number as `memory` means no swap, and -1 all there is"
        )
        place.at("run", "memory-swap").refuse(f"target `{target.name}`: it is less than `memory`", hint)


def _check_python(target: Target, place: Place) -> None:
    own = find_base_python(target.base.distribution, target.base.suite)
    if (
        target.system_site_packages
        and own
        and target.python
        and not f"{target.python}.".startswith(f"{own}.")
    ):
        text = (
            f"target `{target.name}`: Python {target.python} cannot use packages for the base's Python {own}"
        )
        place.at("system-site-packages").refuse(text, f'leave it out, or write `python = "{own}"`')


def _check_indexes(spec: Spec, place: Place) -> None:
    for name in _twice(index.alias for index in spec.indexes):
        place.at("indexes", name).refuse(
            "is named by the spec and by a requirements file", "give it another alias"
        )
    names = (normal_name(name) for index in spec.indexes for name in index.packages)
    for name in _twice(names):
        place.at("indexes").refuse(
            f"`{name}` comes from two indexes", "name it in the `packages` of one of them"
        )


def _twice(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
