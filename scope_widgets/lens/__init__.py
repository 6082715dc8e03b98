"""What the residual stream says when it is read out before its end, and which parts of the model wrote it."""

from scope_widgets.lens.attribution import Attribution, direct_logit_attribution
from scope_widgets.lens.logit_lens import LogitLens, logit_lens

__all__ = ["Attribution", "LogitLens", "direct_logit_attribution", "logit_lens"]
