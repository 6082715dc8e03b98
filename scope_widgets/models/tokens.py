"""The text of single tokens, and prompts as padded batches of token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def token_texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Give the text of each token, with its leading space; what is no whole character shows as its bytes, `<0xE2>`."""
    return [_text(tokenizer, int(i)) for i in ids]


def _text(tokenizer: Any, token_id: int) -> str:
    piece = tokenizer.convert_ids_to_tokens(token_id)
    if piece is None:
        return f"<{token_id}>"
    if token_id in tokenizer.all_special_ids or piece.startswith("<0x"):
        return str(piece)
    if "▁" in piece:  # SentencePiece: decoding a single piece would lose its space
        return str(piece.replace("▁", " "))
    text = tokenizer.convert_tokens_to_string([piece])
    if "\ufffd" in text:
        return "".join(f"<0x{_BYTES[c]:02X}>" if c in _BYTES else c for c in piece)
    return text or str(piece)


def _byte_alphabet() -> dict[str, int]:
    """Give byte-level BPE's alphabet: printable bytes stand for themselves, the others for code points from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _byte_alphabet()


def encode(tokenizer: Any, prompt: Any, prepend_bos: bool | None) -> tuple[list[list[int]], bool]:
    """Make token ids of a text, a list of texts, or ids in a list or tensor; says whether it was several prompts.

    Raises
    ------
    TypeError, ValueError
        For an empty prompt or something else than text and ids.
    """
    if isinstance(prompt, Tensor):
        prompt = prompt.tolist()
    if isinstance(prompt, str):
        rows, several = [_ids(tokenizer, prompt)], False
    elif isinstance(prompt, Sequence) and prompt and all(isinstance(item, str) for item in prompt):
        rows, several = [_ids(tokenizer, text) for text in prompt], True
    elif isinstance(prompt, Sequence) and all(isinstance(item, int) for item in prompt):
        rows, several = [list(prompt)], False
    elif isinstance(prompt, Sequence) and all(isinstance(row, Sequence) for row in prompt):
        rows, several = [[int(i) for i in row] for row in prompt], True
    else:
        raise TypeError(
            "A prompt is a text, a list of texts, or token ids (list, list of lists, tensor); "
            f"got {type(prompt).__name__}."
        )
    if prepend_bos is not None:
        rows = [_with_bos(tokenizer, row, prepend_bos) for row in rows]
    if not rows or not all(rows):
        raise ValueError("The prompt is empty: it has no token. Give at least one word or token id.")
    return rows, several


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text)["input_ids"])


def _with_bos(tokenizer: Any, row: list[int], wanted: bool) -> list[int]:
    bos = tokenizer.bos_token_id
    if bos is None:
        raise ValueError("prepend_bos= was given but this tokenizer has no beginning-of-sequence token. Leave it out.")
    bare = row[1:] if row[:1] == [bos] else row
    return [bos, *bare] if wanted else bare


def pad(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pad on the right; gives ids and mask, `[batch, position]`.

    On the right, because then a causal model gives each prompt the very numbers that it gives it alone.
    """
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows], device=device)
    mask = torch.tensor([[True] * len(row) + [False] * (length - len(row)) for row in rows], device=device)
    return ids, mask
