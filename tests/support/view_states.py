"""Writes `tests/fixtures/view_states.json`, a small view of each kind: `python -m tests.support.view_states`."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from tests.support.every_view import every_view
from tests.support.paths import ROOT

FILE = ROOT / "tests" / "fixtures" / "view_states.json"


def state_of(view: Any) -> dict[str, Any]:
    """Return what a browser gets of a view, bytes as base64."""
    own = {name: value for name, value in view.get_state().items() if not name.startswith("_")}
    for name in ("layout", "tabbable", "tooltip"):
        own.pop(name, None)
    return {
        name: {"base64": b64encode(bytes(value)).decode()} if isinstance(value, (bytes, memoryview)) else value
        for name, value in own.items()
    }


def main() -> None:
    FILE.write_text(json.dumps({name: state_of(view) for name, view in every_view().items()}), encoding="utf-8")


if __name__ == "__main__":
    main()
