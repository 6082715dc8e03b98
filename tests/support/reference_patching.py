"""Patching as one would write it with plain hooks on a plain Hugging Face model: slow, and independent of ours.

For models whose attention has q_proj, k_proj, v_proj, o_proj (Llama, Qwen).
"""

from __future__ import annotations

from contextlib import ExitStack

import torch


def modules(model, site, layer):
    """The module and its side at which a quantity shows."""
    blocks = model.model.layers
    if site == "residual":
        return (blocks[layer], "input") if layer < len(blocks) else (model.model.norm, "input")
    block = blocks[layer]
    return {
        "z": (block.self_attn.o_proj, "input"),
        "q": (block.self_attn.q_proj, "output"),
        "k": (block.self_attn.k_proj, "output"),
        "v": (block.self_attn.v_proj, "output"),
        "attention_out": (block.self_attn, "output"),
        "mlp_out": (block.mlp, "output"),
    }[site]


def forward(model, ids, changes):
    """Logits [position, vocabulary] with changes {(site, layer): f(value [position, width])}; q, k before rotation."""
    with ExitStack() as stack, torch.no_grad():
        for (site, layer), change in changes.items():
            module, side = modules(model, site, layer)

            def on_input(_, args, change=change):
                return (change(args[0][0])[None], *args[1:])

            def on_output(_, args, output, change=change):
                value = output[0] if isinstance(output, tuple) else output
                new = change(value[0])[None]
                return (new, *output[1:]) if isinstance(output, tuple) else new

            hook = module.register_forward_pre_hook if side == "input" else module.register_forward_hook
            stack.callback(hook(on_input if side == "input" else on_output).remove)
        return model(input_ids=torch.tensor([ids])).logits[0]


def values(model, ids, places):
    """The values [position, width] at places of a plain forward."""
    seen = {}

    def keeper(place):
        def keep(value):
            seen[place] = value.clone()
            return value

        return keep

    forward(model, ids, {place: keeper(place) for place in places})
    return seen


def put(new, positions, columns):
    """A change that puts `new` in at positions and columns."""

    def change(value):
        value = value.clone()
        for position in positions:
            value[position, columns] = new[position, columns]
        return value

    return change


def difference(logits, answer, versus):
    return float(logits[-1, answer] - logits[-1, versus])


def path(model, n_heads, clean, corrupted, sender, receivers, answer, versus, position=None):
    """Wang et al.'s path patching of one sender (layer, head), corrupted into clean; gives the metric."""
    n_layers, width = len(model.model.layers), model.config.head_dim
    heads = [("z", layer) for layer in range(n_layers)]
    into = [("mlp_out", r[1]) if r[0] == "mlp" else (r[2], r[0]) for r in receivers or ()]
    theirs, ours = values(model, corrupted, heads), values(model, clean, heads)
    layer, head = sender
    columns = slice(head * width, (head + 1) * width)
    at = range(len(clean)) if position is None else [position]
    frozen = {place: lambda value, place=place: ours[place] for place in heads}
    sent = put(theirs["z", layer], at, columns)
    frozen["z", layer] = lambda value: sent(ours["z", layer])
    arrived = {}
    listening = dict(frozen)
    for place in into:

        def listen(value, place=place):
            arrived[place] = value.clone()
            return value

        listening[place] = listen
    logits = forward(model, clean, listening)
    if receivers is None:
        return difference(logits, answer, versus)
    group = n_heads // model.config.num_key_value_heads
    patches = {}
    for receiver, place in zip(receivers, into, strict=True):
        if receiver[0] == "mlp":
            columns = slice(None)
        else:
            one = receiver[1] if receiver[2] == "q" else receiver[1] // group
            columns = slice(one * width, (one + 1) * width)
        earlier = patches.get(place, lambda value: value)
        patch = put(arrived[place], range(len(clean)), columns)
        patches[place] = lambda value, earlier=earlier, patch=patch: patch(earlier(value))
    return difference(forward(model, clean, patches), answer, versus)
