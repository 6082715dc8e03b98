"""Logit lens and its norms in plain NumPy, on models whose every weight has been shaken."""

import numpy as np
import torch

from tests.support.tiny_models import tiny_model

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]


PROMPTS = [IDS, IDS[:4], IDS[2:9]]


CAP = 0.15  # small enough to bend a tiny Gemma 2's logits


def shaken_model(family):
    """A tiny model whose gains and biases are random: no 1 and no 0 hides an error."""
    model = tiny_model(family)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.4)
    if family == "gemma2":
        model.config.final_logit_softcapping = CAP
    return model


def array(tensor):
    return tensor.detach().double().numpy()


def norm_parts(norm):
    """Gain, bias, epsilon and whether it centres, read off a norm's own parameters."""
    gain = array(norm.weight) + ("Gemma" in type(norm).__name__)
    bias = array(norm.bias) if getattr(norm, "bias", None) is not None else np.zeros_like(gain)
    eps = getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
    return gain, bias, eps, isinstance(norm, torch.nn.LayerNorm)


def normed(norm, x, at=None):
    """The norm of x; with `at`, linear in x, with the scale that it has at `at`."""
    gain, bias, eps, centres = norm_parts(norm)
    at_centred = x if at is None else at
    if centres:
        x, at_centred = (a - a.mean(-1, keepdims=True) for a in (x, at_centred))
    return gain * x / np.sqrt((at_centred**2).mean(-1, keepdims=True) + eps) + (bias if at is None else 0)


def numpy_logits(scope, residual, cap=True):
    unembed = scope.anatomy.unembed
    logits = normed(scope.anatomy.final_norm, residual) @ array(unembed.weight).T
    logits = logits + (0 if unembed.bias is None else array(unembed.bias))
    softcap = getattr(scope.model.config, "final_logit_softcapping", None)
    return np.tanh(logits / softcap) * softcap if softcap and cap else logits
