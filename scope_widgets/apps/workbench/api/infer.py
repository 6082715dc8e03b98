"""The next token of a text, as the model is and under the patches that are on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, get_ident
from typing import Any

from pydantic import BaseModel
from torch.nn.modules.module import register_module_forward_pre_hook

from scope_widgets import steering
from scope_widgets.apps.workbench.api.problems import Problem
from scope_widgets.models.tokens import encode, token_texts
from scope_widgets.steering.steered_distribution import MOST_PROBABLE, Distribution

#: tokens of a prompt that is run here, and characters of its text
MOST_TOKENS, MOST_CHARACTERS = 4096, 40_000
MOST_REMEMBERED = 512


class TokenProbability(BaseModel):
    """A token that may come next."""

    token: str
    token_id: int
    probability: float
    logit: float


class Inference(BaseModel):
    """What comes next: `original` as the model is, `patched` under the patches that are on, the most probable first.

    `kl` is the divergence of the patched distribution from the original one, in nats.
    """

    model: str
    text: str
    tokens: list[str]
    token_ids: list[int]
    original: list[TokenProbability]
    patched: list[TokenProbability]
    kl: float
    patches: list[str]
    cached: bool

    def shortened(self, n: int, *, text: str, patches: list[str], cached: bool) -> Inference:
        """Return the `n` most probable tokens of either, of whoever asked."""
        changes = {"original": self.original[:n], "patched": self.patched[:n]}
        return self.model_copy(update={**changes, "text": text, "patches": patches, "cached": cached})


@dataclass
class CacheCounts:
    """How often an answer was remembered, and computed."""

    hits: int = 0
    misses: int = 0


class StoppedError(Exception):
    """A forward was ended at one of its blocks, because nobody wants what it makes any more."""


class InferenceCache:
    """Answers by model, prompt and what each patch does: a patch that changes makes another key."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[Any, Inference] = OrderedDict()
        self.counts = CacheCounts()

    def __len__(self) -> int:
        """Return how many answers are remembered."""
        return len(self._known)

    def get(self, key: Any) -> Inference | None:
        """Return an answer, and count whether there is one."""
        with self._lock:
            found = self._known.get(key)
            if found is None:
                self.counts.misses += 1
            else:
                self.counts.hits += 1
                self._known.move_to_end(key)
            return found

    def put(self, key: Any, answer: Inference) -> None:
        """Remember an answer, and forget the one that was not asked for longest."""
        with self._lock:
            self._known[key] = answer
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)

    def clear(self) -> int:
        """Forget all answers; returns how many."""
        with self._lock:
            n = len(self._known)
            self._known.clear()
            self.counts = CacheCounts()
            return n


def infer(scope: Any, text: str | list[int], interventions: Sequence[Any]) -> Inference:
    """Return the hundred most probable next tokens, as `steering.Session(scope, text, interventions).at()` has them.

    Raises
    ------
    Problem, ValueError, TypeError
        For a prompt that is too long, and whatever the session does not take.
    """
    check_length(scope, text)
    session = steering.Session(scope, text, interventions)
    found = session.at()
    return Inference(
        model=str(scope.model_id),
        text=text if isinstance(text, str) else "",
        tokens=session.tokens,
        token_ids=session.token_ids,
        original=most_probable(found.unsteered, scope.tokenizer),
        patched=most_probable(found.steered, scope.tokenizer),
        kl=found.kl,
        patches=[],
        cached=False,
    )


def check_length(scope: Any, text: str | list[int]) -> int:
    """Return how many tokens a prompt has; raise a `Problem` where these are more than are run here."""
    if len(text) > MOST_CHARACTERS:
        raise Problem(413, f"A prompt has {MOST_CHARACTERS:,} characters at most; this has {len(text):,}.")
    n = len(encode(scope.tokenizer, text, None)[0][0])
    if n > MOST_TOKENS:
        raise Problem(413, f"A prompt has {MOST_TOKENS:,} tokens at most; this has {n:,}.")
    return n


def most_probable(found: Distribution, tokenizer: Any) -> list[TokenProbability]:
    """Return the hundred most probable tokens of a distribution."""
    ids = found.order[:MOST_PROBABLE]
    return [
        TokenProbability(
            token=text, token_id=one, probability=float(found.probabilities[one]), logit=float(found.logits[one])
        )
        for one, text in zip(ids, token_texts(tokenizer, ids), strict=True)
    ]


@contextmanager
def hearing_blocks(scope: Any, hear: Callable[[int, int], None]) -> Iterator[None]:
    """Call `hear` with the layer and their number whenever a forward of this thread enters a block of the model.

    It may raise, which ends the forward there.
    """
    layers = {id(one): at for at, one in enumerate(_blocks(scope))}
    thread = get_ident()

    def entered(module: Any, inputs: Any) -> None:
        layer = layers.get(id(module))
        if layer is not None and get_ident() == thread:
            hear(layer, len(layers))

    # of all modules, so that none of the model's own has a hook of others
    handle = register_module_forward_pre_hook(entered)
    try:
        yield
    finally:
        handle.remove()


def _blocks(scope: Any) -> list[Any]:
    return [one.block for one in scope.anatomy.blocks]
