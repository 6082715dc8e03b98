"""The circuit of a task among latents and errors: sparse feature circuits (Marks et al. 2024)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._job import JobStatus, Steps
from scope_widgets._provenance import Provenance
from scope_widgets.circuits.latents.effects import edge_effects, mean_gradient, node_effects
from scope_widgets.circuits.latents.task_run import SENTENCES, LatentAblation, LatentTaskRun
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.circuit.latent_graph import LatentGraph, LatentNode
from scope_widgets.experiments.latent_attribution.dictionaries import place_in_forward
from scope_widgets.experiments.question import question_of
from scope_widgets.experiments.statistics.rounding import noise_floor
from scope_widgets.experiments.task import Task
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import stepwise


@stepwise
def discover_latents(
    scope: Microscope, task: Task, saes: Any, ablation: LatentAblation, steps: int, n_nodes: int, min_effect: float
) -> Steps[Circuit]:
    """Find the circuit of a task among the latents and errors of SAEs; `circuits.discover` says what the options are.

    A step a gradient, then one a node.
    """
    yield JobStatus("running", "running the pairs")
    run = LatentTaskRun(scope, task, saes, ablation)
    total, done = len(run.places) * steps + n_nodes + 1, 0
    effects: dict[LatentNode, float] = {}
    gradients: dict[HookPoint, Tensor] = {}
    for point in run.places:
        for gradient in mean_gradient(run, point, steps):
            gradients[point] = gradient
            done += 1
            yield JobStatus("running", "effects of nodes", done, total)
        effects |= node_effects(run, point, gradients[point])
    chosen = sorted((node for node in effects if effects[node]), key=lambda node: -abs(effects[node]))[:n_nodes]
    chosen.sort(key=lambda node: (place_in_forward(run.clean.point(node)), node.number))
    edges: dict[tuple[str, str], float] = {}
    for found in edge_effects(run, chosen, gradients):
        edges |= found
        done += 1
        yield JobStatus("running", "effects of edges", done, total)
    empty = run.measure({}, ())
    return _circuit(run, {node: effects[node] for node in chosen}, len(effects), edges, empty, steps, min_effect)


def _circuit(
    run: LatentTaskRun,
    effects: dict[LatentNode, float],
    n_effects: int,
    edges: dict[tuple[str, str], float],
    empty: np.ndarray[Any, Any],
    steps: int,
    min_effect: float,
) -> Circuit:
    scope, task, anatomy = run.scope, run.task, run.clean.anatomy
    saes = {LatentNode("latent", layer, 0, site).place: repr(sae) for (site, layer), sae in run.clean.saes.items()}
    graph = LatentGraph.of(anatomy.n_layers, anatomy.n_heads, edges, "logits", saes)
    scores = np.array([edges[graph.names(edge)] for edge in range(graph.n_edges)])
    least = min_effect * abs(float((run.full - empty).mean()))
    largest = float(np.abs(scores).max(initial=0.0))
    return Circuit(
        graph=graph,
        scores=scores,
        included=np.abs(scores) >= max(least, np.finfo(float).tiny),
        task=task,
        method="eap-ig",
        exact=False,
        ablation=run.ablation,
        provenance=Provenance(
            model=scope.model_id,
            revision=scope.revision,
            prompts=tuple(str(scope.tokenizer.decode(row, skip_special_tokens=True)) for row in task.clean),
            ablation=SENTENCES[run.ablation],
            note=f"sparse feature circuit (Marks et al. 2024): {len(effects):,} of {n_effects:,} latents and errors "
            f"with an effect, estimated by {steps} gradient{'s' * (steps > 1)}; edges by one; mean {task.metric_name} "
            f"{run.full.mean():.3f} of the whole model, {empty.mean():.3f} with all out",
        ),
        floor=noise_floor(torch.float32, largest, anatomy.d_model),
        question=question_of(scope.tokenizer, task.clean[0], task.corrupted[0], task.answer, task.versus),
        node_scores={node.name: effects[node] for node in effects if node.name in graph.nodes},
    )
