"""Groups of prompts over which a mean is taken."""

from __future__ import annotations

from collections.abc import Sequence


def groups_by_length(templates: Sequence[int], rows: Sequence[Sequence[int]]) -> list[int]:
    """Return each prompt's group: its template, or a number of its own for each further length of the same template.

    Parameters
    ----------
    templates : sequence of int
    rows : sequence of sequence of int
        Token ids of each prompt.

    Returns
    -------
    list of int
        Prompts of one group have one template and one length.
    """
    first: dict[int, int] = {}
    further: dict[tuple[int, int], int] = {}
    free = max(templates, default=-1) + 1
    groups = []
    for template, row in zip(templates, rows, strict=True):
        if first.setdefault(template, len(row)) == len(row):
            groups.append(int(template))
        else:
            groups.append(further.setdefault((template, len(row)), free + len(further)))
    return groups
