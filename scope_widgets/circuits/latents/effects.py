"""Indirect effects of latents and errors on a metric, and of edges between them, by gradients (Marks et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from scope_widgets.circuits.latents.task_run import LatentTaskRun
from scope_widgets.experiments.circuit.latent_graph import LatentNode
from scope_widgets.experiments.latent_attribution.dictionaries import activations, output_scale
from scope_widgets.experiments.latent_attribution.latent_run import Edit
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.guards.restore_on_exit import recording_gradients


def mean_gradient(run: LatentTaskRun, point: HookPoint, steps: int) -> Iterator[Tensor]:
    """Yield the running mean of the metric's gradient at a place, from all out to the clean run; one a step.

    What is at the place goes a straight line, latents and the error together, in the middles of `steps` equal parts.
    """
    total = torch.zeros_like(run.clean.clean[point], dtype=torch.float32)
    for step in range(steps):
        share = (step + 0.5) / steps

        def edits(rows: Tensor, share: float = share) -> dict[HookPoint, list[Edit]]:
            mixed = share * run.clean.clean[point][rows] + (1 - share) * run.out[point][rows]
            return {point: [lambda value: mixed.to(value.dtype)]}

        def metric(_seen: dict[HookPoint, Tensor], rows: Tensor, logits: Tensor) -> Tensor:
            return run.metric.of(logits.float(), rows)

        total += run.clean.gradients([point], metric, edits=edits)[point].float()
        yield total / (step + 1)


def node_effects(run: LatentTaskRun, point: HookPoint, gradient: Tensor) -> dict[LatentNode, float]:
    """Return the indirect effect of each latent at a place and of the error: change times gradient, mean over pairs."""
    sae, (site, layer) = run.clean.saes[point], point
    flat = gradient.reshape(-1, gradient.shape[-1]).to(sae.W_dec.dtype)
    scores = torch.zeros(sae.d_sae, dtype=torch.float64, device=flat.device)
    for (rows, latents, strengths), sign in ((run.clean.codes(point), 1.0), (run.strengths_out(point), -1.0)):
        for some in torch.split(torch.arange(len(rows), device=flat.device), 2**15):
            along = (flat[rows[some]] * sae.W_dec[latents[some]]).sum(1)
            scores.index_add_(0, latents[some], sign * (strengths[some] * along).double())
    n = len(run.task)
    found = {LatentNode("latent", layer, at, site): float(scores[at]) / n for at in scores.nonzero()[:, 0].tolist()}
    error = LatentNode("error", layer, -1, site)
    return found | {error: float((run.change(error) * gradient).double().sum()) / n}


def edge_effects(
    run: LatentTaskRun, nodes: list[LatentNode], gradients: dict[HookPoint, Tensor]
) -> Iterator[dict[tuple[str, str], float]]:
    """Yield the effects of edges into each node, then into the logits, of those before it; with all others held.

    The gradient of the receiver, weighted by that of the metric there, times the change of the sender, mean over pairs.

    Parameters
    ----------
    run : LatentTaskRun
    nodes : list of LatentNode
        In the order of the forward.
    gradients : dict of (site, layer) to Tensor [pair, position, d]
        Of the metric, as `mean_gradient` returns it.
    """
    for receiver in [*nodes, None]:
        found: dict[tuple[str, str], float] = {}
        entering: dict[HookPoint, Tensor] = {}
        for rows, seen, logits in run.clean.recorded(run.places, entering=entering):
            with recording_gradients(True):
                if receiver is None:
                    number = run.metric.of(logits.float(), rows).sum()
                else:
                    number = _along(run, receiver, entering[run.clean.point(receiver)], gradients, rows)
                if not number.requires_grad:
                    continue
                points = list(seen)
                given = torch.autograd.grad(number, [seen[point] for point in points], allow_unused=True)
            at = {point: one for point, one in zip(points, given, strict=True) if one is not None}
            for sender in nodes:
                point = run.clean.point(sender)
                if sender == receiver or point not in at:
                    continue
                change, gradient = run.change(sender)[rows], at[point]
                if sender.kind == "latent":
                    gradient = gradient.to(change.dtype) @ run.clean.saes[point].W_dec[sender.number]
                edge = sender.name, "logits" if receiver is None else receiver.name
                found[edge] = found.get(edge, 0.0) + float((change * gradient).detach().double().sum()) / len(run.task)
        yield found


def _along(
    run: LatentTaskRun, node: LatentNode, value: Tensor, gradients: dict[HookPoint, Tensor], rows: Tensor
) -> Tensor:
    """Return what a node is, in the direction of the metric's gradient there, summed."""
    point = run.clean.point(node)
    sae, gradient = run.clean.saes[point], gradients[point][rows]
    x = value.reshape(-1, value.shape[-1]).to(sae.W_enc.dtype)
    flat = gradient.reshape(x.shape).to(x.dtype)
    acts = activations(sae, x) * output_scale(sae, x)
    if node.kind == "latent":
        return (acts[:, node.number] * (flat @ sae.W_dec[node.number])).sum()
    return ((x - acts @ sae.W_dec) * flat).sum()
