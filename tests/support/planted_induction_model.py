"""A GPT-2 whose weights are set by hand so that its circuit is known: a previous-token head feeds an induction head by
its keys, and with `three` a mover carries on what that found; all else writes noise where none of them reads.

The residual stream has one block of dimensions for each kind of information, with one dimension a word:

    own       the word that stands here      previous  the word that stands before
    found     what the induction head found  answer    what the unembedding reads

and dimensions for positions, for noise, and two large constants that even the norms' scale.
"""

from __future__ import annotations

import numpy as np
import torch
import transformers as hf

from scope_widgets import Microscope
from scope_widgets.circuits import Task
from tests.support.tiny_models import VOCAB, tiny_tokenizer

WORDS = list(range(3, 35))
CONTEXT = 10
PREVIOUS, INDUCTION, MOVER = (0, 1), (1, 2), (2, 3)
_POSITIONS, _NOISE, _HEADS = CONTEXT + 1, 12, 4

#: what must be in: where the clean and the corrupted word differ everywhere
EDGES = {
    ("input", "a0.h1<v>"),
    ("input", "a1.h2<q>"),
    ("input", "a1.h2<v>"),
    ("a0.h1", "a1.h2<k>"),
    ("a1.h2", "logits"),
}
EDGES_OF_THREE = EDGES - {("a1.h2", "logits")} | {("a1.h2", "a2.h3<v>"), ("a2.h3", "logits")}


def planted(three=False, seed=0):
    """Make the model."""
    n = len(WORDS)
    own, previous, found, answer = (slice(at * n, (at + 1) * n) for at in range(4))
    place = slice(4 * n, 4 * n + _POSITIONS)
    noise = slice(place.stop, place.stop + _NOISE)
    width = _HEADS * -(-(noise.stop + 2) // _HEADS)
    d_head = width // _HEADS
    config = hf.GPT2Config(
        vocab_size=VOCAB, n_embd=width, n_layer=3 if three else 2, n_head=_HEADS, n_positions=_POSITIONS, n_inner=16,
        tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = hf.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name.endswith(("ln_1.weight", "ln_2.weight", "ln_f.weight")) else 0.0)
        size = 30.0
        scale = size * (2 / width) ** 0.5  # what the norms divide by, nearly
        wte, wpe = model.transformer.wte.weight, model.transformer.wpe.weight
        wte[:, -1], wte[:, -2] = size, -size
        wte[WORDS, own] = torch.eye(n)
        wpe[:, place] = torch.eye(_POSITIONS)
        model.lm_head.weight[WORDS, answer] = 3 * scale * torch.eye(n)

        # everything writes noise ...
        for block in model.transformer.h:
            block.attn.c_attn.weight.normal_(std=0.5)
            block.attn.c_proj.weight[:, noise].normal_(std=0.03)
            block.mlp.c_fc.weight.normal_(std=0.5)
            block.mlp.c_proj.weight[:, noise].normal_(std=0.03)

        def head(where, queries, keys, strength, value, target):
            """Set a head: the rows that its queries and keys match, how strongly, and what it moves to where."""
            layer, which = where
            attention, at = model.transformer.h[layer].attn, slice(which * d_head, (which + 1) * d_head)
            three = attention.c_attn.weight.view(width, 3, width)[:, :, at]
            three.zero_()
            attention.c_proj.weight[at].zero_()
            (rows, codes), count = queries, keys.stop - keys.start
            three[rows, 0, :count] = strength * d_head**0.5 * scale * codes
            three[keys, 1, :count] = scale * torch.eye(count)
            three[value, 2, :n] = scale * torch.eye(n)
            attention.c_proj.weight[at][:n, target] = torch.eye(n)

        # ... but these. The query of position p has the code of p - 1
        before = torch.diag(torch.ones(_POSITIONS - 1), -1)
        head(PREVIOUS, (place, before), place, 20, own, previous)
        # weak enough to have a gradient: 0.9 of its attention is on the match
        head(INDUCTION, (own, torch.eye(n)), previous, 4.6, own, found if three else answer)
        if three:
            head(MOVER, (place, torch.eye(_POSITIONS)), place, 20, found, answer)
    return Microscope.for_model(model, tiny_tokenizer())


def repeated(scope, n=12, seed=0, everywhere=True):
    """Random words, the last of which stood earlier, so that the one after that is next.

    In corrupted prompts nothing repeats. With `everywhere` all of their words are others; else only the two that stood
    earlier.
    """
    rng = np.random.default_rng(seed)
    clean, corrupted, answers, others = [], [], [], []
    for _ in range(n):
        drawn = rng.permutation(WORDS).tolist()
        words, instead = drawn[:CONTEXT], drawn[CONTEXT : 2 * CONTEXT + 1]
        at = int(rng.integers(1, CONTEXT - 1))
        clean.append([*words, words[at]])
        corrupted.append(instead if everywhere else [*words[:at], *instead[:2], *words[at + 2 :], words[at]])
        answers.append(words[at + 1])
        others.append(words[0])
    return Task.of(scope, clean, corrupted, answers, others, name="repeated words")
