"""The tensors of one shard: the activations of its samples, and the tables of its rows and samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from scope_widgets.features.recording.manifest import Manifest
from scope_widgets.features.recording.samples import Sample
from scope_widgets.features.recording.shards import texts_as_bytes
from scope_widgets.models.execution.read_activations import read_activations
from scope_widgets.models.execution.token_batches import AT_ONCE, batches_of
from scope_widgets.models.guards.out_of_memory import in_halves
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable


def shard_tensors(
    scope: Microscope,
    samples: list[Sample],
    manifest: Manifest,
    special: list[int],
    first_sample: int,
    first_row: int,
    at_once: int = AT_ONCE,
) -> dict[str, Tensor]:
    """Return the tensors of a shard whose first sample and row have these numbers in the recording.

    A forward has `at_once` tokens at most, and where memory does not suffice half of its samples.
    """
    most = None if manifest.max_tokens is None else manifest.max_tokens - first_row
    kept = [~np.isin(sample.token_ids, special) for sample in samples]
    points = [(site, layer) for site in manifest.widths for layer in manifest.layers]
    parts: list[list[Tensor]] = [[torch.empty(0)] * len(samples) for _ in points]

    def values_of(batch: Sequence[int]) -> list[Tensor]:
        return _values(scope, [samples[at].token_ids for at in batch], points, manifest.dtype)

    for whole in batches_of([sample.token_ids for sample in samples], at_once):
        for batch, values in in_halves(whole, values_of):
            for layer, value in enumerate(values):
                for row, at in zip(value, batch, strict=True):
                    parts[layer][at] = row[: len(kept[at])][torch.from_numpy(kept[at])]
    tensors = {f"{site}.{layer}": torch.cat(part)[:most] for (site, layer), part in zip(points, parts, strict=True)}
    for name, value in tensors.items():
        _check_finite(name, value, manifest, first_row)
    tensors |= {
        "sample_id": torch.cat([torch.full((int(one.sum()),), first_sample + at) for at, one in enumerate(kept)])[
            :most
        ],
        "token_pos": torch.from_numpy(np.concatenate([np.flatnonzero(one) for one in kept]).astype(np.int32))[:most],
        "token_id": torch.from_numpy(
            np.concatenate([np.array(s.token_ids, dtype=np.int32)[one] for s, one in zip(samples, kept, strict=True)])
        )[:most],
        "split": torch.cat(
            [
                torch.full((int(k.sum()),), int(s.validation), dtype=torch.uint8)
                for s, k in zip(samples, kept, strict=True)
            ]
        )[:most],
        "document": torch.tensor([sample.document for sample in samples]),
        "start": torch.tensor([sample.start for sample in samples]),
        **texts_as_bytes([scope.tokenizer.decode(sample.token_ids) for sample in samples]),
    }
    return tensors


@remotable
def _values(scope: Microscope, rows: list[list[int]], points: list[tuple[str, int]], dtype: str) -> list[Tensor]:
    """Return the activations `[row, position, d]` of each place, in the dtype that is stored."""
    found = read_activations(scope, rows, points)
    return [found[point].flatten(2).to(getattr(torch, dtype)).cpu() for point in points]


def _check_finite(name: str, value: Tensor, manifest: Manifest, first_row: int) -> None:
    bad = int((~value.isfinite()).any(1).sum())
    if bad:
        held = " It may be too large for float16: take dtype='bfloat16' or 'float32'." * (manifest.dtype == "float16")
        raise ValueError(
            f"{bad:,} of {len(value):,} rows of {name} after row {first_row:,} hold a number that is not finite."
            f"{held} What was recorded before them is whole."
        )
