"""`provenance`: which earlier latents, heads and MLPs make a latent fire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from scope_widgets._check_choice import check_choice, checked_count, is_whole
from scope_widgets._job import JobStatus, Steps
from scope_widgets._partial_result import Interrupted, result_or_interrupt
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array, Prompts
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.circuit.edge_evidence import EdgeEvidence
from scope_widgets.experiments.circuit.latent_graph import LatentGraph, LatentNode
from scope_widgets.experiments.latent_attribution.dictionaries import activations_of, by_place, place_in_forward
from scope_widgets.experiments.latent_attribution.latent_run import Baseline, LatentRun
from scope_widgets.experiments.latent_attribution.parents import Parent, Settings, child_target, confirm, score
from scope_widgets.experiments.latent_attribution.target import Target
from scope_widgets.experiments.task import Task
from scope_widgets.features.labelling.labels import FeatureLabels
from scope_widgets.features.sae.check_model import warn_of_another_model
from scope_widgets.features.sae.sae import SAE
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import stepwise
from scope_widgets.models.tokens import as_given, encode, token_texts


@stepwise
def provenance(
    scope: Microscope,
    saes: SAE | Sequence[SAE] | Mapping[int, SAE],
    layer: int,
    latent: int,
    prompts: Prompts,
    *,
    depth: int = 2,
    site: str | None = None,
    position: int | None = None,
    components: bool | None = None,
    candidates: int = 20,
    follow: int = 5,
    draws: int = 20,
    min_effect: float = 0.05,
    alpha: float = 0.05,
    ablation: Baseline = "mean",
    labels: Mapping[int, FeatureLabels] | None = None,
    seed: int | None = 0,
) -> Steps[Circuit]:
    """Find which earlier latents, heads and MLPs make a latent fire on prompts, each edge confirmed by an ablation.

    The SAEs stand in the forward with their errors, which are nodes too, so that it is the model's own. Of a target
    the gradient of its pre-activation, times what each node writes, chooses `candidates` of all that reaches it after
    the last SAE of the residual stream before it (Marks et al. 2024): an estimate. Each of these is then taken away
    at all positions, the later ones first, with the later parents that are confirmed held as they were, so that an
    effect is that of all paths past them; as many random directions of the same norm are taken away beside it. The
    strongest confirmed parents are targets next, to `depth`.

    Parameters
    ----------
    scope : Microscope
    saes : SAE, list of SAE, or dict of layer to SAE
        Of the residual stream, of "attention_out" or of "mlp_out".
    layer : int
        Of the SAE whose latent is explained.
    latent : int
    prompts : str, list of str, or token ids
        Those in which the latent does not fire are left out.
    depth : int, default 2
        Edges between the latent and the farthest node.
    site : str, optional
        Of the SAE, where there are several of that layer.
    position : int, optional
        Where the latent is measured in every prompt (-1: the last token); by default where it fires most.
    components : bool, optional
        Whether heads and MLPs are nodes; by default where they stand between SAEs that are not those of one layer and
        the next.
    candidates : int, default 20
        Nodes that are ablated for each target.
    follow : int, default 5
        Confirmed parents of each target that become targets, the largest effects first.
    draws : int, default 20
        Random directions beside each ablation that does enough to be a parent.
    min_effect : float, default 0.05
        The least effect of a parent, as a share of the target's activation.
    alpha : float, default 0.05
        The largest p of a parent, after Bonferroni's correction for the candidates of its target: of no effect (t-test
        over prompts), and of a latent or an error also of what random directions do (t-test against the draws, which
        takes them for normal). Every parent also does more than these do on average.
    ablation : "mean" or "zero", default "mean"
        What heads, MLPs and embeddings write instead: their mean over all positions of the prompts, or nothing. A
        latent is set to 0, and an error taken off, in both.
    labels : dict of layer to FeatureLabels, optional
        What `features.label` said of the SAEs' latents: names of nodes.
    seed : int or None, default 0
        Of random directions and of the bootstrap.

    Returns
    -------
    Circuit
        Its graph is a `LatentGraph` of all edges that were tried; those that are confirmed are in. Scores are mean
        falls of the receiver when the sender is ablated: of a latent in units of its activation; of a head or MLP, of
        what it adds to its child's pre-activation. `evidence` has the rest, and `clusters()` which parents act
        together. A `JobStatus` has the circuit so far as `partial`.

    Raises
    ------
    ValueError
        For an SAE or latent that is not there, or that fires on none of the prompts, and for numbers that are none.
    KeyboardInterrupt
        Interrupted outside a notebook: its `result` is the circuit so far, or None.

    References
    ----------
    Marks et al. 2024 (sparse feature circuits), for activation times gradient with errors as nodes.

    Examples
    --------
    >>> sae = features.load("demo")
    >>> texts = ["When Mary and John went to the store, John gave a drink to"] * 3
    >>> latent = int(sae.encode(scope.trace(texts[0]).residual(3)[-1:]).indices[0])
    >>> found = features.provenance(scope, sae, 3, latent, texts, depth=1, position=-1, candidates=3)
    >>> found.graph.output == f"3.{latent}", found.graph.n_edges
    (True, 3)
    """
    seed = seed_of(seed)
    check_choice("ablation", ablation, Baseline)
    counts = {"depth": depth, "candidates": candidates, "follow": follow}
    depth, candidates, follow = (checked_count(name, value) for name, value in counts.items())
    if not is_whole(draws) or draws < 3:
        raise ValueError(f"draws= is a whole number of random directions from 3; got {draws!r}.")
    places = by_place(saes, scope.anatomy)
    for sae in places.values():
        warn_of_another_model(scope.model_id, sae)  # type: ignore[arg-type]
    point = _place_of(places, layer, site, latent)
    rows, texts, _ = encode(scope.tokenizer, prompts, None)
    both = zip(rows, texts, strict=True)
    said = ["".join(token_texts(scope.tokenizer, row)) if text is None else text for row, text in both]
    yield JobStatus("running", "running the prompts")
    run = LatentRun(scope, places, rows, ablation)
    first = _first_target(run, LatentNode("latent", layer, int(latent), point[0]), position)
    note = (
        f"{places[point]!r}; latent {latent} fires in {len(first.prompts):,} of {len(rows):,} prompts; measured "
        f"{'where it fires most' if position is None else f'at position {position}'}"
    )
    origin = Provenance(
        scope.model_id,
        scope.revision,
        tuple(said),
        seed,
        f"latents to 0, heads, MLPs and embeddings to {'their mean' if ablation == 'mean' else '0'}, at all positions",
        note,
    )
    options: dict[str, Any] = {
        "depth": depth,
        "site": site,
        "position": position,
        "components": components,
        "candidates": candidates,
    }
    options |= {"follow": follow, "draws": draws, "min_effect": min_effect, "alpha": alpha, "ablation": ablation}
    given = ("scope", ("saes", saes), ("layer", layer), ("latent", latent), ("prompts", as_given(prompts, rows)))
    call = python_call("features.provenance", *given, **options, labels=labels, seed=seed)
    origin = replace(origin, calls=(*scope.calls, call))
    named = {layer: one.labelled() for layer, one in (labels or {}).items()}
    search = _Search(
        named, run, Settings(candidates, draws, min_effect, alpha, seed, components), depth, follow, rows, origin
    )
    try:
        yield from search.steps(first)
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, Interrupted):
            raise
        why = f"Interrupted: {search.done} of {search.total} ablations were made, and of the others nothing is known."
        return result_or_interrupt(search.circuit(why), why)
    return search.circuit()


class _Search:
    """The edges that are tried, target by target."""

    def __init__(
        self,
        labels: Mapping[int, Mapping[int, str]],
        run: LatentRun,
        settings: Settings,
        depth: int,
        follow: int,
        rows: list[list[int]],
        origin: Provenance,
    ) -> None:
        self._labels = labels
        self._run, self._settings, self._depth, self._follow = run, settings, depth, follow
        self._rows, self._origin = rows, origin
        self._edges: list[tuple[Parent, LatentNode, int]] = []
        self._output = ""
        self.done = self.total = 0

    def steps(self, first: Target) -> Steps[None]:
        """Try the edges into a target, its confirmed parents, and so on; a step an ablation."""
        self._output = first.node.name
        targets, known = [first], {first.node.name}
        for depth in range(1, self._depth + 1):
            following: list[Target] = []
            for target in targets:
                scored = score(self._run, target, self._settings.components)
                chosen = [at for at in range(len(scored.nodes)) if scored.attribution[at]][: self._settings.candidates]
                self.total += len(chosen)
                # the later ones first: they are held when the earlier ones are taken away
                place = {at: place_in_forward(self._run.point(scored.nodes[at])) for at in chosen}
                found: list[Parent] = []
                for at in sorted(chosen, key=lambda one: place[one], reverse=True):
                    later = [
                        one.node
                        for one in found
                        if one.confirmed and place_in_forward(self._run.point(one.node)) > place[at]
                    ]
                    node, estimate = scored.nodes[at], float(scored.attribution[at])
                    parent = confirm(self._run, target, node, estimate, later, len(chosen), self._settings)
                    found.append(parent)
                    self._edges.append((parent, target.node, depth))
                    self.done += 1
                    text = f"parents of {target.node.name}"
                    yield JobStatus("running", text, self.done, self.total, partial=self.circuit())
                confirmed = sorted((one for one in found if one.confirmed), key=lambda one: -abs(one.effect))
                for parent in [one for one in confirmed if one.node.kind not in ("input", "error")][: self._follow]:
                    child = None if parent.node.name in known else child_target(self._run, parent.node, scored, target)
                    if child is not None:
                        known.add(parent.node.name)
                        following.append(child)
            targets = following

    def circuit(self, said: str = "") -> Circuit:
        """Return what is known so far."""
        by_name = {(one.node.name, child.name): (one, depth) for one, child, depth in self._edges}
        saes = {LatentNode("latent", at, 0, site).place: repr(sae) for (site, at), sae in self._run.saes.items()}
        anatomy = self._run.anatomy
        graph = LatentGraph.of(anatomy.n_layers, anatomy.n_heads, by_name, self._output, saes)
        found = [by_name[graph.names(edge)] for edge in range(graph.n_edges)]
        n = len(self._rows)

        def of(name: str) -> Array:
            return np.array([getattr(one, name) for one, _ in found], dtype=float)

        evidence = EdgeEvidence(
            effects=np.stack([one.effects for one, _ in found]) if found else np.zeros((0, n)),
            **{name: of(name) for name in ("attribution", "activation", "low", "high", "p", "p_null", "null")},
            depth=np.array([depth for _, depth in found], dtype=int),
        )
        rows: list[list[int]] = self._rows
        none: list[list[int]] = [[] for _ in rows]
        task = Task(f"latent {self._output}", rows, rows, none, none, "kl", self._origin.model, [0] * n)
        note = f"{self._origin.note}; {self.done} edges tried, each by an ablation{'. ' * bool(said)}{said}"
        return Circuit(
            graph=graph,
            scores=of("effect"),
            included=np.array([one.confirmed for one, _ in found], dtype=bool),
            task=task,
            method="provenance",
            exact=True,
            ablation=self._run.baseline,
            provenance=replace(self._origin, note=note),
            evidence=evidence,
            labels=self._labels_of(graph),
        )

    def _labels_of(self, graph: LatentGraph) -> dict[str, str]:
        nodes = [(name, LatentNode.of(name)) for name in graph.nodes]
        known = {
            name: self._labels.get(node.layer, {}).get(node.number) for name, node in nodes if node.kind == "latent"
        }
        return {name: label for name, label in known.items() if label}


def _place_of(places: Mapping[HookPoint, Any], layer: int, site: str | None, latent: int) -> HookPoint:
    """Return the hook point of the SAE of a layer."""
    there = [point for point in places if point[1] == layer and site in (None, point[0])]
    if len(there) != 1:
        known = ", ".join(f"{name} of layer {at}" for name, at in places)
        wanted = f"layer {layer}" if site is None else f"{site} of layer {layer}"
        many = "Several SAEs are" if there else "No SAE is"
        raise ValueError(f"{many} of {wanted}; given are {known}. Say which with layer= and site=.")
    n = places[there[0]].d_sae
    if not is_whole(latent) or not 0 <= latent < n:
        raise ValueError(f"latent= is a whole number from 0 to {n - 1:,}, of the SAE of layer {layer}; got {latent!r}.")
    return there[0]


def _first_target(run: LatentRun, node: LatentNode, position: int | None) -> Target:
    """Return the latent that is explained, where it fires in each prompt."""
    point = run.point(node)
    x = run.clean[point]
    with torch.no_grad():
        rows = x.reshape(-1, x.shape[-1]).to(run.saes[point].W_enc.dtype)
        active = activations_of(run.saes[point], rows, [node.number])[:, 0].reshape(run.token_ids.shape)
    active = torch.where(run.real, active, 0.0)
    if position is None:
        at = active.argmax(1)
    else:
        shortest = int(run.lengths.min())
        if not is_whole(position) or not -shortest <= position < shortest:
            raise ValueError(
                f"position= is a whole number from {-shortest} to {shortest - 1}, for the shortest prompt has "
                f"{shortest} tokens; got {position!r}."
            )
        at = run.lengths + position if position < 0 else torch.full_like(run.lengths, position)
    fires = active.gather(1, at[:, None])[:, 0] > 0
    if not bool(fires.any()):
        most = f" It does elsewhere: up to {float(active.max()):.3g}." if bool((active > 0).any()) else ""
        where = "any position" if position is None else f"position {position}"
        raise ValueError(
            f"Latent {node.number} of layer {node.layer} fires at {where} in none of the {len(run)} prompts, so there "
            f"is nothing to explain.{most}"
        )
    return Target(node, fires.nonzero()[:, 0], at)
