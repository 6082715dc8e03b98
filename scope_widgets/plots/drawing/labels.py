"""Texts that others wrote, such as tokens, as plotly shows them literally."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import unescape

#: plotly reads some HTML, entities, TeX between dollars and %{fields} in what it draws
_LITERAL = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", "%": "&#37;"}
#: what is seen in the place of what is not
_STAND_INS = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍"}
_LONGEST = 40
#: parts of names that are written in large letters
_SHORT = {one: one.upper() for one in ("mlp", "kl", "ce", "l0", "l1", "fvu", "mse", "sae", "ioi")}


def literal(text: object) -> str:
    """Return a text that plotly draws as it is, without markup, TeX or fields, on one line."""
    return "".join(_LITERAL.get(one, one) for one in " ".join(str(text).split()))


def shortened(text: object, longest: int = _LONGEST) -> str:
    """Return a text of at most `longest` characters, literal."""
    said = " ".join(str(text).split())
    return literal(said if len(said) <= longest else said[: longest - 1] + "…")


def token_label(text: str) -> str:
    """Return a token as the views show it: spaces, ends of lines and tabs as signs; literal, cut where it is long."""
    seen = "".join(_STAND_INS.get(one, one) for one in text[: _LONGEST + 1])
    return literal(seen if len(seen) <= _LONGEST else seen[: _LONGEST - 1] + "…")


def token_labels(tokens: Iterable[str]) -> list[str]:
    """Return the label of each token."""
    return [token_label(one) for one in tokens]


def head_name(layer: int, head: int) -> str:
    """Return "3.1"."""
    return f"{layer}.{head}"


def words(name: str) -> str:
    """Return the words of a name in code: "previous token" of "previous_token", "MLP out" of "mlp_out"."""
    said = " ".join(_SHORT.get(one, one) for one in str(name).replace("_", " ").split())
    return literal(said.replace("s inhibition", "S-inhibition"))


def sentence(name: str) -> str:
    """Return the words of a name with a large first letter."""
    said = words(name)
    return said[:1].upper() + said[1:]


def number(value: float, digits: int = 3) -> str:
    """Return a number with a true minus, and a dash for what is missing."""
    return "–" if value != value else f"{value:.{digits}g}".replace("-", "−")


def counted(count: int, what: str) -> str:
    """Return "1 head" and "3 heads"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def wrapped(text: str, longest: int = 104) -> list[str]:
    """Return the lines of a literal text, broken at spaces."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if len(unescape(longer)) > longest and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def prompts_line(prompts: Sequence[str]) -> str:
    """Return what a subtitle says of the prompts."""
    if not prompts:
        return ""
    first = f"“{shortened(prompts[0], 90)}”"
    return first if len(prompts) == 1 else f"{len(prompts):,} prompts, the first {first}"
