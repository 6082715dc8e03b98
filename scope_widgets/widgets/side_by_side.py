"""What AttentionView shows of a second trace beside the first: which positions and heads are each other's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scope_widgets.experiments.align_tokens import align, aligned_difference

Float32 = npt.NDArray[np.float32]
HeadPair = tuple[tuple[int, int], tuple[int, int]]
By = Literal["positions", "tokens", "roles"]
Alignment = By | Mapping[int, int]
Roles = tuple[Mapping[str, int], Mapping[str, int]]
Pairs = Mapping[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class SideBySide:
    """Which positions and heads of A and B are each other's.

    Attributes
    ----------
    partners : tuple of int
        Of each position of A that of B, -1 for none; empty where each is that of its own number.
    pairs : tuple of ((layer, head), (layer, head))
        Heads of A and those of B beside them, where these are not of one name.
    shape : (layers, heads)
        Of B.
    differs : bool
        Whether B - A is shown: heads of one name in models of as many layers and heads.
    said : str
        What is compared, as a sentence; empty where nothing has to be said.
    arguments : tuple of str
        What was given, as Python.
    """

    partners: tuple[int, ...] = ()
    pairs: tuple[HeadPair, ...] = ()
    shape: tuple[int, int] = (0, 0)
    differs: bool = True
    said: str = ""
    arguments: tuple[str, ...] = ()

    def head(self, layer: int, head: int) -> tuple[int, int] | None:
        """Return the head of B beside a head of A; None where B has none."""
        found = dict(self.pairs).get((layer, head), (layer, head))
        return found if found[0] < self.shape[0] and found[1] < self.shape[1] else None

    def difference(self, a: Float32, b: Float32) -> Float32:
        """Return B - A over `[query, key]` of A; NaN where a position has no partner, or its key is after its query."""
        if not self.partners:
            return b - a
        difference: Float32 = aligned_difference(a, b, self.partners)
        return difference


def side_by_side(
    trace: Any, versus: Any, align_by: Alignment | None, roles: Roles | None, pairs: Pairs | None
) -> SideBySide:
    """Return what of two traces stands beside each other.

    Raises
    ------
    ValueError
        With a sentence: for roles or pairs that do not fit the traces.
    """
    partners, how = _positions(trace, versus, align_by, roles)
    given: tuple[HeadPair, ...] = tuple(
        (_head(one, trace, "`trace`"), _head(other, versus, "`versus`")) for one, other in (pairs or {}).items()
    )
    given = tuple(pair for pair in given if pair[0] != pair[1])
    shapes = [(of.n_layers, of.n_heads) for of in (trace, versus)]
    differs = shapes[0] == shapes[1] and not given
    aligned = sum(place >= 0 for place in partners)
    said = []
    if partners:
        over = "; B − A is over these, and hatched elsewhere" if differs else ""
        said.append(f"{aligned} of {len(partners)} tokens of A are aligned with one of B {how}{over}.")
    if shapes[0] != shapes[1]:
        (layers, heads), (others, of) = shapes
        said.append(
            f"A has {layers} layers of {heads} heads and B {others} of {of}: heads of one name stand beside each "
            "other, which does not make them alike, so there is no B − A."
        )
    if given:
        names = ", ".join(f"{_name(one)} beside {_name(other)}" for one, other in given[:6])
        more = f" and {len(given) - 6} more" if len(given) > 6 else ""
        no = "" if shapes[0] != shapes[1] else "; there is no B − A of pairs of one's own"
        said.append(f"As given, heads of A and B: {names}{more}{no}.")
    arguments = [f"{name}={value}" for name, value in _given(align_by, roles, given).items()]
    return SideBySide(partners, given, shapes[1], differs, " ".join(said), tuple(arguments))


def _given(align_by: Alignment | None, roles: Roles | None, pairs: tuple[HeadPair, ...]) -> dict[str, str]:
    """Return what was given as Python literals, of plain numbers and texts only."""
    given = {}
    if isinstance(align_by, str):
        given["align"] = repr(align_by)
    elif align_by is not None:
        given["align"] = repr({int(a): int(b) for a, b in align_by.items()})
    if roles is not None:
        given["roles"] = repr(tuple({str(role): int(at) for role, at in one.items()} for one in roles))
    if pairs:
        given["pairs"] = repr(dict(pairs))
    return given


def _positions(trace: Any, versus: Any, align_by: Alignment | None, roles: Roles | None) -> tuple[tuple[int, ...], str]:
    """Return the partners of the positions of A, and by what they are; none where all are of their own number."""
    a, b = list(trace.tokens), list(versus.tokens)
    one_model = trace.model_id == versus.model_id
    if align_by is None:
        align_by = (
            "roles" if roles is not None else "positions" if len(a) == len(b) and (one_model or a == b) else "tokens"
        )
    if roles is not None and align_by != "roles":
        raise ValueError("`roles` were given and `align` says another way: leave one of the two out.")
    if align_by == "positions":
        if len(a) != len(b):
            raise ValueError(
                f"`trace` has {len(a)} tokens and `versus` {len(b)}, so they are not aligned by position: "
                'give align="tokens", align="roles" or {position in trace: position in versus}.'
            )
        return (), ""
    if isinstance(align_by, Mapping):
        return _mapped(align_by, len(a), len(b)), "as given"
    how = "by token" if one_model else "by the characters they cover"
    if align_by == "tokens":
        found = align(a, b, characters=not one_model)
    elif align_by == "roles":
        if roles is None:
            raise ValueError(
                'align="roles" needs roles=({role: position in trace}, {role: position in versus}), such as '
                "roles=(prompts[0].positions, prompts[1].positions)."
            )
        found = align(a, b, roles_a=roles[0], roles_b=roles[1], characters=not one_model)
        how = f"by role and {how}"
    else:
        raise ValueError(f'`align` is "positions", "tokens", "roles" or a mapping of positions, not {align_by!r}.')
    return tuple(-1 if place is None else place for place in found), how


def _mapped(places: Mapping[int, int], size_a: int, size_b: int) -> tuple[int, ...]:
    for a, b in places.items():
        if not (0 <= a < size_a and 0 <= b < size_b):
            raise ValueError(
                f"`align` maps position {a} to {b}, but `trace` has {size_a} tokens and `versus` {size_b}, from 0."
            )
    if len(set(places.values())) < len(places):
        raise ValueError("`align` maps two positions of `trace` to one of `versus`: each may come once.")
    return tuple(int(places.get(at, -1)) for at in range(size_a))


def _head(head: Any, trace: Any, name: str) -> tuple[int, int]:
    layer, index = (int(one) for one in head)
    if not (0 <= layer < trace.n_layers and 0 <= index < trace.n_heads):
        raise ValueError(
            f"`pairs` names head {layer}.{index}, but {name} has {trace.n_layers} layers of {trace.n_heads} heads."
        )
    return layer, index


def _name(head: tuple[int, int]) -> str:
    return ".".join(map(str, head))
