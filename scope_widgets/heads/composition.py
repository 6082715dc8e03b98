"""`composition`: how strongly the weights of a later head read what an earlier head writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from scope_widgets._aliases import former_options
from scope_widgets._check_choice import check_choice
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import ArrayResult
from scope_widgets._types import Array
from scope_widgets.experiments.qk_ov_circuits.project_qkv import project_qkv
from scope_widgets.experiments.statistics.rounding import noise_floor
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import output_matrices
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

if TYPE_CHECKING:
    import pandas as pd

#: the input of the later head that the earlier one writes to
Kind = Literal["k", "q", "v"]


@dataclass(frozen=True, eq=False, repr=False)
class CompositionScores(ArrayResult):
    """How much each later head composes with each earlier one.

    Attributes
    ----------
    values : ndarray of float64 [later layer, later head, earlier layer, earlier head]
        0 to 1; NaN where the second is not of an earlier layer.
    kind : {"k", "q", "v"}
        Through which of the later head's inputs.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.heads:composition"

    values: Array
    kind: Kind
    provenance: Provenance

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row a pair: later_layer, later_head, earlier_layer, earlier_head, score."""
        import pandas as pd

        pairs = np.nonzero(np.isfinite(self.values))
        names = ("later_layer", "later_head", "earlier_layer", "earlier_head")
        return pd.DataFrame(dict(zip(names, pairs, strict=True)) | {"score": self.values[pairs]})

    def top(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` pairs with the largest score as a table, the largest first."""
        return self.to_dataframe().sort_values("score", ascending=False, kind="stable").head(n)


@former_options("kind")
@remotable
def composition(scope: Microscope, *, kind: Kind = "k") -> CompositionScores:
    """Score how much each later head composes with each earlier one, from the weights alone (Elhage et al. 2021).

    `||W_QK . W_OV||_F / (||W_QK||_F ||W_OV||_F)` with the later head's W_QK (transposed for "q"; its W_OV for "v") and
    the earlier head's W_OV; the gains and centring of norms are folded into the matrices. Rotary embedding is left
    out: queries and keys are those of one and the same position.

    Parameters
    ----------
    scope : Microscope
    kind : {"k", "q", "v"}, default "k"
        Through which of the later head's inputs.

    Returns
    -------
    CompositionScores
        `.values` [later layer, later head, earlier layer, earlier head]; NumPy takes the result as that array. NaN
        also where one of both reads or writes nothing.

    Raises
    ------
    ValueError
        For another kind of composition.
    UnsupportedModelError
        Where attention cannot be looked into, and where queries or keys are no linear map of what enters.

    Examples
    --------
    >>> scores = heads.composition(scope, kind="k")
    >>> scores.shape  # [later layer, later head, earlier layer, earlier head]
    (4, 4, 4, 4)
    >>> scores.top(1)[["later_layer", "later_head", "earlier_layer", "earlier_head"]].values.tolist()
    [[1, 1, 0, 2]]
    """
    check_choice("kind", kind, Kind)
    inputs = {site: [_heads_first(scope, x) for x in layers] for site, layers in _input_maps(scope, kind).items()}
    v, o = inputs["v"], [output_matrices(scope, layer) for layer in range(scope.n_layers)]
    gram_v, gram_o = [x.mT @ x for x in v], [x @ x.mT for x in o]
    # ||A C B||_F with C = W_O . (the later head's map) needs only the d_head x d_head Gram matrices of A and B
    other, gram_other = {"k": ("q", None), "q": ("k", None), "v": ("v", gram_o)}[kind]
    right = gram_other or [x.mT @ x for x in inputs[other]]
    gram_input = [x.mT @ x for x in inputs[kind]]
    square_later = [_squared_norm(a, b) for a, b in zip(gram_input, right, strict=True)]
    square_earlier = [_squared_norm(a, b) for a, b in zip(gram_v, gram_o, strict=True)]
    scores = torch.full((scope.n_layers, scope.n_heads) * 2, torch.nan, dtype=torch.float64)
    for later in tqdm(range(scope.n_layers), desc=f"{kind.upper()}-composition", leave=False):
        for earlier in range(later):
            middle = torch.einsum("eid,ldj->leij", o[earlier], inputs[kind][later])
            squared = ((gram_v[earlier] @ middle @ right[later][:, None]) * middle).sum((-2, -1))
            squares = square_later[later][:, None] * square_earlier[earlier]
            scores[later, :, earlier] = (squared.clamp_min(0) / squares).sqrt()
    provenance = Provenance(
        scope.model_id,
        scope.revision,
        note=f"{kind.upper()}-composition, from the weights alone.",
        calls=(*scope.calls, python_call("heads.composition", "scope", kind=kind)),
    )
    return CompositionScores(scores.numpy(), kind, provenance)


def _squared_norm(a: Tensor, b: Tensor) -> Tensor:
    """Return the squared Frobenius norm of X Y from the Gram matrices `X^T X` and `Y Y^T`, for each head."""
    return (a * b).sum((-2, -1))


def _heads_first(scope: Microscope, matrix: Tensor) -> Tensor:
    """Return a matrix `[d_model, d_head]` for each query head, from those of the key-value heads."""
    return matrix.repeat_interleave(scope.n_heads // matrix.shape[1], dim=1).transpose(0, 1)


def _input_maps(scope: Microscope, kind: Kind) -> dict[str, list[Tensor]]:
    """Return the linear maps `[d_model, head, d_head]` from the residual stream to q, k or v, up to factors.

    Basis vectors go through each block's own norm and projection. They have one norm among them, so the norm's scale is
    one factor for all. Where nothing has a bias they are tiny: then also a norm on queries and keys (Qwen 3, Gemma 3,
    OLMo 2), which is ruled by its epsilon, scales all alike.
    """
    sites = ("v",) if kind == "v" else ("q", "k", "v")
    basis = torch.eye(scope.d_model)
    tests = torch.cat([0 * basis[:1], basis[:1] + basis[1:2]])
    at_zero = project_qkv(scope, tests, sites)
    biased = any(bool(x[0].any()) for layers in at_zero.values() for x in layers)
    tiny = 1e-3 if scope.model.dtype == torch.float16 else 1e-12  # in float16 less would be 0
    found = project_qkv(scope, torch.cat([tests, basis]) * (1.0 if biased else tiny), sites)
    maps: dict[str, list[Tensor]] = {}
    for site, layers in found.items():
        maps[site] = []
        for layer, values in enumerate(layers):
            exact = values.cpu().double()
            linear = exact[1:] - exact[0]
            # beside a bias nothing leaves rounding
            nothing = linear.abs().amax((0, 2)) <= noise_floor(values.dtype, float(exact[0].abs().max()))
            linear[:, nothing] = 0.0
            linear /= linear.abs().max().clamp_min(1e-300)
            of_sum, sum_of = linear[0].flatten(), (linear[1] + linear[2]).flatten()
            if not (of_sum @ sum_of).square() >= 0.998 * (of_sum @ of_sum) * (sum_of @ sum_of):  # not parallel
                raise UnsupportedModelError(
                    f"{site} of layer {layer} is no linear map of what enters the block of this "
                    f"{type(scope.model).__name__}, so its heads have no composition score."
                    + (" float16 has no numbers small enough to see it: load bfloat16." if tiny > 1e-12 else "")
                )
            maps[site].append(linear[1:])
    return maps
