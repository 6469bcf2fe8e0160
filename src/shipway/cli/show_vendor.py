"""`vendor` and `bundle` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.verbs.vendor import VendorResult


def render_vendor(result: VendorResult) -> str:
    """For a dry run: what would be brought, one line each. Else nothing."""
    if not result.dry_run:
        return ""
    wanted = [item for item in result.items if item.new]
    return "".join(f"{item.kind:6}  {render_size(item.size):>10}  {shown(item.name)}\n" for item in wanted)


def describe_vendor(result: VendorResult) -> str:
    """One sentence, and another about what no collection can hold."""
    new = [item for item in result.items if item.new]
    word = "to bring" if result.dry_run else "new"
    brought = f"{len(new)} {word}, {render_size(sum(item.size for item in new))}"
    whole = f"`{shown(result.path)}`: {len(result.items)} artifacts, {render_size(result.size)} ({brought})"
    lines = [f"{whole} of {', '.join(result.targets)}"]
    lines += [f"the build command `{shown(one)}` still needs the network" for one in result.unpinned]
    return "".join(f"{line}\n" for line in lines)


def vendor_document(result: VendorResult) -> dict[str, Any]:
    """Every artifact with its digest."""
    return {
        "path": result.path,
        "name": result.name,
        "targets": list(result.targets),
        "dry_run": result.dry_run,
        "size": result.size,
        "artifacts": [
            {
                "kind": item.kind,
                "name": item.name,
                "member": item.member,
                "size": item.size,
                "new": item.new,
            }
            for item in result.items
        ],
        "needs_network": list(result.unpinned),
    }
