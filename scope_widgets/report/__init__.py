"""Report: what a model is, written down as entries with claims that can be run, verified and scored."""

from scope_widgets.report.analyse import analyse, analyse_part, write
from scope_widgets.report.architecture import architecture
from scope_widgets.report.documentation import Documentation, document, schema
from scope_widgets.report.entries.entry import Entry, Evidence
from scope_widgets.report.exchange.mib import from_mib, to_mib
from scope_widgets.report.exchange.model_card import to_model_card
from scope_widgets.report.exchange.neuronpedia_graph import to_neuronpedia_graph
from scope_widgets.report.figures import Figure
from scope_widgets.report.fingerprint import fingerprint
from scope_widgets.report.model_facts import Architecture, Fact
from scope_widgets.report.pages.markdown import summary
from scope_widgets.report.scoring.behaviour_score import BehaviourScore
from scope_widgets.report.scoring.score import TransparencyScore
from scope_widgets.report.suite import SUITE, Behaviour, Suite, digest_of
from scope_widgets.report.writers.behaviours import WRITERS, write_behaviour
from scope_widgets.report.writers.features import write_features
from scope_widgets.report.writers.written import Writer, Written

__all__ = [
    "SUITE",
    "WRITERS",
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
    "Writer",
    "Written",
    "analyse",
    "analyse_part",
    "architecture",
    "digest_of",
    "document",
    "fingerprint",
    "from_mib",
    "schema",
    "summary",
    "to_mib",
    "to_model_card",
    "to_neuronpedia_graph",
    "write",
    "write_behaviour",
    "write_features",
]
