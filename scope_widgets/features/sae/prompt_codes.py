"""`prompt_codes`: which latents fire on prompts, by what travels least where the model is elsewhere.

Either the activations come here, `tokens * d` numbers, and are encoded; or the encoder goes there, `d * latents`
numbers, with the text of our modules, and the codes come back. For the text that somebody types it is the first, for
many texts the second. The rule counts bytes alone: of a model in this process both give the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from scope_widgets._job import Job, Steps
from scope_widgets.experiments.massive_activations import is_massive, largest_norm
from scope_widgets.features.sae.encoder import encoder_of
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.sae.sparse_codes import SparseCodes
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

#: bytes of a number of an activation, and of one firing in codes: the latent, and how strongly
_NUMBER, _FIRING = 4, 8
#: bytes of the text of our modules, which goes with a function and not with a plain read
_MODULES = 10**5
#: tokens of one forward
_AT_ONCE = 2**12


def prompt_codes(
    scope: Microscope,
    rows: Sequence[Sequence[int]],
    sae: SAE,
    *,
    special: Sequence[int] | None = None,
    largest: bool = False,
) -> list[SparseCodes]:
    """Return the codes of each prompt `[token, latent]`, on the CPU; one request where the model is elsewhere.

    Parameters
    ----------
    scope : Microscope
    rows : list of list of int
        Token ids of each prompt.
    sae : SAE
        That says its layer.
    special : sequence of int, optional
        Token ids whose rows are left out; then nothing fires on tokens of massive norm either (`massive.py`). By
        default all rows are encoded as they are.
    largest : bool, default False
        One row a prompt, the largest activation of each latent.
    """
    steps = _steps(scope, rows, sae, special=special, largest=largest, at_once=True)
    return Job(steps).result(progress=False)


def submit_prompt_codes(
    scope: Microscope, rows: Sequence[Sequence[int]], sae: SAE, *, special: Sequence[int] | None = None
) -> Job[list[SparseCodes]]:
    """Return the job of `prompt_codes`, for who does not wait for the model."""
    return Job(_steps(scope, rows, sae, special=special, largest=False, at_once=False))


def _steps(
    scope: Microscope,
    rows: Sequence[Sequence[int]],
    sae: SAE,
    *,
    special: Sequence[int] | None,
    largest: bool,
    at_once: bool,
) -> Steps[list[SparseCodes]]:
    """Encode prompts; `at_once` by requests that are waited for and no steps, which are faster."""
    ids = [list(map(int, row)) for row in rows]
    assert sae.layer is not None
    point: HookPoint = (sae.site, sae.layer)
    left_out = None if special is None else list(map(int, special))
    encoder = encoder_of(sae)
    if sends_weights(encoder.n_bytes, sum(map(len, ids)), sae):
        given = scope, ids, point, encoder, left_out, largest
        if at_once:
            codes, lengths = _encoded_there(*given)
        else:
            codes, lengths = yield from scope.submit(_encoded_there, *given).follow()
        whole = SparseCodes(codes.indptr, codes.indices.long(), codes.values, codes.n_latents)
        ends = np.cumsum(lengths).tolist()
        return [whole[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    found: list[SparseCodes] = []
    for some in _batches(ids):
        if at_once:
            values = scope.read_activations(some, [point])
        else:
            values = yield from scope.submit_read(some, [point]).follow()
        x = values[point].flatten(2).float().cpu()
        found += [_codes(sae, x[at, : len(row)], row, left_out, largest) for at, row in enumerate(some)]
    return found


def sends_weights(n_bytes: int, n_rows: int, sae: SAE, *, times: int = 1, codes: bool = True) -> bool:
    """Return whether weights of `n_bytes` are less than `n_rows` activations that travel so many `times`.

    With the text of our modules, and with `codes` what comes back of "topk".
    """
    back = n_rows * (sae.k or 0) * _FIRING if codes else 0
    return _MODULES + n_bytes + back < n_rows * sae.d_in * _NUMBER * times


def _batches(rows: list[list[int]]) -> Iterator[list[list[int]]]:
    """Yield prompts one after the other, as many as one forward takes; of one alone no padding changes a number."""
    batch: list[list[int]] = []
    for row in rows:
        if batch and max(len(row), *map(len, batch)) * (len(batch) + 1) > _AT_ONCE:
            yield batch
            batch = []
        batch.append(row)
    yield batch


@remotable
def _encoded_there(
    scope: Microscope, rows: list[list[int]], point: HookPoint, encoder: SAE, special: list[int] | None, largest: bool
) -> tuple[SparseCodes, list[int]]:
    """Return the codes of prompts, one prompt after the other, and the rows of each; indices int32."""
    parts = []
    for ids in rows:
        x = scope.read_activations([ids], [point])[point].flatten(2)[0].float()
        if encoder.W_enc.device != x.device:
            encoder = encoder.to(x.device)
        parts.append(_codes(encoder, x, ids, special, largest))
    joined = SparseCodes.joined(parts)
    small = SparseCodes(joined.indptr, joined.indices.int(), joined.values.float(), joined.n_latents)
    return small, [len(one) for one in parts]


def _codes(sae: SAE, x: Tensor, ids: list[int], special: list[int] | None, largest: bool) -> SparseCodes:
    if special is not None:
        x = x[torch.from_numpy(~np.isin(ids, special)).to(x.device)]
    codes = sae.encode(x)
    found = SparseCodes(codes.indptr.cpu(), codes.indices.cpu(), codes.values.detach().cpu(), codes.n_latents)
    if special is not None:
        massive = is_massive(x, largest_norm(x)).cpu()
        found = found.without_rows(massive) if massive.any() else found
    return _largest(found) if largest else found


def _largest(codes: SparseCodes) -> SparseCodes:
    """Return one row: the largest activation of each latent that fires in any."""
    values = codes.values.new_zeros(codes.n_latents)
    values.scatter_reduce_(0, codes.indices.long(), codes.values, "amax")
    return SparseCodes.from_dense(values[None])
