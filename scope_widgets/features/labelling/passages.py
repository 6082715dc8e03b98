"""Passages: windows of tokens, what rules may ask of each token, and where a latent fires."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scope_widgets._types import Array
from scope_widgets.features.feature_index.feature_index import FeatureIndex
from scope_widgets.features.indexing.random_contexts import SCORED, WINDOW

#: what a token may look like; the first that holds is its form
FORMS: dict[str, Callable[[str], bool]] = {
    "a line break": lambda text: "\n" in text and not text.strip(),
    "spaces": lambda text: not text.strip(),
    "digits": lambda text: text.strip().isdecimal(),
    "capitals": lambda text: len(text.strip()) > 1 and text.strip().isalpha() and text.isupper(),
    "a capitalised word": lambda text: text.strip().isalpha() and text.strip()[0].isupper(),
    "a word": lambda text: text.strip().isalpha(),
    "punctuation": lambda text: all(unicodedata.category(one)[0] in "PS" for one in text.strip()),
    "a piece of a word": lambda text: False,  # a word without its space, where tokens have theirs
}
_WORD, _PIECE = (list(FORMS).index(one) + 1 for one in ("a word", "a piece of a word"))


class Vocabulary:
    """The texts of the tokens of an index, numbered; 0 stands for no token, before the beginning of a sample."""

    def __init__(self, index: FeatureIndex, ids: Array) -> None:
        self._ids = np.unique(ids[ids >= 0])
        texts = [index.text(one) for one in self._ids.tolist()]
        self.texts = ["", *dict.fromkeys(texts)]
        self._number_of = {text: at for at, text in enumerate(self.texts) if at}
        self._numbers = np.array([self._number_of[text] for text in texts], dtype=np.int64)
        self._forms = np.array([0, *map(_form, self.texts[1:])], dtype=np.int64)
        begins = np.array([text[:1].isspace() for text in self.texts])
        if (begins & (self._forms == _WORD)).any():
            self._forms[(self._forms == _WORD) & ~begins] = _PIECE

    def numbers(self, ids: Array) -> Array:
        """Return the numbers of the texts of token ids, 0 for -1."""
        if not len(self._ids):
            return np.zeros(ids.shape, dtype=np.int64)
        at = np.searchsorted(self._ids, ids).clip(0, len(self._ids) - 1)
        return np.where(self._ids[at] == ids, self._numbers[at], 0)

    def number_of(self, text: str) -> int:
        """Return the number of a text, one that no token has where it is unknown."""
        return self._number_of.get(text, len(self.texts))

    def forms(self, numbers: Array) -> Array:
        """Return the form of tokens, from 1; 0 for none of them."""
        found: Array = self._forms[numbers]
        return found


def _form(text: str) -> int:
    return next((at for at, holds in enumerate(FORMS.values(), 1) if holds(text)), 0)


@dataclass(frozen=True)
class Passages:
    """Windows of tokens.

    Attributes
    ----------
    numbers : ndarray of int [passage, WINDOW]
        Texts of a `Vocabulary`.
    fires : ndarray of bool [passage, scored]
        Where the latent fires.
    fields : dict of str to ndarray of int [passage, scored]
        What rules ask of the scored tokens: the text "on" it, the "last" and the "second" last before it, the "next"
        one (0 none), its "form", and whether the text stands in the window before ("again").
    """

    numbers: Array
    fires: Array
    fields: dict[str, Array]

    @classmethod
    def of(cls, vocabulary: Vocabulary, windows: Array, fires: Array) -> Passages:
        """Return the passages of token ids and of where a latent fires, both `[passage, WINDOW]`."""
        numbers = vocabulary.numbers(windows)
        shifted = {"on": 0, "last": -1, "second": -2, "next": 1}
        fields = {name: numbers[:, SCORED.start + by : SCORED.stop + by] for name, by in shifted.items()}
        fields["form"] = vocabulary.forms(fields["on"])
        fields["again"] = _again(numbers)[:, SCORED].astype(np.int64)
        return cls(numbers, fires[:, SCORED] & (fields["on"] > 0), fields)

    def __len__(self) -> int:
        """Return the number of passages."""
        return len(self.numbers)

    def __getitem__(self, some: Array) -> Passages:
        """Return some of them."""
        fields = {name: value[some] for name, value in self.fields.items()}
        return Passages(self.numbers[some], self.fires[some], fields)

    def firing(self, fires: Array) -> Passages:
        """Return the same passages with where another latent fires, `[passage, WINDOW]`."""
        return Passages(self.numbers, fires[:, SCORED] & self.there, self.fields)

    @property
    def there(self) -> Array:
        """Where there is a token, bool `[passage, scored]`."""
        found: Array = self.fields["on"] > 0
        return found

    @classmethod
    def joined(cls, parts: list[Passages]) -> Passages:
        """Return several, one after the other."""
        fields = {name: np.concatenate([one.fields[name] for one in parts]) for name in parts[0].fields}
        return cls(np.concatenate([one.numbers for one in parts]), np.concatenate([one.fires for one in parts]), fields)


def _again(numbers: Array) -> Array:
    """Return whether the text of each token stands in its window before it."""
    found = np.zeros(numbers.shape, dtype=bool)
    for position in range(1, WINDOW):
        found[:, position] = (numbers[:, :position] == numbers[:, position, None]).any(1)
    return found & (numbers > 0)
