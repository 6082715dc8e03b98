"""`Anatomy`: the parts and sizes of a model, found by one table of spellings for every family.

Families differ in spelling, not in kind: each has a list of blocks, and each block something that mixes positions (most
often attention) and an MLP that write to the residual stream. Adding a family means adding its spellings here; whether
the parts are what they seem is measured, see `models/execution/model_validation.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from scope_widgets.models.architecture.rotary_types import longest_prompt

#: in the module that holds the blocks: the norm after the last one
_FINAL_NORMS = (
    "ln_f", "norm", "final_layernorm", "final_layer_norm", "norm_f", "final_norm", "embedding_norm", "ln_out",
    "out_norm", "layer_norm", "layernorm", "output_layernorm", "ln", "LayerNorm",
)  # fmt: skip
#: in the model, where it does not say which they are
_EMBEDDINGS = ("transformer.wte", "transformer.embeddings", "backbone.embeddings", "rwkv.embeddings")
_UNEMBEDDINGS = (
    "lm_head", "embed_out", "output_projection", "proj_out", "head", "cls.predictions.decoder",
    "generator_lm_head", "lm_head.decoder",
)  # fmt: skip
#: in a block: what mixes positions, the attention first where there are several
_MIXERS = (
    "attn.attention", "self_attn", "self_attention", "attention.self", "attn", "attention", "multi_head_attention",
    "self_att.self_attention", "layer.0.SelfAttention", "cross_attn", "temporal_block", "mixer", "linear_attn", "mamba",
    "mlstm_layer", "conv",
)  # fmt: skip
#: in a block of an encoder-decoder model: the attention that reads the source
_CROSS = ("encoder_attn", "layer.1.EncDecAttention", "cross_attn")
#: in a block: the MLP, which may be its last matrix alone (OPT)
_MLPS = (
    "mlp", "feed_forward", "ffn.ffn", "ffn", "block_sparse_moe", "moe", "mlp_block", "layer.2.DenseReluDense",
    "layer.2.mlp", "output.dense", "fc2",
)  # fmt: skip
#: in what mixes positions, or else in the block: the output matrix
_OUTPUTS = (
    "o_proj", "c_proj", "out_proj", "dense", "Wo", "out_lin", "linear_out", "o_b_proj", "attention_out", "output",
    "o",
)  # fmt: skip
_OUTPUTS_IN_BLOCK = ("attention.output.dense",)
#: in an MLP: its last matrix; where nothing is found it is that module itself (OPT), or there is none (experts)
_DOWNS = (
    "down_proj", "c_proj", "dense_4h_to_h", "fc2", "fc_out", "w2", "proj_down", "Wo", "wo", "w_out", "value", "2",
)  # fmt: skip
#: in a block: norms between what is written and the residual stream, those of the mixer, of
#: cross-attention, and of the MLP
_AFTER_MIXER = ("post_self_attn_layernorm", "post_norm1", "post_operator_norm")
_AFTER_CROSS = ("post_cross_attn_layernorm",)
_AFTER_MLP = ("post_feedforward_layernorm", "post_mlp_layernorm", "post_norm2", "post_ffn_norm")
#: in the model: what is added to the logits
_LOGIT_BIASES = ("final_logits_bias",)
#: what a block may hold nothing but, under the name of what mixes positions (Nemotron-H)
_MLP_PARTS = frozenset({"down_proj", "experts"})

#: quantities of attention
_OF_ATTENTION = frozenset({"q", "k", "v", "scores", "attention", "z"})


class UnsupportedModelError(ValueError):
    """The model has no part that this package needs, or has it under a name that it does not know."""


@dataclass(frozen=True)
class Block:
    """The modules of one block, by uniform names; None where it has no such part.

    Attributes
    ----------
    block : torch.nn.Module
    attention : torch.nn.Module or None
        What computes attention; None where positions are mixed in another way, or out of sight.
    out : torch.nn.Module or None
        The matrix that attention writes with.
    mlp : torch.nn.Module or None
    down : torch.nn.Module or None
        The matrix that the MLP writes with; None where there is no one such matrix (experts).
    attention_out, mlp_out : torch.nn.Module or None
        The modules whose outputs, times the scales, are added to the residual stream: the attention (or what mixes
        positions in its place) and the MLP themselves, or the norms after them.
    attention_norm, mlp_norm : torch.nn.Module or None
        These same modules where they are such norms.
    attention_scale, mlp_scale : float
    cross : torch.nn.Module or None
        The attention over the source, of an encoder-decoder model.
    cross_out : torch.nn.Module or None
        The module whose output, times `cross_scale`, it adds to the residual stream, between attention and MLP.
    cross_scale : float
    beside : bool
        Whether something else writes to the residual stream beside attention and MLP (the state-space layer of
        Falcon-H1, cross-attention).
    gated : bool
        Whether something stands between the heads and the output matrix (a gate, a norm): `z` is then what the matrix
        gets.
    overwrites : bool
        Whether the block changes in place what entered it or what its parts gave (Falcon): a record of that is a copy.
    """

    block: nn.Module
    attention: nn.Module | None
    out: nn.Module | None
    mlp: nn.Module | None
    down: nn.Module | None
    attention_out: nn.Module | None
    mlp_out: nn.Module | None
    attention_norm: nn.Module | None = None
    mlp_norm: nn.Module | None = None
    attention_scale: float = 1.0
    mlp_scale: float = 1.0
    cross: nn.Module | None = None
    cross_out: nn.Module | None = None
    cross_scale: float = 1.0
    beside: bool = False
    gated: bool = False
    overwrites: bool = False

    def has(self, site: str) -> bool:
        """Return whether the block has a quantity, by its site."""
        if site in _OF_ATTENTION:
            return self.attention is not None and (site != "z" or not self.gated or self.out is not None)
        part = {
            "attention_out": self.attention_out,
            "mlp_out": self.mlp_out,
            "mlp_in": None if self.mlp is self.down else self.mlp,
            "neurons": self.down,
            "cross_attention": self.cross,
            "cross_attention_out": self.cross_out,
        }
        return part.get(site, self.block) is not None


@dataclass(frozen=True)
class Anatomy:
    """The parts and sizes of a causal language model, or of the decoder of an encoder-decoder model.

    Attributes
    ----------
    n_layers, n_heads, n_kv_heads : int
        Blocks, query heads of each, and key-value heads of each (fewer than `n_heads` under grouped-query attention).
    d_model, d_head, d_vocab : int
        Width of the residual stream, of one head, and of the unembedding.
    context : int
        The longest prompt in tokens.
    blocks : tuple of Block
    embed, final_norm, unembed : torch.nn.Module
        `final_norm` is None for the few models without one (OPT-350m).
    logit_scale : float
        What the unembedding's outputs are multiplied by.
    softcap : float or None
        Logits are `softcap * tanh(scaled / softcap)` (Gemma 2); None: they are not soft-capped.
    norm_is_last : bool
        Whether the final norm gets what the last block gives, and runs once.
    logit_bias : str
        The buffer of the model that is added to its logits; empty: there is none.
    n_source : int
        Tokens of the source that cross-attention reads; 0: there is no cross-attention.
    not_a_sum : str
        Why the residual stream is no sum of what is written to it; empty: it is.
    """

    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    d_head: int
    d_vocab: int
    context: int
    blocks: tuple[Block, ...]
    embed: nn.Module
    final_norm: nn.Module | None
    unembed: nn.Module
    logit_scale: float = 1.0
    softcap: float | None = None
    norm_is_last: bool = True
    logit_bias: str = ""
    n_source: int = 0
    not_a_sum: str = ""

    @classmethod
    def of(cls, model: nn.Module) -> Anatomy:
        """Find the parts of a Hugging Face causal language model.

        Raises
        ------
        UnsupportedModelError
            When a part is missing; names the part and where it was looked for.
        """
        config: Any = getattr(model, "config", None)
        if config is None or not hasattr(config, "get_text_config"):
            raise UnsupportedModelError(
                f"Expected a Hugging Face causal language model, got {type(model).__name__}, which has no config. "
                "Load it with transformers.AutoModelForCausalLM."
            )
        crosses = has_encoder(model)
        decoder: Any = model.get_decoder() if crosses else model  # type: ignore[operator]
        config = decoder.config.get_text_config(decoder=True) if crosses else config.get_text_config()
        d_model = int(config.hidden_size)
        stack, layers = _layers(decoder, config)
        n_heads = _size(config, "num_attention_heads", 0)
        return cls(
            n_layers=len(layers),
            n_heads=n_heads,
            n_kv_heads=_size(config, "num_key_value_heads", n_heads),
            d_model=d_model,
            d_head=_size(config, "head_dim", d_model // max(n_heads, 1)),
            d_vocab=int(config.vocab_size),
            context=longest_prompt(config),
            blocks=tuple(_block(block, model, crosses) for block in layers),
            embed=_whole(decoder, "embed", "get_input_embeddings", _EMBEDDINGS),
            final_norm=_find(stack, _FINAL_NORMS),
            unembed=_whole(model, "unembed", "get_output_embeddings", _UNEMBEDDINGS),
            softcap=getattr(config, "final_logit_softcapping", None) or None,
            logit_bias=next((name for name in _LOGIT_BIASES if isinstance(getattr(model, name, None), Tensor)), ""),
        )

    def has(self, site: str, layer: int) -> bool:
        """Return whether a layer has a quantity, by its site."""
        return site == "residual" or self.blocks[layer].has(site)

    def missing(self, site: str, layer: int) -> str:
        """Say that a layer does not have a quantity, and why."""
        block = self.blocks[layer]
        kinds = ", ".join(f"{name}: {type(part).__name__}" for name, part in block.block.named_children())
        if block.attention is not None and block.out is None and site in ("z", "out"):
            why = f"its {type(block.attention).__name__} writes what its heads give by no one matrix"
        elif site == "out" or site in _OF_ATTENTION:
            why = "it has no attention that this package can see into"
        elif site == "mlp_in" and block.mlp is not None:
            why = "its MLP is no module of its own"
        elif site == "neurons" and block.mlp is not None:
            why = f"its {type(block.mlp).__name__} writes with no one matrix"
        else:
            why = "it has no such part"
        return f"There is no '{site}' in layer {layer}: {why} ({kinds})."

    def check_sum(self, what: str) -> None:
        """Raise UnsupportedModelError where the residual stream is no sum, which `what` needs."""
        if self.not_a_sum:
            raise UnsupportedModelError(
                f"{what} needs a residual stream that is the sum of what is written to it, and here {self.not_a_sum}. "
                "Traces, patching and steering of the residual stream work."
            )

    def nnsight_names(self, model: nn.Module) -> dict[str, str]:
        """Return the `rename` table that gives nnsight the same uniform names."""
        path = {module: name for name, module in model.named_modules()}
        layers = path[self.blocks[0].block].rpartition(".")[0]
        parts = {"embed": self.embed, "final_norm": self.final_norm, "unembed": self.unembed}
        names = {layers: "layers"} | {path[part]: name for name, part in parts.items() if part in path}
        # nnsight binds an alias wherever its key resolves, so GPT-Neo's inner `attn.attention` needs no key of its own.
        for block in self.blocks:
            if block.attention is not None:
                inside = path[block.attention].removeprefix(path[block.block] + ".")
                first = inside.partition(".")[0]
                names[inside if isinstance(getattr(block.block, first), nn.ModuleList) else first] = "self_attention"
        return {key: name for key, name in names.items() if key != name}


def has_encoder(model: Any) -> bool:
    """Return whether a model is a decoder that reads what its encoder makes of a source."""
    return bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))


def _size(config: Any, name: str, otherwise: int) -> int:
    """Return a size from a configuration, where it is one for all layers; what layers have is measured."""
    try:
        value = getattr(config, name, None)
    except Exception:  # Gemma 4 has it by layer, and says so with an error of its own
        value = None
    return max(value) if isinstance(value, list | tuple) else int(value or otherwise)


def _layers(model: Any, config: Any) -> tuple[nn.Module, nn.ModuleList]:
    """Find the list of blocks, and the module that holds it: the outermost list of as many as the model has layers."""
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else None
    for root in (decoder, model):
        if isinstance(root, nn.Module):
            for parent, found in _outermost_lists(root):
                if len(found) == config.num_hidden_layers and all(any(block.children()) for block in found):
                    return parent, found
    raise UnsupportedModelError(
        f"{type(model).__name__} has no part 'layers' that this package knows: no list of "
        f"{config.num_hidden_layers} blocks. {_OTHERS}"
    )


def _outermost_lists(parent: nn.Module) -> Iterator[tuple[nn.Module, nn.ModuleList]]:
    for child in parent.children():
        if isinstance(child, nn.ModuleList):
            yield parent, child
        else:
            yield from _outermost_lists(child)


def _whole(model: Any, name: str, asked: str, spellings: tuple[str, ...]) -> nn.Module:
    """Return what a model says is its embedding or unembedding, or what is spelled like one."""
    try:
        found = getattr(model, asked)()
    except (AttributeError, NotImplementedError):
        found = None
    if not isinstance(getattr(found, "weight", None), nn.Parameter):
        found = _find(model, spellings)
    if not isinstance(getattr(found, "weight", None), nn.Parameter):
        missing = _no_part(model, model, name, (asked + "()", *spellings))
        raise missing if name == "embed" else _without_head(model, missing)
    return found  # type: ignore[no-any-return]


def _block(block: nn.Module, model: nn.Module, crosses: bool) -> Block:
    mixer, mlp = _find(block, _MIXERS), _find(block, _MLPS)
    if mixer is None and mlp is None:
        raise _no_part(model, block, "attention", _MIXERS)
    if mlp is None and _MLP_PARTS & dict(mixer.named_children()).keys():
        mixer, mlp = None, mixer
    out = None if mixer is None else _find(mixer, _OUTPUTS)
    writes = mixer
    if mixer is not None and out is None and (out := _find(block, _OUTPUTS_IN_BLOCK)) is not None:
        writes = out  # BERT: its attention does not hold its output matrix
    after_mlp = _find(block, _AFTER_MLP)
    after_mixer = _find(block, _AFTER_MIXER)
    if after_mixer is None and after_mlp is not None:
        after_mixer = _find(block, ("post_attention_layernorm",))
    down = None
    if mlp is not None:
        down = _find(mlp, _DOWNS) or (mlp if hasattr(mlp, "weight") else None)
    cross = _find(block, _CROSS) if crosses else None
    return Block(
        block=block,
        attention=mixer,
        out=out,
        mlp=mlp,
        down=down,
        attention_out=after_mixer or writes,
        mlp_out=after_mlp or mlp,
        attention_norm=after_mixer,
        mlp_norm=after_mlp,
        cross=cross,
        cross_out=None if cross is None else _find(block, _AFTER_CROSS) or cross,
    )


def _find(parent: nn.Module, spellings: tuple[str, ...]) -> Any:
    for spelling in spellings:
        try:
            return parent.get_submodule(spelling)
        except AttributeError:
            continue
    return None


_OTHERS = "Other spellings of known parts go into scope_widgets/models/architecture/anatomy.py."


def _no_part(model: nn.Module, parent: nn.Module, name: str, spellings: tuple[str, ...]) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{type(model).__name__} has no part '{name}' that this package knows (looked for {', '.join(spellings)} "
        f"in {type(parent).__name__}). {_OTHERS}"
    )


def _without_head(model: nn.Module, missing: UnsupportedModelError) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{type(model).__name__} predicts no tokens: a class for language modelling is needed, as "
        "transformers.AutoModelForCausalLM loads it (AutoModelForMaskedLM of an encoder, AutoModelForSeq2SeqLM of an "
        f"encoder and decoder). If it does predict tokens: {missing}"
    )
