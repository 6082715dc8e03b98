"""The runs themselves, which happen where the model is: one batch each."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array
from scope_widgets.models.encoder_decoder.source import call_inputs
from scope_widgets.models.guards.locks import exclusive, held
from scope_widgets.models.guards.restore_on_exit import finish_broken, recording_gradients
from scope_widgets.models.input_device import input_device
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import pad


@remotable
def token_log_probabilities(scope: Any, rows: list[list[int]], at: list[list[int]], tokens: list[int]) -> Array:
    """Return log-probabilities of tokens, in nats, each after a position of a row.

    Parameters
    ----------
    scope : Microscope
    rows : list of list of int
        Token ids, run as whole rows.
    at : list of (row, position)
    tokens : list of int
        The token after each of these.

    Returns
    -------
    ndarray of float64 [token]
    """
    ids, mask = pad(rows, input_device(scope.model))
    inputs = call_inputs(scope.source, {"input_ids": ids, "attention_mask": mask.long()})
    with exclusive(scope.model, whole=True), recording_gradients(False):
        logits = scope.model(**inputs, use_cache=False).logits
        row, position = torch.tensor(at, device=logits.device).T
        log_p = logits[row, position].float().log_softmax(-1)
        wanted = torch.tensor(tokens, device=logits.device)
        return np.asarray(log_p.gather(1, wanted[:, None])[:, 0].double().cpu().numpy())


@remotable
def forced_log_probabilities(scope: Any, prompts: list[list[int]], continuations: list[list[int]]) -> list[Array]:
    """Return log-probabilities of continuations, token by token, as if the model generated them after the prompts.

    Prompts have equal lengths. What acts where a prompt ends, or on what is generated, acts as it does when the model
    writes; a run of the whole row does not show where its prompt ends.
    """
    force = _Force(continuations, len(prompts[0]))
    _generate(scope, prompts, max(map(len, continuations)), force, ends=False)  # a text may go on behind an end
    return [np.array(one[: len(continuations[i])], dtype=np.float64) for i, one in enumerate(force.found)]


@remotable
def continue_prompts(
    scope: Any, prompts: list[list[int]], max_new_tokens: int, uniform: Array | None, *, ends: bool = True
) -> list[list[int]]:
    """Return continuations of prompts of equal length, without what ends them.

    Parameters
    ----------
    scope : Microscope
    prompts : list of list of int
    max_new_tokens : int
    uniform : ndarray [row, token] or None
        Numbers from 0 to 1 by which tokens are sampled at temperature 1, by the inverse of the cumulative distribution:
        two models with like distributions write like texts by the same numbers. None: the likeliest token.
    ends : bool, default True
        Whether a text ends where the model ends it; else it goes on, and nothing is cut.
    """
    chosen = _Choose(uniform, len(prompts[0]))
    out = _generate(scope, prompts, max_new_tokens, chosen, ends)
    last = _ends(scope) if ends else set()
    found = []
    for row in out:
        end = next((i for i, token in enumerate(row) if token in last), len(row))
        found.append(row[:end])
    return found


def _ends(scope: Any) -> set[int]:
    named = [
        getattr(getattr(scope.model, "generation_config", None), "eos_token_id", None),
        getattr(scope.model.config, "eos_token_id", None),
        scope.tokenizer.eos_token_id,
    ]
    return {one for of in named for one in (of if isinstance(of, list) else [of]) if one is not None}


def _generate(scope: Any, prompts: list[list[int]], max_new_tokens: int, choose: Any, ends: bool) -> list[list[int]]:
    ids = torch.tensor(prompts, device=input_device(scope.model))
    options = {
        "do_sample": False,
        "num_beams": 1,
        "max_new_tokens": max_new_tokens,
        "pad_token_id": scope.tokenizer.pad_token_id or 0,
        "logits_processor": [choose],
        # what a model's own settings say of sampling does not hold here
        **dict.fromkeys(("temperature", "top_p", "top_k", "min_p", "typical_p")),
        "repetition_penalty": 1.0,
    }
    mask = torch.ones_like(ids)
    if scope.source is None:
        inputs = {"inputs": ids, "attention_mask": mask}
    else:
        inputs = {
            "inputs": torch.tensor([scope.source.token_ids] * len(ids), device=ids.device),
            "decoder_input_ids": ids,
        }
        options["decoder_start_token_id"] = int(ids[0, 0])
    if not ends:
        options["eos_token_id"] = None
    with held(scope.model), recording_gradients(False):
        finish_broken()
        out = scope.model.generate(**inputs, **options)
    return [[int(token) for token in row] for row in out[:, ids.shape[1] :]]


class _Choose:
    """A logits processor that leaves one token: the likeliest, or that of a number between 0 and 1."""

    def __init__(self, uniform: Array | None, length: int) -> None:
        self._uniform, self._length = uniform, length

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        if self._uniform is None:
            return scores
        at = torch.tensor(self._uniform[:, ids.shape[1] - self._length], device=scores.device)
        cumulative = scores.double().softmax(-1).cumsum(-1)
        token = torch.searchsorted(cumulative, (at * cumulative[:, -1])[:, None], right=True)[:, 0]
        return _only(scores, token.clamp_max(scores.shape[-1] - 1))


class _Force:
    """A logits processor that leaves the next token of a continuation, and notes how likely it was."""

    def __init__(self, continuations: list[list[int]], length: int) -> None:
        self._continuations, self._length = continuations, length
        self.found: list[list[float]] = [[] for _ in continuations]

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        step = ids.shape[1] - self._length
        next_token = [one[min(step, len(one) - 1)] for one in self._continuations]
        token = torch.tensor(next_token, device=scores.device)
        log_p = scores.float().log_softmax(-1).gather(1, token[:, None])[:, 0]
        for found, one in zip(self.found, log_p.tolist(), strict=True):
            found.append(one)
        return _only(scores, token)


def _only(scores: Tensor, token: Tensor) -> Tensor:
    left = torch.full_like(scores, -torch.inf)
    return left.scatter(1, token[:, None], 0.0)
