"""`DecoderTokenizer`: text as the decoder of an encoder-decoder model reads it."""

from __future__ import annotations

from typing import Any

from scope_widgets.models.tokens import Tokenizer


class DecoderTokenizer:
    """A tokenizer whose texts begin with the decoder's start token, once, and do not end.

    What an encoder reads ends with an end token, and what a decoder reads begins with a token that no tokenizer writes.
    Everything but the call and `bos_token_id` is the tokenizer's own.

    Parameters
    ----------
    tokenizer
        The model's.
    start : int
        The token that the decoder begins with.

    Examples
    --------
    A text of T5, which begins with its padding token:

    >>> DecoderTokenizer(tokenizer, start=0)("Das Haus")["input_ids"]  # doctest: +SKIP
    [0, 644, 4598]
    """

    def __init__(self, tokenizer: Tokenizer, start: int) -> None:
        self.tokenizer, self.bos_token_id = tokenizer, start

    @property
    def bos_token(self) -> str:
        """The text of the start token."""
        return str(self.tokenizer.convert_ids_to_tokens(self.bos_token_id))

    def __call__(
        self, text: str, *, add_special_tokens: bool = True, return_offsets_mapping: bool = False
    ) -> dict[str, list[Any]]:
        """Return the "input_ids" of one text, and the "offset_mapping" where it is wanted.

        Raises
        ------
        ValueError
            Where the tokenizer splits the text itself in another way once special tokens stand around it.
        """
        options: dict[str, Any] = {"text_target": text, "return_offsets_mapping": True} if return_offsets_mapping else {
            "text_target": text
        }  # fmt: skip
        bare = dict(self.tokenizer(add_special_tokens=False, **options))
        if add_special_tokens:
            bare = self._begun(dict(self.tokenizer(**options)), bare)
        return {name: list(bare[name]) for name in ("input_ids", "offset_mapping") if name in bare}

    def _begun(self, whole: dict[str, Any], bare: dict[str, Any]) -> dict[str, Any]:
        """Return an encoding that begins, and does not end, of one with all special tokens and one with none."""
        ids, own = list(whole["input_ids"]), list(bare["input_ids"])
        if own[:1] == [self.bos_token_id]:  # the text has it already
            return bare
        n_before = next((at for at in range(len(ids) + 1) if ids[at : at + len(own)] == own), None)
        if n_before is None:
            raise ValueError(
                f"The tokenizer writes {ids} with its special tokens and {own} without, which are no part of those: "
                "what the decoder reads of this text is not known. Give the decoder's token ids."
            )
        kept = {name: list(values)[: n_before + len(own)] for name, values in whole.items()}
        if kept["input_ids"][:1] == [self.bos_token_id]:
            return kept
        first = {"input_ids": self.bos_token_id, "offset_mapping": (0, 0)}
        return {name: [first[name], *kept[name]] for name in first if name in kept}

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.tokenizer)

    def __getattr__(self, name: str) -> Any:
        if name == "tokenizer":  # while it is copied or unpickled
            raise AttributeError(name)
        return getattr(self.tokenizer, name)
