"""`evaluate`: how well an autoencoder reconstructs, and what the model loses by its reconstruction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.experiments.massive_activations import largest_norm
from scope_widgets.features.evaluation.document_totals import Totals
from scope_widgets.features.evaluation.measured_texts import MeasuredTexts, read_texts, values_at
from scope_widgets.features.evaluation.random_latents import random_latents
from scope_widgets.features.evaluation.scores import MEASURES, SAEScores
from scope_widgets.features.evaluation.spliced_loss import spliced_losses
from scope_widgets.features.recording.texts import Texts
from scope_widgets.features.sae.check_model import warn_of_another_model
from scope_widgets.features.sae.prompt_codes import sends_weights
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.sae.sparse_codes import SparseCodes
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

#: places that can be read and replaced
_SITES = ("residual", "attention_out", "mlp_in", "mlp_out", "neurons", "z")
#: logits that are held at once, and tokens of one forward
_LOGITS, _AT_ONCE = 2**26, 2**12
#: how often the activations of a text would travel: read twice, and as reconstructions, of random latents too
_TIMES = 4
#: edges of the histogram of rates: log10 of the share of tokens
_EDGES = np.linspace(-8, 0, 33)


def evaluate(
    scope: Microscope,
    sae: SAE,
    texts: Texts,
    *,
    max_tokens: int = 2**16,
    context: int | None = None,
    column: str = "text",
    special_tokens: bool = False,
    random: bool = True,
    randomised: tuple[Microscope, SAE] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> SAEScores:
    """Measure an autoencoder on text that it was not trained on.

    The activations are reconstructed, and the reconstruction is put in their place in the model. Special tokens (those
    of the beginning of a text among them) are left as they are, and neither measured nor predicted; predictions made at
    them, such as of a text's first token, do not count either.

    Parameters
    ----------
    scope : Microscope
        The model that it is of; of another one (a null, say) a warning says so.
    sae : SAE
        It says at which layer and site it stands; of a transcoder the output is measured and replaced.
    texts : list or iterator of str or of token ids, path, or data set
        As `features.record` takes them.
    max_tokens : int, default 65536
        Tokens to measure, about: the text in which they are reached is the last.
    context : int, optional
        Tokens of a sample; by default 256, or the model's context where that is less. A longer text is cut.
    column : str, default "text"
        Where the texts are in a file or data set.
    special_tokens : bool, default False
        Measure, replace and predict special tokens too, and count what is predicted at them; tokens of massive norm
        (ten times the median: the first of a text above all, of which `train` learns nothing) likewise.
    random : bool, default True
        Measure random latents beside it, which takes another forward.
    randomised : (Microscope, SAE), optional
        A second null: a model whose weights were shuffled (`features.randomise`), and an autoencoder that was trained
        on it as this one on the model. Its reconstruction is measured there on the same texts; what the model loses is
        not, for such a model has nothing to lose.
    seed : int, default 0
        Of the bootstrap and of the random latents.
    progress : bool, default True
        Show a bar of tokens.

    Returns
    -------
    SAEScores

    Raises
    ------
    ValueError
        For an SAE of another width, or of no place that can be replaced, and for texts without a token.

    References
    ----------
    Gao et al. 2024 (loss by splicing); Rajamanoharan et al. 2024; Karvonen et al. 2025 (SAEBench).

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book", "the dog runs"] * 20, layers=2, folder=folder)
    >>> sae = features.train(rec, layer=2, d_sae=64, k=4, steps=20, batch=64)
    >>> scores = features.evaluate(scope, sae, ["When John went to the store", "the horse runs"])
    >>> scores.n_special, scores.error_added_back < 1e-4
    (2, True)
    >>> bool(abs(scores.fvu - (1 - scores.variance_explained)) < 1e-12)
    True
    """
    seed = seed_of(seed)
    points = _points(scope, sae)
    warn_of_another_model(scope.model_id, sae)
    if randomised is not None:
        _check_randomised(scope, sae, *randomised)
        warn_of_another_model(randomised[0].model_id, randomised[1])
    data = read_texts(scope, texts, column, context, max_tokens, special_tokens)
    size = sum(one.numel() * one.element_size() for one in vars(sae).values() if isinstance(one, Tensor))
    # elsewhere all is measured beside the model; a few texts and a large autoencoder travel less the other way round
    there = sends_weights(size, data.n_rows, sae, times=_TIMES, codes=False)
    measure = _measured if there else _measured.in_process  # type: ignore[attr-defined]
    scores, kept, n_massive = measure(scope, sae, data, points, special_tokens, random, seed, progress)
    data.take(kept, n_massive)
    if randomised is not None:
        scores = replace(scores, randomised=_of_randomised(scores, data, *randomised))
    note = (
        f"{sae!r}. {data.n_rows:,} tokens of {data.n_documents:,} documents, "
        f"{data.n_special:,} special tokens {'kept' if special_tokens else 'left as they are and not measured'}, "
        f"{data.n_massive:,} of massive norm too; "
        f"95 % intervals: bootstrap over documents"
    )
    return replace(scores, provenance=Provenance(scope.model_id, scope.revision, seed=seed, note=note))


@remotable
def _measured(
    scope: Microscope,
    sae: SAE,
    data: MeasuredTexts,
    points: tuple[HookPoint, HookPoint],
    special_tokens: bool,
    random: bool,
    seed: int,
    progress: bool,
) -> tuple[SAEScores, Array, int]:
    """Return the measures, which tokens of all samples, one after the other, count, and how many were massive."""
    mean = _mean(scope, data, points, special_tokens)
    run = _Run(scope, sae, points, data, mean, seed)
    with tqdm(total=data.n_rows, unit=" tokens", disable=not progress, leave=False) as bar:
        for batch in data.batches(_tokens_at_once(scope)):
            bar.update(run.add(batch, random))
    return run.scores(Provenance(scope.model_id, scope.revision)), np.concatenate(data.kept), data.n_massive


def _points(scope: Microscope, sae: SAE) -> tuple[HookPoint, HookPoint]:
    """Return where an SAE reads, and what its output stands for."""
    if sae.layer is None:
        raise ValueError(f"{sae!r} does not say of which layer it is: dataclasses.replace(sae, layer=...).")
    for site in (sae.site, sae.output_site):
        last = scope.n_layers - (site != "residual")
        if site not in _SITES or not 0 <= sae.layer <= last:
            raise ValueError(
                f"{sae!r} is of {site!r} of layer {sae.layer}; what can be replaced in {scope.model_id} is "
                f"{', '.join(_SITES)} of layers 0 to {last}."
            )
    return (sae.site, sae.layer), (sae.output_site, sae.layer)


def _check_randomised(scope: Microscope, sae: SAE, other: Microscope, other_sae: SAE) -> None:
    """Raise ValueError where a null is not the same experiment on another model."""
    _points(other, other_sae)
    if other.model_id == scope.model_id:
        raise ValueError(f"randomised= is {scope.model_id} itself: make the null by features.randomise(scope).")
    if other.tokenizer.get_vocab() != scope.tokenizer.get_vocab():
        raise ValueError(f"randomised= is {other.model_id}, which reads other tokens than {scope.model_id}.")
    if (other_sae.site, other_sae.output_site, other_sae.layer) != (sae.site, sae.output_site, sae.layer):
        raise ValueError(f"randomised= has {other_sae!r}, of another place than {sae!r}.")


def _mean(scope: Microscope, data: MeasuredTexts, points: tuple[HookPoint, HookPoint], massive: bool) -> Tensor:
    """Return the mean output of the tokens that count, float64 [d]; without `massive` those of massive norm do not.

    What is massive is said by the median of the first batch, which is of thousands of tokens or all.
    """
    total: Tensor | float = 0.0
    largest: list[float] = []
    for batch in data.batches(_AT_ONCE):
        found = values_at(scope, data.rows(batch), [*points])
        if not massive:
            largest = largest or [largest_norm(values[data.mask(batch)]) for values in found]
            for values, most in zip(found, largest, strict=True):
                data.leave_out_massive(batch, values, most)
        total = total + found[1][data.mask(batch)].sum(0, dtype=torch.float64)
    assert isinstance(total, Tensor)
    return total / data.n_rows


def _tokens_at_once(scope: Microscope) -> int:
    return int(min(_AT_ONCE, max(1, _LOGITS // len(scope.tokenizer))))


class _Run:
    """The sums of an autoencoder, and of random latents beside it, over batches."""

    def __init__(
        self,
        scope: Microscope,
        sae: SAE,
        points: tuple[HookPoint, HookPoint],
        data: MeasuredTexts,
        mean: Tensor,
        seed: int,
    ) -> None:
        self._scope, self._sae, self._points, self._data = scope, sae, points, data
        self._mean, self._seed = mean, seed
        self._totals, self._null_totals = Totals(data.n_documents), Totals(data.n_documents)
        self._fired, self._null_fired = torch.zeros(sae.d_sae), torch.zeros(sae.d_sae)
        self._null: SAE | None = None
        self._off = float("nan")

    def add(self, batch: list[int], random: bool) -> int:
        """Add a batch of samples, and return its number of rows."""
        ids, mask = self._data.rows(batch), self._data.mask(batch)
        if not mask.any():  # all of massive norm
            return 0
        documents = torch.tensor([self._data.documents[at] for at in batch])
        given, wanted = values_at(self._scope, ids, [*self._points])
        x, y = given[mask], wanted[mask]
        codes, made = _reconstructed(self._sae, x)
        self._fired += torch.bincount(codes.indices.cpu(), minlength=self._sae.d_sae)
        of_rows = documents[:, None].expand_as(mask)[mask]
        self._totals.add(of_rows, _of_rows(y, made, codes, self._mean))
        spliced = [_spread(made, mask), self._mean.float(), torch.zeros(y.shape[1])]
        first = bool(np.isnan(self._off))
        if first:
            spliced.append(_spread(made + (y - made), mask))
        if random and not self._sae.is_transcoder:
            if self._null is None:
                k = min(self._sae.d_sae, max(1, round(codes.l0)))
                self._null = random_latents(self._sae, x, self._mean, k, self._seed)
            null_codes, null_made = _reconstructed(self._null, x)
            self._null_fired += torch.bincount(null_codes.indices, minlength=self._sae.d_sae)
            self._null_totals.add(of_rows, _of_rows(y, null_made, null_codes, self._mean))
            spliced.append(_spread(null_made, mask))
        predicts = mask & torch.roll(mask, -1, 1)
        predicts[:, -1] = False
        if predicts.any():
            ce, kl, off = spliced_losses(self._scope, ids, self._points[1], spliced, mask, predicts)
            of_predictions = documents[:, None].expand_as(mask)[predicts]
            self._totals.add(of_predictions, _of_predictions(ce, kl, 1))
            if self._null is not None:
                self._null_totals.add(of_predictions, _of_predictions(ce, kl, len(spliced)))
            if first:
                self._off = float(off[4].max())
        return len(x)

    def scores(self, provenance: Provenance) -> SAEScores:
        """Return the measures of all that was added."""
        values, intervals = self._totals.measures(), self._totals.intervals(self._seed)
        random = self._null_totals.measures() if self._null is not None else {}
        order = [name for name in MEASURES if name in values]
        counts = self._fired.numpy()
        n = self._data.n_rows
        rates, _ = np.histogram(np.log10(counts[counts > 0] / n), _EDGES)
        values["dead_share"] = float((counts == 0).mean())
        if random:
            random["dead_share"] = float((self._null_fired == 0).float().mean())
        return SAEScores(
            values={name: values[name] for name in [*order, "dead_share"]},
            low={name: intervals[name][0] for name in order},
            high={name: intervals[name][1] for name in order},
            random={name: random[name] for name in [*order, "dead_share"] if name in random},
            randomised={},
            rates_edges=_EDGES.copy(),
            rates=rates,
            n_tokens=n,
            n_predictions=int(self._totals.sums["predictions"].sum()) if "predictions" in self._totals.sums else 0,
            n_documents=self._data.n_documents,
            n_special=self._data.n_special,
            n_massive=self._data.n_massive,
            error_added_back=self._off,
            provenance=provenance,
        )


def _of_randomised(scores: SAEScores, data: MeasuredTexts, scope: Microscope, sae: SAE) -> dict[str, float]:
    """Return the measures of another autoencoder in another model, on the same tokens, without what that loses."""
    points = _points(scope, sae)
    mean = _mean(scope, data, points, massive=True)  # the tokens that count are those of the other model
    totals, fired = Totals(data.n_documents), torch.zeros(sae.d_sae)
    for batch in data.batches(_AT_ONCE):
        mask = data.mask(batch)
        if not mask.any():
            continue
        given, wanted = values_at(scope, data.rows(batch), [*points])
        codes, made = _reconstructed(sae, given[mask])
        fired += torch.bincount(codes.indices.cpu(), minlength=sae.d_sae)
        documents = torch.tensor([data.documents[at] for at in batch])
        of_rows = documents[:, None].expand_as(mask)[mask]
        totals.add(of_rows, _of_rows(wanted[mask], made, codes, mean))
    found = {**totals.measures(), "dead_share": float((fired == 0).float().mean())}
    return {name: found[name] for name in scores.values if name in found}


def _reconstructed(sae: SAE, x: Tensor) -> tuple[SparseCodes, Tensor]:
    codes = sae.encode(x)
    return codes, sae.decode(codes, x).float().cpu()


def _of_rows(y: Tensor, made: Tensor, codes: SparseCodes, mean: Tensor) -> dict[str, Tensor]:
    """Return what is summed of rows and their reconstructions."""
    y, made = y.double(), made.double()
    centred, error = y - mean, y - made
    norms = y.norm(dim=1), made.norm(dim=1)
    l1 = torch.zeros(len(y), dtype=torch.float64)
    l1.index_add_(0, codes.rows.cpu(), codes.values.double().cpu())
    return {
        "rows": torch.ones(len(y)),
        "values": centred,  # of which the mean is about 0, so that nothing is lost by subtracting
        "squares": centred.square(),
        "errors": error.square(),
        "explained_per_token": 1 - error.square().sum(1) / centred.square().sum(1).clamp_min(1e-300),
        "l0": codes.indptr.diff().double().cpu(),
        "l1": l1,
        "cosine": (y * made).sum(1) / (norms[0] * norms[1]).clamp_min(1e-300),
        "norm_ratio": norms[1] / norms[0].clamp_min(1e-300),
    }


def _spread(rows: Tensor, mask: Tensor) -> Tensor:
    """Return rows `[row, d]` where a mask `[sample, position]` has them, 0 elsewhere."""
    spread = rows.new_zeros(*mask.shape, rows.shape[1])
    spread[mask] = rows
    return spread


def _of_predictions(ce: Tensor, kl: Tensor, at: int) -> dict[str, Tensor]:
    """Return what is summed of predictions: the run as it is, run `at`, with the mean, and with zeros."""
    runs = {"": 0, "_spliced": at, "_mean": 2, "_zero": 3}
    named = {f"ce{name}": ce[run] for name, run in runs.items()} | {f"kl{name}": kl[run] for name, run in runs.items()}
    return {"predictions": torch.ones(ce.shape[1]), **named}
