"""Patching results, attributions and sweeps with made-up numbers of a plausible look."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scope_widgets._job import Job, JobStatus, Steps
from scope_widgets._provenance import Provenance
from scope_widgets.experiments.question import Question
from scope_widgets.lens.direct_logit_attribution import Attribution
from scope_widgets.patching.result import PatchingResult

WORDS = [
    "When", " Mary", " and", " John", " went", " to", " the", " store", ",", " John", " gave", " a", " drink", " to",
]  # fmt: skip
WEIRD = [
    "<|endoftext|>",
    "\n",
    " <0xE2>",
    " pneumonoultramicroscopicsilicovolcanoconiosis",
    "\u202egnp",
    " &amp;",
    "日本",
    "\t",
]
HEADED = ("head", "q", "k", "v", "attention")


def words(n: int) -> list[str]:
    return [WORDS[i % len(WORDS)] for i in range(n)]


def patching(
    *shape: int, over: str = "", positions: list[str] | None = None, prompts: int = 8, call: str = "", **changes: Any
) -> PatchingResult:
    """A complete result of this shape: [layer, position], [layer, head] or [layer, head, position]."""
    draw = np.random.default_rng(0)
    over = over or ("head" if len(shape) == 3 else "residual")
    call = call or f'patching.activations(scope, clean, corrupted, answer=" Mary", versus=" John", over="{over}")'
    headed = over in HEADED
    if positions is None:
        positions = words(shape[-1]) if len(shape) == 3 or (len(shape) == 2 and not headed) else []
    per_prompt = draw.normal(0, 0.02, (prompts, *shape))
    per_prompt += _pattern(shape, headed, draw)
    if positions:
        per_prompt[..., 0] = 0  # before the runs differ
    values = per_prompt.mean(0)
    clean = tuple("".join(positions) or "When Mary and John went to the store," for _ in range(prompts))
    result = PatchingResult(
        values=values,
        per_prompt=per_prompt,
        estimate=None,
        over=over,
        direction="denoising",
        metric="logit_difference",
        positions=positions,
        clean=draw.normal(3.5, 0.5, prompts),
        corrupted=draw.normal(-3.5, 0.5, prompts),
        exact=True,
        message="",
        provenance=Provenance("somewhere/SmolLM2-135M", prompts=clean + clean, calls=(call,)),
        question=_question(positions),
    )
    return replace(result, **changes)


def _question(tokens: list[str]) -> Question:
    """The last name swapped, where there is one."""
    corrupted = list(tokens)
    if " John" in tokens:
        corrupted[len(tokens) - 1 - tokens[::-1].index(" John")] = " Mary"
    return Question(list(tokens), corrupted, [" Mary"], [" John"])


def _pattern(shape: tuple[int, ...], headed: bool, draw: np.random.Generator) -> Any:
    """Effects that move from a middle position to the last as layers go up, or a few strong heads."""
    effects = np.zeros(shape)
    if headed:
        for size in (0.6, -0.48, 0.34, 0.32, -0.28, 0.26, 0.19, 0.13):
            effects[tuple(draw.integers(np.array(shape) // 3, shape))] += size
        return effects
    if len(shape) == 1:
        return np.linspace(0, 1, *shape)
    layers, positions = shape
    up = 1 / (1 + np.exp(-np.linspace(-6, 6, layers)))
    effects[:, -1] = up
    effects[:, positions * 2 // 3] = 1 - up
    if positions > 3:
        effects[:, positions // 2] = -0.3 * up * (1 - up) * 4
    return effects


def estimated(result: PatchingResult, noise: float = 0.03) -> Any:
    """What the gradient might have guessed."""
    draw = np.random.default_rng(1)
    return 0.8 * result.values + draw.normal(0, noise, result.values.shape) * (result.values != 0)


def attribution(layers: int = 12, heads: int = 12, prompts: int = 8) -> Attribution:
    draw = np.random.default_rng(2)
    rows = [("embedding", -1, -1)]
    for layer in range(layers):
        rows += [("attention", layer, head) for head in range(heads)]
        rows += [("attention_bias", layer, -1), ("mlp", layer, -1)]
    rows += [("final_norm_bias", -1, -1), ("unembedding_bias", -1, -1)]
    component, layer, head = zip(*rows, strict=True)
    mean = draw.normal(0, 0.02, len(rows))
    mean[np.array(component) == "attention_bias"] = 0
    for row, size in zip(
        draw.choice(len(rows) // 2, 5) + len(rows) // 2, (2.985, 1.384, 0.561, -1.899, -0.97), strict=True
    ):
        mean[row] = size
    per_prompt = mean + draw.normal(0, 0.3, (prompts, len(rows))) * np.abs(mean)
    return Attribution(
        component=list(component),
        layer=np.array(layer),
        head=np.array(head),
        contribution=per_prompt.mean(0),
        per_prompt=per_prompt,
        total=per_prompt.sum(1),
        residue=1.2e-7,
        answer=[" Mary"] * prompts,
        versus=[" John"] * prompts,
        n_layers=layers,
        n_heads=heads,
        provenance=Provenance("somewhere/SmolLM2-135M", prompts=("When Mary and John went",) * prompts),
    )


class Sweep:
    """A sweep that knows its answers, `batch` cells a step."""

    def __init__(
        self, whole: PatchingResult, batch: int = 100, estimate: bool = True, fails_at: int | None = None
    ) -> None:
        self._whole = replace(whole, estimate=estimated(whole) if estimate else None)
        self._ran = np.zeros(whole.values.size, bool)
        self._order = np.argsort(-np.abs(whole.values).ravel(), kind="stable")
        self._batch, self._fails_at = batch, fails_at
        self.closed = 0

    @property
    def total(self) -> int:
        return int(self._ran.size)

    @property
    def done(self) -> int:
        return int(self._ran.sum())

    @property
    def result(self) -> PatchingResult:
        ran = self._ran.reshape(self._whole.values.shape)
        per_prompt = np.where(ran, self._whole.per_prompt, np.nan)
        return replace(self._whole, values=per_prompt.mean(0), per_prompt=per_prompt)

    def submit(self) -> Job[PatchingResult]:
        return Job(self._steps())

    def _steps(self) -> Steps[PatchingResult]:
        try:
            left = self._order[~self._ran[self._order]]
            for start in range(0, len(left), self._batch):
                if self._fails_at is not None and self.done >= self._fails_at:
                    raise RuntimeError("The model ran out of memory. Patch fewer prompts at once.")
                cells = left[start : start + self._batch]
                self._ran[cells] = True
                yield JobStatus("running", "cells", self.done, self.total, partial=cells)
        finally:
            self.closed += 1
        return self.result

    def run(self, steps: int) -> Sweep:
        """Do some steps before anyone looks."""
        for _ in zip(range(steps), self.submit(), strict=False):
            pass
        return self
