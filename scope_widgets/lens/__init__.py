"""The residual stream read out before its end, which parts of the model write the answer's logit, and loss a token."""

from scope_widgets.lens.direct_logit_attribution import Attribution, direct_logit_attribution
from scope_widgets.lens.logit_lens import LogitLens, logit_lens
from scope_widgets.lens.neuron_attribution import NeuronAttribution, neuron_attribution
from scope_widgets.lens.token_loss import TokenLoss, token_loss

__all__ = [
    "Attribution",
    "LogitLens",
    "NeuronAttribution",
    "TokenLoss",
    "direct_logit_attribution",
    "logit_lens",
    "neuron_attribution",
    "token_loss",
]
