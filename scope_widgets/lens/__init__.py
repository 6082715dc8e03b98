"""The residual stream read out before its end, and which parts of the model write the answer's logit."""

from scope_widgets.lens.direct_logit_attribution import Attribution, direct_logit_attribution
from scope_widgets.lens.logit_lens import LogitLens, logit_lens

__all__ = ["Attribution", "LogitLens", "direct_logit_attribution", "logit_lens"]
