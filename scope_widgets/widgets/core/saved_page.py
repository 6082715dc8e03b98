"""One HTML file with views that work from disk: without a kernel, without a network, their selections linked."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, Protocol

from scope_widgets._files import write_text
from scope_widgets.widgets.core.bundle import bundle

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 16px auto; max-width: 1400px; padding: 0 16px; background: #fff; color: #1c1e21;
  font: 12px/16px system-ui, sans-serif; }
figure { margin: 0 0 32px; break-inside: avoid; }
@media print { :root { color-scheme: light; } body { max-width: none; margin: 0; padding: 0; } }
h2 { margin: 0 0 4px; font-size: 16px; line-height: 20px; }
p { margin: 0 0 8px; max-width: 80ch; font-size: 13px; line-height: 20px; }
figcaption { margin-top: 8px; color: #62666d; overflow-wrap: anywhere; }
figcaption div { white-space: pre-wrap; }
@media screen and (prefers-color-scheme: dark) {
  body { background: #111317; color: #e4e6ea; }
  figcaption { color: #9aa0a8; }
}
"""

# Nothing may be fetched or sent. The one script of the page is named by its hash, so that no other can run; the bundles
# are made of text that stands in the page, and imported from blobs.
_POLICY = (
    "default-src 'none'; script-src 'sha256-{hash}' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; base-uri 'none'; form-action 'none'"
)


class SavedView(Protocol):
    """What a page needs of a view, see `View`."""

    bundle: str
    title: str

    def saved_answers(self) -> Iterable[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return the requests that a saved page can make."""

    def provenance_lines(self) -> list[str]:
        """Return what stands below the view."""

    def get_state(self) -> dict[str, Any]:
        """Return the traits."""


def save_html(views: Any, path: str | Path, *, headings: Sequence[tuple[str, str]] = ()) -> Path:
    """Save views as one HTML file that works from disk.

    Parameters
    ----------
    views : SavedView, result, or list of them
        A result is anything with ``.widget()``. Views that share a `Selection` stay linked in the file; results
        are linked with each other.
    path : str or Path
        Replaced when it exists.
    headings : sequence of (heading, sentence), default ()
        One for each view, above it; none by default.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    TypeError
        When something in `views` is neither a view nor a result.
    ValueError
        When `views` is empty, or there are not as many headings.
    FileNotFoundError
        When the browser half is not built, or the folder of `path` is not there.
    """
    text = page(views if isinstance(views, (list, tuple)) else [views], headings)
    return write_text(path, text)


def page(views: Iterable[Any], headings: Sequence[tuple[str, str]] = (), *, above: str = "", title: str = "") -> str:
    """Return the text of the file that `save_html` writes.

    `above` is HTML that stands before the views, in which everything that others wrote is escaped already; `title` is
    that of the page, by default the views' own.
    """
    items = list(views)
    if headings and len(headings) != len(items):
        raise ValueError(f"headings= takes a heading for each view: there are {len(items)} views, not {len(headings)}.")
    if not items:
        raise ValueError("There is nothing to save: give at least one view or result.")
    with ExitStack() as stack:
        shown = [_as_view(item, stack) for item in items]
        return _text(items, shown, headings, above, title)


def _text(items: list[Any], shown: list[SavedView], headings: Sequence[tuple[str, str]], above: str, title: str) -> str:
    buffers = _Buffers()
    saved = [_saved(view, buffers) for view in shown]
    made_here = [state["state"] for item, view, state in zip(items, shown, saved, strict=True) if item is not view]
    for state in made_here:
        state["selection_id"] = made_here[0]["selection_id"]
    numbers: dict[str, int] = {}  # in the place of random ids: the same views make the same bytes
    for state in (one["state"] for one in saved):
        if "selection_id" in state:
            state["selection_id"] = f"selection-{numbers.setdefault(state['selection_id'], len(numbers))}"
    script = bundle("saved_page").replace("</script", "<\\/script")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    title = escape(title or ", ".join(dict.fromkeys(view.title for view in shown if view.title)) or "scope-widgets")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(hash=digest)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body>",
            above,
            *(
                _heading(*headings[at]) + _figure(at, view) if headings else _figure(at, view)
                for at, view in enumerate(shown)
            ),
            *(_data(f"bundle-{name}", bundle(name)) for name in dict.fromkeys(view.bundle for view in shown)),
            *buffers.elements(),
            _data("views", saved),
            f'<script type="module">{script}</script>',
            "</body></html>\n",
        ]
    )


class _Buffers:
    """The binary values of a page, each once."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}

    def place(self, value: Any) -> int:
        return self._places.setdefault(bytes(value), len(self._places))

    def elements(self) -> Iterable[str]:
        for value, at in self._places.items():
            yield f'<script type="text/plain" id="buffer-{at}">{b64encode(value).decode()}</script>'


def _as_view(item: Any, stack: ExitStack) -> SavedView:
    """Return the view of an item; one that is made here is closed with `stack`."""
    view: SavedView = item.widget() if hasattr(item, "widget") else item
    if view is not item and hasattr(view, "close"):
        stack.callback(view.close)
    if not hasattr(view, "saved_answers"):
        raise TypeError(f"A view or a result with .widget() can be saved, not a {type(item).__name__}.")
    return view


def _saved(view: SavedView, buffers: _Buffers) -> dict[str, Any]:
    answers = [
        {"name": name, "args": args, "data": data, "buffers": [buffers.place(one) for one in parts]}
        for name, args, data, parts in view.saved_answers()
    ]
    # after the answers: what they waited for may stand in the state
    state = {name: value for name, value in view.get_state().items() if not name.startswith("_")}
    for name in ("layout", "tabbable", "tooltip"):
        state.pop(name, None)
    binary = {name: value for name, value in state.items() if isinstance(value, (bytes, bytearray, memoryview))}
    return {
        "bundle": view.bundle,
        "state": {name: value for name, value in state.items() if name not in binary},
        "binary": {name: buffers.place(value) for name, value in binary.items()},
        "answers": answers,
    }


def _heading(heading: str, sentence: str) -> str:
    return f"<h2>{escape(heading)}</h2><p>{escape(sentence)}</p>"


def _figure(at: int, view: SavedView) -> str:
    lines = "".join(f"<div>{escape(line)}</div>" for line in view.provenance_lines())
    caption = f"<figcaption>{lines}</figcaption>" if lines else ""
    return f'<figure><div id="view-{at}"></div>{caption}</figure>'


def _data(name: str, value: Any) -> str:
    # With no "<" in it, nothing in the data can end the script element or open a comment.
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'
