"""A model of one layer as a GGUF file."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np


def write_tiny_gguf(path: Path) -> None:
    """Write a Llama of one layer with a tokenizer that knows "Hello"."""
    alphabet = [chr(c) for c in range(ord("!"), ord("~") + 1)]
    words = ["<s>", *alphabet, "Ġ", "He", "llo", "Hello", "ll"]
    writer = gguf.GGUFWriter(path, "llama")
    for add, value in (
        (writer.add_block_count, 1), (writer.add_context_length, 64), (writer.add_embedding_length, 32),
        (writer.add_feed_forward_length, 48), (writer.add_head_count, 4), (writer.add_head_count_kv, 4),
        (writer.add_layer_norm_rms_eps, 1e-5), (writer.add_vocab_size, len(words)),
        (writer.add_rope_dimension_count, 8), (writer.add_tokenizer_model, "gpt2"),
        (writer.add_tokenizer_pre, "smollm"), (writer.add_token_list, words),
        (writer.add_token_merges, ["l l", "H e", "ll o", "He llo"]),
        (writer.add_token_types, [3] + [1] * (len(words) - 1)),
        (writer.add_bos_token_id, 0), (writer.add_eos_token_id, 0),
    ):  # fmt: skip
        add(value)
    shapes = {"token_embd": (len(words), 32), "output": (len(words), 32), "output_norm": (32,)}
    shapes |= {f"blk.0.{name}": (32, 32) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
    shapes |= {"blk.0.ffn_gate": (48, 32), "blk.0.ffn_up": (48, 32), "blk.0.ffn_down": (32, 48)}
    shapes |= {f"blk.0.{name}": (32,) for name in ("attn_norm", "ffn_norm")}
    rng = np.random.default_rng(0)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
