"""The suites that are known by name, for messages, and the Python that each brings."""

from __future__ import annotations

SUITES: dict[str, dict[str, str]] = {
    "debian": {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13", "forky": "", "sid": ""},
    "ubuntu": {"focal": "3.8", "jammy": "3.10", "noble": "3.12", "plucky": "3.13", "questing": "3.13"},
}
"""Distribution -> suite -> version of its `python3`, empty where it moves."""

NUMBERS = {
    "debian": {"11": "bullseye", "12": "bookworm", "13": "trixie", "stable": "trixie", "unstable": "sid"},
    "ubuntu": {"20.04": "focal", "22.04": "jammy", "24.04": "noble", "25.04": "plucky", "25.10": "questing"},
}
"""What people call suites beside their names; archives know the names only, and `stable` moves."""

DEFAULT = ("debian", "bookworm")


def find_base_python(distribution: str, suite: str) -> str:
    """The version of the suite's own Python, empty if it is not known."""
    return SUITES.get(distribution, {}).get(suite, "")
