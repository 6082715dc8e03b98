"""Heads of the IOI circuit as Graphviz DOT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from scope_widgets._types import Head
from scope_widgets.ioi.comparison import check_classes
from scope_widgets.ioi.published import CLASSES

#: class -> letter and colour, those of the views
LOOKS: dict[str, tuple[str, str]] = {
    "name_mover": ("N", "#e69f00"),
    "subject_suppressor": ("X", "#cc79a7"),
    "negative_name_mover": ("-", "#d55e00"),
    "s_inhibition": ("S", "#00c5ff"),
    "induction": ("I", "#009e73"),
    "duplicate_token": ("D", "#f1e441"),
    "previous_token": ("P", "#388ae0"),
    "backup_name_mover": ("B", "#ff838b"),
}

#: which class writes what another reads (Wang et al. 2022, figure 2)
FLOW: tuple[tuple[str, str], ...] = (
    ("previous_token", "induction"),
    ("induction", "s_inhibition"),
    ("duplicate_token", "s_inhibition"),
    ("s_inhibition", "name_mover"),
    ("s_inhibition", "subject_suppressor"),
    ("s_inhibition", "negative_name_mover"),
    ("s_inhibition", "backup_name_mover"),
)


def to_dot(
    classes: Mapping[str, Sequence[Head]],
    edges: Iterable[tuple[Head, Head]] | None = None,
    title: str = "",
) -> str:
    """Return heads as Graphviz DOT: one node a head, layers from below, coloured and lettered by class.

    Parameters
    ----------
    classes : dict of class to sequence of (layer, head)
        A head of several classes is one node with all their letters, in the colour of the first.
    edges : iterable of ((layer, head), (layer, head)), optional
        From the head that writes to the one that reads. By default the paper's flow between the classes
        that are there, from each head to those in later layers.
    title : str, default ""

    Returns
    -------
    str
        DOT, for `dot -Tsvg`.

    Raises
    ------
    TypeError, ValueError
        For an unknown class, something else than heads, or an edge of a head that is not among them.
    """
    heads = check_classes(classes, "classes")
    of: dict[Head, list[str]] = {}
    for name in CLASSES:
        for head in heads.get(name, []):
            of.setdefault(head, []).append(name)
    legend = ", ".join(f"{LOOKS[name][0]} {name.replace('_', ' ')}" for name in CLASSES if heads.get(name))
    label = _quoted("\n".join(line for line in (title, legend) if line))
    lines = [
        "digraph ioi {",
        f'  graph [rankdir=BT, ranksep=0.6, nodesep=0.2, fontname="Helvetica", labelloc=t, label={label}];',
        '  node [shape=circle, style=filled, width=0.7, fixedsize=true, fontname="Helvetica", fontsize=11];',
        '  edge [color="#62666d80", arrowsize=0.6];',
    ]
    rows = [[head for head in sorted(of) if head[0] == layer] for layer in sorted({layer for layer, _ in of})]
    lines += [f"  {{ rank=same; {' '.join(_node(head, of[head]) for head in row)} }}" for row in rows]
    # rows keep the order of the layers also where no edge says so
    lines += [f"  {_name(low[0])} -> {_name(high[0])} [style=invis];" for low, high in pairwise(rows)]
    lines += [f"  {_name(one)} -> {_name(other)};" for one, other in _edges(heads, edges, of)]
    return "\n".join([*lines, "}", ""])


def _edges(
    heads: Mapping[str, Sequence[Head]], edges: Iterable[tuple[Head, Head]] | None, known_heads: Iterable[Head]
) -> list[tuple[Head, Head]]:
    if edges is None:
        flow = ((a, b) for one, other in FLOW for a in heads.get(one, []) for b in heads.get(other, []) if a[0] < b[0])
        return list(dict.fromkeys(flow))
    known = set(known_heads)
    given = [((int(a[0]), int(a[1])), (int(b[0]), int(b[1]))) for a, b in edges]
    missing = [head for edge in given for head in edge if head not in known]
    if missing:
        raise ValueError(f"edges= goes to or from {missing[0]}, which is no head of classes=. Add it to a class.")
    return list(dict.fromkeys(given))


def _node(head: Head, names: Sequence[str]) -> str:
    letters = "".join(LOOKS[name][0] for name in names)
    label = f"{letters}\\n{head[0]}.{head[1]}"
    tooltip = ", ".join(name.replace("_", " ") for name in names)
    return f'{_name(head)} [label="{label}", tooltip="{tooltip}", fillcolor="{LOOKS[names[0]][1]}"];'


def _name(head: Head) -> str:
    return f'"{head[0]}.{head[1]}"'


def _quoted(text: str) -> str:
    """Quote a text as DOT does."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
