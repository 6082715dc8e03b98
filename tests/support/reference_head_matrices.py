"""Matrices of a head as plain NumPy: what its query, key, value and output projections are, norms folded in."""

import numpy as np
import torch

from tests.support.tiny_models import FAMILIES, tiny_model

SWITCHING = sorted(set(FAMILIES) - {"gpt_neo"})


def shaken_model(family):
    """A tiny model whose gains and biases are random: no 1 and no 0 hides an error."""
    model = tiny_model(family)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.4)
    return model


def array(tensor):
    return tensor.detach().double().numpy()


def gain_of(norm):
    return array(norm.weight) + ("Gemma" in type(norm).__name__)


def norm(module, x):
    if module is None:
        return x
    if isinstance(module, torch.nn.LayerNorm):
        x = x - x.mean(-1, keepdims=True)
    eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    bias = getattr(module, "bias", None)
    scaled = gain_of(module) * x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    return scaled if bias is None else scaled + array(bias)


def input_norm(block):
    names = ("ln_1", "input_layernorm", "self_attn_layer_norm")
    return next((getattr(block, name) for name in names if hasattr(block, name)), None)


def projections(scope, layer):
    """q, k and v as (matrix [d_model, head, d_head], bias [head, d_head]), without norms."""
    attention, d_head = scope.anatomy.blocks[layer].attention, scope.anatomy.d_head
    n_heads, n_kv = scope.n_heads, scope.anatomy.n_kv_heads
    if hasattr(attention, "c_attn"):
        matrix, bias = array(attention.c_attn.weight), array(attention.c_attn.bias)
        found = zip(np.split(matrix, 3, 1), np.split(bias, 3), strict=True)
    elif hasattr(attention, "query_key_value"):
        matrix = array(attention.query_key_value.weight).T.reshape(-1, n_heads, 3, d_head)
        bias = array(attention.query_key_value.bias).reshape(n_heads, 3, d_head)
        found = [(matrix[:, :, i], bias[:, i]) for i in range(3)]
    elif hasattr(attention, "qkv_proj"):
        ends = [n_heads * d_head, (n_heads + n_kv) * d_head]
        found = [(part, np.zeros(part.shape[1])) for part in np.split(array(attention.qkv_proj.weight).T, ends, 1)]
    else:
        modules = (attention.q_proj, attention.k_proj, attention.v_proj)
        found = [(array(m.weight).T, 0 if m.bias is None else array(m.bias)) for m in modules]
    shaped = []
    for matrix, bias in found:
        matrix = matrix.reshape(scope.d_model, -1, d_head)
        bias = np.broadcast_to(bias, matrix[0].size) if np.ndim(bias) == 0 else bias
        repeats = n_heads // matrix.shape[1]
        bias = bias.reshape(matrix.shape[1:])
        shaped.append((matrix.repeat(repeats, 1), bias.repeat(repeats, 0)))
    return shaped


def output_matrix(scope, layer):
    out = scope.anatomy.blocks[layer].out
    weight = array(out.weight)
    weight = weight.T if isinstance(out, torch.nn.Linear) else weight
    return weight.reshape(scope.n_heads, scope.anatomy.d_head, scope.d_model)


def after(scope, layer):
    block = scope.anatomy.blocks[layer]
    return None if block.attention_out is block.attention else block.attention_out
