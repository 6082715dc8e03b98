"""The residual stream read out before its end, which parts write the answer's logit, and numbers of tokens."""

from scope_widgets.lens.direct_logit_attribution import Attribution, direct_logit_attribution
from scope_widgets.lens.logit_lens import LogitLens, logit_lens
from scope_widgets.lens.neuron_attribution import NeuronAttribution, neuron_attribution
from scope_widgets.lens.token_loss import TokenLoss, token_loss
from scope_widgets.lens.token_values import token_values
from scope_widgets.traces.token_values import TokenValues

__all__ = [
    "Attribution",
    "LogitLens",
    "NeuronAttribution",
    "TokenLoss",
    "TokenValues",
    "direct_logit_attribution",
    "logit_lens",
    "neuron_attribution",
    "token_loss",
    "token_values",
]
