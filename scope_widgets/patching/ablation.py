"""Ablation: what is left of a behaviour when components are taken out together, or attention from here to there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._result import Provenance, Result
from scope_widgets.models.editing import Edits, Place
from scope_widgets.models.metric import metric_of
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.run import Run
from scope_widgets.patching.pair import Roles, listed, places, texts
from scope_widgets.patching.paths import check_head, heads_of

Array = np.ndarray[Any, Any]
#: (layer, head), ("attention", layer), ("mlp", layer), or ("layer", layer): attention and MLP
Component = tuple[Any, int]
#: a value [prompt, position, ...] -> the new one
Custom = Callable[[Tensor], Tensor]
ABLATIONS = ("zero", "mean", "resample", "noise", "scale")


@dataclass(frozen=True, eq=False, repr=False)
class Ablation(Result):
    """A metric before and after something was taken out.

    Attributes
    ----------
    before, after : ndarray [prompt]
        The metric.
    kl : ndarray [prompt]
        Divergence in nats of the next-token distribution after the ablation from that before, at the last position.
    loss : ndarray [prompt]
        Rise of the mean cross-entropy of the prompt's own tokens, in nats; NaN for prompts of one token.
    metric : str
    what : str
        What was taken out, and how.
    provenance : Provenance
    """

    before: Array
    after: Array
    kl: Array
    loss: Array
    metric: str
    what: str
    provenance: Provenance

    @property
    def lost(self) -> float:
        """Share of the mean metric that is lost; NaN where there was none."""
        before = float(self.before.mean())
        return 1 - float(self.after.mean()) / before if abs(before) > 1e-9 else float("nan")

    def to_dataframe(self) -> Any:
        """Make a table, one row a prompt: before, after, change, kl, loss."""
        import pandas as pd

        columns = {"before": self.before, "after": self.after, "change": self.after - self.before}
        return pd.DataFrame({"prompt": np.arange(len(self.before)), **columns, "kl": self.kl, "loss": self.loss})

    def __repr__(self) -> str:
        """Say what was lost."""
        return (
            f"Ablation({self.what}: mean {self.metric} {self.before.mean():.3f} -> {self.after.mean():.3f}, "
            f"{len(self.before)} prompts)"
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return {"text/plain": repr(self), "text/html": self.to_dataframe()._repr_html_()}


def ablate(
    scope: Microscope,
    prompts: Any,
    components: Sequence[Component],
    *,
    ablation: str | Custom = "zero",
    answer: Any = None,
    versus: Any = None,
    metric: Any = None,
    positions: Any = "all",
    roles: Roles | None = None,
    reference: Any = None,
    groups: Sequence[Any] | None = None,
    reference_groups: Sequence[Any] | None = None,
    factor: float = 0.0,
    std: float = 1.0,
    seed: int = 0,
) -> Ablation:
    """Take components out together and measure what is left.

    Parameters
    ----------
    scope : Microscope
    prompts : str, list of str, or token ids
    components : list of (layer, head), ("attention", layer), ("mlp", layer), ("layer", layer)
        Heads lose their z; attention and MLP what they add to the residual stream; a layer both, which leaves the
        stream as it came.
    ablation : str or callable
        "zero". "mean": over the positions of the prompt itself, or over `reference` at the same position. "resample":
        of a reference prompt drawn at random. "noise": normal noise of standard deviation `std` added. "scale": times
        `factor`. Or a function of the value [prompt, position, ...] that gives the new one.
    answer, versus, metric
        As in `activations`; where nothing is said, the KL divergence from the prompt's own run.
    positions : "all", or a list of positions or roles
        Where to ablate.
    roles : mapping of role to position of each prompt, optional
    reference : list of prompts, optional
        For "mean" and "resample".
    groups, reference_groups : sequences, optional
        A label (template) of each prompt and reference prompt: means and draws are then within the same label.
    factor, std, seed
        See `ablation`.

    Raises
    ------
    ValueError
        For a component, position or role that is not there, an unknown ablation, or a reference whose prompts have
        other lengths than those they stand in for.

    References
    ----------
    Wang et al. 2022 (mean over the ABC distribution, per template); Chan et al. 2022 on resampling. The choice alone
    can move what is left from none to all.
    """
    edits_of, described = _edits(scope, components)
    sites = tuple(dict.fromkeys(site for site, _ in edits_of))
    run = scope.run(prompts, sites)
    where = _where(scope, run, positions, roles)
    source = None if reference is None else scope.run(reference, sites)
    if callable(ablation):
        how, name = ablation, getattr(ablation, "__name__", "a function")
    else:
        how, name = None, _named(ablation, factor, std, source, groups)
    pick = _partners(run, source, ablation, groups, reference_groups, seed)
    noise = torch.Generator().manual_seed(seed)
    edits: Edits = {
        place: _replacing(where, heads, how or _new(str(ablation), place, run, source, pick, factor, std, noise))
        for place, heads in edits_of.items()
    }
    at = "all positions" if where is None else f"positions {positions!r}"
    return _measured(scope, run, edits, answer, versus, metric, f"{described}: {name}, {at}", seed)


def knockout(
    scope: Microscope,
    prompts: Any,
    edges: Sequence[tuple[Any, Any]],
    *,
    layers: Sequence[int] | None = None,
    heads: Sequence[tuple[int, int]] | None = None,
    roles: Roles | None = None,
    answer: Any = None,
    versus: Any = None,
    metric: Any = None,
) -> Ablation:
    """Cut attention from queries to keys: their scores become minus infinity, and the rest shares the attention.

    Parameters
    ----------
    scope : Microscope
    prompts : str, list of str, or token ids
    edges : list of (query, key)
        Positions, negative ones from each prompt's end, or roles.
    layers : list of int, optional
        All heads of these layers; all layers where neither is given.
    heads : list of (layer, head), optional
        These heads only.
    roles, answer, versus, metric
        As in `ablate`.

    Raises
    ------
    ValueError
        For an edge to a later position, a query whose every key would be cut, or what is not there.

    References
    ----------
    Geva et al. 2023 (arXiv 2304.14767).
    """
    run = scope.run(prompts)
    if heads is not None and layers is not None:
        raise ValueError("Give layers= or heads=, not both: heads= names its layers.")
    cut = torch.stack([torch.stack([places(run, one, roles) for one in edge], -1) for edge in _pairs(edges)], 1)
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
    return _measured(scope, run, edits, answer, versus, metric, f"attention knockout {list(edges)} in {which}", None)


def _cutting(cut: Tensor, heads: list[int] | None) -> Custom:
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
    """Give the layers to cut in with their heads (None: all)."""
    if heads is None:
        given = list(range(scope.n_layers)) if layers is None else layers
        if not isinstance(given, Sequence) or isinstance(given, str) or not given:
            raise ValueError(f"layers= is a list of layers such as [3, 4]; got {layers!r}.")
        return dict.fromkeys(_layer(scope, one) for one in given)
    chosen: dict[int, list[int] | None] = {}
    for layer, head in heads_of(scope, heads, "heads= is a list of (layer, head) such as [(3, 1)]"):
        chosen[layer] = [*(chosen.get(layer) or []), head]
    return chosen


def _check_some_key_left(run: Run, cut: Tensor, layers: Iterable[int]) -> None:
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


def _edits(scope: Microscope, components: Sequence[Component]) -> tuple[dict[Place, list[int] | None], str]:
    """Give the places to edit with their heads (None: the whole value), and what it is in words."""
    found: dict[Place, list[int] | None] = {}
    for component in components if isinstance(components, Sequence) else [components]:
        if isinstance(component, str) or not isinstance(component, Sequence) or len(component) != 2:
            raise ValueError(_COMPONENT.format(components))
        kind, at = component
        if kind in ("attention", "layer"):
            found["attention_out", _layer(scope, at)] = None
        if kind in ("mlp", "layer"):
            found["mlp_out", _layer(scope, at)] = None
        if not isinstance(kind, str):
            check_head(scope, kind, at)
            found["z", int(kind)] = [*(found.get(("z", int(kind))) or []), int(at)]
        elif kind not in ("attention", "mlp", "layer"):
            raise ValueError(_COMPONENT.format(component))
    if not found:
        raise ValueError("components= is empty: name at least one, such as (9, 6) or ('mlp', 3).")
    names = [f"{one[0]}.{one[1]}" if not isinstance(one[0], str) else f"{one[0]} {one[1]}" for one in components]
    return found, ", ".join(names)


#: what is wrong with a component
_COMPONENT = (
    "A component is (layer, head), ('attention', layer), ('mlp', layer) or ('layer', layer), and components= a list of "
    "these; got {!r}."
)


def _layer(scope: Microscope, layer: Any) -> int:
    if not hasattr(layer, "__index__"):
        raise ValueError(f"A layer is a number from 0 to {scope.n_layers - 1}; got {layer!r}.")
    if not 0 <= layer < scope.n_layers:
        raise ValueError(f"There is no layer {layer}: {scope.model_id} has 0 to {scope.n_layers - 1}.")
    return int(layer)


def _where(scope: Microscope, run: Run, positions: Any, roles: Roles | None) -> Tensor | None:
    """Give which positions to ablate, [prompt, position] of bool; None for all."""
    if isinstance(positions, str) and positions == "all":
        return None
    where = torch.zeros(run.token_ids.shape, dtype=torch.bool, device=run.token_ids.device)
    for one in listed(positions):
        where[torch.arange(len(run)), places(run, one, roles)] = True
    return where


def _named(ablation: str, factor: float, std: float, source: Run | None, groups: Any) -> str:
    if ablation not in ABLATIONS:
        raise ValueError(f"ablation= is one of {', '.join(ABLATIONS)}, or a function of the value; got {ablation!r}.")
    over = "" if source is None else f" over {len(source)} reference prompts" + (" of the same group" if groups else "")
    if ablation == "resample" and source is None:
        raise ValueError("ablation='resample' draws from reference= prompts: give some.")
    if ablation == "mean":
        return f"mean{over}" if over else "mean over the positions of the prompt"
    return {
        "zero": "zero",
        "resample": f"resample{over}",
        "noise": f"noise, std {std}",
        "scale": f"scale, factor {factor}",
    }[ablation]


def _partners(
    run: Run, source: Run | None, ablation: Any, groups: Any, reference_groups: Any, seed: int
) -> list[list[int]]:
    """Give the reference prompts that stand in for each prompt: of its group, and of its length."""
    if source is None or ablation not in ("mean", "resample"):
        return []
    if (groups is None) != (reference_groups is None):
        raise ValueError(
            "Give both groups= (a label a prompt) and reference_groups= (a label a reference prompt), or neither."
        )
    ours = [None] * len(run) if groups is None else list(groups)
    theirs = [None] * len(source) if reference_groups is None else list(reference_groups)
    if (len(ours), len(theirs)) != (len(run), len(source)):
        raise ValueError(
            f"There are {len(ours)} groups for {len(run)} prompts and {len(theirs)} reference_groups for {len(source)}."
        )
    rng = np.random.default_rng(seed)
    partners = []
    for prompt, group in enumerate(ours):
        some = [at for at, other in enumerate(theirs) if other == group]
        lengths = {int(source.lengths[at]) for at in some}
        if lengths != {int(run.lengths[prompt])}:
            raise ValueError(
                f"Prompt {prompt} has {int(run.lengths[prompt])} tokens and its reference prompts have "
                f"{', '.join(map(str, sorted(lengths))) or 'none'}: positions must correspond. Give reference prompts "
                "of its length, or groups= and reference_groups= that pair those of one template."
            )
        partners.append([int(rng.choice(some))] if ablation == "resample" else some)
    return partners


def _new(
    ablation: str,
    place: Place,
    run: Run,
    source: Run | None,
    partners: list[list[int]],
    factor: float,
    std: float,
    noise: torch.Generator,
) -> Custom:
    """Give the function that makes the ablated value of a place."""
    site, layer = place
    if ablation == "zero":
        return torch.zeros_like
    if ablation == "scale":
        return lambda value: value * factor
    if ablation == "noise":
        return lambda value: value + std * torch.randn(value.shape, generator=noise).to(value)
    if source is None:
        valid = torch.arange(run.token_ids.shape[1], device=run.token_ids.device) < run.lengths[:, None]
        return lambda value: _mean_over_positions(value, valid)
    width = min(run.token_ids.shape[1], source.token_ids.shape[1])

    def of_reference(value: Tensor) -> Tensor:
        means = torch.stack([source.values[site][layer][some, :width].mean(0) for some in partners])
        return torch.cat([means.to(value), value[:, width:]], 1)

    return of_reference


def _mean_over_positions(value: Tensor, valid: Tensor) -> Tensor:
    weights = valid.reshape(*valid.shape, *(1,) * (value.ndim - 2)).to(value)
    return ((value * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True)).expand_as(value)


def _replacing(where: Tensor | None, heads: list[int] | None, new: Custom) -> Custom:
    def edit(value: Tensor) -> Tensor:
        there = torch.ones(value.shape[:2], dtype=torch.bool, device=value.device) if where is None else where
        there = there.reshape(*there.shape, *(1,) * (value.ndim - 2))
        if heads is not None:
            ours = torch.zeros(value.shape[2], dtype=torch.bool, device=value.device)
            ours[heads] = True
            there = there & ours[:, None]
        return torch.where(there, _fitting(new(value), value), value)

    return edit


def _fitting(new: Any, value: Tensor) -> Tensor:
    try:
        return torch.as_tensor(new).to(value).expand_as(value)
    except (RuntimeError, TypeError, ValueError):
        what = f"shape {tuple(new.shape)}" if isinstance(new, Tensor) else repr(new)
        raise ValueError(
            f"ablation= must give a value of the shape that it gets, {tuple(value.shape)} [prompt, position, ...]; "
            f"it gave {what}."
        ) from None


def _measured(
    scope: Microscope, run: Run, edits: Edits, answer: Any, versus: Any, metric: Any, what: str, seed: int | None
) -> Ablation:
    kind = "kl" if metric is None and answer is None else metric
    measure = metric_of(kind, scope.tokenizer, answer, versus, len(run), run.logits)
    before, after = scope.logits(run.token_ids), scope.logits(run.token_ids, edits)
    at = torch.arange(len(run), device=run.last.device), run.last
    kl = metric_of("kl", scope.tokenizer, None, None, len(run), before[at])
    return Ablation(
        before=measure.checked(before[at], "unchanged").numpy(),
        after=measure.checked(after[at], "ablated").numpy(),
        kl=kl.checked(after[at], "ablated").numpy(),
        loss=np.array([_loss(after[i], run, i) - _loss(before[i], run, i) for i in range(len(run))]),
        metric=measure.name,
        what=what,
        provenance=Provenance(
            model=scope.model_id, revision=scope.revision, prompts=tuple(texts(scope, run)), seed=seed, ablation=what
        ),
    )


def _loss(logits: Tensor, run: Run, prompt: int) -> float:
    length = int(run.lengths[prompt])
    if length < 2:
        return float("nan")
    log_p = logits[: length - 1].double().log_softmax(-1)
    return -float(log_p.gather(-1, run.token_ids[prompt, 1:length, None]).mean())
