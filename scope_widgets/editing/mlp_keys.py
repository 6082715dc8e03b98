"""The keys of an MLP: what its last matrix takes as input, seen as a key-value memory (Geva et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scope_widgets.models.guards.locks import held
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.microscope import Microscope, loaded

_BATCH = 16


def sample_texts(scope: Microscope, n: int, length: int, seed: int) -> list[list[int]]:
    """Return `n` texts drawn from the model itself, as token ids, from the 50 likeliest tokens at each step.

    They begin with the beginning-of-sequence token, or with a random one where the tokenizer has none.
    """
    tokenizer, vocabulary = scope.tokenizer, scope.anatomy.d_vocab
    forked = [scope.model.device] if scope.model.device.type == "cuda" else []
    with held(scope.model), torch.random.fork_rng(forked), recording_gradients(False):
        torch.manual_seed(seed)
        starts = torch.randint(vocabulary, (n, 1))
        if tokenizer.bos_token_id is not None:
            starts[:] = tokenizer.bos_token_id
        starts = starts.to(scope.model.device)
        new = min(length, scope.anatomy.context) - 1
        drawn: Tensor = scope.model.generate(
            starts,
            attention_mask=torch.ones_like(starts),
            min_new_tokens=new,
            max_new_tokens=new,
            do_sample=True,
            temperature=1.0,
            top_k=50,
            top_p=1.0,
            pad_token_id=tokenizer.pad_token_id or 0,
        )
    return [[int(i) for i in row] for row in drawn]


def mlp_keys(scope: Microscope, rows: Sequence[list[int]], layer: int) -> list[Tensor]:
    """Return the keys of the MLP of a layer in each prompt, `[position, neuron]` in float32, on the CPU."""
    found: list[Tensor] = []

    def capture(value: Tensor) -> Tensor:
        found.extend(one[: len(row)].detach().float().cpu() for one, row in zip(value, batch, strict=True))
        return value

    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        loaded(scope).run(list(batch), edits={("neurons", layer): capture})
    return found
