"""The browser half of each view, as built into the package."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parents[2] / "static"

_NO_BUNDLE = (
    "The browser half of {name} is not built. Install a wheel, which has it: pip install scope-widgets. Or install "
    "Node 20 or later and install from the repository again; in a checkout, build it with `make build`."
)


def bundle(name: str) -> str:
    """Return the JavaScript of ``static/<name>.js``.

    Raises
    ------
    FileNotFoundError
        With a sentence that says how to build it.
    """
    try:
        return (STATIC / f"{name}.js").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(_NO_BUNDLE.format(name=f"'{name}'")) from None
