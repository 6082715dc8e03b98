"""`Entry`: one statement about a component, with what verification said of it; and `Evidence`, one test."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from scope_widgets._check_choice import check_choice
from scope_widgets._untrusted import check_text, opening
from scope_widgets.report.claims.claim import Claim, ClaimData, read_claim
from scope_widgets.report.entries.components import EntryKind, check_names

Status: TypeAlias = Literal["verified", "rejected", "untested"]
TestName: TypeAlias = Literal["ablation", "agree", "disagree", "attention", "logit", "leave one out", "firing"]

#: characters of an id, a behaviour, a group; of a note
_NAME, _NOTE = 200, 4000
#: beyond it an int is no float, and its digits are too many to be written down
_LARGEST = 10**300


@dataclass(frozen=True)
class Evidence:
    """What one test said of an entry, on prompts that its discovery did not use.

    Attributes
    ----------
    test : {"ablation", "agree", "disagree", "attention", "logit", "leave one out", "firing"}
        What was tested, see `Documentation.verify`.
    effect, low, high : float
        The test's number and its 95 % interval (bootstrap over the prompts).
    p, q : float
        Of no effect; `q` after Benjamini-Hochberg over all entries. NaN where the test has none.
    null : float
        What chance, or the components of the same kind, show of it.
    prompts : int
        Number of prompts.
    seed : int
        Of these prompts.
    ablation : str
        What was put in the place of what, as a sentence.
    passed : bool
    """

    test: TestName
    effect: float
    low: float
    high: float
    p: float
    q: float
    null: float
    prompts: int
    seed: int
    ablation: str
    passed: bool

    def to_data(self) -> dict[str, Any]:
        """Return it as what JSON knows: null for what is not a number."""
        found = dict(vars(self))
        return {name: None if isinstance(one, float) and math.isnan(one) else one for name, one in found.items()}


@dataclass(frozen=True)
class Entry:
    """One statement about components of a model, which can be tested.

    Attributes
    ----------
    kind : {"head", "mlp", "edge", "circuit", "feature"}
    components : tuple of str
        Heads "a3.h1", MLPs "m2", edges "a1.h2->a2.h3<q>" (one, or those of a circuit), features "3.27".
    behaviour : str
        What they do it for: the name of a behaviour of the suite.
    claim : dict
        What they do, in the language of `report.claims`: data, never code.
    id : str
        By default made of behaviour, kind and components.
    group : str
        Entries of one group back each other up: they are left out together where one by one they are not missed.
    note : str
        Free text, which counts for nothing.
    evidence : tuple of Evidence
    status : {"untested", "verified", "rejected"}
    reason : str
        Why it has that status.

    Examples
    --------
    >>> from scope_widgets import report
    >>> entry = report.Entry("head", ("a3.h1",), "ioi", {"attends": ["END", "IO"]})
    >>> entry.id, entry.status
    ('ioi head a3.h1', 'untested')
    """

    kind: EntryKind
    components: tuple[str, ...]
    behaviour: str
    claim: ClaimData
    id: str = ""
    group: str = ""
    note: str = ""
    evidence: tuple[Evidence, ...] = ()
    status: Status = "untested"
    reason: str = ""
    _parsed: Claim = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check it, so that an entry that exists can be tested."""
        check_choice("kind", self.kind, EntryKind)
        object.__setattr__(self, "components", check_names(self.kind, self.components))
        for name, most in (("behaviour", _NAME), ("id", _NAME), ("group", _NAME), ("note", _NOTE), ("reason", _NOTE)):
            given = getattr(self, name)
            if not isinstance(given, str) or len(given) > most:
                raise ValueError(f"{name}= is a text of up to {most:,} characters; got {opening(given)}.")
            check_text(given)
        if not self.behaviour:
            raise ValueError("behaviour= says what the components do it for, such as 'ioi'; it is empty.")
        check_choice("status", self.status, Status)
        parsed = read_claim(self.claim)
        if parsed.attends and self.kind != "head":
            raise ValueError(f"Only heads attend, and this entry is of kind {self.kind!r}: say depends_on or copies.")
        if bool(parsed.fires) != (self.kind == "feature"):
            raise ValueError(
                "The claim of a feature is fires_on or fires_after, and of anything else it is none of these; this "
                f"entry is of kind {self.kind!r}."
            )
        object.__setattr__(self, "claim", json.loads(json.dumps(self.claim)))  # a copy that nobody else changes
        object.__setattr__(self, "_parsed", parsed)
        if not self.id:
            several = f" and {len(self.components) - 1:,} more" if len(self.components) > 1 else ""
            name = f"{self.behaviour} {self.kind} {self.components[0]}{several}"
            object.__setattr__(self, "id", name[:_NAME])

    def __hash__(self) -> int:
        """Return the hash of what it says."""
        return hash(self.content)

    @property
    def parsed(self) -> Claim:
        """The claim as it was read."""
        return self._parsed

    @property
    def content(self) -> str:
        """What it says, without what was found of it: two entries of one content are duplicates."""
        # what the claim comes to, not in which order or in how many parts a person wrote it
        claim = [sorted(part) for part in vars(self.parsed).values()]
        said = [self.kind, sorted(self.components), self.behaviour, claim]
        return json.dumps(said, sort_keys=True, ensure_ascii=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of its content."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    def tested(self, status: Status, reason: str, evidence: Sequence[Evidence] = ()) -> Entry:
        """Return it with a status, and more evidence."""
        return replace(self, status=status, reason=reason, evidence=(*self.evidence, *evidence))

    def untested(self) -> Entry:
        """Return it without what was found of it."""
        return replace(self, status="untested", reason="", evidence=())

    def to_data(self) -> dict[str, Any]:
        """Return it as what JSON knows."""
        return {
            "id": self.id,
            "kind": self.kind,
            "components": list(self.components),
            "behaviour": self.behaviour,
            "claim": self.claim,
            "group": self.group,
            "note": self.note,
            "status": self.status,
            "reason": self.reason,
            "evidence": [one.to_data() for one in self.evidence],
        }

    @classmethod
    def from_data(cls, data: Any) -> Entry:
        """Return the entry that JSON data says; `kind`, `components`, `behaviour` and `claim` are needed.

        Raises
        ------
        ValueError
            Where it is none, or its claim cannot be run.
        """
        if not isinstance(data, dict):
            raise ValueError(f"An entry is an object, and this is {opening(data)}.")
        known = {"id", "kind", "components", "behaviour", "claim", "group", "note", "status", "reason", "evidence"}
        if missing := [name for name in ("kind", "components", "behaviour", "claim") if name not in data]:
            raise ValueError(f"This entry has no {missing[0]}: {opening(str(data))}.")
        if unknown := [name for name in data if name not in known]:
            raise ValueError(f"An entry has no {opening(unknown[0])}; it has {', '.join(sorted(known))}.")
        rest = {name: data[name] for name in ("id", "group", "note", "status", "reason") if name in data}
        evidence = data.get("evidence", [])
        if not isinstance(evidence, list):
            raise ValueError(f"evidence is a list; got {opening(evidence)}.")
        return cls(
            data["kind"],
            data["components"],
            data["behaviour"],
            data["claim"],
            evidence=tuple(_evidence(one) for one in evidence),
            **rest,
        )


def _evidence(data: Any) -> Evidence:
    names = tuple(Evidence.__dataclass_fields__)
    if not isinstance(data, dict) or set(data) != set(names):
        raise ValueError(f"Evidence is an object of {', '.join(names)}; got {opening(str(data))}.")
    check_choice("test", data["test"], TestName)
    numbers = {}
    for name in ("effect", "low", "high", "p", "q", "null"):
        one = data[name]
        if one is not None and (isinstance(one, bool) or not isinstance(one, (int, float))):
            raise ValueError(f"{name} of evidence is a number; got {opening(one)}.")
        if isinstance(one, int) and abs(one) > _LARGEST:
            raise ValueError(f"{name} of evidence is larger than a number can be.")
        numbers[name] = math.nan if one is None else float(one)
    for name, kind in (("prompts", int), ("seed", int), ("ablation", str), ("passed", bool)):
        if type(data[name]) is not kind or (kind is int and abs(data[name]) > _LARGEST):
            raise ValueError(f"{name} of evidence is {opening(data[name])}.")
    return Evidence(**(data | numbers))
