"""How a model can resume a run in its middle, measured on two short prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import torch
from torch import Tensor

from scope_widgets.models.architecture.anatomy import Anatomy, UnsupportedModelError
from scope_widgets.models.execution.activation_edits import Edits, HookPoint
from scope_widgets.models.execution.cached_run import CachedRun, ResumeMode


def measured_resume_mode(
    run: Callable[[list[list[int]], ResumeMode], CachedRun],
    whole: Callable[[Tensor, Edits], Tensor],
    anatomy: Anatomy,
    name: str,
) -> ResumeMode:
    """Return how a model can resume a run in its middle: the cheapest mode that gives what a whole forward gives.

    "positions": single positions run again, with the keys and values of the others; "prompts": whole prompts, from the
    changed layer on (state-space layers, convolutions, attention that looks ahead); "start": whole prompts from the
    first layer on.

    Tried with the residual stream of another prompt, put into block 0 at the one position that differs, and into a
    later block at all positions from there on.

    Parameters
    ----------
    run : callable
        Makes a run of token ids in one of these modes.
    whole : callable
        Gives the logits `[1, position, vocabulary]` of token ids `[1, position]` with edits, all of it computed.
    anatomy : Anatomy
    name : str
        Of the model, for the sentence.

    Raises
    ------
    UnsupportedModelError
        Where none does.
    """
    n = min(6, anatomy.context)
    first = n // 3
    prompt = [(3 + i) % anatomy.d_vocab for i in range(n)]
    other = [*prompt[:first], (11 + first) % anatomy.d_vocab, *prompt[first + 1 :]]
    why: object = "its logits are not those of a whole forward"
    for mode in get_args(ResumeMode):
        try:
            base, source = run([prompt], mode), run([other], mode)
            if all(
                _exact(base, source, whole, *at) for at in ((0, first, first + 1), (anatomy.n_layers // 2, first, n))
            ):
                return mode  # type: ignore[no-any-return]
        except Exception as error:  # whatever a model does not like about it
            why = f"{type(error).__name__}: {error}"
    raise UnsupportedModelError(
        f"{name} cannot go on from the middle of an earlier run, which patching and steering need ({why})."
    )


def _exact(
    base: CachedRun, source: CachedRun, whole: Callable[[Tensor, Edits], Tensor], layer: int, first: int, stop: int
) -> bool:
    """Return whether going on with other residual streams at some positions is a whole forward with them."""
    rows = torch.zeros(1, dtype=torch.long, device=base.token_ids.device)
    there = source.values["residual"][layer]

    def into(positions: Tensor) -> dict[HookPoint, Callable[[Tensor], Tensor]]:
        changed = (positions >= first) & (positions < stop)

        def edit(value: Tensor) -> Tensor:
            shape = (*changed.shape, *(1,) * (value.ndim - 2))
            return torch.where(changed.reshape(shape), there[:, positions[0]], value)

        return {("residual", layer): edit}

    at = base.suffix(rows, first)
    found = base.again(into(at), rows=rows, positions=at, layer=layer)
    every = torch.arange(base.token_ids.shape[1], device=at.device)[None]
    expected = whole(base.token_ids, into(every))[:, -1]
    off, change, size = (float(x.abs().max()) for x in (found - expected, expected - base.logits, expected))
    share, noise = (1e-3, 1e-5) if found.dtype == torch.float32 else (5e-2, 2e-2)
    return off <= max(share * change, noise * size)
