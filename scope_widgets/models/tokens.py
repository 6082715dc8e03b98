"""The text of single tokens, and prompts as padded batches of token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from scope_widgets._types import Prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: a Hugging Face tokenizer
Tokenizer: TypeAlias = "PreTrainedTokenizerBase"


def token_texts(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Return the text of each token, with its leading space; what is no whole character as its bytes, `<0xE2>`."""
    return [_text(tokenizer, int(i)) for i in ids]


def _text(tokenizer: Tokenizer, token_id: int) -> str:
    piece: Any = tokenizer.convert_ids_to_tokens(token_id)
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
    """Return byte-level BPE's alphabet: printable bytes are themselves, the others code points from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _byte_alphabet()


def encode(
    tokenizer: Tokenizer, prompt: Prompts, prepend_bos: bool | None
) -> tuple[list[list[int]], list[str | None], bool]:
    """Return the token ids of a text, a list of texts, or ids in a list, array or tensor.

    Parameters
    ----------
    tokenizer : Tokenizer
    prompt : Prompts
    prepend_bos : bool or None
        Whether each prompt begins with the beginning-of-sequence token; None: as the tokenizer does it.

    Returns
    -------
    rows : list of list of int
        The ids of each prompt.
    texts : list of str or None
        As they were given; None where ids were.
    several : bool
        Whether it was a list of prompts.

    Raises
    ------
    TypeError, ValueError
        For an empty prompt or something else than text and ids.
    """
    given: Any = prompt.tolist() if hasattr(prompt, "tolist") else prompt
    several = not isinstance(given, str) and not (isinstance(given, Sequence) and all(map(_is_id, given)))
    prompts = given if several else [given]
    if not isinstance(prompts, Sequence) or isinstance(prompts, bytes | bytearray) or not prompts:
        raise TypeError(f"{_EXPECTED}; got {type(given).__name__}.")
    rows = [_row(tokenizer, one) for one in prompts]
    if prepend_bos is not None:
        rows = [_with_bos(tokenizer, row, prepend_bos) for row in rows]
    if not all(rows):
        raise ValueError("The prompt is empty: it has no token. Give at least one word or token id.")
    return rows, [one if isinstance(one, str) else None for one in prompts], several


_EXPECTED = "A prompt is a text, a list of texts, or token ids (list, list of lists, array, tensor)"


def _is_id(item: Any) -> bool:
    return hasattr(item, "__index__") and not isinstance(item, bool)


def _row(tokenizer: Tokenizer, prompt: Any) -> list[int]:
    if isinstance(prompt, str):
        return _ids(tokenizer, prompt)
    prompt = prompt.tolist() if hasattr(prompt, "tolist") else prompt
    if not isinstance(prompt, Sequence) or isinstance(prompt, bytes | bytearray):
        raise TypeError(f"{_EXPECTED}; got {prompt!r} among them.")
    wrong = [item for item in prompt if not _is_id(item)]
    if wrong:
        raise TypeError(f"{_EXPECTED}; got {wrong[0]!r} where a token id was expected.")
    return [int(item) for item in prompt]


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer(text)["input_ids"])


def _with_bos(tokenizer: Tokenizer, row: list[int], wanted: bool) -> list[int]:
    bos = tokenizer.bos_token_id
    if bos is None:
        raise ValueError("prepend_bos= was given but this tokenizer has no beginning-of-sequence token. Leave it out.")
    bare = row[1:] if row[:1] == [bos] else row
    return [bos, *bare] if wanted else bare


def pad(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids and mask of prompts padded on the right, `[batch, position]` each.

    On the right, because then a causal model gives each prompt the very numbers that it gives it alone.
    """
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows], device=device)
    mask = torch.tensor([[True] * len(row) + [False] * (length - len(row)) for row in rows], device=device)
    return ids, mask
