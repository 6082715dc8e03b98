"""IOI prompts are drawn: templates, orders, words and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np

from scope_widgets._aliases import former_options
from scope_widgets._check_choice import check_choice
from scope_widgets._reproducing_calls import python_call
from scope_widgets._seeds import seed_of
from scope_widgets.ioi.dataset.first_names import NameToken, name_tokens
from scope_widgets.ioi.dataset.prompt_set import IOIPrompt, IOIPrompts
from scope_widgets.ioi.dataset.templates import fill, in_order, known_fillers, known_templates, slots
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import encode, token_texts

#: who is named first: the indirect object, the subject, or both in turn
Order: TypeAlias = Literal["both", "ABBA", "BABA"]


@former_options("n", "seed")
def prompts(
    scope: Microscope,
    *,
    n: int = 100,
    seed: int | None = 0,
    order: Order = "both",
    templates: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    prepend_bos: bool | None = None,
) -> IOIPrompts:
    """Return prompts in which the indirect object comes next: two names, and the one that comes twice is the subject.

    All texts are different, so that slices of one set have none in common. Orders and templates take turns, and no two
    names meet a second time before all pairs have met.

    Parameters
    ----------
    scope : Microscope
    n : int, default 100
        How many.
    seed : int or None, default 0
        The same seed gives the same prompts.
    order : {"both", "ABBA", "BABA"}, default "both"
        "ABBA": the indirect object is named first; "BABA": the subject is; "both": in turn.
    templates : sequence of str, optional
        Sentences with the slots {io} (once), {subject} (twice), {place}, {object}. By default those of ours
        whose words the tokenizer knows.
    names : sequence of str, optional
        Names of one token each. By default those of ours that are.
    prepend_bos : bool, optional
        Whether token ids begin with the tokenizer's beginning-of-sequence token; by default as the tokenizer does.

    Returns
    -------
    IOIPrompts
        A sequence of `IOIPrompt`, each with text, io, subject and the positions of its roles.

    Raises
    ------
    TypeError, ValueError
        If n is below 1 or more than the different prompts that there are, a name is several tokens, a template lacks
        a slot, or the tokenizer knows too little.

    References
    ----------
    Wang et al. 2022 (arXiv 2211.00593), section 2.

    Examples
    --------
    >>> prompts = ioi.prompts(scope, n=4, seed=0)
    >>> len(prompts), prompts[0].order, sorted(prompts[0].positions)
    (4, 'ABBA', ['END', 'IO', 'S1', 'S1+1', 'S2'])
    >>> prompts[0].text.count(prompts[0].subject)
    2
    """
    seed = seed_of(seed)
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"n= is the number of prompts; got {n!r}.")
    if n < 1:
        raise ValueError(f"n={n} would be an empty set of prompts: ask for at least one.")
    check_choice("order", order, Order)
    tokenizer = scope.tokenizer
    people = name_tokens(tokenizer, names)
    fillers = known_fillers(tokenizer)
    wordings = known_templates(tokenizer, fillers, templates)
    orders = ("ABBA", "BABA") if order == "both" else (order,)
    _check_enough(int(n), orders, wordings, fillers, len(people))
    drawn = _draw(int(n), np.random.default_rng(seed), orders, wordings, fillers, people)
    texts = [fill(frame, (first.name, second.name, subject.name)) for frame, _, _, first, second, subject in drawn]
    rows, _, _ = encode(tokenizer, texts, prepend_bos)
    items = []
    for text, ids, (frame, which, template, first, second, subject) in zip(texts, rows, drawn, strict=True):
        io = first if second is subject else second
        positions = _positions(tokenizer, text, ids, io, subject)
        tokens = tuple(token_texts(tokenizer, ids))
        items.append(IOIPrompt(text, io.name, subject.name, which, template, frame, positions, tuple(ids), tokens))
    options = {"n": int(n), "seed": int(seed), "order": order, "templates": templates, "names": names}
    call = python_call("ioi.prompts", "scope", **options, prepend_bos=prepend_bos)
    made = IOIPrompts(tuple(items), wordings, people, scope.model_id, scope.revision, int(seed))
    return replace(made, calls=(*scope.calls, call))


_Drawn = tuple[str, str, int, NameToken, NameToken, NameToken]


def _draw(
    n: int,
    rng: np.random.Generator,
    orders: Sequence[str],
    wordings: Sequence[str],
    fillers: Mapping[str, Sequence[str]],
    people: Sequence[NameToken],
) -> list[_Drawn]:
    """Return frame, order, template, and the names in the order in which they stand, of `n` different prompts."""
    turns = {order: _in_turn(rng, len(wordings)) for order in orders}
    pairs = _pairs(rng, len(people))
    drawn: list[_Drawn] = []
    seen: set[tuple[str, int, int]] = set()
    for i in range(n):
        order = orders[i % len(orders)]
        template = next(turns[order])
        while True:
            io, subject = next(pairs)
            words = {slot: some[int(rng.integers(len(some)))] for slot, some in fillers.items() if some}
            frame = fill(in_order(wordings[template], order), words=words)
            if (frame, io, subject) not in seen:
                break
        seen.add((frame, io, subject))
        first, second = (io, subject) if order == "ABBA" else (subject, io)
        drawn.append((frame, order, template, people[first], people[second], people[subject]))
    return drawn


def _in_turn(rng: np.random.Generator, count: int) -> Iterator[int]:
    """Yield 0 .. count - 1 in random order, again and again."""
    while True:
        yield from (int(at) for at in rng.permutation(count))


def _pairs(rng: np.random.Generator, count: int) -> Iterator[tuple[int, int]]:
    """Yield pairs of different numbers, none a second time in either order before all have come."""
    met: set[frozenset[int]] = set()
    while True:
        if 2 * len(met) == count * (count - 1):
            met.clear()
        one, other = (int(at) for at in rng.choice(count, 2, replace=False))
        if frozenset((one, other)) not in met:
            met.add(frozenset((one, other)))
            yield one, other


def _check_enough(
    n: int, orders: Sequence[str], wordings: Sequence[str], fillers: Mapping[str, Sequence[str]], people: int
) -> None:
    """Raise ValueError where a template in an order would have to come more often than it can be filled differently."""
    needed = -(-n // (len(orders) * len(wordings)))
    for wording in wordings:
        words = {slot: len(fillers[slot]) for slot in slots(wording) if slot in fillers}
        ways = people * (people - 1) * int(np.prod(list(words.values()), dtype=object))
        if ways < needed:
            raise ValueError(
                f"n={n} takes {needed} different prompts of each template and order, and {wording!r} has {ways} with "
                f"{people} names. Ask for fewer, or give more names or templates."
            )


def _positions(tokenizer: Any, text: str, ids: Sequence[int], io: NameToken, subject: NameToken) -> dict[str, int]:
    """Return the position of each role, found by its token; raise ValueError where a name is not where it should be."""
    of_io = [at for at, token in enumerate(ids) if token == io.id]
    of_subject = [at for at, token in enumerate(ids) if token == subject.id]
    if (len(of_io), len(of_subject)) != (1, 2):
        raise ValueError(
            f"In {text!r} the token of {io.name!r} must stand once and that of {subject.name!r} twice; this tokenizer "
            f"makes {' | '.join(token_texts(tokenizer, ids))}. Leave these names out, or change the template."
        )
    if ids[-1] in tokenizer.all_special_ids:
        raise ValueError(
            f"This tokenizer ends a text with {token_texts(tokenizer, ids)[-1]!r}, so that no answer can come next: "
            "make it without (such as add_eos_token=False)."
        )
    first, second = of_subject
    return {"IO": of_io[0], "S1": first, "S1+1": first + 1, "S2": second, "END": len(ids) - 1}
