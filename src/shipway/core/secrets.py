"""What looks like a secret, by its name or by itself."""

from __future__ import annotations

import re

_NAME = re.compile(
    r"(?:TOKEN|SECRET|PASSW(?:OR)?D|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)(?:_|\Z)", re.IGNORECASE
)
_VALUE = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}"
    r"|glpat-[\w-]{15,}|xox[abprs]-[\w-]{10,}|\beyJ[\w-]{10,2000}\.[\w-]{10,2000}\.|-----BEGIN [A-Z ]*PRIVATE KEY",
)


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable seems to hold a token or password rather than a setting."""
    return bool(value) and bool(_NAME.search(name) or _VALUE.search(value))
