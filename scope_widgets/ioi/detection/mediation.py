"""What the effect of a head is carried by: whose name it reads, and at which position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array, Head
from scope_widgets.experiments.statistics.rounding import rank
from scope_widgets.ioi.dataset.prompt_set import Corruption
from scope_widgets.ioi.detection.effect_statistics import Evidence
from scope_widgets.ioi.detection.model_runs import DetectionRuns, Paths
from scope_widgets.models.execution.cached_run import CachedRun

#: positions at which a head may read a name; where two are one token the earlier in this list
READ_AT = ("IO", "S1", "S2", "END", "IO+1", "S1+1", "S2+1")
ELSEWHERE = "elsewhere"
#: prompts on which causes are looked for at the most: shares need fewer than small effects do
_PROMPTS = 20
#: share of the effect that the exchange of a name must carry for the head to be called after it
MOSTLY = 0.5
#: a name of the prompt -> the corruption that exchanges it
_EXCHANGES: dict[str, Corruption] = {"IO": "io", "S": "s"}


@dataclass(frozen=True)
class Cause:
    """What carries most of a head's effect.

    Attributes
    ----------
    name : str
        "IO" or "S": the effect is lost when the head reads another name in place of this one.
    share : float
        How much of the effect is lost then.
    position : str
        Where the head reads what carries most of it: one of `READ_AT`, or "elsewhere".
    share_there : float
        How much of the effect is lost with what it reads there.
    """

    name: str
    share: float
    position: str
    share_there: float

    def carries(self, name: str) -> bool:
        """Whether most of the effect is carried by this name."""
        return self.name == name and self.share >= MOSTLY


def find_causes(
    runs: DetectionRuns, paths: Paths, at: Evidence, heads: Sequence[Head], *, frozen: bool
) -> dict[Head, Cause]:
    """Exchange each name for another, and patch what heads read of it through paths, everywhere and by position.

    A head's z at a position is the sum over keys of attention times values, so that what it reads at some keys is
    taken from another run without a forward.

    Parameters
    ----------
    runs : DetectionRuns
    paths : Paths
        Those whose patching showed the effects.
    at : Evidence
        The effects.
    heads : sequence of (layer, head)
    frozen : bool
        Attention stays as it is and values change: what a head writes. Otherwise both are of the other run: what makes
        it write.

    Returns
    -------
    dict of (layer, head) to Cause
    """
    found: dict[Head, Cause] = {}
    prompts = runs.shuffled[:_PROMPTS]
    for layer in sorted({layer for layer, _ in heads}):
        some = [head for one, head in heads if one == layer]
        effect = np.array([at.effects[layer, head, prompts].mean() for head in some])
        moved = torch.stack([_moved(runs, paths, how, layer, some, frozen) for how in _EXCHANGES.values()])
        shares = _lost(runs, paths, layer, some, moved.sum(1), prompts) / effect
        noise = runs.effect_floor / np.abs(effect)  # shares closer than that are a tie
        most = [int(rank(shares[:, i], noise[i])[0]) for i in range(len(some))]
        by_place = torch.stack([moved[name, :, i] for i, name in enumerate(most)], 1)
        there = _lost(runs, paths, layer, some, by_place, prompts) / effect
        for i, head in enumerate(some):
            place = int(rank(there[:, i], noise[i])[0])
            found[layer, head] = Cause(
                name=list(_EXCHANGES)[most[i]],
                share=float(shares[most[i], i]),
                position=(*READ_AT, ELSEWHERE)[place],
                share_there=float(there[place, i]),
            )
    return found


def _lost(runs: DetectionRuns, paths: Paths, layer: int, heads: list[int], moved: Tensor, prompts: Array) -> Array:
    """Return the mean effect `[change, head]` of changes of heads' z `[change, head, prompt, d_head]`."""
    z = _at_query(runs, paths, paths.base.values["z"][layer])[:, heads].transpose(0, 1)
    lost = np.zeros(moved.shape[:2])
    real = [(int(change), int(i)) for change, i in moved.abs().amax((2, 3)).nonzero()]
    if real:
        change, i = (list(one) for one in zip(*real, strict=True))
        source = (z[i] + moved[change, i]).to(z.dtype)
        patched = runs.patched(paths, layer, [heads[one] for one in i], source, prompts)
        lost[change, i] = patched.mean(-1)
    return lost


def _moved(runs: DetectionRuns, paths: Paths, how: Corruption, layer: int, heads: list[int], frozen: bool) -> Tensor:
    """Return how the z of heads changes by what they read at each place, `[place, head, prompt, d_head]`."""
    other = runs.exchanged(how, paths.ablated)
    ours = _pattern(runs, paths, paths.base, layer, heads)
    theirs = ours if frozen else _pattern(runs, paths, other, layer, heads)
    group = runs.scope.n_heads // runs.scope.anatomy.n_kv_heads
    kv = [head // group for head in heads]
    was, new = (run.values["v"][layer][:, :, kv].transpose(1, 2).float() for run in (paths.base, other))
    # attention that leaves a key takes what it goes to: a key that gains some is no place where something is read
    leaves, comes = (ours - theirs).clamp(min=0), (theirs - ours).clamp(min=0)
    goes_to = (comes[..., None] * new).sum(2, keepdim=True) / comes.sum(2)[..., None, None].clamp(min=1e-9)
    change = ours[..., None] * (new - was) + leaves[..., None] * (goes_to - new)
    return torch.einsum("phkd,pkg->ghpd", change, _places(runs, ours.shape[-1]).to(change))


def _pattern(runs: DetectionRuns, paths: Paths, run: CachedRun, layer: int, heads: list[int]) -> Tensor:
    """Return the attention of heads from the paths' role, `[prompt, head, key]`."""
    return _at_query(runs, paths, run.values["attention"][layer].transpose(1, 2))[:, heads].float()


def _at_query(runs: DetectionRuns, paths: Paths, values: Tensor) -> Tensor:
    """Return what stands at the paths' role, of values `[prompt, position, ...]`."""
    return values[torch.arange(runs.n, device=values.device), runs.at[paths.role]]


def _places(runs: DetectionRuns, n_keys: int) -> Tensor:
    """Return which place each key is, `[prompt, key, place]` of bool: `READ_AT`, then elsewhere."""
    keys = torch.arange(n_keys, device=runs.clean.token_ids.device)
    is_at = torch.stack([runs.at[role][:, None] == keys for role in READ_AT], -1)
    first = is_at & (is_at.cumsum(-1) == 1)
    return torch.cat([first, ~first.any(-1, keepdim=True)], -1)
