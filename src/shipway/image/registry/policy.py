"""Where images may be pushed to: lists of prefixes, by the project and by the host. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shipway.core.errors import ExitCode, ToolError
from shipway.core.reference import Reference
from shipway.core.text import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRule:
    """One list of what is allowed."""

    prefixes: tuple[str, ...]
    """`registry` or `registry/path`; a prefix ends where a part of the path ends. Empty: nothing is allowed."""
    named_by: str
    """Who wrote it, for people: a file and key, a variable."""

    def allows(self, reference: Reference) -> bool:
        """Whether `reference`, which names its registry, lies below one of the prefixes."""
        name = f"{reference.name}/"
        return any(name.startswith(f"{prefix.rstrip('/')}/") for prefix in self.prefixes if prefix.strip("/"))


def push_rules(project: tuple[str, ...] | None, host: tuple[str, ...] | None) -> tuple[PushRule, ...]:
    """The rules in force: the spec's `[push] allow` and the host's; None where one has no list."""
    named = (
        (project, "`[push] allow` of the spec"),
        (host, "this host (SHIPWAY_PUSH_ALLOW, `registries.toml`)"),
    )
    return tuple(PushRule(prefixes=prefixes, named_by=who) for prefixes, who in named if prefixes is not None)


def require_push_allowed(reference: Reference, rules: Iterable[PushRule]) -> None:
    """Go on if every one of `rules` allows a push to `reference`: neither the project nor the host can widen the other's list.

    Raises:
        ToolError: one of them does not (USAGE).
    """
    for rule in rules:
        if not rule.allows(reference):
            allowed = ", ".join(f"`{shown(prefix)}`" for prefix in rule.prefixes) or "nowhere"
            raise ToolError(
                f"`{reference.text}` may not be pushed: {rule.named_by} allows {allowed}",
                hints=["push to an allowed place, or have the list changed by who keeps it"],
                code=ExitCode.USAGE,
            )
