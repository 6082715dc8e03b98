"""A still life of a view for hosts that cannot run it: GitHub, nbconvert, VS Code offline."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import Any

import numpy.typing as npt

from scope_widgets.widgets.core.png import png

Table = tuple[list[str], list[list[str]]]

_NOTE = "A still picture: the view itself needs a running notebook, or its page saved with .to_html()."
_WIDTH = 480


def fallbacks(title: str, table: Table | None, image: npt.NDArray[Any] | None) -> dict[str, str]:
    """Return the picture and the table as MIME types: no scripts, inline styles, everything escaped."""
    bundle: dict[str, str] = {}
    parts = [f"<figure style='margin:0'><figcaption><b>{escape(title)}</b></figcaption>"]
    if image is not None:
        bundle["image/png"] = b64encode(png(image)).decode()
        width = image.shape[1] * max(1, _WIDTH // image.shape[1])
        parts.append(
            f'<img alt="{escape(title)}" src="data:image/png;base64,{bundle["image/png"]}" width="{width}" '
            'style="display:block;max-width:100%;image-rendering:pixelated">'
        )
    if table:
        header, rows = table
        sides = ["right" if all(_is_number(row[i]) for row in rows) else "left" for i in range(len(header))]
        parts += ["<table><thead>", _row("th", header, sides), "</thead><tbody>"]
        parts += [*(_row("td", row, sides) for row in rows), "</tbody></table>"]
    bundle["text/html"] = "".join([*parts, f"<small>{_NOTE}</small></figure>"])
    return bundle


def _row(tag: str, texts: list[str], sides: list[str]) -> str:
    style = "padding:1px 8px;font-variant-numeric:tabular-nums;text-align"
    cells = (f'<{tag} style="{style}:{side}">{escape(text)}</{tag}>' for text, side in zip(texts, sides, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _is_number(text: str) -> bool:
    try:
        float(text.replace("−", "-") or 0)
    except ValueError:
        return text == "–"
    return True
