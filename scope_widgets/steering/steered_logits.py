"""The logits of a prompt at rows of strengths: what comes before the first intervention is not computed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.input_device import input_device
from scope_widgets.models.microscope import Microscope
from scope_widgets.steering.apply_interventions import edits_of, is_steered
from scope_widgets.steering.intervention import Intervention, is_neutral

#: rows times positions that are run at once, and logits that come of it (256 MB)
BUDGET = 4096
LOGITS = 2**26


def steered_logits(
    scope: Microscope,
    base: CachedRun | None,
    ids: list[int],
    interventions: Sequence[Intervention],
    rows: Sequence[Sequence[float]],
    *,
    prompt_length: int,
    keep: int = 1,
) -> Iterator[Tensor]:
    """Run rows of strengths on a prompt, and what may come after it; yield the logits of the last positions.

    Parameters
    ----------
    scope : Microscope
    base : CachedRun or None
        Of `ids`, without interventions; None: all is run.
    ids : list of int
        The prompt and what comes after it.
    interventions : sequence of Intervention
    rows : sequence of strengths
        One for each intervention.
    prompt_length : int
        How many of the ids are the prompt: spans from its end are counted there.
    keep : int, default 1
        So many positions at the end give logits.

    Yields
    ------
    Tensor [row, keep, vocabulary]
        Of the next rows.
    """
    if not rows:
        return
    device = input_device(scope.model)
    active = [i for i, one in enumerate(interventions) if not all(is_neutral(one, row[i]) for row in rows)]
    chosen = [interventions[i] for i in active]
    strengths = torch.tensor([[row[i] for i in active] for row in rows], device=device)
    prompt = torch.tensor([prompt_length], device=device)
    every = torch.arange(len(ids), device=device)[None]
    reached = [is_steered(one.positions, every, prompt)[0] for one in chosen]
    somewhere = torch.stack([*reached, every[0] >= len(ids) - keep]).any(0)
    first = 0 if base is None else int(somewhere.nonzero()[0])
    layer = min([one.layer for one in chosen], default=scope.n_layers)
    at_once = min(BUDGET // (len(ids) - first), LOGITS // (keep * scope.anatomy.d_vocab))
    for part in torch.split(strengths, max(1, at_once)):
        prompts = torch.zeros(len(part), dtype=torch.long, device=device)
        positions = every[:, first:].expand(len(part), -1)
        edits = edits_of(chosen, part, positions, prompt.expand(len(part)))
        if base is None:
            yield scope.logits(torch.tensor([ids] * len(part)), edits)[:, -keep:]
        else:
            found = base.again(edits, rows=prompts, positions=positions, layer=layer, keep=keep)
            yield found[:, None] if keep == 1 else found
