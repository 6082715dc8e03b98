"""A model that computes nothing in particular, as a null for what is found in one that was trained."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from scope_widgets._seeds import seed_of
from scope_widgets.models.microscope import LocalMicroscope, Microscope

#: integers of the sizes of floats, whose bits are moved
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def randomise(scope: Microscope, *, embeddings: bool = True, seed: int = 0) -> LocalMicroscope:
    """Return a copy of a model in which the entries of each weight matrix are shuffled.

    So each matrix has the numbers that it had, and nothing that was learned in their places; gains and biases stay. An
    autoencoder that is recorded, trained and measured there as on the model is a null: much of what autoencoders score
    they score without anything learned, for tokens alone make activations that are sparse in something.

    Parameters
    ----------
    scope : Microscope
        In this process; it stays as it is, and memory holds both.
    embeddings : bool, default True
        Shuffle the embedding and the unembedding too. Without, tokens are embedded as in the model.
    seed : int, default 0

    Returns
    -------
    LocalMicroscope
        Its `model_id` says that its weights are shuffled, so that recordings of both cannot be mixed up.

    Raises
    ------
    ValueError
        For a model that is not in this process, reads a source, or is quantised.

    References
    ----------
    Heap et al. 2025.

    Examples
    --------
    >>> null = features.randomise(scope)
    >>> null.model_id, null.n_layers == scope.n_layers
    ('demo with shuffled weights (seed 0)', True)
    """
    seed = seed_of(seed)
    if not isinstance(scope, LocalMicroscope) or scope.source is not None:
        raise ValueError(
            f"{scope!r} cannot be copied: a model that is randomised is in this process, and no encoder-decoder model."
        )
    parameters = dict(scope.model.named_parameters())
    if quantised := [name for name, one in parameters.items() if not one.is_floating_point()]:
        raise ValueError(f"{scope.model_id} is quantised ({quantised[0]}): load it without quantization_config.")
    model = copy.deepcopy(scope.model)
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    kept = set() if embeddings else {id(one.weight) for one in ends if one is not None}
    rng = np.random.default_rng(seed)
    for one in model.parameters():
        if one.ndim > 1 and id(one) not in kept:
            _shuffle(one.data, rng)
    name = f"{scope.model_id} with shuffled weights (seed {seed}{'' if embeddings else ', embeddings kept'})"
    return Microscope.for_model(model, scope.tokenizer, name)


def _shuffle(weight: Tensor, rng: np.random.Generator) -> None:
    """Shuffle the entries of a tensor, without a list of where each goes."""
    entries = weight.detach().cpu().contiguous().clone().view(-1)
    rng.shuffle(entries.view(_BITS[entries.element_size()]).numpy())
    weight.copy_(entries.view(weight.shape))
