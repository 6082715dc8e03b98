"""The task of the next token on plain text: what a model does everywhere, and so the hardest to document."""

from __future__ import annotations

import numpy as np

from scope_widgets._seeds import seed_of
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import encode

#: written for this: plain sentences of common words, so that small tokenizers know many of them
SENTENCES = (
    "The old man walked along the river with his dog, and the dog ran after the birds.",
    "She put the book on the table, opened the door and went out into the garden.",
    "When the children came home from school, their mother gave them bread and cold milk.",
    "It was a long winter, but in spring the farmer went back to his field.",
    "The teacher asked the girl to read the letter again, and this time she did it well.",
    "After the storm the sailors were tired, but the ship was near the harbor.",
    "My brother wanted to buy a new bike, so he worked in the shop all summer.",
    "The king had three sons, and the first of them was the best with horses.",
    "There was a small house at the end of the road where an old woman lived.",
    "We waited at the station for an hour because the train was late again.",
    "The cat sleeps in the warm kitchen while the rain falls on the roof.",
    "He looked for his keys in every room and found them in the pocket of his coat.",
    "The doctor said that the boy should stay in bed and drink a lot of water.",
    "On Sunday we went to the lake, and my sister taught me how to swim.",
    "The painter took his brush and made the whole wall as blue as the sky.",
    "Every morning the baker opens his shop before the other people are awake.",
    "The birds fly south in autumn and come back when the days are warm.",
    "I thought that the museum was closed, but the door was open and we went in.",
    "The queen smiled at the soldier and gave him a ring of gold.",
    "Two men carried the heavy box up the stairs and left it by the window.",
    "The little girl was hungry, so her father cooked some soup for her.",
    "Nobody knew why the light in the tower was on all night.",
    "The bus stopped, and a man with a guitar got out and began to play.",
    "She had never seen the sea before, and she could not stop looking at it.",
    "The gardener planted a tree for every child that was born in the village.",
    "If you follow this path through the forest, you will find a small bridge.",
    "The students were quiet while the professor talked about the history of the city.",
    "His grandmother told him a story about a lion and a mouse.",
    "They sold their car and used the money to travel around the world.",
    "The water in the lake was so clear that we could see the stones.",
    "In the evening the friends sat around the fire and sang old songs.",
    "The clock on the wall was broken, so nobody knew what time it was.",
    "The nurse opened the window because the air in the room was bad.",
    "He wrote her a long letter, but he never sent it.",
    "The market was full of people who wanted to buy fruit and fish.",
    "The young man lost his job and moved back to the farm of his parents.",
    "Before the war there was a large factory on the other side of the river.",
    "The queen and the king went to the castle before the night came.",
    "The dog saw the cat, and the cat ran into the house.",
    "The boy took the ball to the park and played there with his friends.",
)
_FIRST = 5


def text_task(scope: Microscope, *, n: int = 50, seed: int | None = 0) -> Task:
    """Make pairs of beginnings of sentences; the metric is the log-probability of the token that comes next.

    The corrupted prompt is the beginning of another sentence with as many tokens. A sentence ends before the first word
    that the tokenizer does not know.

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
        With the metric "log_probability".

    Raises
    ------
    ValueError
        Where fewer than `n` can be made.

    Examples
    --------
    >>> from scope_widgets.report.text_task import text_task
    >>> text_task(scope, n=10)
    Task(next_token: 10 pairs for demo, log_probability)
    """
    rng = np.random.default_rng(seed_of(seed))
    unknown = getattr(scope.tokenizer, "unk_token_id", None)
    rows = [
        row[: row.index(unknown)] if unknown in row else row
        for row in encode(scope.tokenizer, list(SENTENCES), None)[0]
    ]
    starts = [(at, end) for at, row in enumerate(rows) for end in range(_FIRST, len(row))]
    chosen = [starts[at] for at in rng.permutation(len(starts))[:n].tolist()]
    clean, corrupted, answers = [], [], []
    for at, end in chosen:
        others = [other for other, row in enumerate(rows) if other != at and len(row) >= end]
        if not others:
            continue
        other = others[int(rng.integers(len(others)))]
        clean.append(rows[at][:end])
        corrupted.append(rows[other][:end])
        answers.append([rows[at][end]])
    if len(clean) < n:
        raise ValueError(
            f"The task 'next_token' needs {n} beginnings of sentences of known words, and with this tokenizer there "
            f"are {len(clean)}."
        )
    # one group: any beginning of a length stands for any other
    return Task.of(scope, clean, corrupted, answers, metric="log_probability", name="next_token")
