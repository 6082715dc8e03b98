"""Suites of questions to a model, and a model before and after an intervention."""

from scope_widgets.evals.compare import compare, compared
from scope_widgets.evals.comparison import Comparison
from scope_widgets.evals.eval_result import EvalResult
from scope_widgets.evals.harness import harness_model
from scope_widgets.evals.interventions import Intervention
from scope_widgets.evals.items import Beginning, Document, Fact, Pair, Question
from scope_widgets.evals.measures.outcome import Output
from scope_widgets.evals.metrics import METRICS, Metric, TaskScores
from scope_widgets.evals.profanity import PROFANITY_AUC, LabelledTexts, hatecheck, profanity, scorer_auc
from scope_widgets.evals.readers.read import read
from scope_widgets.evals.run import run
from scope_widgets.evals.suite import Suite, load

__all__ = [
    "METRICS",
    "PROFANITY_AUC",
    "Beginning",
    "Comparison",
    "Document",
    "EvalResult",
    "Fact",
    "Intervention",
    "LabelledTexts",
    "Metric",
    "Output",
    "Pair",
    "Question",
    "Suite",
    "TaskScores",
    "compare",
    "compared",
    "harness_model",
    "hatecheck",
    "load",
    "profanity",
    "read",
    "run",
    "scorer_auc",
]
