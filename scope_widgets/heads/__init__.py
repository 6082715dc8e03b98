"""What each attention head does, as numbers with their evidence.

`score` computes every statistic of a trace, `score_repeated_tokens` is the induction test proper, `label` names the
heads that pass a threshold and a null, `importance` ablates every head. `entropy`, `top_attended` and `rollout` look
closer at patterns, `value_weighted_attention` and `writes` at what a head adds to the residual stream, `copying`,
`composition`, `ov_tokens`, `copied_tokens` and `qk_tokens` at weights (`weight_matrices`). `recall_heads` finds the
heads that attend to the subject of a fact, `compare_heads` those that differ between two sets of prompts.
"""

from scope_widgets.experiments.statistics.multiple_comparisons import correct
from scope_widgets.heads.attention_patterns import (
    AttentionEntropy,
    AttentionRollout,
    TopAttended,
    entropy,
    rollout,
    top_attended,
)
from scope_widgets.heads.compare_heads import HeadComparison, compare_heads
from scope_widgets.heads.composition import CompositionScores, composition
from scope_widgets.heads.copying import copying
from scope_widgets.heads.factual_recall.fact_set import FactSet
from scope_widgets.heads.factual_recall.facts import Fact, FactPrompt, PromptPair
from scope_widgets.heads.factual_recall.known_facts import known_facts
from scope_widgets.heads.factual_recall.recall_heads import RecallHeads, recall_heads
from scope_widgets.heads.factual_recall.subject_attention import SubjectAttention, subject_attention
from scope_widgets.heads.factual_recall.subject_positions import subject_positions
from scope_widgets.heads.head_scores import HeadScores
from scope_widgets.heads.head_tokens import HeadTokens
from scope_widgets.heads.head_writes import writes
from scope_widgets.heads.importance import importance
from scope_widgets.heads.label import THRESHOLDS, HeadLabels, label
from scope_widgets.heads.score import score, score_repeated_tokens
from scope_widgets.heads.value_weighted import ValueWeightedAttention, value_weighted_attention
from scope_widgets.heads.weight_matrices import HeadMatrices, weight_matrices
from scope_widgets.heads.weight_tokens import copied_tokens, ov_tokens, qk_tokens

__all__ = [
    "THRESHOLDS",
    "AttentionEntropy",
    "AttentionRollout",
    "CompositionScores",
    "Fact",
    "FactPrompt",
    "FactSet",
    "HeadComparison",
    "HeadLabels",
    "HeadMatrices",
    "HeadScores",
    "HeadTokens",
    "PromptPair",
    "RecallHeads",
    "SubjectAttention",
    "TopAttended",
    "ValueWeightedAttention",
    "compare_heads",
    "composition",
    "copied_tokens",
    "copying",
    "correct",
    "entropy",
    "importance",
    "known_facts",
    "label",
    "ov_tokens",
    "qk_tokens",
    "recall_heads",
    "rollout",
    "score",
    "score_repeated_tokens",
    "subject_attention",
    "subject_positions",
    "top_attended",
    "value_weighted_attention",
    "weight_matrices",
    "writes",
]
