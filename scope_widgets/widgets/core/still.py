"""A still of a view for a notebook that is opened again, and for hosts that cannot run it."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.drawing.png import png

Table = tuple[list[str], list[list[str]]]

_NOTE = "Saved picture: run this cell to go on."
#: points of a still's picture, and pixels a point: its text is 11 px
STILL_WIDTH, STILL_FACTOR = 440.0, 11 / 7
#: pixels of a plain picture across, and as many as it has at least
_WIDTH, NARROWEST = 480, 240
#: a print on paper, in a dark notebook too: its colours are those of a light ground
_INK = "#1c1e21"
_PAPER = f"margin:0;padding:8px;background:#fff;color:{_INK};font:12px/16px system-ui,sans-serif;overflow:auto"
_LINES = f"margin:4px 0;padding:0;background:none;color:{_INK};font:11px/15px ui-monospace,Menlo,Consolas,monospace"
#: JupyterLab shows an error where a widget was whose model is gone; a living view there has our root in it
_NO_ERROR = (
    "<style>.jp-OutputArea-child:has(>.lm-Panel.jp-OutputArea-output):not(:has(.sw))"
    ":has(+.jp-OutputArea-child .sw-still){display:none}</style>"
)


def still_bundle(
    title: str,
    table: Table | None,
    image: npt.NDArray[Any] | bytes | None,
    picture: str | None = None,
    of: str = "",
    lines: str = "",
) -> dict[str, str]:
    """Return the picture and the table as MIME types: no scripts, inline styles, everything escaped.

    `picture` is an SVG, `image` the pixels (or a PNG of them) that stand for it where none can be shown, or where there
    is none.
    Views with the `selection_id` `of` hide it while they live (js/src/core/elements/hidden_still.ts).
    """
    bundle: dict[str, str] = {}
    parts = [
        f'<figure class="sw-still" data-of="{escape(of)}" style="{_PAPER}">{_NO_ERROR}'
        f'<figcaption><b>{escape(title)}</b> <span style="color:#62666d">{_NOTE}</span></figcaption>'
        + (f'<pre style="{_LINES}">{escape(lines)}</pre>' if lines else "")
        + '<div style="display:flex;flex-wrap:wrap;gap:0 24px;align-items:flex-start">'
    ]
    if isinstance(image, np.ndarray):
        image = png(_enlarged(image))
    if image is not None:
        bundle["image/png"] = b64encode(image).decode()
    if picture is not None:
        source = f"svg+xml;base64,{b64encode(picture.encode()).decode()}"
    elif image is not None:
        source = f"png;base64,{bundle['image/png']}"
    if picture is not None or image is not None:
        style = "display:block;max-width:100%;margin:8px 0"
        parts.append(f'<img alt="{escape(title)}" src="data:image/{source}" style="{style}">')
    if table:
        header, rows = table
        sides = ["right" if all(_is_number(row[i]) for row in rows) else "left" for i in range(len(header))]
        parts += [
            "<table style='margin:8px 0;font:inherit;color:inherit'><thead>",
            _row("th", header, sides),
            "</thead><tbody>",
        ]
        parts += [*(_row("td", row, sides) for row in rows), "</tbody></table>"]
    bundle["text/html"] = "".join([*parts, "</div></figure>"])
    return bundle


def one_below_the_other(stills: list[dict[str, str]], images: list[npt.NDArray[Any] | None]) -> dict[str, str]:
    """Return the stills of several views as one; `images` are the pictures that stand for them where none is shown."""
    bundle = {"text/html": "".join(one["text/html"] for one in stills)} if stills else {}
    if sheets := [_coloured(_enlarged(image)) for image in images if image is not None]:
        width = max(sheet.shape[1] for sheet in sheets)
        padded = [np.pad(one, ((0, 8), (0, width - one.shape[1]), (0, 0)), constant_values=255) for one in sheets]
        bundle["image/png"] = b64encode(png(np.concatenate(padded))).decode()
    return bundle


def _enlarged(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    larger = max(1, _WIDTH // image.shape[1])
    return image.repeat(larger, 0).repeat(larger, 1)


def _coloured(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a picture with red, green and blue, what is transparent on white."""
    if image.ndim == 2:
        return image[..., None].repeat(3, 2)
    if image.shape[2] == 4:
        share = image[..., 3:] / 255
        return np.rint(image[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
    return image


def _row(tag: str, texts: list[str], sides: list[str]) -> str:
    style = (
        f"color:{_INK};padding:1px 8px;font-variant-numeric:tabular-nums;text-align"  # a dark host's cells are white
    )
    cells = (f'<{tag} style="{style}:{side}">{escape(text)}</{tag}>' for text, side in zip(texts, sides, strict=True))
    return f"<tr style='background:none'>{''.join(cells)}</tr>"  # a dark notebook has dark stripes


def _is_number(text: str) -> bool:
    try:
        float(text.replace("−", "-") or 0)
    except ValueError:
        return text == "–"
    return True
