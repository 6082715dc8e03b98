"""What a latent, head or MLP is made of: scores of all that writes before it, and ablations of the strongest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array
from scope_widgets.experiments.circuit.latent_graph import LatentNode
from scope_widgets.experiments.latent_attribution.dictionaries import place_in_forward
from scope_widgets.experiments.latent_attribution.latent_run import Edit, LatentRun
from scope_widgets.experiments.latent_attribution.target import Target
from scope_widgets.experiments.statistics.bootstrap import bootstrap_interval
from scope_widgets.experiments.statistics.rounding import noise_floor, settled
from scope_widgets.experiments.statistics.t_test import chance, two_sided
from scope_widgets.models.execution.activation_edits import HookPoint


@dataclass(frozen=True, eq=False)
class Settings:
    """How parents are looked for; `features.provenance` says what each is."""

    candidates: int
    draws: int
    min_effect: float
    alpha: float
    seed: int
    components: bool | None = None


@dataclass(frozen=True, eq=False)
class Scored:
    """What the gradient says of all that writes before a target.

    Attributes
    ----------
    nodes : list of LatentNode
        The largest mean absolute attribution first.
    attribution : ndarray [node]
        Activation times gradient, mean over the target's prompts.
    gradient : dict of (site, layer) to Tensor [prompt, position, d]
    """

    nodes: list[LatentNode]
    attribution: Array
    gradient: dict[HookPoint, Tensor]


@dataclass(frozen=True, eq=False)
class Parent:
    """What an ablation of one node did to a target; arrays and numbers are those of `EdgeEvidence`."""

    node: LatentNode
    effects: Array
    attribution: float
    activation: float
    low: float
    high: float
    p: float
    p_null: float
    null: float
    confirmed: bool

    @property
    def effect(self) -> float:
        """Mean fall of the target over its prompts."""
        return float(np.nanmean(self.effects))


def places_before(run: LatentRun, target: Target, components: bool | None) -> list[HookPoint]:
    """Return where what reaches a target directly is added: from the last SAE of the residual stream before it on.

    All that is earlier goes through that SAE's latents and its error. Heads and MLPs after it are nodes where it is not
    the SAE of the layer before (`components` None), always or never.
    """
    entered = target.entered
    cuts = [point for point in run.saes if point[0] == "residual" and place_in_forward(point) < entered]
    first = max(cuts, key=place_in_forward, default=("residual", 0))
    if components is None:
        of_stream = target.node.kind == "latent" and target.node.site == "residual"
        components = not (first in run.saes and of_stream and target.node.layer == first[1] + 1)
    parts = [point for point in run.clean if point[0] in ("attention_out", "mlp_out")]
    parts = [point for point in parts if components or point in run.saes]
    between = [point for point in parts if place_in_forward(first) < place_in_forward(point) < entered]
    return sorted([first, *between], key=place_in_forward)


def score(run: LatentRun, target: Target, components: bool | None = None) -> Scored:
    """Return what the gradient says of all that writes before a target, from one forward and backward."""
    points = places_before(run, target, components)
    also = [("z", layer) for site, layer in points if site == "attention_out" and ("z", layer) in run.clean]
    chosen = torch.zeros(len(run), device=run.token_ids.device)
    chosen[target.prompts] = 1.0

    def number(seen: dict[HookPoint, Tensor], rows: Tensor, _logits: Tensor) -> Tensor:
        return target.before_activation(run, seen[target.reads], rows) * chosen[rows]

    gradient = run.gradients([*points, *also], number, [target.reads], target.end)
    nodes: list[LatentNode] = []
    found: list[float] = []
    for point in points:
        for node, value in _scores_at(run, point, gradient[point]):
            nodes.append(node)
            found.append(value / len(target.prompts))
    attribution = np.array(found)
    order = np.argsort(-np.abs(attribution), kind="stable")
    return Scored([nodes[at] for at in order], attribution[order], gradient)


def _scores_at(run: LatentRun, point: HookPoint, gradient: Tensor) -> Iterator[tuple[LatentNode, float]]:
    """Yield the sum over prompts and positions of what each node at a place writes, times the gradient."""
    site, layer = point
    if point in run.saes:
        sae = run.saes[point]
        rows, latents, strengths = run.codes(point)
        flat = gradient.reshape(-1, gradient.shape[-1]).to(sae.W_dec.dtype)
        scores = torch.zeros(sae.d_sae, dtype=torch.float64, device=flat.device)
        for some in torch.split(torch.arange(len(rows), device=flat.device), 2**15):
            along = (flat[rows[some]] * sae.W_dec[latents[some]]).sum(1)
            scores.index_add_(0, latents[some], (strengths[some] * along).double())
        for latent in scores.nonzero()[:, 0].tolist():
            yield LatentNode("latent", layer, latent, site), float(scores[latent])
        yield LatentNode("error", layer, -1, site), float((run.error(point) * gradient).double().sum())
        return
    if site == "residual":
        nodes = [LatentNode("input", -1)]
    elif site == "attention_out":
        nodes = (
            [LatentNode("head", layer, head) for head in range(run.anatomy.n_heads)]
            if ("z", layer) in run.clean
            else []
        )
    else:
        nodes = [LatentNode("mlp", layer)]
    for node in nodes:
        yield node, float((run.written(node) * gradient).detach().double().sum())


def child_target(run: LatentRun, node: LatentNode, scored: Scored, child: Target) -> Target | None:
    """Return a parent as a target of its own: where, or along what, it acts on its child; None where it never does."""
    if node.kind == "head":
        return Target(node, child.prompts, direction=scored.gradient["z", node.layer][:, :, node.number])
    point = run.point(node)
    gradient = scored.gradient[point]
    if node.kind == "mlp":
        return Target(node, child.prompts, direction=gradient)
    row = run.saes[point].W_dec[node.number]
    acts = (run.strength(node) * (gradient.to(row.dtype) @ row)).abs()
    positions = acts.argmax(1)
    fires = acts.amax(1) > 0
    prompts = child.prompts[fires[child.prompts]]
    return Target(node, prompts, positions) if len(prompts) else None


def confirm(
    run: LatentRun, target: Target, node: LatentNode, attribution: float, later: list[LatentNode], tests: int,
    settings: Settings,
) -> Parent:  # fmt: skip
    """Take a node away, with the later parents held, and say how far the target falls.

    Parameters
    ----------
    run : LatentRun
    target : Target
    node : LatentNode
    attribution : float
        Of the gradient.
    later : list of LatentNode
        Confirmed parents after it, which are held as they are in the clean run.
    tests : int
        How many nodes are tried for this target.
    settings : Settings
    """
    taken = _Removal(run, node, settings.draws, settings.seed)
    with torch.no_grad():
        before = target.measure(run, run.clean[target.reads][target.prompts], target.prompts).double().cpu().numpy()
        effects = _falls(run, target, taken, later, before, range(1))[0]
        effect, activation = float(effects.mean()), float(before.mean())
        of_none = float(chance(effects)) if len(effects) > 1 else 0.0
        large = abs(effect) >= settings.min_effect * abs(activation) and tests * of_none < settings.alpha
        random = np.array([np.nan])
        if large:  # else it is no parent, whatever random directions do
            random = _falls(run, target, taken, later, before, range(1, 1 + settings.draws)).mean(1)
    null = float(np.abs(random).mean())
    p_null = min(1.0, tests * _p_of_null(effect, random)) if large else float("nan")
    p = min(1.0, tests * of_none)
    if large and (node.kind in ("latent", "error") or len(effects) < 2):
        p = max(p, p_null)
    low, high = bootstrap_interval(effects, settings.seed)
    whole = np.full(len(run), np.nan)
    whole[target.prompts.cpu().numpy()] = effects
    confirmed = large and p < settings.alpha and abs(effect) > null
    return Parent(node, whole, attribution, activation, low, high, p, p_null, null, confirmed)


def _falls(
    run: LatentRun, target: Target, taken: _Removal, later: list[LatentNode], before: Array, which: range
) -> Array:
    """Return how far a target falls when variants of a removal are taken away, `[variant, prompt of the target]`."""
    n = len(target.prompts)
    variants = torch.tensor(list(which), device=target.prompts.device).repeat_interleave(n)
    rows = target.prompts.repeat(len(which))

    def edits(some: Tensor, of: Tensor) -> dict[HookPoint, list[Edit]]:
        made = run.held(later, some)
        made.setdefault(taken.point, []).insert(0, lambda value: value - taken(some, of).to(value.dtype))
        return made

    seen = run.read([target.reads], edits, rows, variants, end=target.end)[target.reads]
    after = target.measure(run, seen, rows).double().reshape(len(which), n).cpu().numpy()
    floor = noise_floor(seen.dtype, float(np.abs(before).max(initial=0.0)), 2 * run.anatomy.n_layers + 1)
    return settled(before - after, floor)


def _p_of_null(effect: float, random: Array) -> float:
    """Return p of an effect among those of random directions, taken for normal: a t-test of one value against `k`."""
    k = len(random)
    spread = float(random.std(ddof=1)) * (1 + 1 / k) ** 0.5
    away = effect - float(random.mean())
    return two_sided(away / spread, k - 1) if spread else float(away == 0)


class _Removal:
    """What is taken away of rows: of variant 0 what a node writes, of the others as much in random directions.

    What a latent adds has one direction, and so has a random one. What else writes has another one at each position:
    its coordinates are permuted, and their signs drawn, alike at all of them, which keeps norms and angles.
    """

    def __init__(self, run: LatentRun, node: LatentNode, draws: int, seed: int) -> None:
        noise = torch.Generator().manual_seed(seed)
        self.point = run.point(node)
        self._strength: Tensor | None = None
        if node.kind == "latent":
            row = run.saes[self.point].W_dec[node.number].float()
            drawn = torch.randn(draws, len(row), generator=noise).to(row.device)
            drawn = drawn / drawn.norm(dim=1, keepdim=True) * row.norm()
            self._directions, self._strength = torch.cat([row[None], drawn]), run.strength(node)
            return
        self._written = run.written(node)
        d = self._written.shape[-1]
        every = [torch.arange(d), *(torch.randperm(d, generator=noise) for _ in range(draws))]
        signs = torch.randint(0, 2, (draws, d), generator=noise) * 2.0 - 1.0
        self._order = torch.stack(every).to(self._written.device)
        self._signs = torch.cat([torch.ones(1, d), signs]).to(self._written)

    def __call__(self, prompts: Tensor, variants: Tensor) -> Tensor:
        if self._strength is not None:
            return self._strength[prompts][..., None] * self._directions[variants][:, None]
        written = self._written[prompts]
        order = self._order[variants][:, None].expand(written.shape)
        return written.gather(-1, order) * self._signs[variants][:, None]
