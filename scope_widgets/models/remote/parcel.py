"""The text of this package's own modules, as far as an analysis may need them on a server."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[3]
#: floors that stay here
_STAY = ("widgets", "apps", "cli.py", "static")


@cache
def sources() -> dict[str, str]:
    """Give the text of each module by its name.

    Packages are empty there: what they offer for convenience would import everything.
    """
    found: dict[str, str] = {}
    for path in sorted((_ROOT / "scope_widgets").rglob("*.py")):
        parts = path.relative_to(_ROOT).with_suffix("").parts
        if parts[1].removesuffix(".py") in {name.removesuffix(".py") for name in _STAY}:
            continue
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found[name] = path.read_text(encoding="utf-8") if not is_package or parts[-2] == "_kernels" else ""
    return found


@cache
def digest() -> str:
    """Name the text of all modules: what was computed with others is not found again."""
    whole = hashlib.sha256()
    for name, text in sources().items():
        whole.update(f"{name}\0{text}\0".encode())
    return whole.hexdigest()[:16]
