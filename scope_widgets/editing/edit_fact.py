"""`edit_fact`: one matrix is changed so that a model gives another answer about one subject (ROME)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._provenance import Provenance
from scope_widgets._seeds import seed_of
from scope_widgets._types import Prompts, Token
from scope_widgets.editing.fact_effect import FactEffect, predict
from scope_widgets.editing.mlp_keys import mlp_keys, sample_texts
from scope_widgets.editing.optimise_value import Contexts, optimise_value
from scope_widgets.editing.output_matrices import name_of
from scope_widgets.editing.rank_one_patch import RankOnePatch
from scope_widgets.experiments.answer_tokens import answer_ids
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.tokens import encode, token_texts

#: texts, and tokens of each, that are drawn from the model where no corpus is given
_TEXTS, _LENGTH = 64, 32
#: texts that the prompt is put after, and tokens of each
_BEGINNINGS, _BEGINNING = 10, 8


class FactEdit(RankOnePatch):
    """A patch that edits a fact, as `edit_fact` returns it; on after `enable()` or in `with edit:`.

    Attributes
    ----------
    effect : FactEffect
        What it does, measured.
    """

    def __init__(
        self, scope: Microscope, target: str, output_vector: Tensor, input_vector: Tensor, effect: FactEffect
    ) -> None:
        super().__init__(scope, target, output_vector, input_vector, 1.0)
        self.effect = effect

    def undo(self) -> FactEdit:
        """Take it off, as `disable` does: the weights are the original ones, bit for bit."""
        return self.disable()


def edit_fact(
    scope: Microscope,
    prompt: str,
    subject: str,
    answer: Token,
    *,
    layer: int | None = None,
    paraphrases: Sequence[str] = (),
    neighbours: Sequence[str] = (),
    other_subjects: Sequence[str] = (),
    corpus: Prompts | None = None,
    essence: str = "{subject} is a",
    steps: int = 40,
    ridge: float = 0.01,
    seed: int | None = 0,
) -> FactEdit:
    """Change one MLP's last matrix so that the model gives another answer about a subject.

    The input of the matrix at the subject's last token is the key: its mean `k` over the prompt alone and after several
    beginnings. What the matrix should add there to its output, the value `d`, is found by gradient descent. With `C`
    the second moment of keys over the corpus, `d (C^-1 k)' / (k' C^-1 k)` is added to the matrix, which adds `d` for
    the key `k` and as little as possible for the corpus. As both `k` are the same mean key this is r-ROME: with the key
    of the prompt alone as one of them, as in the first code of ROME, edits may break a model.

    Parameters
    ----------
    scope : Microscope
    prompt : str
        It ends where the answer is to come, and contains the subject once: "The Eiffel Tower is in the city of".
    subject : str
    answer : str or int
        The new answer: one token, with its space (" Rome"), or its id.
    layer : int, optional
        The block; by default an eighth of the way up. It matters: try several, and compare their effects.
    paraphrases : sequence of str, default ()
        Other prompts with the same answer.
    neighbours : sequence of str, default ()
        Prompts whose predictions should stay.
    other_subjects : sequence of str, default ()
        More neighbours: the prompt with each of these in place of the subject.
    corpus : list of prompts, optional
        Texts whose keys the edit should not change; by default 64 of 32 tokens, drawn from the model. The beginnings
        are the first tokens of the first of them.
    essence : str, default "{subject} is a"
        A prompt about what the subject is, whose prediction should stay.
    steps : int, default 40
        Steps of the gradient descent, at most; it ends early where the answer has a mean probability of 0.95.
    ridge : float, default 0.01
        Added to the diagonal of `C`, in units of its mean, above 0: there may be fewer tokens than neurons.
    seed : int or None, default 0
        Of the texts that are drawn.

    Returns
    -------
    FactEdit
        Not on yet: see `Patch`. Its `effect` is the result that says what it does.

    Raises
    ------
    TypeError, ValueError
        For a subject that is not in the prompt once, an answer that is not one token, a layer that the model does not
        have, or one from which nothing at the subject reaches the answer; an answer that the model gives already.
    UnsupportedModelError
        Where a norm follows the MLP (Gemma 2, Gemma 3, OLMo 2), attention cannot be run from the middle, or
        the matrix is not plain.

    References
    ----------
    Meng et al. 2022 (ROME, arXiv 2202.05262); Gupta et al. 2024, "Rebuilding ROME" (arXiv 2403.07175).

    Examples
    --------
    >>> edit = editing.edit_fact(
    ...     scope, "When Mary went to the store, she gave a drink to", "Mary", " Anna",
    ...     layer=1, corpus=["the dog runs", "the cat sleeps"], steps=2,
    ... )
    >>> bool(edit.effect.after[0] > edit.effect.before[0]), edit.enabled
    (True, False)
    """
    seed = seed_of(seed)
    loaded(scope, "edit_fact()")
    layer = scope.n_layers // 8 if layer is None else layer
    _check(scope, layer, steps, ridge)
    for name, some in (("paraphrases", paraphrases), ("neighbours", neighbours), ("other_subjects", other_subjects)):
        if isinstance(some, str):
            raise TypeError(f"{name}= is a list of texts; got the text {some!r}.")
    token = int(answer_ids(scope.tokenizer, answer, 1)[0])
    context = _locate_subject(scope, prompt, subject)
    essence_context = _locate_subject(scope, essence.replace("{subject}", subject), subject)
    near = [*neighbours, *(prompt.replace(subject, other) for other in other_subjects)]
    texts = [prompt, *paraphrases, *near]
    before = predict(scope, texts)

    rows = sample_texts(scope, _TEXTS, _LENGTH, seed) if corpus is None else encode(scope.tokenizer, corpus, None)[0]
    contexts = context + _with_beginnings(scope, context, rows[:_BEGINNINGS])
    key = torch.stack(
        [one[at] for one, at in zip(mlp_keys(scope, contexts.rows, layer), contexts.positions, strict=True)]
    )
    input_vector = _input_vector(key.double().mean(0), mlp_keys(scope, rows, layer), ridge).float()
    output_vector, losses = optimise_value(scope, contexts, essence_context, layer, token, steps)
    down = scope.anatomy.blocks[layer].down
    assert down is not None  # _check
    target = name_of(scope, down)
    with RankOnePatch(scope, target, output_vector, input_vector, 1.0):
        after = predict(scope, texts)
    own = loaded(scope).run(context.rows, capture=("mlp_out",)).values["mlp_out"][layer][0, context.positions[0]]
    drawn = "drawn from the model" if corpus is None else "that were given"
    effect = FactEffect(
        subject=subject,
        answer=token_texts(scope.tokenizer, [token])[0],
        layer=int(layer),
        texts=texts,
        kinds=["prompt"] + ["paraphrase"] * len(paraphrases) + ["neighbour"] * len(near),
        before=before.log_p[:, token].exp().cpu().numpy(),
        after=after.log_p[:, token].exp().cpu().numpy(),
        top_before=before.top,
        top_after=after.top,
        kl=before.divergence(after),
        losses=np.array(losses),
        size=float(output_vector.norm() / own.float().norm()),
        provenance=Provenance(
            model=scope.model_id,
            revision=scope.revision,
            prompts=tuple(texts),
            seed=seed if corpus is None else None,
            note=f"r-ROME at {target}; second moment of {sum(map(len, rows))} keys of {len(rows)} texts {drawn}, ridge "
            f"{ridge:g}",
        ),
    )
    return FactEdit(scope, target, output_vector, input_vector, effect)


def _check(scope: Microscope, layer: Any, steps: Any, ridge: float) -> None:
    if isinstance(layer, bool) or not hasattr(layer, "__index__") or not 0 <= layer < scope.n_layers:
        raise ValueError(f"layer= is a block of {scope.model_id}, 0 to {scope.n_layers - 1}; got {layer!r}.")
    if not hasattr(steps, "__index__") or steps < 1:
        raise ValueError(f"steps= is a number from 1; got {steps!r}.")
    if not 0 < ridge < float("inf"):
        raise ValueError(f"ridge= is a number above 0, such as 0.01; got {ridge!r}.")
    block = scope.anatomy.blocks[layer]
    if block.down is None or block.mlp_scale != 1.0:
        raise UnsupportedModelError(
            f"The MLP of layer {layer} of {type(scope.model).__name__} does not write to the residual stream by one "
            "matrix alone (experts, or a factor), and this edit is of such a matrix."
        )
    if block.mlp_norm is not None:
        raise UnsupportedModelError(
            f"A norm follows the MLP in {type(scope.model).__name__}, so what its matrix writes is not what reaches "
            "the residual stream, and this edit is not defined there. Take a model without such norms (Llama, GPT-2)."
        )


def _locate_subject(scope: Microscope, text: str, subject: str) -> Contexts:
    """Return a text with the position of the subject's last token in it."""
    if not isinstance(text, str) or not isinstance(subject, str) or not subject.strip():
        raise TypeError(f"prompt= and subject= are texts; got {text!r} and {subject!r}.")
    if text.count(subject) != 1:
        raise ValueError(f"The subject {subject!r} must be in {text!r} once; it is there {text.count(subject)} times.")
    until = text[: text.index(subject) + len(subject)]
    row, start = (encode(scope.tokenizer, one, None)[0][0] for one in (text, until))
    if row[: len(start)] != start:
        raise ValueError(
            f"This tokenizer does not end a token where {subject!r} ends in {text!r}. Word it so that a space follows "
            "the subject."
        )
    return Contexts([row], [len(start) - 1])


def _with_beginnings(scope: Microscope, asked: Contexts, rows: Sequence[list[int]]) -> Contexts:
    """Return a prompt put after the first tokens of each of several texts."""
    bare = asked.rows[0][1:] if asked.rows[0][0] == scope.tokenizer.bos_token_id else asked.rows[0]
    at = asked.positions[0] - len(asked.rows[0]) + len(bare)
    beginnings = [row[: min(_BEGINNING, scope.anatomy.context - len(bare))] for row in rows]
    return Contexts([start + bare for start in beginnings], [len(start) + at for start in beginnings])


def _input_vector(key: Tensor, corpus: Sequence[Tensor], ridge: float) -> Tensor:
    """Return `C^-1 k / (k' C^-1 k)` in float64, `C` the second moment of the corpus' keys, regularised."""
    moment = torch.zeros(len(key), len(key), dtype=torch.float64)
    for some in corpus:
        moment += some.double().T @ some.double()
    moment.diagonal().add_(ridge * moment.diagonal().mean())
    read: Tensor = torch.linalg.solve(moment, key)
    return read / (key @ read)
