"""`points`: which rows of a recording stand for what the model does, with their prompts."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np

from scope_widgets._check_choice import check_choice, checked_count
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.experiments.massive_activations import MASSIVE
from scope_widgets.experiments.same_model import is_same_model
from scope_widgets.geometry.points import Points, points_of
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import token_texts

Tokens = Literal["other prompts", "one a prompt"]


class Recorded(Protocol):
    """What a recording of activations has, as that of `features.record`."""

    @property
    def manifest(self) -> Any:
        """What it is of: model, revision, site."""

    @property
    def layers(self) -> list[int]:
        """Layers that it holds."""

    @property
    def table(self) -> Any:
        """Of each row sample_id, token_pos and token_id."""

    def rows(self, layer: int, site: str | None = None) -> Any:
        """Return the activations of a layer [row, d]."""


def points(
    rec: Recorded,
    layer: int,
    *,
    tokens: Tokens = "other prompts",
    n: int = 10_000,
    first_tokens: bool = False,
    massive: bool = False,
    site: str | None = None,
    scope: Microscope | None = None,
    seed: int = 0,
) -> Points:
    """Take rows of a recording for geometry: no first tokens, none of massive norm, with the prompt of each.

    What a recording leaves out, padding and by default special tokens, is not there in the first place. The tokens of a
    prompt are no independent draws, and are often each other's neighbours: either they are not counted as such, or one
    of them is taken. Where samples begin with the same tokens, a model does the same there but for rounding: of such
    rows the first is taken.

    Parameters
    ----------
    rec : Recording
    layer : int
    tokens : str, default "other prompts"
        "other prompts": all tokens, whose neighbours are sought in other prompts only; "one a prompt": one token of
        each, drawn at random. A prompt is a text, however many samples it was cut into.
    n : int, default 10000
        Rows at most, drawn at random.
    first_tokens : bool, default False
        Keep the first token of each sample.
    massive : bool, default False
        Keep rows of ten times the median norm or more.
    site : str, optional
        That of the recording by default.
    scope : Microscope, optional
        The model that was recorded: its tokenizer says the tokens of each text, which a `ProjectionView` shows.
    seed : int, default 0

    Returns
    -------
    Points

    Raises
    ------
    ValueError
        For a layer or site that was not recorded, or the scope of another model; where less than two rows are left.

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book", "the dog runs"], layers=[2], folder=folder)
    >>> geometry.points(rec, 2)
    Points(8 rows of width 128; demo: layer 2, residual, 0 first tokens left out)
    >>> len(geometry.points(rec, 2, tokens="one a prompt"))
    2
    """
    check_choice("tokens", tokens, Tokens)
    n, seed = checked_count("n", n), seed_of(seed)
    source, table = rec.rows(layer, site), rec.table
    if scope is not None and not is_same_model(rec.manifest.model, scope.model_id):
        raise ValueError(
            f"This recording is of {rec.manifest.model!r} and the scope of {scope.model_id!r}: give one of this model."
        )
    prompts = _prompts(rec, table["sample_id"].to_numpy())
    chosen = np.arange(len(prompts))
    note = [f"layer {layer}", str(rec.manifest.site if site is None else site)]
    if not first_tokens:
        chosen = chosen[table["token_pos"].to_numpy() > 0]
        note.append(f"{len(prompts) - len(chosen):,} first tokens left out")
    repeated = _repeat(table)[chosen]
    if repeated.any():
        note.append(f"{int(repeated.sum()):,} left out whose prompt begins as an earlier one")
        chosen = chosen[~repeated]
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(chosen)
    if tokens == "one a prompt":
        chosen = chosen[np.sort(np.unique(prompts[chosen], return_index=True)[1])]
        note.append("one token a prompt")
    if len(chosen) > n:
        note.append(f"{n:,} of {len(chosen):,} rows")
        chosen = chosen[:n]
    chosen = np.sort(chosen)
    if len(chosen) < 2:
        raise ValueError(f"There are {len(chosen)} rows of layer {layer} to take: record more texts, or longer ones.")
    given = points_of(source[chosen])
    if not massive:
        norms = np.linalg.norm(given.x.astype(np.float64), axis=1)
        is_massive = norms > MASSIVE * np.median(norms)
        if is_massive.any():
            note.append(f"{int(is_massive.sum()):,} massive left out")
            given, chosen = given.taken(~is_massive), chosen[~is_massive]
    options = {"tokens": tokens, "n": n, "first_tokens": first_tokens, "massive": massive, "site": site, "seed": seed}
    with_texts = {} if scope is None else {"scope": scope}
    calls = (*getattr(scope, "calls", ()), python_call("geometry.points", "rec", str(layer), **options, **with_texts))
    samples = table["sample_id"].to_numpy()
    return Points(
        given.x,
        chosen,
        np.unique(prompts[chosen], return_inverse=True)[1].astype(np.int64) if tokens == "other prompts" else None,
        Provenance(rec.manifest.model, rec.manifest.revision, seed=seed, note=", ".join(note), calls=calls),
        layer=layer,
        samples=samples[chosen].astype(np.int64),
        positions=table["token_pos"].to_numpy()[chosen].astype(np.int64),
        texts=() if scope is None else _texts(table, samples[chosen], scope),
    )


def _repeat(table: Any) -> Array:
    """Return which rows have the tokens before them, and the own one, of a row of an earlier sample, bool [row]."""
    import pandas as pd

    sample, position, token = (table[name].to_numpy() for name in ("sample_id", "token_pos", "token_id"))
    order = np.lexsort((position, sample))
    first_of, of_sample = np.unique(sample[order], return_index=True, return_inverse=True)[1:]
    number = np.arange(len(order)) - first_of[of_sample]
    found = np.zeros(len(order), dtype=bool)
    # samples that begin as others do, all that begin alike with one number
    begins, last = np.arange(len(first_of)), np.append(first_of[1:], len(order))
    beginning = np.zeros(len(first_of), dtype=np.int64)
    for at in range(int(number.max(initial=-1)) + 1):
        begins = begins[first_of[begins] + at < last[begins]]
        rows = order[first_of[begins] + at]
        alike = pd.DataFrame({"before": beginning[begins], "position": position[rows], "token": token[rows]})
        found[rows[alike.duplicated().to_numpy()]] = True
        beginning[begins] = alike.groupby(list(alike), sort=False).ngroup().to_numpy()
        begins = begins[alike.duplicated(keep=False).to_numpy()]
    return found


def _texts(table: Any, chosen: Array, scope: Microscope) -> tuple[tuple[str, ...], ...]:
    """Return the tokens of the samples that are `chosen`, by their number; none of the others."""
    seen = np.unique(chosen)
    some = table[table["sample_id"].isin(seen)]
    ids = np.unique(some["token_id"].to_numpy())
    words = dict(zip(ids.tolist(), token_texts(scope.tokenizer, ids.tolist()), strict=True))
    found: list[tuple[str, ...]] = [()] * (int(seen[-1]) + 1)
    for sample, rows in some.groupby("sample_id"):
        at, said = rows["token_pos"].to_numpy(), [""] * (int(rows["token_pos"].max()) + 1)
        for position, token in zip(at.tolist(), rows["token_id"].tolist(), strict=True):
            said[position] = words[token]
        found[int(sample)] = tuple(said)
    return tuple(found)


def _prompts(rec: Recorded, samples: Array) -> Array:
    """Return the text of each row, or its sample where a recording does not say the text."""
    texts = getattr(rec, "samples", None)
    return samples if texts is None else texts["document"].to_numpy()[samples]
