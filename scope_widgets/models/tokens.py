"""The text of single tokens, and prompts as padded batches of token ids."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import dropwhile
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from scope_widgets._types import Prompts
from scope_widgets.models.chat_messages import chat_text, is_chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: a Hugging Face tokenizer
Tokenizer: TypeAlias = "PreTrainedTokenizerBase"


def check_tokenizer(tokenizer: Any) -> None:
    """Raise where something is no Hugging Face tokenizer, or one that knows no words.

    transformers makes the latter where a folder has weights and no tokenizer: every text would be empty to it.

    Raises
    ------
    TypeError
        For something else than a tokenizer.
    ValueError
        For one that has special tokens only.
    """
    if not hasattr(tokenizer, "convert_ids_to_tokens"):
        raise TypeError(
            f"Expected the model's Hugging Face tokenizer, got {type(tokenizer).__name__}. Load it with "
            "transformers.AutoTokenizer; one of the library tokenizers goes in as "
            "transformers.PreTrainedTokenizerFast(tokenizer_object=...)."
        )
    added = getattr(tokenizer, "added_tokens_decoder", {})
    if len(tokenizer) <= len({*tokenizer.all_special_ids, *(at for at, token in added.items() if token.special)}):
        raise ValueError(
            f"The tokenizer, a {type(tokenizer).__name__}, knows no token but special ones, so that no text can be "
            "read: its files were not where it was loaded from. Load the one that the model was trained with."
        )


def token_texts(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Return the text of each token, with its leading space.

    What is no whole character is given as its bytes, `<0xE2>`, and where nothing of a token would be seen but spaces
    its characters are named, `<U+200D>`.
    """
    special = frozenset(tokenizer.all_special_ids)  # which transformers gathers anew each time
    return [_named_if_unseen(_text(tokenizer, int(i), special)) for i in ids]


def _text(tokenizer: Tokenizer, token_id: int, special: frozenset[int]) -> str:
    piece: Any = tokenizer.convert_ids_to_tokens(token_id)
    if piece is None:
        return f"<{token_id}>"
    if token_id in special or piece.startswith("<0x"):
        return str(piece)
    if "▁" in piece:  # SentencePiece: decoding a single piece would lose its space
        return str(piece.replace("▁", " "))
    text = tokenizer.convert_tokens_to_string([piece])
    if "\ufffd" in text:
        return "".join(f"<0x{_BYTES[c]:02X}>" if c in _BYTES else c for c in piece)
    return text or str(piece)


def _named_if_unseen(text: str) -> str:
    unseen = [char for char in text if not char.isspace()]
    if not unseen or not all(map(_is_unseen, unseen)):
        return text
    return "".join(char if char.isspace() else f"<U+{ord(char):04X}>" for char in text)


def _is_unseen(char: str) -> bool:
    """Whether a character draws nothing: controls and formats (joiners, direction marks, tags), and some by name."""
    return unicodedata.category(char) in ("Cc", "Cf", "Cs") or ord(char) in _BLANK


#: variation selectors, Hangul fillers, the blank Braille pattern and other characters that are drawn as nothing
_BLANK = frozenset(
    (
        0x034F,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        *range(0x180B, 0x1810),
        0x2800,
        0x3164,
        *range(0xFE00, 0xFE10),
        0xFFA0,
        *range(0xE0100, 0xE01F0),
    )
)


def _byte_alphabet() -> dict[str, int]:
    """Return byte-level BPE's alphabet: printable bytes are themselves, the others code points from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _byte_alphabet()


def encode(
    tokenizer: Tokenizer, prompt: Prompts, prepend_bos: bool | None
) -> tuple[list[list[int]], list[str | None], bool]:
    """Return the token ids of a prompt or several.

    No text begins with two beginning-of-sequence tokens: where one stands in it already, as chat templates write it,
    that is the one. Token ids are taken as they are.

    Parameters
    ----------
    tokenizer : Tokenizer
    prompt : Prompts
        A text, chat messages, token ids in a list, array or tensor, what a tokenizer returned (its padding is left
        out), or a list of these.
    prepend_bos : bool or None
        Whether each prompt begins with the beginning-of-sequence token, once; None: as the tokenizer does it.

    Returns
    -------
    rows : list of list of int
        The ids of each prompt.
    texts : list of str or None
        As they were given, chat messages as their template writes them; None where ids were.
    several : bool
        Whether it was a list of prompts.

    Raises
    ------
    TypeError, ValueError
        For an empty prompt, something else than the above, a text that is no Unicode, or chat messages where the
        tokenizer has no template for them.
    """
    prompts, several = listed(prompt)
    read = [_read(tokenizer, one) for one in prompts]
    rows = [row if prepend_bos is None else _with_bos(tokenizer, row, prepend_bos) for row, _ in read]
    if not all(rows):
        raise ValueError("The prompt is empty: it has no token. Give at least one word or token id.")
    return rows, [text for _, text in read], several


def as_given(prompt: Prompts, rows: list[list[int]]) -> str | list[int] | list[Any]:
    """Return what `encode` made `rows` of in terms of texts and token ids alone, of which it makes the same rows."""
    prompts, several = listed(prompt)
    found = [one if isinstance(one, str) else row for one, row in zip(prompts, rows, strict=True)]
    return found if several else found[0]


def encode_with_spans(
    tokenizer: Tokenizer, text: str, prepend_bos: bool | None = None
) -> tuple[list[int], list[tuple[int, int]] | None]:
    """Return the token ids of a text as `encode` does, and the first and last character of each token.

    None in their place where the tokenizer does not know them (it is no fast one); (0, 0) for tokens that it adds.
    """
    if not getattr(tokenizer, "is_fast", False):
        return encode(tokenizer, text, prepend_bos)[0][0], None
    (row,), _, _ = encode(tokenizer, text, prepend_bos)
    encoded = tokenizer(text, return_offsets_mapping=True)
    spans: list[tuple[int, int]] = list(encoded["offset_mapping"])
    added = len(row) - len(spans)  # at the beginning
    return row, [(0, 0)] * added + spans[max(0, -added) :]


_EXPECTED = (
    "A prompt is a text, a list of texts, or token ids (list, list of lists, array, tensor, what a tokenizer returned)"
    ", or chat messages ([{'role': 'user', 'content': ...}])"
)


def listed(prompt: Any) -> tuple[Sequence[Any], bool]:
    """Return the prompts one by one, and whether there was a list of them.

    Raises
    ------
    TypeError, ValueError
        For what is no prompt and no list.
    """
    given = prompt.tolist() if hasattr(prompt, "tolist") else prompt
    if isinstance(given, Mapping):
        rows = _unpadded(given)
        return rows, _is_nested(given["input_ids"])
    several = not isinstance(given, str) and not (isinstance(given, Sequence) and (_is_row(given) or is_chat(given)))
    prompts = given if several else [given]
    if not isinstance(prompts, Sequence) or isinstance(prompts, bytes | bytearray) or not prompts:
        raise TypeError(f"{_EXPECTED}; got {type(given).__name__}.")
    return prompts, several


def _is_row(items: Sequence[Any]) -> bool:
    return all(map(_is_id, items))


def _is_id(item: Any) -> bool:
    return hasattr(item, "__index__") and not isinstance(item, bool)


def _is_nested(ids: Any) -> bool:
    return any(hasattr(one, "__len__") for one in (ids.tolist() if hasattr(ids, "tolist") else ids))


def _read(tokenizer: Tokenizer, prompt: Any) -> tuple[list[int], str | None]:
    """Return the ids of one prompt, and its text where it was text."""
    if isinstance(prompt, str):
        return _once(tokenizer, ids_of_text(tokenizer, prompt)), prompt
    prompt = prompt.tolist() if hasattr(prompt, "tolist") else prompt
    if isinstance(prompt, Mapping):
        (prompt,) = _unpadded(prompt)
    if not isinstance(prompt, Sequence) or isinstance(prompt, bytes | bytearray):
        raise TypeError(f"{_EXPECTED}; got {prompt!r} among them.")
    if is_chat(prompt):
        text = chat_text(tokenizer, prompt)
        return _once(tokenizer, ids_of_text(tokenizer, text, add_special_tokens=False)), text
    wrong = [item for item in prompt if not _is_id(item)]
    if wrong:
        raise TypeError(f"{_EXPECTED}; got {wrong[0]!r} where a token id was expected.")
    return [int(item) for item in prompt], None


def _unpadded(encoding: Mapping[str, Any]) -> list[list[int]]:
    """Return the token ids of each prompt of what a tokenizer returned."""
    if "input_ids" not in encoding:
        raise TypeError(
            f"{_EXPECTED}; got a {type(encoding).__name__} of {', '.join(map(str, encoding)) or 'nothing'}."
        )
    if other := [name for name in encoding if name.endswith(("_values", "_features", "_videos"))]:
        raise ValueError(f"The prompt has {', '.join(other)} beside its tokens: prompts here are of text alone.")
    given: tuple[Any, Any] = encoding["input_ids"], encoding.get("attention_mask")
    ids, mask = (value.tolist() if hasattr(value, "tolist") else value for value in given)
    if not _is_nested(ids):
        ids, mask = [ids], None if mask is None else [mask]
    if mask is None:
        return [list(row) for row in ids]
    if [len(row) for row in ids] != [len(row) if hasattr(row, "__len__") else -1 for row in mask]:
        raise ValueError("The prompt's attention_mask has another shape than its input_ids: give one number a token.")
    return [[i for i, keep in zip(row, kept, strict=True) if keep] for row, kept in zip(ids, mask, strict=True)]


def ids_of_text(tokenizer: Tokenizer, text: str, **options: Any) -> list[int]:
    """Return the token ids of a text; `options` are the tokenizer's.

    Raises
    ------
    ValueError
        For half a character, at which tokenizers raise errors of their own.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The text has {text[error.start]!r} at character {error.start}, which is half a character (a lone "
            "surrogate): no tokenizer can read it. Read the text again in its own encoding, or leave it out."
        ) from None
    return list(tokenizer(text, **options)["input_ids"])


def _once(tokenizer: Tokenizer, row: list[int]) -> list[int]:
    """Return a text's token ids without a second beginning-of-sequence token."""
    begins = (tokenizer.bos_token_id, getattr(tokenizer, "cls_token_id", None))
    while len(row) > 1 and row[0] == row[1] and row[0] in begins:
        row = row[1:]
    return row


def _with_bos(tokenizer: Tokenizer, row: list[int], wanted: bool) -> list[int]:
    bos = tokenizer.bos_token_id
    if bos is None:
        raise ValueError("prepend_bos= was given but this tokenizer has no beginning-of-sequence token. Leave it out.")
    bare = list(dropwhile(lambda i: i == bos, row))
    return [bos, *bare] if wanted else bare


def pad(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids and mask of prompts padded on the right, `[batch, position]` each.

    On the right, because then a causal model gives each prompt the very numbers that it gives it alone.
    """
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows], device=device)
    mask = torch.tensor([[True] * len(row) + [False] * (length - len(row)) for row in rows], device=device)
    return ids, mask
