"""`fit`: probes of all layers, with what says whether they mean anything."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal

import numpy as np

from scope_widgets._check_choice import check_choice, checked_count, is_whole
from scope_widgets._provenance import Provenance
from scope_widgets._seeds import seed_of
from scope_widgets.experiments.check_logits import OVERFLOW
from scope_widgets.experiments.probes.class_labels import two_classes
from scope_widgets.experiments.probes.pooled_residuals import pooled_residuals
from scope_widgets.experiments.statistics.auc import auc_interval
from scope_widgets.experiments.statistics.multiple_comparisons import correct
from scope_widgets.models.microscope import Microscope
from scope_widgets.probing.layer_probe import LayerProbe, Task, probe_layer, supervised
from scope_widgets.probing.methods import Method
from scope_widgets.probing.probes import Probes
from scope_widgets.probing.read_texts import rows_of
from scope_widgets.probing.split import groups_of, held_out_texts, least_groups, permuted
from scope_widgets.probing.token_baselines import control_labels, tokens_in

#: groups of a class that are fitted, and that are held out, without which nothing is told; draws of the control task
_LEAST, _CONTROLS = 4, 5


def fit(
    scope: Microscope,
    texts: Sequence[str] | Sequence[list[int]] | Sequence[tuple[str, str]],
    labels: Sequence[bool] | Sequence[int] | Sequence[str],
    *,
    method: Method = "logistic",
    layers: Sequence[int] | None = None,
    positions: Literal["last", "mean"] | int = "last",
    groups: Sequence[Any] | None = None,
    held_out: float = 0.5,
    permutations: int = 100,
    seed: int | None = 0,
    progress: bool = True,
) -> Probes:
    """Probe the residual stream of all layers for two classes of texts, and say what the answer is worth.

    Probes are fitted on half of the prompts of each class and measured on the others, with columns scaled by the fitted
    ones. Beside each stand an interval, probes of permuted labels (its null), a control task of random labels of words,
    and two baselines: which tokens a text has, and layer 0. Classes count alike, however many texts they have. That a
    label is decodable does not say that the model uses it: `probing.causal_test` does.

    - "logistic": logistic regression, its penalty chosen by inner folds;
    - "difference_of_means": from the mean of one class to that of the other (mass-mean);
    - "whitened": the same divided by the covariance (linear discriminant), as much of the mean variance added to it as
      inner folds choose;
    - "ccs": contrast-consistent search. Texts are pairs of opposite statements, labels say whether the first is true.
      It is found without labels, but its sign is chosen by those of the fitted prompts.

    Parameters
    ----------
    scope : Microscope
    texts : sequence of str, of token ids, or of pairs of str ("ccs")
    labels : sequence of bool, int or str
        One of each text, of two kinds. The second, in their order, is what probes say yes to.
    method : "logistic", "difference_of_means", "whitened" or "ccs", default "logistic"
    layers : sequence of int, optional
        Blocks that the stream enters, 0 to `n_layers` (what enters the final norm); by default all.
    positions : "last", "mean" or int, default "last"
        What is read of a text: its last token; the mean over all tokens but the first and special ones; or one
        position, from the end where negative.
    groups : sequence, optional
        One of each text, such as its template or topic: texts of a group are fitted or held out together. Texts of the
        same tokens always are.
    held_out : float, default 0.5
        Share of the prompts of each class that is held out.
    permutations : int, default 100
        Of labels, for the null: groups of one label exchange it, within groups of both labels texts do. Of `m` layers
        one alone can have a q of `m / (permutations + 1)` at least.
    seed : int or None, default 0
        Of the halves, permutations and control tasks.
    progress : bool, default True
        Show a bar of texts.

    Returns
    -------
    Probes

    Raises
    ------
    ValueError
        For labels that are not of two kinds, one a text; fewer than eight prompts of a class (groups, where they are
        given); texts without the position; activations that are not finite.

    References
    ----------
    Alain and Bengio 2017 (probes); Hewitt and Liang 2019 (control tasks, arXiv 1909.03368); Marks and Tegmark 2023
    (mass-mean, arXiv 2310.06824); Burns et al. 2023 (CCS, arXiv 2212.03827); Ojala and Garriga 2010 (permutations).

    Examples
    --------
    >>> nouns = ["dog", "cat", "horse", "bird", "man", "boy", "girl", "child"]
    >>> texts = [f"the {noun} {verb}" for noun in nouns for verb in ("runs", "sleeps", "likes", "saw")]
    >>> animal = [any(noun in text for noun in nouns[:4]) for text in texts]
    >>> probes = probing.fit(scope, texts, animal, layers=[0, 2])
    >>> probes.classes, probes.n, probes.n_fitted
    (('False', 'True'), 16, 16)
    """
    check_choice("method", method, Method)
    seed, permutations = seed_of(seed), checked_count("permutations", permutations)
    if not isinstance(held_out, (int, float)) or not 0 < held_out < 1:
        raise ValueError(f"held_out= is a share between 0 and 1; got {held_out!r}.")
    classes, truth = two_classes(labels, len(texts))
    wanted = _checked_layers(layers, scope.n_layers)
    rows, read = rows_of(scope, texts, method == "ccs", positions)
    sides = 2 if method == "ccs" else 1
    ids = [tuple(map(tuple, rows[at : at + sides])) for at in range(0, len(rows), sides)]
    if groups is not None and len(groups) != len(ids):
        raise ValueError(f"groups= has one group of each text; got {len(groups)} of {len(ids)} texts.")
    if groups is not None and not all(isinstance(one, Hashable) for one in groups):
        raise ValueError("groups= are numbers, texts or tuples of them.")
    group = groups_of(ids, groups)
    held = held_out_texts(truth, group, held_out, seed)
    for part, said in ((~held, "to fit"), (held, "held out")):
        if (least := least_groups(truth[part], group[part])) < _LEAST:
            what = "prompts" if groups is None else "groups"
            raise ValueError(
                f"Of one class there are {least} {what} {said}, those of the same tokens or group together: give "
                f"{2 * _LEAST} of each class at least."
            )

    at_layers = sorted({0, *wanted})
    values, norms, rounding = pooled_residuals(scope, rows, read, at_layers, progress)
    for layer, of_layer in zip(at_layers, values, strict=True):
        if not np.isfinite(of_layer).all():
            bad = int(np.flatnonzero(~np.isfinite(of_layer).all(1))[0]) // sides
            raise ValueError(f"The residual stream at layer {layer} is NaN or infinite on text {bad}. {OVERFLOW}")

    task = Task(truth, held, permuted(truth, group, held, permutations, seed), group, seed)
    controls = None if method == "ccs" else control_labels(rows, read, _CONTROLS, seed)
    found = {}
    for layer, x, error in zip(at_layers, values, rounding, strict=True):
        sided = x.reshape(len(truth), sides, -1).astype(np.float64)
        found[layer] = probe_layer(method, sided, float(error), task, controls)
    bags = tokens_in(rows).reshape(len(truth), sides, -1)
    of_tokens = bags[:, 0] - bags[:, 1] if sides == 2 else bags[:, 0]
    alone = supervised("logistic", of_tokens.astype(np.float64), np.ones(bags.shape[2]), task, None, null=False)

    n_of = [len(np.unique(group[held & (truth == value)])) for value in (True, False)]
    probes = [found[layer] for layer in wanted]
    intervals = np.array([auc_interval(one.auc, *n_of) for one in probes])
    of_alone = auc_interval(alone.auc, *n_of)
    p = np.array([_p(one) for one in probes])
    scale = np.array([float(np.median(norms[at_layers.index(layer)])) for layer in wanted])
    signs = "; its sign was chosen by the labels of the fitted prompts" if method == "ccs" else ""
    note = (
        f"{method} probes of {positions!r} positions, fitted on {int((~held).sum())} texts and measured on "
        f"{int(held.sum())} others{signs}; null: {permutations} permutations of the labels"
    )
    return Probes(
        method=method,
        positions=str(positions),
        layer=np.array(wanted),
        auc=np.array([one.auc for one in probes]),
        low=intervals[:, 0],
        high=intervals[:, 1],
        null=np.stack([one.null for one in probes]),
        p=p,
        q=correct(p, method="bh"),
        control=np.array([one.control for one in probes]),
        tokens=alone.auc,
        tokens_low=of_alone[0],
        tokens_high=of_alone[1],
        embedding=found[0].auc,
        penalty=np.array([one.penalty for one in probes]),
        weights=np.stack([one.weights for one in probes]).astype(np.float32),
        bias=np.array([one.bias for one in probes]),
        scale=scale,
        covariance=np.stack([one.covariance for one in probes]).astype(np.float32),
        difference=np.stack([one.difference for one in probes]).astype(np.float32),
        n=int(held.sum()),
        n_groups=len(np.unique(group[held])),
        n_fitted=int((~held).sum()),
        classes=classes,
        provenance=Provenance(scope.model_id, scope.revision, tuple(map(str, texts)), seed=seed, note=note),
    )


def _p(probe: LayerProbe) -> float:
    """Return the share of the null that is as high as the probe, itself among them; a tie is as high."""
    return float((1 + (probe.null >= probe.auc - 1e-12).sum()) / (1 + len(probe.null)))


def _checked_layers(layers: Any, n_layers: int) -> list[int]:
    given = range(n_layers + 1) if layers is None else [layers] if is_whole(layers) else list(layers)
    if not len(given) or not all(is_whole(one) and 0 <= one <= n_layers for one in given):
        raise ValueError(
            f"layers= are numbers from 0 to {n_layers}, the blocks that the stream enters; got {layers!r}."
        )
    return sorted({int(one) for one in given})
