"""A latent on paper: its strongest examples, its histogram, what it promotes; and the first rows of a list."""

from __future__ import annotations

import numpy as np

from scope_widgets._types import Array
from scope_widgets.features import FeatureIndex
from scope_widgets.features.feature_index.example_lines import ExampleLine
from scope_widgets.features.labelling.labels import UNLABELLED
from scope_widgets.widgets.core.drawing.colours import MAGNITUDE, coloured
from scope_widgets.widgets.core.drawing.picture_svg import visible
from scope_widgets.widgets.core.drawing.svg_sheet import DIM, INK, TITLE, Paper, cut, hex_of, measured
from scope_widgets.widgets.figures.captions import number

_LINES, _ROWS = 8, 40
_LINE, _PAD, _GAP = 11.0, 1.2, 0.6
#: where the token that a latent fires on stands, as a share of the width, and the room of the activation before
_MIDDLE, _NUMBER = 0.52, 26.0
_BARS = 34.0


def draw_list(paper: Paper, index: FeatureIndex, latents: Array) -> None:
    """Draw the first latents of a list: number, rate, largest activation, label and top tokens."""
    found = index.rows(latents[:_ROWS].tolist())
    ends = (30.0, 70.0, 104.0, 114.0)
    paper.y += TITLE
    for end, name in zip(ends, ("latent", "rate", "max", "label and top tokens"), strict=True):
        paper.text(end, paper.y, name, fill=DIM, anchor="end" if end < ends[-1] else "start")
    for row in found.to_dict("records"):
        paper.y += _LINE
        texts = (str(row["feature"]), f"{100 * row['rate']:.2g} %", number(row["max"]))
        for end, text in zip(ends, texts, strict=False):
            paper.text(end, paper.y, text, anchor="end")
        label = row.get("label", "")
        words = visible(f"{label}   {row['top_tokens']}" if label not in ("", UNLABELLED) else row["top_tokens"], 400)
        paper.text(ends[-1], paper.y, cut(words, paper.width - ends[-1]))
    paper.y += 2
    if len(latents) > _ROWS:
        paper.paragraph(f"and {len(latents) - _ROWS:,} more", fill=DIM)


def draw_latent(paper: Paper, index: FeatureIndex, j: int) -> None:
    """Draw the page of a latent."""
    row = index.rows([j]).to_dict("records")[0]
    label = row.get("label", "")
    named = f": {visible(label, 200)}" if label not in ("", UNLABELLED) else ""
    paper.paragraph(f"Latent {j}{named}", size=TITLE, bold=True)
    if row["dead"]:
        paper.paragraph(f"Dead: it fired on none of {index.manifest.n_tokens:,} tokens.", fill=DIM)
    else:
        rate = f"fires on {100 * row['rate']:.2g} % of {index.manifest.n_tokens:,} tokens"
        paper.paragraph(f"{rate}; mean {number(row['mean'])} where it does, largest {number(row['max'])}", fill=DIM)
        paper.y += 4
        for line in [one for one in index.lines(j) if one.quarter is None][:_LINES]:
            _draw_line(paper, line, row["max"])
        top = float(row["max"])
        paper.y += 2
        paper.scale(MAGNITUDE, [number(0.0), number(top)], "activation")
        _draw_histogram(paper, index.histogram(j)["count"].to_numpy(), top)
    logits = index.logits(j)
    half = len(logits) // 2
    for name, some in (("promotes", logits[:half]), ("suppresses", logits[half:][::-1])):
        if len(some):
            words = ", ".join(
                f"{visible(token, 20)} {number(logit, 2)}"
                for token, logit in zip(some["token"], some["logit"], strict=True)
            )
            paper.paragraph(f"{name}: {words}")


def _draw_line(paper: Paper, line: ExampleLine, top: float) -> None:
    """Draw an example on one line, the token that it is of in the middle, what does not fit left out."""
    y = paper.y + 1
    paper.text(_NUMBER - 6, y + 7.4, number(line.value), anchor="end", fill=DIM)
    words = [visible(token, 24) for token in line.tokens]
    widths = [measured(word, mono=True) + 2 * _PAD for word in words]
    middle = _NUMBER + _MIDDLE * (paper.width - _NUMBER)
    places: dict[int, float] = {}
    x = middle
    for at in range(line.at, len(words)):
        if x + widths[at] > paper.width:
            break
        places[at], x = x, x + widths[at] + _GAP
    x = middle
    for at in range(line.at - 1, -1, -1):
        x -= widths[at] + _GAP
        if x < _NUMBER:
            break
        places[at] = x
    colours = coloured(np.nan_to_num(line.values), 0.0, top, MAGNITUDE)
    dark = colours @ np.array([0.2126, 0.7152, 0.0722]) < 140
    for at, x in places.items():
        value = line.values[at]
        if value > 0:
            paper.rect(x, y, widths[at], _LINE - 1, hex_of(colours[at]))
        elif np.isnan(value):
            paper.line(f"M{x:.1f} {y + _LINE - 1.6:.1f}h{widths[at]:.1f}", INK, 0.6, ' stroke-dasharray="1 1"')
        ink = "#ffffff" if value > 0 and dark[at] else INK
        paper.text(x + _PAD, y + 7.4, words[at], mono=True, fill=ink)
    paper.y += _LINE


def _draw_histogram(paper: Paper, found: Array, top: float) -> None:
    counts = np.log1p(found)
    high, wide = counts.max() or 1.0, 10.0
    y = paper.y + 6
    for at, count in enumerate(counts.tolist()):
        tall = _BARS * count / high
        paper.rect(at * wide, y + _BARS - tall, wide - 1, tall, "#26828e")
    right = len(counts) * wide
    paper.line(f"M0 {y + _BARS:.1f}H{right:.1f}")
    paper.text(0, y + _BARS + 8, "0", fill=DIM)
    paper.text(right, y + _BARS + 8, number(top), fill=DIM, anchor="end")
    paper.text(right + 8, y + _BARS, "how often it fires how strongly, both logarithmic", fill=DIM)
    paper.y = y + _BARS + 10
