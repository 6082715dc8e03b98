"""Steering as one would write it with plain hooks on a plain Hugging Face model: independent of ours.

A change is a tuple, its kind first:
("add", layer, vector, at), ("project", layer, unit vector, share, at), ("scale", layer, head, factor, at),
("clamp", layer, neuron, value, at), ("swap", layer, head, pattern [query, key], share, at).
"""

from __future__ import annotations

from contextlib import contextmanager

import torch

_OUT = {
    "gpt2": "attn.c_proj",
    "gpt_neo": "attn.attention.out_proj",
    "gpt_neox": "attention.dense",
    "phi": "self_attn.dense",
}
_DOWN = {"gpt2": "mlp.c_proj", "gpt_neo": "mlp.c_proj", "gpt_neox": "mlp.dense_4h_to_h", "phi": "mlp.fc2", "opt": "fc2"}
_VALUES = {
    "gpt2": "attn.c_attn",
    "gpt_neo": "attn.attention.v_proj",
    "gpt_neox": "attention.query_key_value",
    "phi3": "self_attn.qkv_proj",
}


def blocks(model):
    inner = model.base_model
    inner = getattr(inner, "decoder", inner)
    return inner.h if hasattr(inner, "h") else inner.layers


def final_norm(model):
    inner = model.base_model
    inner = getattr(inner, "decoder", inner)
    names = ("ln_f", "final_layer_norm", "final_layernorm", "norm")
    return next(getattr(inner, name) for name in names if hasattr(inner, name))


def sizes(model):
    """Heads, key-value heads, width of a head."""
    config = model.config
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return heads, getattr(config, "num_key_value_heads", None) or heads, width


def part(model, layer, table, else_name):
    return blocks(model)[layer].get_submodule(table.get(family(model), else_name))


def family(model):
    return model.config.model_type


def chosen(at, length, total):
    """Positions of a prompt of `length` tokens, and of what is generated up to `total`, as a list."""
    if at == "all":
        return list(range(total))
    if at == "last":
        return list(range(length - 1, total))
    start, stop, _ = slice(*at).indices(length)
    return list(range(start, total if at[1] is None else stop))


def where(at, rows, total):
    """Bool [row, column] for prompts of (padding on the left, length) in `total` columns."""
    mask = torch.zeros(len(rows), total, dtype=torch.bool)
    for row, (left, length) in enumerate(rows):
        mask[row, [left + i for i in chosen(at, length, total - left)]] = True
    return mask


@contextmanager
def changing(model, changes, rows, columns):
    """Hook the changes; `rows` are (padding on the left, length), `columns` (first, end) of the columns that are run.

    Only ("swap", ...) needs the values of all columns, so that columns must begin at 0 with it.
    """
    width = sizes(model)[2]
    first, total = columns
    handles = []

    def on_input(module, edit):
        def hook(_, args, kwargs):
            value = args[0] if args else kwargs["hidden_states"]
            new = edit(value.reshape(len(rows), total - first, -1)).reshape(value.shape)
            return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

        handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    for change in sorted(changes, key=lambda change: change[0] != "swap"):  # a pattern is there before z
        kind, layer, *arguments, at = change
        here = where(at, rows, total)[:, first:, None]
        if kind in ("add", "project"):
            into = blocks(model)[layer] if layer < len(blocks(model)) else final_norm(model)
        else:
            into = (
                part(model, layer, _DOWN, "mlp.down_proj")
                if kind == "clamp"
                else part(model, layer, _OUT | {"opt": "self_attn.out_proj"}, "self_attn.o_proj")
            )
        if kind == "add":
            (vector,) = arguments

            def edit(value, vector=vector, here=here):
                return value + here * vector
        elif kind == "project":
            vector, share = arguments

            def edit(value, vector=vector, share=share, here=here):
                return value - here * share * (value @ vector)[..., None] * vector
        elif kind == "clamp":
            neuron, held = arguments

            def edit(value, neuron=neuron, held=held, here=here):
                value = value.clone()
                value[..., neuron][here[..., 0]] = held
                return value
        elif kind == "scale":
            head, factor = arguments

            def edit(value, at=slice(head * width, (head + 1) * width), factor=factor, here=here):
                value = value.clone()
                value[..., at] = torch.where(here, value[..., at] * factor, value[..., at])
                return value
        else:
            head, pattern, share = arguments
            seen = {}

            def look(_, __, output, seen=seen):
                seen["values"] = output.reshape(len(rows), total, -1)

            name = _VALUES.get(family(model), "self_attn.v_proj")
            handles.append(blocks(model)[layer].get_submodule(name).register_forward_hook(look))

            def edit(value, head=head, pattern=pattern, share=share, here=here, seen=seen):
                # z is linear in the pattern: z + share (other - own) v = (1 - share) z + share (other v)
                values = of_head(model, seen["values"], head)
                value = value.clone()
                columns = slice(head * width, (head + 1) * width)
                for row, (left, _) in enumerate(rows):
                    n = min(len(pattern), total - left)
                    other = pattern[:n, :n] @ values[row, left : left + n]
                    own = value[row, left : left + n, columns]
                    moved = (1 - share) * own + share * other
                    value[row, left : left + n, columns] = torch.where(here[row, left : left + n], moved, own)
                return value

        on_input(into, edit)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def of_head(model, output, head):
    """The values [row, position, width] of a query head in what the projection gives."""
    heads, kv_heads, width = sizes(model)
    group = head // (heads // kv_heads)
    if family(model) == "gpt2":
        output = output[..., 2 * heads * width :]
    elif family(model) == "gpt_neox":
        return output.unflatten(-1, (heads, 3 * width))[:, :, head, 2 * width :]
    elif family(model) == "phi3":
        output = output[..., -kv_heads * width :]
    return output.unflatten(-1, (kv_heads, width))[:, :, group]


@torch.no_grad()
def logits(model, ids, changes, length=None):
    """Logits [position, vocabulary] of one sequence, whose first `length` tokens are the prompt (all where None)."""
    with changing(model, changes, [(0, length or len(ids))], (0, len(ids))):
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def greedy(model, ids, changes, n, ends=()):
    """Tokens that a loop without a cache goes on with."""
    written = []
    for _ in range(n):
        written.append(int(logits(model, [*ids, *written], changes, len(ids))[-1].argmax()))
        if written[-1] in ends:
            break
    return written
