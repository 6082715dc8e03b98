"""`latent_values`: how strongly latents fire on each token of a prompt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from scope_widgets._check_choice import is_whole
from scope_widgets._reproducing_calls import python_call
from scope_widgets._untrusted import opening
from scope_widgets.experiments.massive_activations import is_massive, largest_norm
from scope_widgets.experiments.trace_model import check_trace, scope_of
from scope_widgets.features.formats.load import call_that_loads
from scope_widgets.features.sae.check_model import warn_of_another_model
from scope_widgets.features.sae.sae import SAE
from scope_widgets.models.microscope import Microscope
from scope_widgets.traces.token_values import TokenValues
from scope_widgets.traces.trace import Trace


def latent_values(
    trace: Trace, sae: SAE, latents: int | Iterable[int], *, scope: Microscope | None = None
) -> TokenValues:
    """Return the activations of latents on each token of a prompt, a column a latent; displayed, the text in colours.

    They are `sae.encode(x).of_latent(j)` of what the trace has at the autoencoder's place, where it has that; else the
    prompt is run again, as far as there. Tokens of massive norm have NaN: no autoencoder is trained on such.

    Parameters
    ----------
    trace : Trace
        Of one prompt.
    sae : SAE
        That says its layer.
    latents : int, or sequence of int
    scope : Microscope, optional
        The model, for a trace that was read from a file and lacks what the autoencoder reads.

    Returns
    -------
    TokenValues

    Raises
    ------
    TypeError
        For what is no trace, SAE or latent.
    ValueError
        For several prompts, no latent at all, or an SAE that does not say its layer.
    IndexError
        Where there is no such latent.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store")
    >>> sae = features.load("demo")
    >>> found = features.latent_values(trace, sae, [3, 70])
    >>> found.names
    ['latent 3', 'latent 70']
    >>> bool((found["latent 70"] == sae.encode(trace.residual(3)).of_latent(70).numpy()).all())
    True
    """
    check_trace(trace)
    if not isinstance(sae, SAE):
        raise TypeError(f"sae= is an SAE, such as features.load(folder); got {opening(sae)}.")
    if trace.batched:
        raise ValueError(f"A text in colours is one prompt and this trace has {len(trace)}: choose one with trace[i].")
    if sae.layer is None:
        raise ValueError(f"{sae!r} does not say of which layer it is, so nothing can be read for it: give it layer=.")
    wanted = _latents(latents)
    warn_of_another_model(trace.model_id, sae)
    if unknown := [one for one in wanted if not 0 <= one < sae.d_sae]:
        raise IndexError(f"There is no latent {unknown[0]}: there are 0 to {sae.d_sae - 1}.")
    if sae.site in ("residual", "attention_out", "mlp_out") and sae.site in trace.captured:
        x = getattr(trace, sae.site)(sae.layer).float().cpu()
    else:
        point = sae.site, sae.layer
        ids = trace.token_ids.tolist()
        x = scope_of(trace, scope).read_activations([ids], [point])[point].flatten(2)[0].float().cpu()
    codes = sae.encode(x.to(sae.W_enc))
    values = np.stack([codes.of_latent(j).detach().double().cpu().numpy() for j in wanted])
    massive = is_massive(x, largest_norm(x)).numpy()
    values[:, massive] = np.nan
    load = call_that_loads(sae)
    made = trace.provenance.then(load) if load else trace.provenance
    if massive.any():
        made = replace(made, note=f"{made.note} Tokens of massive norm have no number.".strip())
    call = python_call("features.latent_values", "trace", "sae", ("latents", wanted))
    return TokenValues(
        tokens=list(trace.tokens),
        names=[f"latent {j}" for j in wanted],
        values=values,
        units=[""] * len(wanted),
        provenance=made.then(call),
    )


def _latents(given: Any) -> list[int]:
    wanted = [given] if is_whole(given) or not isinstance(given, Iterable) else list(given)
    if not wanted:
        raise ValueError("latents= is empty: name at least one latent.")
    for one in wanted:
        if not is_whole(one):
            raise TypeError(f"latents= are whole numbers; got {opening(one)}.")
    return list(dict.fromkeys(map(int, wanted)))
