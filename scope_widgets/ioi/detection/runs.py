"""The runs behind a detection: direct effects, paths into receivers, ablated heads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from scope_widgets._types import Array, Head
from scope_widgets.experiments.metric import metric_of
from scope_widgets.experiments.path_patching import Receiver, patch_paths
from scope_widgets.experiments.rounding import share, vanishes
from scope_widgets.ioi.dataset.prompt_set import IOIPrompts
from scope_widgets.models.execution.activation_edits import Edits
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.microscope import Microscope, loaded

#: ABC versions of each prompt over which an ablated head's output is averaged
N_VERSIONS = 4


class DetectionRuns:
    """A model on IOI prompts and on their ABC versions.

    Attributes
    ----------
    clean, abc : CachedRun
    m_clean, m_abc : ndarray [prompt]
        The logit difference, `logit(IO) - logit(S)` at the end.
    at : dict of role to Tensor [prompt]
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
        self._seed = seed
        self._means: dict[int, Tensor] | None = None

    @property
    def scale(self) -> float:
        """What an effect is a share of: the mean logit difference, less that of the ABC prompts."""
        return float(self.m_clean.mean() - self.m_abc.mean())

    @property
    def effect_floor(self) -> float:
        """What rounding alone may make of an effect; infinite where there is nothing to have a share of."""
        return float("inf") if vanishes(self.scale, self.floor) else self.floor / abs(self.scale)

    def path_effects(
        self,
        role: str,
        receivers: Sequence[Receiver] | None,
        layers: Iterable[int],
        bar: tqdm[Any],
        base: CachedRun | None = None,
    ) -> Array:
        """Patch the paths from each head at a role to the receivers (None: the logits), ABC into clean.

        Returns
        -------
        ndarray [layer, head, prompt]
            The share of the logit difference that is lost; 0 for layers that were not asked for.
        """
        base = self.clean if base is None else base
        before = self._metric.checked(base.logits, "clean")
        effects = np.zeros((self.scope.n_layers, self.scope.n_heads, self.n))
        for layer in layers:
            measured = patch_paths(
                base,
                self.abc,
                layer,
                range(self.scope.n_heads),
                receivers,
                self.at[role],
                self._metric,
                n_layers=self.scope.n_layers,
                group=self.scope.n_heads // self.scope.anatomy.n_kv_heads,
            )
            effects[layer] = share((before - measured).numpy(), self.scale, self.floor)
            bar.update()
        return effects

    def run_without(self, heads: Iterable[Head], capture: Sequence[str] = ()) -> CachedRun:
        """Run with heads ablated at END: their z there is its mean over `N_VERSIONS` ABC versions of the prompt."""
        by_layer: dict[int, list[int]] = {}
        for layer, head in heads:
            by_layer.setdefault(layer, []).append(head)
        rows = torch.arange(self.n, device=self.at["END"].device)

        def ablated(layer: int) -> Callable[[Tensor], Tensor]:
            def edit(value: Tensor) -> Tensor:
                new = value.clone()
                for head in by_layer[layer]:
                    new[rows, self.at["END"], head] = self._mean_at_end()[layer][:, head].to(value.dtype)
                return new

            return edit

        self._mean_at_end()  # its own runs must not begin inside of this one
        edits: Edits = {("z", layer): ablated(layer) for layer in by_layer}
        return loaded(self.scope).run(self.prompts.token_ids, capture, edits)

    def logit_difference(self, run: CachedRun) -> Array:
        """Return the logit difference of a run, `[prompt]`."""
        return self._metric.checked(run.logits, "clean").numpy()

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
                other = self.prompts.corrupted("abc", self._seed + version)
                runs.append(loaded(self.scope).run(other.token_ids, ("z",)))
            rows = torch.arange(self.n, device=self.at["END"].device)
            self._means = {
                layer: torch.stack([run.values["z"][layer][rows, self.at["END"]] for run in runs]).mean(0)
                for layer in range(self.scope.n_layers)
            }
        return self._means


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
