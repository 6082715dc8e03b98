"""Texts that are measured: their samples, and which tokens of them count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array
from scope_widgets.experiments.massive_activations import is_massive
from scope_widgets.features.recording.samples import Sample, samples_of
from scope_widgets.features.recording.texts import Texts, texts_of
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.execution.read_activations import read_activations
from scope_widgets.models.execution.token_batches import batches_of
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable


@dataclass
class MeasuredTexts:
    """The samples of all texts, and which tokens of them count.

    Attributes
    ----------
    samples : list of Sample
    kept : list of ndarray of bool [position]
        Of each sample, which tokens count.
    n_massive : int
        Tokens that do not count because of the norm of their activation (`experiments/massive_activations.py`).
    documents : list of int
        The number of each sample's text among those that have a token that counts.
    """

    samples: list[Sample]
    kept: list[Array]
    documents: list[int]
    n_massive: int = 0

    @property
    def n_rows(self) -> int:
        """Tokens that count."""
        return sum(int(one.sum()) for one in self.kept)

    @property
    def n_special(self) -> int:
        """Special tokens that do not count."""
        return sum(int((~one).sum()) for one in self.kept) - self.n_massive

    @property
    def n_documents(self) -> int:
        """Texts that have a token that counts."""
        return max(self.documents) + 1

    def batches(self, at_once: int) -> Iterator[list[int]]:
        """Return samples of about one length, which take little padding, a batch at a time."""
        return batches_of([sample.token_ids for sample in self.samples], at_once)

    def rows(self, batch: list[int]) -> list[list[int]]:
        """Return the token ids of a batch of samples."""
        return [self.samples[at].token_ids for at in batch]

    def mask(self, batch: list[int]) -> Tensor:
        """Return which tokens of a padded batch count, [row, position]."""
        mask = torch.zeros(len(batch), max(len(self.kept[at]) for at in batch), dtype=torch.bool)
        for row, at in enumerate(batch):
            mask[row, : len(self.kept[at])] = torch.from_numpy(self.kept[at])
        return mask

    def take(self, kept: Array, n_massive: int) -> None:
        """Let those tokens count, of all samples one after the other, that did where they were measured."""
        self.kept = np.split(kept, np.cumsum([len(one) for one in self.kept])[:-1])
        self.n_massive = n_massive

    def leave_out_massive(self, batch: list[int], values: Tensor, largest: float) -> None:
        """Let tokens not count whose activation `[row, position, d]` has a norm above `largest`."""
        massive = is_massive(values, largest).cpu() & self.mask(batch)
        for row, at in enumerate(batch):
            of_sample = massive[row, : len(self.kept[at])].numpy()
            self.kept[at] = self.kept[at] & ~of_sample
            self.n_massive += int(of_sample.sum())


def read_texts(
    scope: Microscope, texts: Texts, column: str, context: int | None, max_tokens: int, special_tokens: bool
) -> MeasuredTexts:
    """Return the samples of texts, until they have tokens enough."""
    longest = scope.anatomy.context
    if context is not None and not 2 <= context <= longest:
        raise ValueError(f"context= is a number of tokens, 2 to {longest} for {scope.model_id}; got {context!r}.")
    if max_tokens < 1:
        raise ValueError(f"max_tokens= is a number of tokens from 1; got {max_tokens!r}.")
    special = [] if special_tokens else sorted(scope.tokenizer.all_special_ids)
    data, numbers, rows = MeasuredTexts([], [], []), {}, 0  # type: ignore[var-annotated]
    length = min(256, longest) if context is None else context
    for sample in samples_of(texts_of(texts, column), scope.tokenizer, length, packed=False):
        kept = ~np.isin(sample.token_ids, special)
        if rows >= max_tokens and sample.document not in numbers:
            break
        if not kept.any():
            continue
        data.samples.append(sample)
        data.kept.append(kept)
        data.documents.append(numbers.setdefault(sample.document, len(numbers)))
        rows += int(kept.sum())
    if not rows:
        raise ValueError("No text has a token to measure: there is none, or all are empty or special tokens only.")
    return data


@remotable
def values_at(scope: Microscope, rows: list[list[int]], points: list[HookPoint]) -> list[Tensor]:
    """Return the activations `[row, position, d]` of each place."""
    found = read_activations(scope, rows, list(dict.fromkeys(points)))
    return [found[point].flatten(2).float().cpu() for point in points]
