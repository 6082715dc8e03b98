"""Small autoencoders of every kind, and what changing their latents does to a row, in NumPy from the weights."""

import numpy as np
import torch

from scope_widgets import features

N = 24
KINDS = ["relu", "jumprelu", "gated", "topk", "relu of normed rows", "topk of normed rows"]


def some_sae(kind, d=32, layer=1, site="residual", seed=0, **options):
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randn(N, d, generator=draw) / d**0.5
    activation, _, normed = kind.partition(" of ")
    given = {
        "relu": {},
        "jumprelu": {"threshold": torch.rand(N, generator=draw) * 0.3},
        "gated": {"gate": torch.stack([torch.randn(N, generator=draw) * 0.3, torch.randn(N, generator=draw) * 0.2])},
        "topk": {"k": 4},
    }[activation]
    normalisation = {"": "none", "normed rows": "layer_norm" if activation == "relu" else "norm"}[normed]
    return features.SAE(
        W_enc=torch.randn(d, N, generator=draw) / d**0.5,
        W_dec=rows * torch.linspace(0.5, 3.0, N)[:, None],
        b_enc=torch.randn(N, generator=draw) * 0.1,
        b_dec=torch.randn(d, generator=draw) * 0.1,
        activation=activation,
        subtracts_b_dec=kind != "jumprelu",
        normalisation=normalisation,
        layer=layer,
        site=site,
        **given,
        **options,
    )


def codes_and_scale(sae, x):
    """Codes of one row `[d]`, and what its reconstruction is multiplied by, in float64."""
    w, bias = sae.W_enc.double().numpy(), sae.b_enc.double().numpy()
    scale = 1.0
    if sae.normalisation == "layer_norm":
        scale = x.std(ddof=1)
        x = (x - x.mean()) / (scale + 1e-5)
    elif sae.normalisation == "norm":
        scale = np.sqrt((x * x).sum() / len(x))
        x = x / scale
    plain = (x - sae.b_dec.double().numpy() if sae.subtracts_b_dec else x) @ w
    p = plain + bias
    codes = np.maximum(p, 0)
    if sae.activation == "jumprelu":
        codes = np.where(p > sae.threshold.double().numpy(), codes, 0)
    elif sae.activation == "gated":
        b_gate, r_mag = sae.gate.double().numpy()
        codes = np.where(plain + b_gate > 0, np.maximum(plain * np.exp(r_mag) + bias, 0), 0)
    elif sae.activation == "topk":
        codes[np.argsort(-p)[sae.k :]] = 0
    return codes, scale


def changed(sae, x, what):
    """A row whose codes are changed, decoded, with what the autoencoder lacks added back.

    `what` has (latent, "clamp" or "scale", number).
    """
    codes, scale = codes_and_scale(sae, x)
    new = codes.copy()
    for latent, how, number in what:
        new[latent] = number if how == "clamp" else new[latent] * number
    w = sae.W_dec.double().numpy()
    error = x - codes @ w * scale  # what is shifted, and the bias, are in both
    return new @ w * scale + error
