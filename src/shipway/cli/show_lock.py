"""`lock`, `why`, `verify` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.verbs.lock import LockResult
    from shipway.verbs.rebuilt import RebuiltResult
    from shipway.verbs.verify import VerifyResult
    from shipway.verbs.why import Reason, WhyPackage

_STATES = {
    "fresh": "the lock matches the spec",
    "stale": "the lock does not match the spec:",
    "written": "the lock was written",
    "unwritten": "the lock would be written",
}
_SHOWN_FINDINGS = 50


def render_lock_result(result: LockResult) -> str:
    """Drift and changes, one per line; what a script wants to read."""
    lines = list(result.drift) if result.state == "stale" else list(result.changes)
    return "".join(f"{shown(line, 400)}\n" for line in lines)


def describe_lock(result: LockResult) -> str:
    """One sentence about it, with the size of every target."""
    targets = ", ".join(
        f"{shown(name)} on {platform} ({debs} OS, {wheels} Python packages)"
        for name, platform, debs, wheels in result.targets
    )
    if result.state == "stale":
        return f"{_STATES['stale']} run `shipway lock`"
    return _STATES[result.state] + (f": {targets}" if targets else "")


def lock_document(result: LockResult) -> dict[str, Any]:
    """State, drift, changes, targets."""
    return {
        "path": result.path,
        "state": result.state,
        "drift": list(result.drift),
        "changes": list(result.changes),
        "targets": [
            {"name": name, "platform": platform, "debs": debs, "wheels": wheels}
            for name, platform, debs, wheels in result.targets
        ],
    }


def render_why(packages: tuple[WhyPackage, ...]) -> str:
    """Each package with its chains."""
    return "\n".join(_package(package) for package in packages)


def _package(package: WhyPackage) -> str:
    kind = {"deb": "OS package", "wheel": "Python package"}[package.kind]
    lines = [
        f"{shown(package.name)} {shown(package.version)}  ({kind}, target {shown(package.target)} on {package.platform})",
        f"  size   {render_size(package.size)} to fetch",
        f"  layer  {shown(package.layer) or '-'}: {shown(package.layer_reason)}",
    ]
    lines += [f"  {line}" for reason in package.reasons for line in _reason(reason)]
    if not package.reasons:
        lines.append("  nothing in the spec leads here; the resolver chose it")
    if package.needs:
        lines.append(f"  needs  {', '.join(map(shown, package.needs))}")
    return "\n".join(lines) + "\n"


def _reason(reason: Reason) -> list[str]:
    asked = f"asked  {shown(reason.wish)}" + (f"  <- {shown(reason.origin)}" if reason.origin else "")
    chain = " -> ".join(f"{shown(link.name)} {shown(link.version)}" for link in reason.chain)
    return [asked, f"       {chain}"] if len(reason.chain) > 1 else [asked]


def why_document(packages: tuple[WhyPackage, ...]) -> dict[str, Any]:
    """The same as values."""
    return {
        "packages": [
            {
                "kind": package.kind,
                "name": package.name,
                "version": package.version,
                "target": package.target,
                "platform": package.platform,
                "size": package.size,
                "sha256": package.sha256,
                "layer": package.layer,
                "layer_reason": package.layer_reason,
                "needs": list(package.needs),
                "reasons": [
                    {
                        "wish": reason.wish,
                        "origin": reason.origin,
                        "chain": [{"name": link.name, "version": link.version} for link in reason.chain],
                    }
                    for reason in package.reasons
                ],
            }
            for package in packages
        ]
    }


def render_rebuilt(result: RebuiltResult) -> str:
    """Each tree that differs with the fields of its key that do."""
    lines = [f"not in the lock yet: {shown(sentence)}" for sentence in result.drift]
    if result.past:
        lines.append("nothing differs from the last build, which was made for this:")
    for difference in result.differences:
        lines.append(f"{difference.layer}: {shown(difference.tree)} {difference.what}")
        lines += [
            f"  {field}: {shown(old) or '-'} -> {shown(new) or '-'}" for field, old, new in difference.changes
        ]
    return "".join(f"{line}\n" for line in lines) or "nothing differs from the last build\n"


def rebuilt_document(result: RebuiltResult) -> dict[str, Any]:
    """The same as values."""
    return {
        "target": result.target,
        "platform": result.platform,
        "drift": list(result.drift),
        "past": result.past,
        "differences": [
            {
                "tree": one.tree,
                "layer": one.layer,
                "what": one.what,
                "changes": [{"field": field, "before": old, "after": new} for field, old, new in one.changes],
            }
            for one in result.differences
        ],
    }


def render_verify(result: VerifyResult) -> str:
    """A line for each finding, then the image."""
    lines = []
    for finding in result.findings[:_SHOWN_FINDINGS]:
        path = f" `{shown(finding.path)}`" if finding.path else ""
        mended = "; taken out, to be made again" if finding.repaired else ""
        lines.append(
            f"{finding.kind} {finding.name[:12]}{path}: {finding.problem.value} {shown(finding.detail)}".rstrip()
            + mended
        )
    if len(result.findings) > _SHOWN_FINDINGS:
        lines.append(f"… and {len(result.findings) - _SHOWN_FINDINGS} more; `--json` lists all")
    if not result.findings:
        lines.append(f"the store `{shown(result.store)}` is what its digests say")
    if result.image:
        lines.append(f"image: {shown(result.image, 400)}")
    elif result.digest:
        lines.append(f"the image is what the lock says: {result.digest}")
    if result.rebuilt:
        lines.append(f"{result.rebuilt} trees were made again")
    return "".join(f"{line}\n" for line in lines)


def verify_document(result: VerifyResult) -> dict[str, Any]:
    """Every finding."""
    return {
        "ok": not result.code,
        "store": result.store,
        "digest": result.digest or None,
        "image": result.image or None,
        "rebuilt": result.rebuilt,
        "findings": [
            {
                "problem": finding.problem.value,
                "kind": finding.kind,
                "name": finding.name,
                "path": finding.path,
                "detail": finding.detail,
                "repaired": finding.repaired,
            }
            for finding in result.findings
        ],
    }
