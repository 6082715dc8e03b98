"""What each attention head does, as numbers with their evidence.

`score` gives every statistic of a trace, `score_repeated_tokens` the induction test proper, `label` names what passes
a threshold and a null, `importance` ablates every head, `rollout` follows attention through the layers.
"""

from scope_widgets.heads.importance import importance
from scope_widgets.heads.labels import THRESHOLDS, HeadLabels, label
from scope_widgets.heads.patterns import entropy, rollout, top_attended
from scope_widgets.heads.score import score, score_repeated_tokens
from scope_widgets.heads.scores import HeadScores

__all__ = [
    "THRESHOLDS",
    "HeadLabels",
    "HeadScores",
    "entropy",
    "importance",
    "label",
    "rollout",
    "score",
    "score_repeated_tokens",
    "top_attended",
]
