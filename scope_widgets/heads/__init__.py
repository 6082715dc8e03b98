"""What each attention head does, as numbers with their evidence.

`score` gives every statistic of a trace, `score_repeated_tokens` the induction test proper, `label` names what passes
a threshold and a null, `importance` ablates every head, `rollout` follows attention through the layers. `recall_heads`
finds the heads that look at the subject of a fact, `compare_heads` those that differ between two sets of prompts.
`copying` asks what a head makes of a token that it looks at, `composition` which heads' weights read which.
"""

from scope_widgets.heads.comparison import HeadComparison, compare_heads
from scope_widgets.heads.composition import composition
from scope_widgets.heads.copying import copying
from scope_widgets.heads.correction import correct
from scope_widgets.heads.facts import Fact, FactPrompt, FactSet, PromptPair
from scope_widgets.heads.importance import importance
from scope_widgets.heads.known_facts import known_facts
from scope_widgets.heads.labels import THRESHOLDS, HeadLabels, label
from scope_widgets.heads.patterns import entropy, rollout, top_attended
from scope_widgets.heads.recall import RecallHeads, recall_heads
from scope_widgets.heads.score import score, score_repeated_tokens
from scope_widgets.heads.scores import HeadScores
from scope_widgets.heads.subjects import SubjectAttention, subject_attention, subject_positions

__all__ = [
    "THRESHOLDS",
    "Fact",
    "FactPrompt",
    "FactSet",
    "HeadComparison",
    "HeadLabels",
    "HeadScores",
    "PromptPair",
    "RecallHeads",
    "SubjectAttention",
    "compare_heads",
    "composition",
    "copying",
    "correct",
    "entropy",
    "importance",
    "known_facts",
    "label",
    "recall_heads",
    "rollout",
    "score",
    "score_repeated_tokens",
    "subject_attention",
    "subject_positions",
    "top_attended",
]
