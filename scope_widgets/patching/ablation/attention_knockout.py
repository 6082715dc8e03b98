"""Attention knockout: what is left of a behaviour when some positions cannot attend to others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from scope_widgets._types import Head, Position, Prompts, Roles, Tokens
from scope_widgets.experiments.check_components import check_heads, check_layer
from scope_widgets.experiments.metric import MetricFunction, MetricName
from scope_widgets.models.execution.activation_edits import Edits
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.patching.ablation.result import Ablation, measure_ablation
from scope_widgets.patching.positions import positions_of


@remotable
def attention_knockout(
    scope: Microscope,
    prompts: Prompts,
    edges: Sequence[tuple[Position, Position]],
    *,
    layers: Sequence[int] | None = None,
    heads: Sequence[Head] | None = None,
    roles: Roles | None = None,
    answer: Tokens | None = None,
    versus: Tokens | None = None,
    metric: MetricName | MetricFunction | None = None,
) -> Ablation:
    """Cut attention from queries to keys: their scores become minus infinity, and the rest shares the attention.

    Parameters
    ----------
    scope : Microscope
    prompts : str, list of str, or token ids
    edges : list of (query, key)
        Positions, negative ones from each prompt's end, or roles.
    layers : list of int, optional
        All heads of these layers; all layers if neither is given.
    heads : list of (layer, head), optional
        These heads only.
    roles : mapping of role to position of each prompt, optional
    answer, versus : str, token id, or list of these, one a prompt
        Tokens; the metric is then `logit(answer) - logit(versus)` at the last position.
    metric : str or callable, optional
        "logit_difference", "logit", "probability", "log_probability", "kl" (from the prompt's own run; the default
        without `answer`), or a function that takes the logits [vocabulary] of a prompt's last position and gives one
        number.

    Returns
    -------
    Ablation
        The metric before and after [prompt], the divergence of the next token and the rise of the loss.

    Raises
    ------
    ValueError
        For an edge to a later position, a query whose every key would be cut, or what is not there.

    References
    ----------
    Geva et al. 2023 (arXiv 2304.14767).

    Examples
    --------
    >>> prompt = "When Mary and John went to the store, John gave a drink to"
    >>> result = patching.attention_knockout(scope, prompt, [(-1, 2)], answer=" Mary", versus=" John")
    >>> result.what
    'attention knockout [(-1, 2)] in layers [0, 1, 2, 3]'
    >>> bool(result.after[0] < result.before[0])  # the last token no longer sees " Mary"
    True
    """
    run = loaded(scope).run(prompts)
    if heads is not None and layers is not None:
        raise ValueError("Give layers= or heads=, not both: heads= names its layers.")
    cut = torch.stack([torch.stack([positions_of(run, one, roles) for one in edge], -1) for edge in _pairs(edges)], 1)
    later = (cut[..., 1] > cut[..., 0]).nonzero()
    if len(later):
        query, key = cut[tuple(later[0])].tolist()
        raise ValueError(
            f"Position {query} does not attend to position {key}, which is later: there is nothing to cut."
        )
    chosen = _chosen(scope, layers, heads)
    _check_some_key_left(run, cut, chosen)
    edits: Edits = {("scores", layer): _cutting(cut, some) for layer, some in chosen.items()}
    which = f"heads {list(heads)}" if heads is not None else f"layers {sorted(chosen)}"
    return measure_ablation(
        scope, run, edits, answer, versus, metric, f"attention knockout {list(edges)} in {which}", None
    )


def _cutting(cut: Tensor, heads: list[int] | None) -> Callable[[Tensor], Tensor]:
    rows = torch.arange(len(cut), device=cut.device)[:, None]

    def edit(scores: Tensor) -> Tensor:
        scores = scores.clone()
        for head in range(scores.shape[1]) if heads is None else heads:
            scores[rows, head, cut[..., 0], cut[..., 1]] = -torch.inf
        return scores

    return edit


def _pairs(edges: Any) -> list[tuple[Any, Any]]:
    try:
        pairs = [(query, key) for query, key in edges]
    except (TypeError, ValueError):
        raise ValueError(
            f"edges= is a list of (query, key) pairs such as [(-1, 4), ('END', 'IO')]; got {edges!r}."
        ) from None
    if not pairs:
        raise ValueError("edges= is an empty list: give (query, key) pairs such as (-1, 4) or ('END', 'IO').")
    return pairs


def _chosen(scope: Microscope, layers: Any, heads: Any) -> dict[int, list[int] | None]:
    """Return the layers to cut in with their heads (None: all)."""
    if heads is None:
        given = list(range(scope.n_layers)) if layers is None else layers
        if not isinstance(given, Sequence) or isinstance(given, str) or not given:
            raise ValueError(f"layers= is a list of layers such as [3, 4]; got {layers!r}.")
        return dict.fromkeys(check_layer(scope, one) for one in given)
    chosen: dict[int, list[int] | None] = {}
    for layer, head in check_heads(scope, heads, "heads= is a list of (layer, head) such as [(3, 1)]"):
        chosen[layer] = [*(chosen.get(layer) or []), head]
    return chosen


def _check_some_key_left(run: CachedRun, cut: Tensor, layers: Iterable[int]) -> None:
    """Refuse a query without a key: the softmax would spread its attention over what the mask hides, later keys too."""
    n_keys = run.token_ids.shape[1]
    same_query = (cut[:, :, None, 0] == cut[:, None, :, 0]).float()
    gone = same_query @ torch.nn.functional.one_hot(cut[..., 1], n_keys).float() > 0  # [prompt, edge, key]
    for layer in layers:
        mask = run.masks(layer, torch.arange(len(cut), device=cut.device), cut[..., 0])[:, 0]
        seen = mask > torch.finfo(mask.dtype).min / 2  # under a sliding window not all that is earlier
        wrong = (~(seen & ~gone).any(-1)).nonzero()
        if len(wrong):
            prompt, edge = wrong[0].tolist()
            raise ValueError(
                f"Every key of query {int(cut[prompt, edge, 0])} of prompt {prompt} that layer {layer} sees would be "
                "cut: leave it one to attend to."
            )
