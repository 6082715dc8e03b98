"""`importance`: what each head does on a prompt, by ablating every one in turn."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from scope_widgets._check_choice import check_choice
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import made_with
from scope_widgets._types import Prompt
from scope_widgets.experiments.check_logits import check_logits
from scope_widgets.experiments.metric import divergence
from scope_widgets.heads.head_scores import HeadScores
from scope_widgets.models.execution.activation_edits import Edits
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import as_given

#: what replaces a head's output
HeadAblation = Literal["zero", "mean"]


@remotable
def importance(scope: Microscope, prompt: Prompt, *, ablation: HeadAblation = "zero", batch: int = 32) -> HeadScores:
    """Ablate each head in turn and measure what it changes: exact, one forward a layer (all its heads in a batch).

    Parameters
    ----------
    scope : Microscope
    prompt : str, chat messages, or token ids
        One, of at least two tokens.
    ablation : {"zero", "mean"}, default "zero"
        Replace the head's output z at all positions by 0, or by its mean over the positions of this prompt.
    batch : int, default 32
        Heads ablated in one forward at the most.

    Returns
    -------
    HeadScores
        kl : mean over positions of the Kullback-Leibler divergence in nats from the model's next-token distribution to
        that without the head. loss : rise of the mean cross-entropy of the prompt's tokens, in nats. Both NaN for a
        head without which the logits are.

    Raises
    ------
    ValueError
        For another ablation, several prompts, a prompt of one token, or logits that are NaN or infinite.

    Examples
    --------
    >>> scores = heads.importance(scope, "When Mary and John went to the store, John gave a drink to")
    >>> sorted(scores.statistics)
    ['kl', 'loss']
    >>> scores.top("kl", 1)[0][:2]  # (layer, head)
    (0, 1)
    """
    check_choice("ablation", ablation, HeadAblation)
    trace = scope.trace(prompt, capture=())
    ids = trace.token_ids
    if trace.batched and len(trace) == 1:
        trace, ids = trace[0], ids[0]
    if trace.batched or len(ids) < 2:
        raise ValueError("importance() takes one prompt of at least two tokens: the loss needs a next token.")
    check_logits(trace.logits, "of the model")
    base = trace.logits.float().log_softmax(-1)
    kl, loss = (torch.zeros(scope.n_layers, scope.n_heads, dtype=torch.float64) for _ in range(2))
    for layer in tqdm(range(scope.n_layers), desc="Ablating heads", leave=False):
        for heads in torch.split(torch.arange(scope.n_heads), batch):
            log_p = scope.logits(ids.expand(len(heads), -1), _ablating(layer, heads, ablation))
            log_p = log_p.float().log_softmax(-1)
            kl[layer, heads] = divergence(base, log_p).mean(-1).double().cpu().clamp_min(0.0)  # less is rounding
            loss[layer, heads] = (_cross_entropy(log_p, ids) - _cross_entropy(base[None], ids)).double().cpu()
    given = "prompt", as_given(prompt, [ids.tolist()])
    provenance = Provenance(
        model=scope.model_id,
        revision=scope.revision,
        prompts=trace.provenance.prompts,
        ablation=f"{ablation} of z at all positions" + (", mean over them" if ablation == "mean" else ""),
        calls=(*scope.calls, python_call("heads.importance", "scope", given, ablation=ablation, batch=batch)),
    )
    found = HeadScores(
        statistics={"kl": kl.numpy(), "loss": loss.numpy()}, null_p={}, n_prompts=1, provenance=provenance
    )
    return made_with(found, scope)


def _ablating(layer: int, heads: Tensor, ablation: HeadAblation) -> Edits:
    """Return the edit that ablates head `heads[i]` of a layer in row i of the batch."""
    rows = torch.arange(len(heads))

    def edit(value: Tensor) -> Tensor:
        value = value.clone()
        new = 0.0 if ablation == "zero" else value[rows, :, heads].mean(1, keepdim=True)
        value[rows, :, heads] = new
        return value

    return {("z", layer): edit}


def _cross_entropy(log_p: Tensor, ids: Tensor) -> Tensor:
    """Return the mean cross-entropy `[row]` of the tokens but the first, in nats."""
    ids = ids.to(log_p.device)
    return -log_p[:, :-1].gather(-1, ids[1:].expand(len(log_p), -1)[..., None]).squeeze(-1).mean(-1)
