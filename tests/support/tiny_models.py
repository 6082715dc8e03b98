"""Tiny random models, one of each family that the package promises, and a word tokenizer for them."""

from __future__ import annotations

import os
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers

VOCAB = 96
WIDTH: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
GROUPED = {**WIDTH, "num_key_value_heads": 2, "head_dim": 8}
_GPT2 = {"vocab_size": VOCAB, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}
_ENDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_NEO = {
    **{k: v for k, v in WIDTH.items() if k not in ("num_hidden_layers", "num_attention_heads")},
    "num_layers": 4,
    "num_heads": 4,
    "attention_types": [[["global", "local"], 2]],
    "window_size": 4,
}

#: family -> the classes of its configuration and model, and options that make it tiny
CONFIGS: dict[str, tuple[type[Any], type[Any], dict[str, Any]]] = {
    "gpt2": (hf.GPT2Config, hf.GPT2LMHeadModel, {**_GPT2, **_ENDS}),
    "gpt_neo": (hf.GPTNeoConfig, hf.GPTNeoForCausalLM, _NEO),
    "gpt_neox": (hf.GPTNeoXConfig, hf.GPTNeoXForCausalLM, WIDTH),
    "llama": (hf.LlamaConfig, hf.LlamaForCausalLM, GROUPED),
    "qwen2": (hf.Qwen2Config, hf.Qwen2ForCausalLM, {**WIDTH, "num_key_value_heads": 2}),
    "qwen3": (hf.Qwen3Config, hf.Qwen3ForCausalLM, GROUPED),
    "mistral": (hf.MistralConfig, hf.MistralForCausalLM, {**GROUPED, "sliding_window": 4}),
    "gemma2": (hf.Gemma2Config, hf.Gemma2ForCausalLM, {**GROUPED, "sliding_window": 4}),
    "gemma3": (hf.Gemma3TextConfig, hf.Gemma3ForCausalLM, {**GROUPED, "sliding_window": 4}),
    "olmo2": (hf.Olmo2Config, hf.Olmo2ForCausalLM, {**WIDTH, "num_key_value_heads": 2}),
    "phi": (hf.PhiConfig, hf.PhiForCausalLM, WIDTH),
    "phi3": (hf.Phi3Config, hf.Phi3ForCausalLM, {**WIDTH, "num_key_value_heads": 2}),
    "opt": (
        hf.OPTConfig,
        hf.OPTForCausalLM,
        {**{k: v for k, v in WIDTH.items() if k != "intermediate_size"}, "ffn_dim": 48, "word_embed_proj_dim": 32},
    ),
}

#: what the rooms above models are tested on: one family of each kind of part; `make test-families`: all of them
FAMILIES = (
    list(CONFIGS)
    if os.environ.get("SCOPE_FAMILIES") == "all"
    else ["gpt2", "gpt_neo", "gpt_neox", "llama", "gemma3", "opt"]
)


def tiny_model(family: str, attention: str | None = None, seed: int = 0) -> Any:
    """Make a random model of `family` with weights large enough that attention is far from uniform."""
    config_class, model_class, options = CONFIGS[family]
    torch.manual_seed(seed)
    return _with_large_weights(model_class._from_config(config_class(**options), attn_implementation=attention))


def quantisable_llama() -> Any:
    """Make a random model as wide as the blocks of 64 that bitsandbytes quantises: some CPUs take no narrower one."""
    torch.manual_seed(0)
    config = hf.LlamaConfig(**{**GROUPED, "hidden_size": 64, "intermediate_size": 128, "head_dim": 16})
    return _with_large_weights(hf.LlamaForCausalLM(config))


@torch.no_grad()
def _with_large_weights(model: Any) -> Any:
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and "emb" not in name and "wte" not in name and "wpe" not in name:
            parameter.mul_(8.0)
    return model.eval()


def tiny_tokenizer() -> Any:
    """Make a word tokenizer of `VOCAB` words: w3 .. w95 beside the three special tokens."""
    words = {"<pad>": 0, "<bos>": 1, "<eos>": 2} | {f"w{i}": i for i in range(3, VOCAB)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", model_max_length=64
    )
