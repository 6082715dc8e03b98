"""Report: what a model is, written down as entries with claims that can be run, verified and scored."""

from scope_widgets.report.documentation import Documentation, document, schema
from scope_widgets.report.entries.entry import Entry, Evidence
from scope_widgets.report.figures import Figure
from scope_widgets.report.model_facts import Architecture, Fact
from scope_widgets.report.scoring.behaviour_score import BehaviourScore
from scope_widgets.report.scoring.score import TransparencyScore
from scope_widgets.report.suite import SUITE, Behaviour, Suite, digest_of

__all__ = [
    "SUITE",
    "Architecture",
    "Behaviour",
    "BehaviourScore",
    "Documentation",
    "Entry",
    "Evidence",
    "Fact",
    "Figure",
    "Suite",
    "TransparencyScore",
    "digest_of",
    "document",
    "schema",
]
