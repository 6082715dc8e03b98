"""The planted induction model as a behaviour of a suite, and what is true of it."""

from __future__ import annotations

from scope_widgets import report
from tests.support.planted_induction_model import repeated


def make(scope, *, n, seed):
    return repeated(scope, n=n, seed=seed)


REPEATED = report.Behaviour("repeated", make, (("answer",), ("echo", "answer")))
SUITE = report.Suite("planted", (REPEATED,))

PREVIOUS = {"attends": ["echo+1", "echo"]}
INDUCTION = {"all": [{"attends": ["END", "echo+1"]}, {"copies": "answer"}]}
MOVER = {"all": [{"attends": ["END", "END"]}, {"depends_on": ["answer"]}, {"copies": "answer"}]}


def entries(claims=(PREVIOUS, INDUCTION, MOVER)):
    """Entries about the three heads; with other claims where these are given."""
    heads = ("a0.h1", "a1.h2", "a2.h3")
    return [report.Entry("head", (head,), "repeated", claim) for head, claim in zip(heads, claims, strict=True)]
