"""What suites consist of: facts, pairs of sentences, beginnings, documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True)
class Question:
    """A prompt whose right continuation competes with wrong ones.

    Attributes
    ----------
    prompt, target : str
        The target with its leading space.
    distractors : tuple of str
        Wrong continuations, one at least.
    """

    prompt: str
    target: str
    distractors: tuple[str, ...]


@dataclass(frozen=True)
class Fact(Question):
    """A fact: its question, other wordings of it, and facts near by that a change of this one should leave alone.

    Attributes
    ----------
    id : str
    cluster : str
        What items are drawn together with, such as the relation.
    wordings : tuple of str
        Prompts with the same target and distractors.
    neighbours : tuple of Question
    """

    id: str
    cluster: str
    wordings: tuple[str, ...] = ()
    neighbours: tuple[Question, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two texts that differ in little, of which a model finds one more likely.

    Attributes
    ----------
    id, cluster : str
    more, less : str
        The stereotyped and the other one; or the grammatical and the ungrammatical one.
    prompt : str
        What stands before both and is not scored.
    kind : str
        Such as "gender".
    """

    id: str
    cluster: str
    more: str
    less: str
    prompt: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Beginning:
    """A prompt to be continued.

    Attributes
    ----------
    id, cluster, prompt : str
    hostile, neutral : tuple of str
        Continuations whose log-probabilities are compared; empty where only text is generated.
    """

    id: str
    cluster: str
    prompt: str
    hostile: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """A text whose tokens are predicted.

    Attributes
    ----------
    id, text : str
    """

    id: str
    text: str
    cluster: str = field(default="")


Item: TypeAlias = Fact | Pair | Beginning | Document
#: the suites that the package ships
SuiteName = Literal["facts", "bias", "toxicity", "perplexity", "fluency"]
#: what is measured of a suite's items; "pairs" as "bias", without a share to aim at
SuiteKind = Literal["facts", "bias", "pairs", "toxicity", "perplexity", "fluency"]
ITEMS: dict[SuiteKind, type[Item]] = {
    "facts": Fact,
    "bias": Pair,
    "pairs": Pair,
    "toxicity": Beginning,
    "perplexity": Document,
    "fluency": Beginning,
}
