"""Results as plotly figures: `result.plot(...)`, or these functions; `save` writes one as a file.

Every result finds its function by name, as it finds its widget, so that lower floors import nothing of this. A figure
draws the numbers of its result: exact on hover, without interpolation, grey where nothing was run. Texts of tokens are
drawn literally, whatever markup they hold. `theme="dark"` is for a dark ground.
"""

from scope_widgets.plots.activations import activation_statistics, token_norms
from scope_widgets.plots.attention_patterns import (
    attention,
    attention_comparison,
    attention_entropy,
    attention_flow,
    attention_heads,
    attention_pattern,
    top_attended,
    value_weighted_attention,
)
from scope_widgets.plots.circuit_evaluation import (
    completeness,
    faithfulness,
    faithfulness_curve,
    latent_faithfulness,
    minimality,
)
from scope_widgets.plots.circuits import attribution_graph, circuit, edge_positions
from scope_widgets.plots.evals import eval_comparison, eval_result
from scope_widgets.plots.features import (
    feature_comparison,
    feature_labels,
    feature_rates,
    sae_scores,
    sparse_probes,
    training_curves,
)
from scope_widgets.plots.geometry import (
    clusters,
    dimension,
    geometry_statistics,
    geometry_summary,
    projected,
    spectrum,
)
from scope_widgets.plots.heads import (
    composition,
    head_effects,
    head_labels,
    head_scores,
    head_tokens,
    ranked_heads,
    score_distributions,
    subject_attention,
    top_heads,
)
from scope_widgets.plots.ioi import head_ablation, ioi_heads, reference_comparison
from scope_widgets.plots.lens import component_effects, logit_lens, neurons, token_loss, token_values, watched_tokens
from scope_widgets.plots.patching_effects import ablation, patching
from scope_widgets.plots.probing import causal_test, probes
from scope_widgets.plots.projections import projection, spaces
from scope_widgets.plots.report import architecture, documentation, transparency_score
from scope_widgets.plots.save_figure import save
from scope_widgets.plots.steering import direction, fact_effect, steered, strength_sweep
from scope_widgets.plots.tables import table

__all__ = [
    "ablation",
    "activation_statistics",
    "architecture",
    "attention",
    "attention_comparison",
    "attention_entropy",
    "attention_flow",
    "attention_heads",
    "attention_pattern",
    "attribution_graph",
    "causal_test",
    "circuit",
    "clusters",
    "completeness",
    "component_effects",
    "composition",
    "dimension",
    "direction",
    "documentation",
    "edge_positions",
    "eval_comparison",
    "eval_result",
    "fact_effect",
    "faithfulness",
    "faithfulness_curve",
    "feature_comparison",
    "feature_labels",
    "feature_rates",
    "geometry_statistics",
    "geometry_summary",
    "head_ablation",
    "head_effects",
    "head_labels",
    "head_scores",
    "head_tokens",
    "ioi_heads",
    "latent_faithfulness",
    "logit_lens",
    "minimality",
    "neurons",
    "patching",
    "probes",
    "projected",
    "projection",
    "ranked_heads",
    "reference_comparison",
    "sae_scores",
    "save",
    "score_distributions",
    "spaces",
    "sparse_probes",
    "spectrum",
    "steered",
    "strength_sweep",
    "subject_attention",
    "table",
    "token_loss",
    "token_norms",
    "token_values",
    "top_attended",
    "top_heads",
    "training_curves",
    "transparency_score",
    "value_weighted_attention",
    "watched_tokens",
]
