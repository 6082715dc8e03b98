"""One latent of an SAE by itself: what reads and writes it, and the direction that it writes along."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._provenance import Provenance
from scope_widgets._untrusted import opening
from scope_widgets.experiments.direction import Direction
from scope_widgets.experiments.sae_latent import Latent
from scope_widgets.features.sae.weights import Weights

#: what is added to the residual stream as it is, and how many layers later it is there
_ADDED = {"residual": 0, "attention_out": 1, "mlp_out": 1}


def latent_of(sae: Weights, j: Any) -> Latent:
    """Return what reads and writes latent `j`; see `SAE.latent`."""
    j, layer = _checked(sae, j), _layer(sae)
    gate = None if sae.gate is None else (float(sae.gate[0, j]), float(sae.gate[1, j]))
    ranked = sae.activation == "topk"
    if not all(one.isfinite().all() for one in (sae.W_enc[:, j], sae.W_dec[j], sae.b_enc[j])):
        raise ValueError(f"Latent {j} of {sae!r} has weights that are not finite: the SAE is damaged, load it again.")
    return Latent(
        index=j,
        n_latents=sae.d_sae,
        layer=layer,
        site=sae.site,
        output_site=sae.output_site,
        model=sae.model,
        sae=digest(sae),
        encoder=sae.W_enc[:, j].detach().clone(),
        bias=float(sae.b_enc[j]),
        decoder=sae.W_dec[j].detach().clone(),
        activation=sae.activation,
        taken_off=sae.b_dec.detach() if sae.subtracts_b_dec else None,
        normalisation=sae.normalisation,
        threshold=None if sae.threshold is None else float(sae.threshold[j]),
        gate=gate,
        k=sae.k if ranked else None,
        encoders=sae.W_enc.detach() if ranked else None,
        biases=sae.b_enc.detach() if ranked else None,
    )


def direction_of(sae: Weights, j: Any) -> Direction:
    """Return the direction that latent `j` writes along; see `SAE.direction`."""
    j, layer = _checked(sae, j), _layer(sae)
    if sae.output_site not in _ADDED:
        raise ValueError(
            f"{sae!r} writes to '{sae.output_site}', which is not added to the residual stream as it is, so that its "
            f"latents have no direction there; those of {', '.join(_ADDED)} have."
        )
    row = sae.W_dec[j].detach().double().cpu().numpy()
    norm = float(np.linalg.norm(row))
    if not 0 < norm < np.inf:
        raise ValueError(
            f"Latent {j} of {sae!r} writes nothing (the norm of its decoder row is {norm}), in no direction."
        )
    unit = "" if sae.normalisation == "none" else f", times the scale of each row ({sae.normalisation})"
    return Direction(
        name=f"latent {layer}.{j}",
        layer=layer + _ADDED[sae.output_site],
        vector=(row / norm).astype(np.float32),
        scale=norm,
        length=1.0,
        provenance=Provenance(
            model=sae.model,
            note=f"decoder row of latent {j} of {sae!r}, SAE {digest(sae)}; scale: its norm, what an activation of 1 "
            f"writes{unit}",
        ),
    )


def digest(sae: Weights) -> str:
    """Return 16 hexadecimal digits that name what an SAE computes and where, whatever its file or device.

    It is kept as long as nobody writes into the weights, which are hashed whole.
    """
    tensors = {one.name: getattr(sae, one.name) for one in fields(Weights)}
    tensors = {name: one.detach() for name, one in tensors.items() if isinstance(one, Tensor)}
    counted = not any(one.is_inference() for one in tensors.values())  # nobody counts writes there
    state = [(one.data_ptr(), one._version) for one in tensors.values()] if counted else []
    known: tuple[Any, str] | None = sae.__dict__.get("_digest")
    if known is None or not counted or known[0] != state:
        whole = hashlib.sha256()
        about = sae.activation, sae.k, sae.subtracts_b_dec, sae.normalisation, sae.layer, sae.site, sae.output_site
        whole.update(repr(about).encode())
        for name, one in sorted(tensors.items()):
            whole.update(f"{name} {one.dtype} {list(one.shape)}".encode())
            whole.update(memoryview(one.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()))
        known = state, whole.hexdigest()[:16]
        object.__setattr__(sae, "_digest", known)
    return known[1]


def _checked(sae: Weights, j: Any) -> int:
    if isinstance(j, bool) or not hasattr(j, "__index__") or not 0 <= j < sae.d_sae:
        raise ValueError(f"A latent of {sae!r} is a number from 0 to {sae.d_sae - 1}; got {opening(j)}.")
    return int(j)


def _layer(sae: Weights) -> int:
    if sae.layer is None:
        raise ValueError(
            f"{sae!r} does not say of which layer it is, so that nothing can be done with its latents in a model: say "
            "dataclasses.replace(sae, layer=...)."
        )
    return sae.layer
