"""Circuits that others have published, as plain data."""

from __future__ import annotations

from typing import TypeAlias

from scope_widgets._types import Head

Heads: TypeAlias = dict[str, tuple[Head, ...]]

#: classes of heads in the order of Wang et al. 2022; subject suppressors, which it does not have, are ours
CLASSES = (
    "name_mover",
    "subject_suppressor",
    "negative_name_mover",
    "s_inhibition",
    "induction",
    "duplicate_token",
    "previous_token",
    "backup_name_mover",
)

#: Wang et al. 2022, "Interpretability in the wild: a circuit for indirect object identification in GPT-2 small",
#: arXiv 2211.00593, figure 2: 26 heads as (layer, head), the weaker ones of a class last
GPT2: Heads = {
    "name_mover": ((9, 9), (9, 6), (10, 0)),
    "negative_name_mover": ((10, 7), (11, 10)),
    "s_inhibition": ((7, 3), (7, 9), (8, 6), (8, 10)),
    "induction": ((5, 5), (6, 9), (5, 8), (5, 9)),
    "duplicate_token": ((0, 1), (3, 0), (0, 10)),
    "previous_token": ((2, 2), (4, 11)),
    "backup_name_mover": ((9, 0), (9, 7), (10, 1), (10, 2), (10, 6), (10, 10), (11, 2), (11, 9)),
}

_PUBLISHED: dict[str, Heads] = {"gpt2": GPT2}


def known(name: str) -> Heads:
    """Return the published heads of a model's IOI circuit, class -> ((layer, head), ...).

    Parameters
    ----------
    name : str
        "gpt2" (GPT-2 small), also with its owner as on the hub.

    Raises
    ------
    ValueError
        When none is known for this model.

    Examples
    --------
    >>> ioi.known("gpt2")["name_mover"]
    ((9, 9), (9, 6), (10, 0))
    """
    heads = _PUBLISHED.get(str(name).split("/")[-1])
    if heads is None:
        raise ValueError(
            f"No published IOI circuit is known for {name!r}; there is one for {', '.join(map(repr, _PUBLISHED))}. "
            "Give your own as {class: [(layer, head), ...]}."
        )
    return dict(heads)
