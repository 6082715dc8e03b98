"""A GPT-2 without MLPs whose weights are set by hand to do IOI as Wang et al. describe it.

The residual stream has one block of dimensions for each kind of information, with one dimension a name:

    own       the name that stands here            previous  the name that stands before
    repeated  the name that stands here again      subject   at the end: the name not to say
    answer    what the unembedding reads

and dimensions for positions, "this is a name", "this is the first token", and a constant that evens the norm's scale.
"""

from __future__ import annotations

import torch
import transformers as hf

from scope_widgets import Microscope

POSITIONS = 40
#: (layer, head) of each class
HEADS = {
    "previous_token": (0, 1),
    "duplicate_token": (0, 3),
    "induction": (1, 0),
    "s_inhibition": (2, 2),
    "name_mover": (3, 1),
    "subject_suppressor": (3, 2),
}


def planted_circuit(demo, names, *, one_further=False):
    """Make the model over the demo's tokenizer; `names` are the token ids of the names.

    `one_further`: the name mover reads a name not where it stands but at the next token, where the previous-token head
    has put it.
    """
    n = len(names)
    blocks = ("own", "previous", "repeated", "subject", "answer")
    at = {name: slice(i * n, (i + 1) * n) for i, name in enumerate(blocks)}
    place = slice(5 * n, 5 * n + POSITIONS)
    is_name, is_first, constant = range(5 * n + POSITIONS, 5 * n + POSITIONS + 3)
    width = 4 * -(-(constant + 1) // 4)
    d_head = width // 4
    assert d_head >= n + POSITIONS + 1
    config = hf.GPT2Config(
        vocab_size=demo.anatomy.d_vocab, n_embd=width, n_layer=4, n_head=4, n_positions=POSITIONS, n_inner=4,
        tie_word_embeddings=False, bos_token_id=demo.tokenizer.bos_token_id,
    )  # fmt: skip
    model = hf.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name.endswith(("ln_1.weight", "ln_2.weight", "ln_f.weight")) else 0.0)
        size = 10.0
        scale = size / width**0.5  # what the norms divide by, nearly
        wte, wpe = model.transformer.wte.weight, model.transformer.wpe.weight
        wte[:, constant] = size
        eye = torch.eye(n)
        wte[names, at["own"]] = eye
        wte[names, is_name] = 1
        wte[demo.tokenizer.bos_token_id, is_first] = 1
        wpe[:, place] = torch.eye(POSITIONS)
        model.lm_head.weight[names, at["answer"]] = 3 * eye

        def head(kind, queries, keys, value, target, gain=1.0):
            """Set a head: (block, columns, strength) for queries and keys; what it moves from where to where."""
            layer, which = HEADS[kind]
            attention = model.transformer.h[layer].attn
            weight, bias, out = attention.c_attn.weight, attention.c_attn.bias, attention.c_proj.weight
            start = which * d_head
            for offset, parts in ((0, queries), (width, keys)):
                for rows, columns, strength in parts:
                    columns = slice(start + offset + columns.start, start + offset + columns.stop)
                    if rows is None:
                        bias[columns] = strength
                    elif isinstance(rows, int):
                        weight[rows, columns] = strength * scale
                    else:
                        weight[rows, columns] = strength * scale * torch.eye(rows.stop - rows.start)
            weight[at[value], start + 2 * width : start + 2 * width + n] = scale * eye
            out[start : start + n, at[target]] = gain * eye

        root = d_head**0.5  # attention divides scores by it
        who, where, one = slice(0, n), slice(n, n + POSITIONS), slice(n + POSITIONS, n + POSITIONS + 1)
        shift = torch.diag(torch.ones(POSITIONS - 1), -1)  # the query of position p has the code of p - 1
        head("previous_token", [], [(place, where, 1.0)], "own", "previous")
        layer, which = HEADS["previous_token"]
        columns = slice(which * d_head + n, which * d_head + n + POSITIONS)
        model.transformer.h[layer].attn.c_attn.weight[place, columns] = 12 * root * scale * shift
        # the same name earlier, not here; else the first token
        head(
            "duplicate_token",
            [(at["own"], who, 12 * root), (place, where, -20 * root), (None, one, 6 * root)],
            [(at["own"], who, 1.0), (place, where, 1.0), (is_first, one, 1.0)],
            "own", "repeated",
        )  # fmt: skip
        head(
            "induction",
            [(at["own"], who, 12 * root), (None, one, 6 * root)],
            [(at["previous"], who, 1.0), (is_first, one, 1.0)],
            "previous", "repeated",
        )  # fmt: skip
        # wherever a name stands again
        for kind, value, target, gain in (
            ("s_inhibition", "repeated", "subject", 1.0),
            ("subject_suppressor", "own", "answer", -1.0),
        ):
            head(kind, [(None, one, 4 * root)], [], value, target, gain)
            layer, which = HEADS[kind]
            column = which * d_head + width + n + POSITIONS
            model.transformer.h[layer].attn.c_attn.weight[at["repeated"], column] = scale
        # names, less those not to say
        read = "previous" if one_further else "own"
        head(
            "name_mover",
            [(None, one, 6 * root), (at["subject"], who, -1.2 * root)],
            [(at[read], who, 1.0)] if one_further else [(is_name, one, 1.0), (at["own"], who, 1.0)],
            read, "answer", 4.0,
        )  # fmt: skip
        if one_further:
            layer, which = HEADS["name_mover"]
            column = which * d_head + width + n + POSITIONS
            model.transformer.h[layer].attn.c_attn.weight[at["previous"], column] = scale
    return Microscope.for_model(model, demo.tokenizer, demo.model_id)
