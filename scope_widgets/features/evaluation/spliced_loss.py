"""What the model loses where one of its activations is replaced: cross-entropy and divergence of the next token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from scope_widgets.models.execution.activation_edits import Editor, HookPoint
from scope_widgets.models.input_device import input_device
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import pad


@remotable
def spliced_losses(
    scope: Any, rows: list[list[int]], point: HookPoint, replacements: list[Tensor], replaced: Tensor, predicts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what replacing one activation does to the prediction of the next token.

    Parameters
    ----------
    scope : Microscope
    rows : list of list of int
        Token ids of each prompt.
    point : (site, layer)
    replacements : list of Tensor [row, position, d], or [d] for all the same
        What stands there in each run.
    replaced : Tensor of bool [row, position]
        Where.
    predicts : Tensor of bool [row, position]
        Whose predictions of the next token count.

    Returns
    -------
    cross_entropy : Tensor of float64 [1 + replacement, prediction]
        First of the model as it is; in nats.
    divergence : Tensor of float64 [1 + replacement, prediction]
        KL from the model as it is.
    off : Tensor of float64 [1 + replacement, prediction]
        The largest difference of a logit from the model as it is.
    """
    device = input_device(scope.model)
    ids, mask = pad(rows, device)
    inputs = {"input_ids": ids}
    if len({len(row) for row in rows}) > 1:
        inputs["attention_mask"] = mask.long()
    replaced, predicts = replaced.to(device), predicts.to(device)
    targets = torch.roll(ids, -1, 1)[predicts]
    found: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])
    plain, own = torch.empty(0), torch.empty(0)
    with scope.wrapped() as wrapped:
        for at, edits in enumerate([{}, *({point: _putting(one, replaced)} for one in replacements)]):
            logits = Editor(wrapped, scope.model, scope.anatomy, edits).logits(dict(inputs))
            logits = logits[predicts.to(logits.device)].float()
            log_p = logits.log_softmax(-1)
            if at == 0:
                plain, own = log_p, logits
            found[0].append(-log_p.gather(1, targets.to(log_p.device)[:, None])[:, 0].double().cpu())
            # two equal distributions have no divergence, whatever rounding makes of it
            found[1].append((plain.exp() * (plain - log_p)).sum(1, dtype=torch.float64).clamp_min(0).cpu())
            found[2].append((logits - own).abs().amax(1).double().cpu())
    cross_entropy, divergence, off = map(torch.stack, found)
    return cross_entropy, divergence, off


def _putting(new: Tensor, replaced: Tensor) -> Callable[[Tensor], Tensor]:
    def edit(value: Tensor) -> Tensor:
        flat = value.flatten(2)
        return torch.where(replaced[..., None].to(flat.device), new.to(flat.device, flat.dtype), flat).reshape(
            value.shape
        )

    return edit
