"""The runs behind a detection: direct effects, paths into receivers, ablated heads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array, Head
from scope_widgets.experiments.metric import metric_of
from scope_widgets.experiments.path_patching import Receiver, patch_paths
from scope_widgets.experiments.statistics.rounding import share, vanishes
from scope_widgets.ioi.dataset.prompt_set import Corruption, IOIPrompts
from scope_widgets.models.execution.activation_edits import Edits
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.microscope import Microscope, loaded

#: ABC versions of each prompt over which an ablated head's output is averaged
N_VERSIONS = 4
#: prompts on which every head is measured, and the standard errors that its mean there may be off
_FEW, _MARGIN = 8, 4.0


@dataclass(frozen=True, eq=False)
class Paths:
    """Paths from heads at a role to receivers (None: the logits), in a run, the one with these heads ablated."""

    role: str
    receivers: Sequence[Receiver] | None
    base: CachedRun
    ablated: tuple[Head, ...] = ()


class DetectionRuns:
    """A model on IOI prompts and on their ABC versions.

    Attributes
    ----------
    clean, abc : CachedRun
    m_clean, m_abc : ndarray [prompt]
        The logit difference, `logit(IO) - logit(S)` at the end.
    at : dict of role to Tensor [prompt]
        Also of the tokens after the names, "IO+1" and so on.
    shuffled : ndarray of int [prompt]
        The prompts in random order: the first of them stand for all.
    floor : float
        The difference that rounding alone may make to a logit difference.
    """

    def __init__(self, scope: Microscope, prompts: IOIPrompts, seed: int) -> None:
        self.scope = scope
        self.prompts = prompts
        self.n = len(prompts)
        self.clean = loaded(scope).run(prompts.token_ids, ("z", "q", "attention"))
        self.abc = loaded(scope).run(prompts.corrupted("abc", seed).token_ids, ("z",))
        ids = prompts.io_ids.tolist(), prompts.subject_ids.tolist()
        self._metric = metric_of("logit_difference", scope.tokenizer, *ids, self.n)
        self.m_clean = self._metric.checked(self.clean.logits, "clean").numpy()
        self.m_abc = self._metric.checked(self.abc.logits, "ABC").numpy()
        self.floor = max(self._metric.floor(scope, run.logits) for run in (self.clean, self.abc))
        device = self.clean.token_ids.device
        self.at = {role: torch.as_tensor(at, device=device) for role, at in prompts.positions.items()}
        self.at |= {f"{role}+1": self.at[role] + 1 for role in ("IO", "S1", "S2")}
        self._seed = seed
        self._means: dict[int, Tensor] | None = None
        self._exchanged: dict[tuple[Corruption, tuple[Head, ...]], CachedRun] = {}
        self.shuffled = np.random.default_rng(seed).permutation(self.n)

    @property
    def scale(self) -> float:
        """What an effect is a share of: the mean logit difference, less that of the ABC prompts."""
        return float(self.m_clean.mean() - self.m_abc.mean())

    @property
    def effect_floor(self) -> float:
        """What rounding alone may make of an effect; infinite where there is nothing to have a share of."""
        return float("inf") if vanishes(self.scale, self.floor) else self.floor / abs(self.scale)

    def path_effects(self, paths: Paths, layer: int, least: float = 0.0) -> Array:
        """Patch the paths from each head of a layer, ABC into clean.

        Parameters
        ----------
        paths : Paths
        layer : int
        least : float, default 0.0
            A head whose mean over a few prompts is smaller by several standard errors is not measured on the others.

        Returns
        -------
        ndarray [head, prompt]
            The share of the logit difference that is lost; NaN where not measured.
        """
        effects = np.full((self.scope.n_heads, self.n), np.nan)
        heads = list(range(self.scope.n_heads))
        few, others = np.split(self.shuffled, [_FEW if least else self.n])
        effects[:, few] = self.patched(paths, layer, heads, self.abc, few)
        some = [head for head in heads if _may_reach(effects[head, few], least)]
        if some and len(others):
            effects[np.ix_(np.array(some), others)] = self.patched(paths, layer, some, self.abc, others)
        return effects

    def patched(
        self,
        paths: Paths,
        layer: int,
        heads: Sequence[int],
        source: CachedRun | Tensor,
        prompts: Array | None = None,
    ) -> Array:
        """Return the share of the logit difference that each head's paths lose, `[head, prompt]`.

        `source` is a run, or what each head's z becomes, `[head, prompt, d_head]`; `prompts` are those to run.
        """
        some = np.arange(self.n) if prompts is None else prompts
        measured = patch_paths(
            paths.base,
            source,
            layer,
            heads,
            paths.receivers,
            self.at[paths.role],
            self._metric,
            n_layers=self.scope.n_layers,
            group=self.scope.n_heads // self.scope.anatomy.n_kv_heads,
            prompts=torch.as_tensor(some),
        )
        before = self._metric.checked(paths.base.logits, "clean")[torch.as_tensor(some)]
        return np.asarray(share((before - measured).numpy(), self.scale, self.floor))

    def exchanged(self, name: Corruption, ablated: tuple[Head, ...] = ()) -> CachedRun:
        """Run with the third names of the ABC prompts for the indirect object ("io") or the subject ("s") alone."""
        if (name, ablated) not in self._exchanged:
            other = self.prompts.corrupted(name, self._seed)
            self._exchanged[name, ablated] = self.run_without(ablated, ("z", "attention"), other)
        return self._exchanged[name, ablated]

    def run_without(
        self, heads: Iterable[Head], capture: Sequence[str] = (), prompts: IOIPrompts | None = None
    ) -> CachedRun:
        """Run with heads ablated at END: their z there is its mean over `N_VERSIONS` ABC versions of the prompt."""
        edits = self._ablated(heads)
        return loaded(self.scope).run((prompts or self.prompts).token_ids, capture, edits)

    def logit_difference_without(self, heads: Iterable[Head]) -> Array:
        """Return the logit difference with heads ablated as by `run_without`, `[prompt]`."""
        edits = self._ablated(heads)
        everyone = torch.arange(self.n, device=self.at["END"].device)
        first = min((layer for _, layer in edits), default=0)
        # nothing comes after the end, so that no other position changes
        end = self.at["END"][:, None]
        return self._metric.again(self.clean, edits, rows=everyone, positions=end, layer=first).numpy()

    def _ablated(self, heads: Iterable[Head]) -> Edits:
        by_layer: dict[int, list[int]] = {}
        for layer, head in heads:
            by_layer.setdefault(layer, []).append(head)
        rows = torch.arange(self.n, device=self.at["END"].device)
        means = self._mean_at_end() if by_layer else {}

        def ablated(layer: int) -> Callable[[Tensor], Tensor]:
            def edit(value: Tensor) -> Tensor:
                new = value.clone()
                at = self.at["END"] if value.shape[1] > 1 else 0  # a run of the end alone has one position
                for head in by_layer[layer]:
                    new[rows, at, head] = means[layer][:, head].to(value.dtype)
                return new

            return edit

        return {("z", layer): ablated(layer) for layer in by_layer}

    def attention(self, layer: int, query: str, key: str, run: CachedRun | None = None) -> Array:
        """Return the attention from one role to another, `[prompt, head]`."""
        pattern = (run or self.clean).values["attention"][layer]
        rows = torch.arange(self.n, device=pattern.device)
        return pattern[rows, :, self.at[query], self.at[key]].double().cpu().numpy()

    def attention_elsewhere(self, layer: int, query: str, keys: Sequence[str]) -> Array:
        """Return the mean attention to a position that is none of the roles nor the first, `[prompt, head]`."""
        pattern = self.clean.values["attention"][layer]
        found = np.zeros((self.n, self.scope.n_heads))
        for row in range(self.n):
            last = int(self.at[query][row])
            named = {0, *(int(self.at[key][row]) for key in keys)}
            others = [position for position in range(last + 1) if position not in named]
            if others:
                found[row] = pattern[row, :, last, others].double().mean(-1).cpu().numpy()
        return found

    def _mean_at_end(self) -> dict[int, Tensor]:
        """Mean z at the end over the ABC versions of each prompt, layer -> [prompt, head, d_head]."""
        if self._means is None:
            runs = [self.abc]
            for version in range(1, N_VERSIONS):
                other = self.prompts.corrupted("abc", (self._seed + version) % 2**63)
                runs.append(loaded(self.scope).run(other.token_ids, ("z",)))
            rows = torch.arange(self.n, device=self.at["END"].device)
            self._means = {
                layer: torch.stack([run.values["z"][layer][rows, self.at["END"]] for run in runs]).mean(0)
                for layer in range(self.scope.n_layers)
            }
        return self._means


def _may_reach(values: Array, least: float) -> bool:
    """Whether the mean of more values like these `[prompt]` may be as large as `least`."""
    return len(values) < _FEW or bool(abs(values.mean()) + _MARGIN * values.std(ddof=1) / len(values) ** 0.5 >= least)


def check_prompts(scope: Microscope, prompts: IOIPrompts, who: str) -> None:
    """Raise TypeError or ValueError where these are no clean IOI prompts made for this model."""
    if not isinstance(prompts, IOIPrompts):
        raise TypeError(f"{who} takes the prompts of ioi.prompts(scope, n=...), not {type(prompts).__name__}.")
    if prompts.corruption:
        raise ValueError(f"These prompts are corrupted ({prompts.corruption}); {who} makes its own. Give clean ones.")
    if not len(prompts):
        raise ValueError(f"{who} got an empty set of prompts: make some with ioi.prompts(scope, n=50).")
    highest = max(max(row) for row in prompts.token_ids)
    if prompts.model_id != scope.model_id or highest >= scope.anatomy.d_vocab:
        raise ValueError(
            f"These prompts were made for {prompts.model_id}, whose tokens may be others than those of "
            f"{scope.model_id}: make them with ioi.prompts(scope)."
        )
