"""The greater-than task: years that come later."""

from __future__ import annotations

from itertools import product

import numpy as np

from scope_widgets._aliases import former_options
from scope_widgets._seeds import seed_of
from scope_widgets.circuits.tasks.pairs import INSTEAD, SLOT, Pair, check_task_size, draw, raise_unknown_words, task_of
from scope_widgets.circuits.tasks.vocabulary import EVENTS, LASTED
from scope_widgets.circuits.tasks.word_tokens import in_vocabulary, next_token, prompt_ids
from scope_widgets.circuits.tasks.years import years_of
from scope_widgets.experiments.task import SUMMED, Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import token_texts


@former_options("n")
def greater_than(scope: Microscope, *, n: int = 50, seed: int | None = 0) -> Task:
    """Make pairs of later years: "The war lasted from the year 1732 to the year 17" goes on with more than 32.

    The metric is the probability of all later years less that of the others. A corrupted prompt starts in the year 01
    of its century, after which nearly all years are later. Where the tokenizer writes digits one by one, the next one
    decides: after 1739 the digits from 4 on are right, those to 3 wrong, and the corrupted year is 1709. Where it
    writes them by threes, the last one does: "from the year 1732 to the year 173", and 1730.

    Parameters
    ----------
    scope : Microscope
    n : int, default 50
        Number of pairs, all different.
    seed : int or None, default 0
        The same seed makes the same pairs.

    Returns
    -------
    Task
        With the metric "probability_difference".

    Raises
    ------
    TypeError, ValueError
        When n is below 1 or more than there are, or the tokenizer lacks the words or writes years in no such way.

    References
    ----------
    Hanna, Liu, Variengien 2023, "How does GPT-2 compute greater-than?", arXiv:2305.00586. Their sentence and metric;
    the nouns are ours.

    Examples
    --------
    The demo model's tokenizer has no years; GPT-2's has.

    >>> from scope_widgets import Microscope, circuits
    >>> gpt2 = Microscope.load("openai-community/gpt2")  # doctest: +SKIP
    >>> circuits.greater_than(gpt2, n=20)  # doctest: +SKIP
    Task(greater_than: 20 pairs for openai-community/gpt2, probability_difference)
    """
    seed = seed_of(seed)
    check_task_size(scope, n)
    tokenizer, rng = scope.tokenizer, np.random.default_rng(seed)
    events = [event for event in EVENTS if next_token(tokenizer, "The", f" {event}") is not None]
    if not events or not in_vocabulary(tokenizer, SLOT.split(LASTED)[::2]):
        raise_unknown_words(
            "greater_than", f"the words of {LASTED!r} and a noun for its {{event}}, such as {EVENTS[0]!r}"
        )
    years = years_of(tokenizer)
    if years is None:
        written = " | ".join(token_texts(tokenizer, prompt_ids(tokenizer, "the year 1732")))
        raise ValueError(
            "The task 'greater_than' needs a tokenizer that writes years in pieces of two digits, of one, or of three "
            f"and one; this one makes {written}. {INSTEAD}"
        )
    pairs = []
    for _, (event, (shown, piece)) in draw("greater_than", n, rng, [list(product(events, years.starts))]):
        clean, corrupted = (
            LASTED.format(event=event, start=shown + first + years.rest, shown=shown) for first in (piece, years.low)
        )
        later = [token for other, token in years.tokens.items() if other > piece]
        earlier = [token for other, token in years.tokens.items() if other <= piece]
        pairs.append(Pair(clean, corrupted, later, earlier, 0))
    return task_of(scope, "greater_than", pairs, SUMMED)
