"""Conditions of `FeatureIndex.search`: what latents are sorted by, `[latent]`, NaN where one is not fulfilled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._check_choice import is_whole
from scope_widgets._types import Array
from scope_widgets._untrusted import opening
from scope_widgets.features.feature_index.text_search import rows_with_text
from scope_widgets.features.labelling.labels import FeatureLabels
from scope_widgets.features.labelling.notes import LatentNote

#: examples of a latent whose texts are searched
_SEARCHED = 5


def by_token(arrays: Mapping[str, Array], texts: Mapping[int, str], token: str | int) -> Array:
    """Return the lift of a token among the top tokens of each latent."""
    return _by_list(arrays, "token", "token_lift", _ids_of(arrays["token"], texts, "token=", token))


def by_promoted(arrays: Mapping[str, Array], texts: Mapping[int, str], token: str | int) -> Array:
    """Return by how much each latent promotes a token that is among those that it promotes most."""
    return _by_list(arrays, "promoted", "promoted_by", _ids_of(arrays["promoted"], texts, "promotes=", token))


def _by_list(arrays: Mapping[str, Array], name: str, values: str, ids: list[int]) -> Array:
    at = np.isin(arrays[name], ids)
    found = np.full(len(at), np.nan)
    has = at.any(1)
    found[has] = np.where(at[has], arrays[values][has], -np.inf).max(1)
    return found


def _ids_of(lists: Array, texts: Mapping[int, str], said: str, token: str | int) -> list[int]:
    """Return the ids of a token; raise ValueError where no latent lists it, with its other spellings that some do.

    An index holds the texts of the tokens that are in it; ids that are in no list find nothing.
    """
    if is_whole(token):
        return [int(token)]
    if not isinstance(token, str) or not token:
        raise ValueError(f"{said} is the text or the id of one token; got {opening(token)}.")
    ids = [one for one, text in texts.items() if text == token]
    listed = set(np.unique(lists).tolist())
    if not listed.isdisjoint(ids):
        return ids
    plain = token.strip().lower()
    near = sorted({text for one, text in texts.items() if one in listed and text.strip().lower() == plain})
    instead = f"; there is {', '.join(map(repr, near[:5]))}" if near else ""
    raise ValueError(f"{said}{token[:40]!r} is in no list of tokens of this index{instead}.")


def by_text(arrays: Mapping[str, Array], texts: Mapping[int, str], text: str) -> Array:
    """Return 1 where the text is in one of the strongest examples, whatever its case and spaces."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"text= is what to look for in the examples; got {opening(text)}.")
    # spaces are left out: they belong to tokens in some tokenizers, and stand between them in others
    wanted = "".join(text.lower().split())
    plain = {one: "".join(said.lower().split()) for one, said in texts.items()}
    windows = arrays["example_window"][:, :_SEARCHED]
    there = rows_with_text(windows.reshape(-1, windows.shape[-1]), plain, wanted).reshape(windows.shape[:2]).any(1)
    return np.where(there, 1.0, np.nan)


def by_label(n_latents: int, labels: FeatureLabels | None, notes: Mapping[int, LatentNote], label: str) -> Array:
    """Return the detection of labels that hold a text, 1 of one's own."""
    if labels is None and not notes:
        raise ValueError("label= searches labels, and there are none yet: features.label(index) makes them.")
    if not isinstance(label, str) or not label:
        raise ValueError(f"label= is what to look for in the labels; got {opening(label)}.")
    found = np.full(n_latents, np.nan)
    if labels is not None:
        has = np.array([label.lower() in one.lower() for one in labels.label], dtype=bool)
        found[labels.feature[has]] = np.nan_to_num(labels.detection[has])
    found[[one for one, own in notes.items() if label.lower() in own.label.lower()]] = 1.0
    return found


def by_rate(rates: Array, rate: tuple[float, float]) -> Array:
    """Return 1 where the rate is between two."""
    try:
        low, high = map(float, rate)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if isinstance(rate, str) or not 0 <= low <= high <= 1:
        raise ValueError(f"rate= is (low, high), shares of tokens from 0 to 1, such as (0.01, 0.1); got {rate!r}.")
    return np.where((rates >= low) & (rates <= high), 1.0, np.nan)


def by_direction(rows: Tensor, like: Any) -> Array:
    """Return the cosine of each decoder row `[latent, d]` with a direction `[d]`."""
    try:
        direction = torch.as_tensor(like).detach().cpu().float()
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"like= is a latent or a direction [{rows.shape[1]}]; got {opening(like)}.") from None
    if direction.shape != rows.shape[1:] or not direction.norm() > 0:
        raise ValueError(
            f"like= is a latent or a direction [{rows.shape[1]}] that is not 0; got shape {tuple(direction.shape)}."
        )
    cosines: Array = torch.nn.functional.cosine_similarity(rows, direction[None], dim=1).numpy().astype(np.float64)
    return cosines
