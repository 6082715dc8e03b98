"""The demo model's circuit moved to other layers and heads of a larger model with grouped queries."""

from __future__ import annotations

import torch
import transformers as hf

from scope_widgets import Microscope

#: old layer -> new layer, old head -> new query head; a key-value head serves two query heads
LAYERS = {0: 0, 1: 2, 2: 3, 3: 5}
HEADS = {0: 0, 1: 3, 2: 4, 3: 7}


def planted_model(demo):
    """Make a Llama of 6 layers and 8 query heads over 4 key-value heads that computes what the demo model computes.

    Layers 1 and 4 and the other query heads attend, and write a little noise.
    """
    torch.manual_seed(0)
    old = demo.model
    width = old.config.head_dim
    config = hf.LlamaConfig(
        **{**old.config.to_dict(), "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 4}
    )
    new = hf.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for layer in new.model.layers:
            layer.self_attn.o_proj.weight.mul_(0.1)
            layer.mlp.down_proj.weight.mul_(0.1)
        new.model.embed_tokens.weight.copy_(old.model.embed_tokens.weight)
        new.model.norm.weight.copy_(old.model.norm.weight)
        for before, after in LAYERS.items():
            theirs, ours = old.model.layers[before], new.model.layers[after]
            for part in (
                "input_layernorm",
                "post_attention_layernorm",
                "mlp.gate_proj",
                "mlp.up_proj",
                "mlp.down_proj",
            ):
                ours.get_submodule(part).weight.copy_(theirs.get_submodule(part).weight)
            for one, other in HEADS.items():
                source, query, group = (slice(i * width, (i + 1) * width) for i in (one, other, other // 2))
                ours.self_attn.q_proj.weight[query] = theirs.self_attn.q_proj.weight[source]
                ours.self_attn.k_proj.weight[group] = theirs.self_attn.k_proj.weight[source]
                ours.self_attn.v_proj.weight[group] = theirs.self_attn.v_proj.weight[source]
                ours.self_attn.o_proj.weight[:, query] = theirs.self_attn.o_proj.weight[:, source]
    new.tie_weights()
    return Microscope.for_model(new, demo.tokenizer, demo.model_id)


def moved(layer, head):
    """Where a head of the demo model is in the planted one."""
    return LAYERS[layer], HEADS[head]
