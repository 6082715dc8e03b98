"""What comes next on paper: where the sliders stand, and the most probable tokens steered beside unsteered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scope_widgets.widgets.core.drawing.picture_svg import visible
from scope_widgets.widgets.core.drawing.svg_sheet import DIM, LINE, Paper, cut, measured
from scope_widgets.widgets.figures.captions import number

_ROW = 12.0
_BEFORE, _AFTER = "#b9bdc4", "#0b62c4"


def draw_steering(
    paper: Paper,
    sliders: Sequence[tuple[str, str, tuple[float, float], float | None, float | None, bool]],
    answer: Mapping[str, Any],
    answers: Sequence[str],
    texts: Mapping[str, str] | None = None,
) -> None:
    """Draw sliders, the next tokens, and what is written on.

    Parameters
    ----------
    sliders : list of (name, about, (low, high), neutral, strength, enabled)
    answer : dict
        What `SteeringPanel.answer_steer` gives.
    answers : list of str
        The two tokens that are compared; empty without.
    texts : dict, optional
        Continuations, "unsteered" and "steered".
    """
    for slider in sliders:
        _draw_slider(paper, *slider)
    paper.y += 4
    paper.paragraph(f"KL divergence of the steered next token from the unsteered: {number(answer['kl'])} nats.")
    if answers and answer["difference"] is not None:
        names = " − ".join(visible(text) for text in answers)
        before, after = number(answer["difference0"]), number(answer["difference"])
        paper.paragraph(f"Logit difference {names}: {before} unsteered, {after} steered.")
    paper.y += 3
    _draw_tokens(paper, answer["tokens"])
    if texts and any(texts.values()):
        paper.y += 4
        for name in ("unsteered", "steered"):
            paper.paragraph(f"{name.capitalize()}, continued: {visible(texts[name], 4000).replace('·', ' ')}")


def _draw_slider(
    paper: Paper,
    name: str,
    about: str,
    span: tuple[float, float],
    neutral: float | None,
    strength: float | None,
    enabled: bool,
) -> None:
    said = ("free" if strength is None else number(strength)) + ("" if enabled else " (off)")
    start, end = 0.55 * paper.width, paper.width - max(30.0, measured(said) + 6)
    y = paper.y + 8
    room = start - 8
    paper.text(0, y, cut(name, room))
    paper.text(measured(cut(name, room)) + 4, y, cut(about, room - measured(name) - 4), fill=DIM)
    paper.line(f"M{start:.1f} {y - 2.5:.1f}H{end:.1f}", LINE, 1.2)

    def at(value: float) -> float:
        low, high = span
        return start + (end - start) * min(1.0, max(0.0, (value - low) / ((high - low) or 1)))

    if neutral is not None:
        paper.line(f"M{at(neutral):.1f} {y - 5.5:.1f}v6", DIM)
    if strength is not None:
        paper.dot(at(strength), y - 2.5, 2.4, "#fff", f' stroke="{_AFTER if enabled else DIM}"')
    paper.text(paper.width, y, said, anchor="end", fill=DIM if not enabled else "#1c1e21")
    paper.y += _ROW


def _draw_tokens(paper: Paper, tokens: Sequence[Mapping[str, Any]]) -> None:
    """Draw the most probable of either, a row each: the token, both probabilities as bars, both ranks."""
    names = [visible(str(one["text"]), 16) for one in tokens]
    first = max([measured("next token"), *(measured(name, mono=True) for name in names)]) + 8
    ranks = measured("rank 000 → 000")
    numbers = measured("0.000") + 4
    bar = paper.width - first - numbers - ranks - 8
    most = max((max(one["p"], one["p0"]) for one in tokens), default=1.0) or 1.0
    y = paper.y + 8
    paper.text(0, y, "next token", fill=DIM)
    paper.rect(first, y - 5, 6, 4, _BEFORE)
    paper.text(first + 9, y, "unsteered", fill=DIM)
    paper.rect(first + 52, y - 5, 6, 4, _AFTER)
    paper.text(first + 61, y, "steered; probability", fill=DIM)
    paper.text(paper.width, y, "rank", fill=DIM, anchor="end")
    paper.line(f"M0 {y + 3:.1f}H{paper.width:.1f}", LINE)
    y += 5
    for name, one in zip(names, tokens, strict=True):
        paper.text(0, y + 10, name, mono=True)
        for at, (value, colour) in enumerate(((one["p0"], _BEFORE), (one["p"], _AFTER))):
            top = y + 1.5 + 7.5 * at
            wide = max(0.3, bar * value / most)
            paper.rect(first, top, wide, 5.5, colour)
            paper.text(first + wide + 3, top + 5.3, f"{value:.3f}", fill=DIM)
        before, after = one["rank0"] + 1, one["rank"] + 1
        said = f"{before:,}" if before == after else f"{before:,} → {after:,}"
        paper.text(paper.width, y + 10, said, anchor="end")
        y += 18
    paper.y = y
