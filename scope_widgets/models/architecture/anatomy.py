"""`Anatomy`: the parts and sizes of a model, found by one table of spellings for every family.

Families differ in spelling, not in kind: each has a list of blocks, each block an attention and an MLP that write to
the residual stream. Adding a family means adding its spellings here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from scope_widgets.models.architecture.rotary_types import longest_prompt

FAMILIES = "GPT-2, GPT-Neo, GPT-NeoX/Pythia, Llama, Qwen2, Qwen3, Mistral, Gemma 2, Gemma 3, OLMo 2, Phi, Phi-3 and OPT"

#: uniform name -> the spellings of the families, looked up in the model
_IN_MODEL: dict[str, tuple[str, ...]] = {
    "layers": ("transformer.h", "gpt_neox.layers", "model.layers", "model.decoder.layers"),
    "embed": ("transformer.wte", "gpt_neox.embed_in", "model.embed_tokens", "model.decoder.embed_tokens"),
    "final_norm": (
        "transformer.ln_f",
        "gpt_neox.final_layer_norm",
        "model.norm",
        "model.final_layernorm",
        "model.decoder.final_layer_norm",
    ),
    "unembed": ("lm_head", "embed_out"),
}
#: the same, looked up in a block; the first that exists is taken
_IN_BLOCK: dict[str, tuple[str, ...]] = {
    "attention": ("attn.attention", "self_attn", "attn", "attention"),
    "mlp": ("mlp", "fc2"),
}
#: the same, looked up in an attention module
_IN_ATTENTION: dict[str, tuple[str, ...]] = {"out": ("o_proj", "c_proj", "out_proj", "dense")}
#: the same, looked up in an MLP; where nothing is found the MLP is that module itself (OPT)
_IN_MLP: dict[str, tuple[str, ...]] = {"down": ("down_proj", "c_proj", "dense_4h_to_h", "fc2")}


class UnsupportedModelError(ValueError):
    """The model has no part that this package needs, or has it under a name that it does not know."""


@dataclass(frozen=True)
class Block:
    """The modules of one block, by uniform names.

    `attention_out` and `mlp_out` are the modules whose outputs are added to the residual stream: the attention and
    the MLP themselves, or the norms after them where a family has such (Gemma 2, Gemma 3, OLMo 2). `out` and `down`
    hold the matrices that attention and MLP write with.
    """

    block: nn.Module
    attention: nn.Module
    out: nn.Module
    mlp: nn.Module
    attention_out: nn.Module
    mlp_out: nn.Module
    down: nn.Module


@dataclass(frozen=True)
class Anatomy:
    """The parts and sizes of a causal language model.

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

    @classmethod
    def of(cls, model: nn.Module) -> Anatomy:
        """Find the parts of a Hugging Face causal language model.

        Raises
        ------
        UnsupportedModelError
            When a part is missing; names the part and the families that are known.
        """
        config: Any = getattr(model, "config", None)
        if config is None:
            raise UnsupportedModelError(
                f"Expected a Hugging Face causal language model, got {type(model).__name__}, which has no config. "
                "Load it with transformers.AutoModelForCausalLM."
            )
        config = config.get_text_config() if hasattr(config, "get_text_config") else config
        blocks = tuple(_block(block, model) for block in _require(model, "layers", _IN_MODEL, model))
        n_heads = int(config.num_attention_heads)
        d_model = int(config.hidden_size)
        return cls(
            n_layers=len(blocks),
            n_heads=n_heads,
            n_kv_heads=int(getattr(config, "num_key_value_heads", None) or n_heads),
            d_model=d_model,
            d_head=int(getattr(config, "head_dim", None) or d_model // n_heads),
            d_vocab=int(config.vocab_size),
            context=longest_prompt(config),
            blocks=blocks,
            embed=_require(model, "embed", _IN_MODEL, model),
            final_norm=_find(model, _IN_MODEL["final_norm"]),
            unembed=_require(model, "unembed", _IN_MODEL, model),
        )


def nnsight_names() -> dict[str, str]:
    """Return the `rename` table that gives nnsight the same uniform names."""
    names = {spelling: name for name, spellings in _IN_MODEL.items() for spelling in spellings}
    # nnsight binds an alias wherever its key resolves, so GPT-Neo's inner `attn.attention` needs no key of its own.
    return names | {"self_attn": "self_attention", "attn": "self_attention", "attention": "self_attention"}


def _block(block: nn.Module, model: nn.Module) -> Block:
    attention = _require(block, "attention", _IN_BLOCK, model)
    mlp = _require(block, "mlp", _IN_BLOCK, model)
    after_mlp = _find(block, ("post_feedforward_layernorm",))
    after_attention = _find(block, ("post_attention_layernorm",)) if after_mlp is not None else None
    return Block(
        block=block,
        attention=attention,
        out=_require(attention, "out", _IN_ATTENTION, model),
        mlp=mlp,
        attention_out=attention if after_attention is None else after_attention,
        mlp_out=mlp if after_mlp is None else after_mlp,
        down=_find(mlp, _IN_MLP["down"]) or mlp,
    )


def _find(parent: nn.Module, spellings: tuple[str, ...]) -> Any:
    for spelling in spellings:
        try:
            return parent.get_submodule(spelling)
        except AttributeError:
            continue
    return None


def _require(parent: nn.Module, name: str, table: dict[str, tuple[str, ...]], model: nn.Module) -> Any:
    found = _find(parent, table[name])
    if found is None:
        raise UnsupportedModelError(
            f"{type(model).__name__} has no part '{name}' that this package knows (looked for {', '.join(table[name])} "
            f"in {type(parent).__name__}). The families known are {FAMILIES}; other models need their spellings "
            "in scope_widgets/models/architecture/anatomy.py."
        )
    return found
