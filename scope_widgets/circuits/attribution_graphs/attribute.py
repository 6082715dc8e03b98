"""`attribution_graph`: one prompt's features of transcoders, and what each adds to the others and to the logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._check_choice import checked_count
from scope_widgets._job import JobStatus, Steps
from scope_widgets._provenance import Provenance
from scope_widgets._types import Array, Prompt
from scope_widgets.circuits.attribution_graphs.frozen_forward import FrozenForward
from scope_widgets.circuits.attribution_graphs.graph import AttributionGraph
from scope_widgets.experiments.latent_attribution.dictionaries import Dictionary, listed
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import Unembedding
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.microscope import LocalMicroscope, Microscope, loaded
from scope_widgets.models.remote_dispatch import stepwise
from scope_widgets.models.run_arguments import check_token_ids
from scope_widgets.models.tokens import encode, token_texts

#: features whose sums are made before the next are chosen
_AT_ONCE = 32
#: share of a target's absolute sum that may be missing
_RESIDUE = 1e-2


@stepwise
def attribution_graph(
    scope: Microscope,
    prompt: Prompt,
    transcoders: Any,
    *,
    n_logits: int = 5,
    n_features: int = 500,
) -> Steps[AttributionGraph]:
    """Say what the logits after a prompt are the sum of: features of transcoders, errors and tokens.

    With attention patterns and the scales of norms held as they are in this run, and each MLP replaced by what its
    transcoder writes plus the error, the pre-activation of each feature and each logit is a sum over what earlier
    features, errors and tokens add, and over biases (Ameisen et al. 2025; Dunefsky et al. 2024). The sums are exact for
    this prompt; what an edge would do in another run they do not say.

    Parameters
    ----------
    scope : Microscope
    prompt : str, chat messages, or token ids
        One prompt; what comes after its last token is explained.
    transcoders : SAE, list of SAE, or dict of layer to SAE
        From "mlp_in" to "mlp_out", with a linear path or without. Of layers without one the whole MLP is an error.
    n_logits : int, default 5
        The most probable next tokens that are explained.
    n_features : int, default 500
        Features that are explained and kept, those first through which most goes to the logits; the others are summed.

    Returns
    -------
    AttributionGraph

    Raises
    ------
    ValueError
        For what is no transcoder of this model, or for several prompts.
    UnsupportedModelError
        Where the sums are not what the model computes: something else than attention, norms and MLPs is not linear.

    Examples
    --------
    >>> x = torch.randn(64, scope.d_model)
    >>> made = features.train(x, target=torch.randn(64, scope.d_model), layer=1, d_sae=32, k=4, steps=3, batch=32)
    >>> graph = circuits.attribution_graph(scope, "the dog runs", made, n_logits=2)
    >>> bool(abs(graph.residue).max() < 1e-3)
    True
    """
    counts = {"n_logits": n_logits, "n_features": n_features}
    n_logits, n_features = (checked_count(name, value) for name, value in counts.items())
    local = loaded(scope)
    by_layer = _by_layer(transcoders, local)
    rows, _, several = encode(local.tokenizer, prompt, None)
    if several:
        raise ValueError(f"attribution_graph() explains one prompt; got {len(rows)}.")
    check_token_ids(local, rows)
    if local.model.training:
        raise ValueError("The model is in training mode, so dropout would change every run: call model.eval().")
    yield JobStatus("running", "running the prompt")
    work = _Work(local, rows[0], by_layer, n_logits)
    total = n_logits + min(n_features, len(work.features))
    for done in work.steps(n_features):
        yield JobStatus("running", "sums of features", done, total)
    return work.graph()


class _Work:
    """The targets of one prompt, and the sums that are known."""

    def __init__(self, scope: LocalMicroscope, row: list[int], by_layer: dict[int, Dictionary], n_logits: int) -> None:
        self._scope, self._row, self._saes = scope, row, by_layer
        skips = {layer: sae for layer, sae in by_layer.items() if getattr(sae, "W_skip", None) is not None}
        self._forward = FrozenForward(scope, row, skips, list(by_layer))
        self._n = len(row)
        self.features: list[tuple[int, int, int]] = []
        strengths: list[float] = []
        self._left: dict[int, Tensor] = {}
        self._columns: dict[int, tuple[Tensor, Tensor, Tensor, int]] = {}
        layers = sorted(layer for site, layer in self._forward.leaves if site == "mlp_out")
        for layer in layers:
            written = self._forward.leaves["mlp_out", layer].detach()
            if layer not in by_layer:
                self._left[layer] = written.double()
                continue
            sae = by_layer[layer]
            with torch.no_grad():
                x = self._forward.inputs[layer].detach().to(sae.W_enc.dtype)
                codes = sae.encode(x)
                at, latents, values = codes.rows, codes.indices, codes.values
                made = torch.zeros_like(written, dtype=torch.float64)
                made.index_add_(0, at, values.double()[:, None] * sae.W_dec[latents].double())
            self._left[layer] = written.double() - made - sae.b_dec.double()
            self._columns[layer] = at, latents, values.double(), len(self.features)
            self.features += [(layer, int(p), int(f)) for p, f in zip(at.tolist(), latents.tolist(), strict=True)]
            strengths += values.tolist()
        self._activation = np.array(strengths, dtype=float)
        self._layers = layers
        self._unembedding = Unembedding(scope.model, scope.anatomy)
        probabilities = self._forward.logits.softmax(-1)
        self._probability, ids = probabilities.topk(min(n_logits, len(probabilities)))
        self._logits = ids.cpu()
        #: weights, bias and total of each target that was done
        self._done: dict[int, tuple[Array, float, float]] = {}

    def steps(self, n_features: int) -> Any:
        """Make the sums of the logits, then of the features through which most goes; yield how many are done."""
        n = len(self.features)
        for at in range(len(self._logits)):
            self._done[n + at] = self._of_logit(at)
            yield len(self._done)
        while len(self._done) - len(self._logits) < min(n, n_features):
            influence = self._influence()
            influence[[at for at in self._done if at < n]] = -1.0
            room = min(n, n_features) + len(self._logits) - len(self._done)
            for at in np.argsort(-influence[:n], kind="stable")[: min(_AT_ONCE, room)]:
                self._done[int(at)] = self._of_feature(*self.features[at])
                yield len(self._done)

    def _influence(self) -> Array:
        """Return how much goes to the logits through each source, as far as sums are known."""
        n = len(self.features)
        shares = {at: np.abs(row) / max(float(np.abs(row).sum()), 1e-30) for at, (row, _, _) in self._done.items()}
        found = sum(float(p) * shares[n + at] for at, p in enumerate(self._probability.tolist()))
        for at in sorted((at for at in self._done if at < n), key=lambda at: -self.features[at][0]):
            found = found + found[at] * shares[at]  # type: ignore[index]
        return np.array(found)

    def _of_feature(self, layer: int, position: int, number: int) -> tuple[Array, float, float]:
        sae, x = self._saes[layer], self._forward.inputs[layer]
        row = sae.W_enc[:, number]
        along = torch.zeros_like(x)
        along[position] = row.to(x.dtype)
        bias = float(sae.b_enc[number])
        if getattr(sae, "subtracts_b_dec", False):
            bias -= float(sae.b_dec.double() @ row.double())
        total = float(x.detach()[position].double() @ row.double()) + bias
        weights, more = self._sources(x, along)
        return weights, bias + more, total

    def _of_logit(self, at: int) -> tuple[Array, float, float]:
        final = self._forward.final
        frozen = self._unembedding.frozen(final.detach()[-1:])
        rows, biases = self._unembedding.directions(self._logits[at : at + 1])
        direction = rows[0] - self._unembedding.mean_direction().cpu()
        # the final norm with its scale held is linear: its transpose takes the direction to the stream
        along_last = direction * frozen.gain[0]
        if frozen.centres:
            along_last = along_last - along_last.mean()
        along = torch.zeros_like(final)
        along[-1] = along_last.to(final)
        bias = float(biases[0]) - self._unembedding.mean_bias() + float(frozen.bias @ direction)
        total = float(final.detach()[-1].double().cpu() @ along_last) + bias
        weights, more = self._sources(final, along)
        return weights, bias + more, total

    def _sources(self, of: Tensor, along: Tensor) -> tuple[Array, float]:
        """Return what each source adds to `<of, along>`, and what biases do."""
        gradients, constant = self._forward.back(of, along)
        parts: list[Array] = []
        errors: list[Array] = []
        for layer in self._layers:
            gradient = gradients.get(("mlp_out", layer))
            left = self._left[layer]
            if gradient is None:
                gradient = torch.zeros_like(left)
            errors.append((gradient * left).sum(1).cpu().numpy())
            if layer in self._columns:
                at, latents, values, _ = self._columns[layer]
                rows = self._saes[layer].W_dec[latents].double()
                parts.append(((gradient[at] * rows).sum(1) * values).detach().cpu().numpy())
                constant += float((gradient * self._saes[layer].b_dec.double()).sum())
        start: HookPoint = ("residual", 0)
        embedded = self._forward.leaves[start].detach().double()
        tokens = gradients.get(start, torch.zeros_like(embedded)) * embedded
        return np.concatenate([*parts, *errors, tokens.sum(1).cpu().numpy()]), constant

    def graph(self) -> AttributionGraph:
        """Return the graph of the targets that were done.

        Raises
        ------
        UnsupportedModelError
            Where a target is not its sum.
        """
        n, scope = len(self.features), self._scope
        kept = sorted(at for at in self._done if at < n)
        out = np.setdiff1d(np.arange(n), kept)
        targets = [*kept, *range(n, n + len(self._logits))]
        rows = np.stack([self._done[at][0] for at in targets])
        bias, total = (np.array([self._done[at][which] for at in targets]) for which in (1, 2))
        self._check(rows, bias, total)
        n_sources = rows.shape[1]
        tokens = token_texts(scope.tokenizer, self._row)
        names = token_texts(scope.tokenizer, self._logits.tolist())
        return AttributionGraph(
            tokens=tuple(tokens),
            token_ids=np.array(self._row),
            n_layers=scope.n_layers,
            features=np.array([self.features[at] for at in kept], dtype=int).reshape(-1, 3),
            activation=self._activation[kept],
            errors=np.array([(layer, at) for layer in self._layers for at in range(self._n)], dtype=int).reshape(-1, 2),
            logits=self._logits.numpy().astype(int),
            logit_tokens=tuple(names),
            probability=self._probability.double().cpu().numpy(),
            weights=rows[:, [*kept, *range(n, n_sources)]],
            bias=bias,
            rest=rows[:, out].sum(1),
            total=total,
            provenance=Provenance(
                scope.model_id,
                scope.revision,
                (str(scope.tokenizer.decode(self._row, skip_special_tokens=True)),),
                note=f"attention patterns and norms held; {len(kept):,} of {n:,} active features kept; transcoders: "
                + "; ".join(map(repr, self._saes.values())),
            ),
        )

    def _check(self, rows: Array, bias: Array, total: Array) -> None:
        size = np.abs(rows).sum(1) + np.abs(bias)
        off = np.abs(rows.sum(1) + bias - total) / np.maximum(size, 1e-12)
        if len(off) and float(off.max()) > _RESIDUE:
            raise UnsupportedModelError(
                f"What reaches an MLP of this {type(self._scope.model).__name__} is not the sum of what was added (off "
                f"by {float(off.max()):.2g} of it): something beside attention patterns, norms and MLPs is not linear, "
                "such as a gate on attention."
            )


def _by_layer(transcoders: Any, scope: LocalMicroscope) -> dict[int, Dictionary]:
    """Return transcoders by layer.

    Raises
    ------
    ValueError
        For what is none, or of another model.
    """
    found: dict[int, Dictionary] = {}
    for layer, sae in listed(transcoders, "transcoders"):
        at = sae.layer if layer is None else layer
        if at is None:
            raise ValueError(f"{sae!r} does not say of which layer it is: give transcoders={{layer: sae}}.")
        place = sae.site, getattr(sae, "output_site", "")
        width = scope.anatomy.d_model
        fits = 0 <= at < scope.n_layers and sae.d_in == width == sae.W_dec.shape[1]
        if place != ("mlp_in", "mlp_out") or not fits or sae.normalisation != "none":
            raise ValueError(
                f"{sae!r} cannot stand for an MLP of this model of {scope.n_layers} layers of width {width}: a "
                "transcoder is from 'mlp_in' to 'mlp_out' of a layer, of activations as they are. Of SAEs of one place "
                "see features.provenance and circuits.discover(saes=...)."
            )
        if at in found:
            raise ValueError(f"Two transcoders are given for layer {at}: give one for each layer.")
        found[int(at)] = sae
    if not found:
        raise ValueError("transcoders= is empty: give at least one.")
    return dict(sorted(found.items()))
