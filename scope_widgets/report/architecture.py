"""`architecture`: what a model is made of, from its configuration, each fact checked by weights or a forward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets._provenance import Provenance
from scope_widgets.models.architecture.qkv_projections import qkv_projections
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.report.model_facts import Architecture, Fact

#: functions that an MLP's activation is compared with, by what configurations call them
_ACTIVATIONS: dict[str, Any] = {
    "relu": torch.relu,
    "gelu": nn.functional.gelu,
    "gelu_tanh": lambda x: nn.functional.gelu(x, approximate="tanh"),
    "silu": nn.functional.silu,
    "relu2": lambda x: torch.relu(x) ** 2,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "tanh": torch.tanh,
}
#: tokens of the longest prompt that is run to see a window
_LONGEST = 600
_CLOSE = 1e-4


@remotable
def architecture(scope: Microscope) -> Architecture:
    """Return what a model is made of, each fact with how it was checked.

    What the configuration says is a claim: sizes are counted in the weights, heads by what a forward records, norms and
    activations by what they do to numbers, positions by moving a prompt, windows by where attention is 0. Where
    they disagree the value is what was found, and the configuration's stands beside it.

    Parameters
    ----------
    scope : Microscope

    Returns
    -------
    Architecture

    Examples
    --------
    >>> from scope_widgets import report
    >>> facts = report.architecture(scope)
    >>> facts["norm"].value, facts["norm"].checked
    ('RMSNorm before attention and MLP', True)
    """
    facts = [
        *_sizes(scope),
        *_heads(scope),
        _norm(scope),
        *_mlp(scope),
        _tied(scope),
        *_positions(scope),
        _window(scope),
    ]
    return Architecture(tuple(facts), Provenance(scope.model_id, scope.revision))


def _config(scope: Microscope, *names: str) -> str:
    """Return what the configuration says under the first of some names that it has; empty where it has none."""
    config = (
        scope.model.config.get_text_config() if hasattr(scope.model.config, "get_text_config") else scope.model.config
    )
    for name in names:
        value = getattr(config, name, None)
        if value is not None:
            return str(value)
    return ""


def _sizes(scope: Microscope) -> list[Fact]:
    anatomy = scope.anatomy
    parameters = sum({id(one): one.numel() for one in scope.model.parameters()}.values())
    weight = getattr(anatomy.unembed, "weight", None)
    vocabulary = int(weight.shape[0]) if isinstance(weight, Tensor) and weight.ndim == 2 else anatomy.d_vocab
    return [
        Fact("family", type(scope.model).__name__, _config(scope, "model_type"), True, "the class that runs"),
        Fact("parameters", f"{parameters:,}", "", True, "counted, shared ones once"),
        Fact("layers", str(len(anatomy.blocks)), _config(scope, "num_hidden_layers", "n_layer"), True, "counted"),
        _width(scope),
        Fact("vocabulary", f"{vocabulary:,}", _config(scope, "vocab_size"), True, "rows of the unembedding"),
        Fact(
            "context", f"{anatomy.context:,} tokens", _config(scope, "max_position_embeddings", "n_positions"), False,
            "what the configuration says: longer prompts were not run",
        ),
        Fact("dtype", str(scope.model.dtype).removeprefix("torch."), _config(scope, "dtype"), True, "of the weights"),
    ]  # fmt: skip


def _width(scope: Microscope) -> Fact:
    stream = scope.trace([0, 1], capture=("residual",), logits=None).residual(0)
    return Fact(
        "d_model", str(stream.shape[-1]), _config(scope, "hidden_size", "n_embd", "d_model"), True,
        "width of the residual stream in a forward",
    )  # fmt: skip


def _heads(scope: Microscope) -> list[Fact]:
    said = _config(scope, "num_attention_heads", "n_head")
    if not scope.n_heads:
        return [Fact("heads", "none", said, True, "no layer attends")]
    anatomy = scope.anatomy
    layers = [layer for layer in range(scope.n_layers) if anatomy.has("k", layer)]
    if not layers:
        return [Fact("heads", str(scope.n_heads), said, False, "queries and keys of this model are not recorded")]
    trace = scope.trace([0, 1], capture=("q", "k"), logits=None)
    queries, keys, size = trace.q(layers[0]).shape[-2], trace.k(layers[0]).shape[-2], trace.k(layers[0]).shape[-1]
    kind = "each with keys and values of its own" if keys == queries else (
        "all over one key-value head (MQA)" if keys == 1 else f"{queries // keys} over each key-value head (GQA)"
    )  # fmt: skip
    how = "queries and keys of a forward"
    found = [
        Fact("heads", f"{queries}, {kind}", said, True, how),
        Fact("key-value heads", str(keys), _config(scope, "num_key_value_heads"), True, how),
        Fact("d_head", str(size), _config(scope, "head_dim"), True, how),
    ]
    try:
        biased = any(one.bias is not None for one in qkv_projections(scope, layers[0]).projections)
        said = _config(scope, "attention_bias", "qkv_bias")
        found.append(Fact("attention bias", "yes" if biased else "no", said, True, "of the matrices of layer "
                          f"{layers[0]}"))  # fmt: skip
    except ValueError as error:
        found.append(Fact("attention bias", "not known", "", False, str(error)))
    return found


@torch.no_grad()
def _norm(scope: Microscope) -> Fact:
    anatomy = scope.anatomy
    norm = anatomy.final_norm
    if norm is None:
        return Fact("norm", "no final norm", "", True, "there is no such module")
    weight = next(iter(norm.parameters()), None)
    width = anatomy.d_model if weight is None else int(weight.numel())
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, width, generator=generator).to(next(scope.model.parameters()))
    plain, moved, larger = (norm(one).float() for one in (x, x + 3.0, 2.0 * x))
    scale = float(plain.abs().max())
    centres = float((plain - moved).abs().max()) < 1e-2 * scale
    normalises = float((plain - larger).abs().max()) < 1e-2 * scale
    kind = ("LayerNorm" if centres else "RMSNorm") if normalises else type(norm).__name__
    first = anatomy.blocks[0]
    try:
        before = qkv_projections(scope, 0).norm is not None
    except ValueError:
        before = first.attention_norm is None
    places = [
        "before attention and MLP" if before else "",
        "after them, on what they write" if first.attention_norm is not None or first.mlp_norm is not None else "",
    ]
    where = ", ".join(place for place in places if place) or "in places that are not known"
    how = (
        "the final norm on random numbers, with 3 added (a LayerNorm does not see it) and doubled; places by structure"
    )
    return Fact("norm", f"{kind} {where}", _config(scope, "norm_type"), True, how)


@torch.no_grad()
def _mlp(scope: Microscope) -> list[Fact]:
    block = scope.anatomy.blocks[0]
    said = _config(scope, "hidden_act", "activation_function", "hidden_activation", "activation")
    if block.mlp is None or block.down is None:
        return [Fact("activation", "not known", said, False, "the MLP of layer 0 has no one last matrix (experts)")]
    matrices = [weight for weight in block.mlp.parameters() if weight.ndim == 2]
    neurons = sum(weight.numel() for weight in block.down.parameters() if weight.ndim == 2) // scope.d_model
    # what goes into the last matrix is as wide as one of those before it; two such are a gate and what it gates
    gated = sum(weight.numel() // scope.d_model for weight in matrices) >= 3 * neurons
    within = [*block.mlp.modules(), *block.block.children()]
    functions = [one for one in within if not list(one.parameters()) and not list(one.children())]
    x = torch.linspace(-4, 4, 81).to(next(scope.model.parameters()))
    name = ""
    for function in functions:
        if isinstance(function, nn.Dropout | nn.Identity):
            continue
        try:
            given = function(x).float()
        except (TypeError, RuntimeError, ValueError):
            continue
        for known, reference in _ACTIVATIONS.items():
            if given.shape == x.shape and float((given - reference(x.float())).abs().max()) < 100 * _CLOSE:
                exact = float((given - reference(x.float())).abs().max())
                if not name or exact < _CLOSE:
                    name = known
                if exact < _CLOSE:
                    break
    how = "its function on 81 numbers from -4 to 4" if name else "its function is in no module of its own"
    return [
        Fact("d_mlp", str(neurons), _config(scope, "intermediate_size", "n_inner", "ffn_dim"), True, "rows of the last "
             f"matrix of layer 0, of {len(matrices)} matrices"),
        Fact("activation", f"{name or 'not known'}{', gated' if gated else ''}", said, bool(name), how),
    ]  # fmt: skip


def _tied(scope: Microscope) -> Fact:
    embed, unembed = (getattr(part, "weight", None) for part in (scope.anatomy.embed, scope.anatomy.unembed))
    said = _config(scope, "tie_word_embeddings")
    if not isinstance(embed, Tensor) or not isinstance(unembed, Tensor):
        return Fact("embeddings", "not known", said, False, "there is no one matrix of them")
    if embed is unembed or embed.data_ptr() == unembed.data_ptr():
        return Fact("embeddings", "tied", said, True, "embedding and unembedding are one tensor")
    same = embed.shape == unembed.shape and torch.equal(embed, unembed)
    return Fact("embeddings", "tied" if same else "not tied", said, True, "the two matrices compared")


def _positions(scope: Microscope) -> list[Fact]:
    """See how positions enter: by moving a prompt to later positions, and by exchanging earlier tokens."""
    said = _config(scope, "position_embedding_type", "rope_theta", "alibi")
    generator = torch.Generator().manual_seed(0)
    n = max(2, min(6, scope.anatomy.context - 4))
    ids = torch.randint(0, scope.anatomy.d_vocab, (1, n), generator=generator).to(scope.model.device)
    learned = [name for name, weight in scope.model.named_parameters()
               if weight.ndim == 2 and weight.shape[0] >= scope.anatomy.context and weight.shape[1] == scope.d_model
               and weight.shape[0] != scope.anatomy.d_vocab]  # fmt: skip
    try:
        with torch.no_grad():
            at = torch.arange(n, device=ids.device)[None]
            plain = scope.model(input_ids=ids, position_ids=at).logits.float()
            moved = scope.model(input_ids=ids, position_ids=at + 3).logits.float()
            spread = scope.model(input_ids=ids, position_ids=2 * at).logits.float()
    except (TypeError, ValueError, RuntimeError, IndexError):
        value = f"a table {learned[0]}" if learned else "not known"
        return [Fact("positions", value, said, bool(learned), "the model takes no positions to move a prompt by")]
    size = float(plain.abs().max())
    depends = float((plain - spread).abs().max()) > 1e-3 * size
    relative = float((plain - moved).abs().max()) < 1e-3 * size
    if not depends:
        value = "not by number: a prompt spread out gives the same logits (none, or by distance in the mask)"
    elif relative:
        value = "relative (rotary or the like)"
    else:
        value = f"absolute ({'a learned table, ' + learned[0] if learned else 'no table found'})"
    how = "logits of a prompt moved by 3 positions, and spread out"
    return [Fact("positions", value, said, True, how)]


def _window(scope: Microscope) -> Fact:
    """See whether early tokens are out of sight late in a prompt."""
    said = _config(scope, "sliding_window", "window_size", "attention_chunk_size")
    if not scope.n_heads:
        return Fact("window", "no attention", said, True, "no layer attends")
    asked = int(said) if said.isdecimal() else 0
    n = min(scope.anatomy.context, asked + 8 if asked else 64)
    if n > _LONGEST or (asked and n <= asked):
        reason = f"{asked:,} tokens are too many to run" if n > _LONGEST else "the context is no longer than the window"
        return Fact("window", f"{asked:,} tokens" if asked else "none", said, False, reason)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, scope.anatomy.d_vocab, (n,), generator=generator).tolist()
    trace = scope.trace(ids, capture=("attention",), logits=None)
    short = []
    for layer in range(scope.n_layers):
        if scope.anatomy.has("attention", layer) and float(trace.attention(layer)[:, -1, 0].abs().max()) == 0.0:
            seen = int((trace.attention(layer)[:, -1].abs().amax(0) > 0).sum())
            short.append((layer, seen))
    how = f"attention of the last of {n} random tokens to the first"
    if not short:
        return Fact("window", "none", said, True, f"{how}: not 0 in any layer")
    which = "every layer" if len(short) == scope.n_layers else f"layers {', '.join(str(one) for one, _ in short)}"
    return Fact("window", f"{short[0][1]:,} tokens in {which}", said, True, how)
