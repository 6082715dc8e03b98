"""Types that many signatures share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

Array: TypeAlias = np.ndarray[Any, Any]
#: numbers, in whatever holds them
Numbers: TypeAlias = Sequence[int] | Array | Tensor
#: one chat message, {"role": "user", "content": "..."}
Message: TypeAlias = Mapping[str, Any]
#: one prompt: a text, chat messages, token ids, or what a tokenizer returned (a mapping with "input_ids")
Prompt: TypeAlias = str | Sequence[Message] | Sequence[int] | Tensor | Mapping[str, Any]
#: one prompt or several
Prompts: TypeAlias = Prompt | Sequence[str] | Sequence[Sequence[Message]] | Sequence[Sequence[int]]
#: a text that is one token, with its space (" Mary"), or a token id
Token: TypeAlias = str | int
#: one token for all prompts, or one a prompt
Tokens: TypeAlias = Token | Sequence[Token] | Array | Tensor
#: (layer, head)
Head: TypeAlias = tuple[int, int]
#: a number counted from either end of a prompt, or the name of a role ("END")
Position: TypeAlias = int | str
#: positions or roles; or a word, such as "all" or "each", that the function explains
Positions: TypeAlias = Position | Sequence[Position] | Array | Tensor
#: role -> its position in each prompt
Roles: TypeAlias = Mapping[str, Numbers]
