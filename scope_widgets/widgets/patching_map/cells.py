"""What `PatchingMap` shows of a patching result or of an attribution: cells with their names, values and prompts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.figures.captions import model_name

Floats = npt.NDArray[np.floating[Any]]

#: more than this would be a message of over 10 MB to the browser
MOST_CELLS = 1_250_000
#: up to this many cells travel as float64, so that the first message stays below 2 MB; more as float32
MOST_DOUBLES = 125_000

_ARTICLE = {
    "residual": "The residual stream",
    "attention_out": "An attention block's output",
    "mlp_out": "An MLP's output",
    "head": "A head's output",
    "q": "A head's queries",
    "k": "A key-value head's keys",
    "v": "A key-value head's values",
    "attention": "A head's attention",
}
_PLURAL = {
    "residual": "the residual stream",
    "attention_out": "attention outputs",
    "mlp_out": "MLP outputs",
    "head": "head outputs",
    "q": "queries",
    "k": "keys",
    "v": "values",
    "attention": "attention patterns",
}


@dataclass(frozen=True)
class Effects:
    """What the browser is told once of a result; the values come beside it and change while a sweep runs.

    Attributes
    ----------
    axes : list of str
        Of layer, head and position; ["component"] for an attribution.
    shape : list of int
    positions : list of str
        Names along the position axis.
    are_tokens, are_heads : bool
        Whether these are all tokens of the prompt, and heads those of the model (not its key-value heads), so that
        selecting one means the same in other views.
    components : list of [name, layer, head]
        Of an attribution's cells; layer and head are -1 where there is none.
    quantity, meaning, metric, title : str
        What a cell holds, in a word and in a sentence; what is measured; the view's title.
    n_layers, n_heads : int or None
    """

    axes: list[str]
    shape: list[int]
    positions: list[str]
    are_tokens: bool
    are_heads: bool
    components: list[list[Any]]
    quantity: str
    meaning: str
    metric: str
    title: str
    n_layers: int | None
    n_heads: int | None

    @classmethod
    def of(cls, result: Any) -> Effects:
        """Describe a PatchingResult or an Attribution.

        Raises
        ------
        TypeError
            When `result` is neither.
        ValueError
            When its arrays do not fit together or are too large to be shown.
        """
        if hasattr(result, "component"):
            described = cls._of_attribution(result)
        elif all(hasattr(result, name) for name in ("values", "per_prompt", "axes", "positions")):
            described = cls._of_patching(result)
        else:
            raise TypeError(
                "PatchingMap shows the result of patching.activations(...), patching.attribution(...) or "
                f"lens.direct_logit_attribution(...), or a sweep that is still to run, not a {type(result).__name__}."
            )
        cells = int(np.prod(described.shape))
        if not cells:
            raise ValueError("This result has no cells to show: patch at least one layer and position.")
        if cells > MOST_CELLS:
            raise ValueError(
                f"PatchingMap shows up to {MOST_CELLS:,} cells and this result has {cells:,}. "
                "Patch fewer positions or layers."
            )
        return described

    @classmethod
    def _of_patching(cls, result: Any) -> Effects:
        shape, axes, positions = list(result.values.shape), list(result.axes), list(result.positions)
        if len(axes) != len(shape) or ("position" in axes and len(positions) != shape[-1]):
            raise ValueError(f"values of shape {shape} do not fit the axes {axes} with {len(positions)} positions.")
        if list(result.per_prompt.shape[1:]) != shape:
            raise ValueError(f"per_prompt must be [prompt, {', '.join(axes)}], not {list(result.per_prompt.shape)}.")
        prompts = result.provenance.prompts
        base, source = ("corrupted", "clean") if result.direction == "denoising" else ("clean", "corrupted")
        what = _PLURAL.get(result.over, result.over)
        metric = result.metric.replace("_", " ").replace("kl", "KL divergence")
        n_prompts = len(result.per_prompt)
        along_paths = "paths(" in result.call.partition("scope")[0]
        kind = "Path patching:" if along_paths else "Patching" if result.exact else "Attribution patching:"
        return cls(
            axes=axes,
            shape=shape,
            positions=positions,
            are_tokens=_are_tokens(positions, prompts[0] if prompts else ""),
            are_heads="head" in axes and result.over not in ("k", "v"),
            components=[],
            quantity="effect",
            meaning=(
                f"{_ARTICLE.get(result.over, result.over)} of the {source} run, put into the {base} run"
                f"{' along the paths to the receivers only' if along_paths else ''}. "
                f"0: {metric} as {base}; 1: as {source}."
            ),
            metric=metric,
            title=f"{kind} {what}, {_model(result)}" + (f", {n_prompts:,} prompts" if n_prompts > 1 else ""),
            n_layers=shape[0],
            n_heads=shape[1] if "head" in axes else None,
        )

    @classmethod
    def _of_attribution(cls, result: Any) -> Effects:
        names = [str(name) for name in result.component]
        layers, heads = (np.asarray(getattr(result, axis)).astype(int).tolist() for axis in ("layer", "head"))
        if not len(names) == len(layers) == len(heads) == len(result.contribution):
            raise ValueError("component, layer, head and contribution of an attribution must be of one length.")
        n_prompts = len(result.per_prompt)
        metric = "logit difference" if result.versus else "logit"
        return cls(
            axes=["component"],
            shape=[len(names)],
            positions=[],
            are_tokens=False,
            are_heads=True,
            components=[list(row) for row in zip(names, layers, heads, strict=True)],
            quantity="contribution",
            meaning=(
                f"What each part of the model adds directly to {_difference(result, metric)}, with the final norm's "
                "scale of the real run."
            ),
            metric=metric,
            title=f"Direct logit attribution, {_model(result)}" + (f", {n_prompts:,} prompts" if n_prompts > 1 else ""),
            n_layers=result.n_layers,
            n_heads=result.n_heads,
        )


def values_of(result: Any) -> tuple[Floats, Floats | None]:
    """Return (values, estimates), flat; NaN where not run, infinite where it was run and is undefined."""
    if hasattr(result, "component"):
        contribution = np.array(result.contribution, np.float64).ravel()
        return np.where(np.isnan(contribution), np.inf, contribution), None
    values = np.array(result.values, np.float64).ravel()
    if not result.exact:
        return np.full_like(values, np.inf if _vanishes(result) else np.nan), values
    ran = np.isfinite(result.per_prompt).any(0).ravel()
    values[np.isnan(values) & (ran | _vanishes(result))] = np.inf
    return values, None if result.estimate is None else np.array(result.estimate, np.float64).ravel()


def as_bytes(values: Floats | None) -> bytes:
    """Pack for the browser, see `MOST_DOUBLES`."""
    if values is None:
        return b""
    return values.astype("<f8" if len(values) <= MOST_DOUBLES else "<f4").tobytes()


def prompts_of_cell(result: Any, cell: int) -> Floats:
    """Return the values of one flat cell, one a prompt; none where it was not run."""
    row = np.asarray(result.per_prompt).reshape(len(result.per_prompt), -1)[:, cell].astype(np.float64)
    zero = getattr(result, "by_construction", None)
    ran = np.isfinite(row).any() and not (zero is not None and zero.ravel()[cell])
    return row if ran else row[:0]


def code_of(result: Any, *cell: int) -> str:
    """Write the Python that makes this result again, or one flat cell of it."""
    if hasattr(result, "component"):
        made = result.code() if hasattr(result, "code") else ""
        return "\n".join([*([made] if made else []), *(f"result.to_dataframe().loc[{at}]" for at in cell)])
    indices = np.unravel_index(cell[0], result.values.shape) if cell else ()
    return str(result.code(*(int(index) for index in indices)))


def _vanishes(result: Any) -> bool:
    """Whether the denominator of all effects is nothing but rounding: then there is a message and no value."""
    return bool(result.message) and np.isinf(result.floor)


def _model(result: Any) -> str:
    provenance = getattr(result, "provenance", None)
    return model_name(str(getattr(provenance, "model", "model")))


def _difference(result: Any, metric: str) -> str:
    """Name the tokens of a logit difference where they are the same for all prompts."""
    sides = [set(side) for side in (result.answer, result.versus) if len(side)]
    if any(len(side) > 1 for side in sides):
        return f"the {metric}"
    return f"the {metric} " + " − ".join(f"{next(iter(side))!r}" for side in sides)


def _are_tokens(positions: list[str], prompt: str) -> bool:
    """Whether the names along the position axis are all tokens of the prompt, one after the other.

    The names of roles ("IO", "END") are not, nor is a choice of positions. Special tokens and bytes stand in no prompt.
    """
    rest, loose = prompt.strip(), False
    for token in positions:
        word = token.strip()
        if not word:
            continue
        start = rest.find(word)
        if start == 0 or (loose and start > 0):
            rest, loose = rest[start + len(word) :].lstrip(), False
        elif re.fullmatch(r"[<\[].*[>\]]", word) or "\ufffd" in word:
            loose = True
        else:
            return False
    return bool(positions) and (loose or not rest)
