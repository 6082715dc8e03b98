"""Claims: what an entry says a component does, in a small closed language that can be run; plain JSON, never code.

A claim says on what of a prompt the component's activation depends, and what it does with it:

======================================== ==========================================================================
{"depends_on": [role, ...]}              its activation matters only by what the prompt has at these roles
{"attends": [role, role], "least": a}    of a head: it attends from the first to the second, at least `a` on average
                                         (.2), and what is at the second is what matters
{"copies": role}                         it raises the logit of the token at the role ("answer": the right answer)
{"suppresses": role}                     it lowers that logit
{"fires_on": [word, ...]}                of a feature: it fires on these tokens and on no others
{"fires_after": [word, ...]}             the same, on the token after one of these
{"all": [claim, ...]}                    several of these
======================================== ==========================================================================

Roles are those of `claims.roles`. Each but those of features implies a dependence on its roles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from scope_widgets._untrusted import check_text, opening
from scope_widgets.report.claims.roles import check_role

#: what JSON knows
ClaimData: TypeAlias = dict[str, Any]

_MOST, _LEAST = 16, 0.2
_KNOWN = "depends_on, attends (with least), copies, suppresses, fires_on, fires_after and all"


@dataclass(frozen=True)
class Claim:
    """A claim that was read.

    Attributes
    ----------
    roles : tuple of str
        What the activation depends on.
    attends : tuple of (str, str, float)
        From which role to which, and how much at least.
    copies : tuple of (str, int)
        Roles whose token's logit is raised (1) or lowered (-1).
    fires : tuple of (int, tuple of str)
        Of a feature: tokens before the one on which it fires, so many positions back.
    """

    roles: tuple[str, ...] = ()
    attends: tuple[tuple[str, str, float], ...] = ()
    copies: tuple[tuple[str, int], ...] = ()
    fires: tuple[tuple[int, tuple[str, ...]], ...] = field(default=())

    def __add__(self, other: Claim) -> Claim:
        """Return the claim that both hold."""
        return Claim(
            tuple(dict.fromkeys((*self.roles, *other.roles))),
            (*self.attends, *other.attends),
            (*self.copies, *other.copies),
            (*self.fires, *other.fires),
        )


def read_claim(data: Any) -> Claim:
    """Return the claim that JSON data says.

    Parameters
    ----------
    data : dict

    Raises
    ------
    ValueError
        Where nobody could run it: it is a text, has words that the language does not know, or says nothing.

    Examples
    --------
    >>> from scope_widgets.report.claims.claim import read_claim
    >>> read_claim({"attends": ["END", "IO"]}).roles
    ('IO',)
    """
    try:
        claim = _read(data, 2)
    except ValueError as error:
        raise ValueError(f"This claim cannot be run: {error}. {_HOW}") from None
    if not claim.roles and not claim.fires:
        raise ValueError(f"This claim cannot be run: it says nothing that could be wrong. {_HOW}")
    if claim.roles and claim.fires:
        raise ValueError(f"This claim cannot be run: it is of a feature and of a role of a prompt in one. {_HOW}")
    return claim


_HOW = 'Write it as data, such as {"attends": ["END", "IO"]} or {"depends_on": ["S"]}; free text goes into note=.'


def said(data: ClaimData) -> str:
    """Return a claim in words.

    Examples
    --------
    >>> from scope_widgets.report.claims.claim import said
    >>> said({"all": [{"attends": ["END", "IO"]}, {"copies": "IO"}]})
    'attends from END to IO (0.2 at least); raises the logit of the token at IO; depends on nothing but IO'
    """
    claim = read_claim(data)
    words = [f"attends from {query} to {key} ({least:g} at least)" for query, key, least in claim.attends]
    words += [f"{'raises' if sign > 0 else 'lowers'} the logit of the token at {role}" for role, sign in claim.copies]
    if claim.roles:
        words.append(f"depends on nothing but {', '.join(claim.roles)}")
    for back, tokens in claim.fires:
        words.append(f"fires {'after' if back else 'on'} {', '.join(map(repr, tokens))}")
    return "; ".join(words)


def _read(data: Any, depth: int) -> Claim:
    if not isinstance(data, dict):
        raise ValueError(f"it is {opening(data)}, and no object")
    if unknown := [name for name in data if name not in _READERS and name != "least"]:
        raise ValueError(f"it says {opening(unknown[0])}, and what can be said is {_KNOWN}")
    if "least" in data and "attends" not in data:
        raise ValueError("least belongs to attends")
    found = Claim()
    for name, given in data.items():
        if name == "all":
            if not isinstance(given, list) or not 0 < len(given) <= _MOST or not depth:
                raise ValueError(f"all is a list of 1 to {_MOST} claims, two deep at most")
            for one in given:
                found += _read(one, depth - 1)
        elif name != "least":
            found += _READERS[name](given, data)
    return found


def _depends(given: Any, data: ClaimData) -> Claim:
    return Claim(roles=tuple(check_role(role) for role in _list("depends_on", given)))


def _attends(given: Any, data: ClaimData) -> Claim:
    least = data.get("least", _LEAST)
    if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 < least <= 1:
        raise ValueError(f"least is a share of attention above 0; got {opening(least)}")
    roles = _list("attends", given)
    if len(roles) != 2:
        raise ValueError("attends has two roles, from where and to where")
    query, key = map(check_role, roles)
    return Claim((key,), ((query, key, float(least)),))


def _copies(given: Any, data: ClaimData, sign: int = 1) -> Claim:
    role = check_role(given)
    return Claim((role,), copies=((role, sign),))


def _fires(given: Any, back: int) -> Claim:
    words = _list("fires_on", given)
    if not all(isinstance(word, str) and word for word in words):
        raise ValueError("what a feature fires on are texts of tokens")
    return Claim(fires=((back, tuple(check_text(word) for word in words)),))


def _list(name: str, given: Any) -> list[Any]:
    if not isinstance(given, list) or not 0 < len(given) <= 64:
        raise ValueError(f"{name} is a list of 1 to 64; got {opening(given)}")
    return given


_READERS: dict[str, Any] = {
    "all": None,
    "depends_on": _depends,
    "attends": _attends,
    "copies": _copies,
    "suppresses": lambda given, data: _copies(given, data, -1),
    "fires_on": lambda given, data: _fires(given, 0),
    "fires_after": lambda given, data: _fires(given, 1),
}
