"""`train`: a sparse autoencoder of recorded activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from scope_widgets._files import check_folder
from scope_widgets._interrupted import result_or_interrupt
from scope_widgets._progress import tqdm
from scope_widgets._provenance import versions
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets._untrusted import reading
from scope_widgets.features.formats.write_saelens import WEIGHTS
from scope_widgets.features.recording.joined import JoinedRecordings
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.sae.measures import explained_variance
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.training.checkpoint import CHECKPOINT, Checkpoint, optimiser_state, set_optimiser_state
from scope_widgets.features.training.gated_step import GatedStep
from scope_widgets.features.training.objective import Weights
from scope_widgets.features.training.processes import Processes
from scope_widgets.features.training.rows import TrainingRows, as_one
from scope_widgets.features.training.settings import Architecture, Settings
from scope_widgets.features.training.sparse_step import SparseStep
from scope_widgets.features.training.start import first_weights, input_scale
from scope_widgets.features.training.step import Step
from scope_widgets.models.guards.put_back import recording_gradients

#: steps between two validations, and between two checkpoints
_VALIDATE, _SAVE = 200, 1000
#: gradients are made this long at most
_LONGEST = 1.0


def train(
    source: Recording | Sequence[Recording] | Array | Tensor,
    *,
    layer: int | None = None,
    d_sae: int | None = None,
    k: int = 32,
    architecture: Architecture = "batch_topk",
    steps: int | None = None,
    batch: int = 2048,
    learning_rate: float | None = None,
    seed: int | None = 0,
    folder: str | Path | None = None,
    progress: bool = True,
    device: str | torch.device | None = None,
    fabric: Any = None,
) -> SAE:
    """Train a sparse autoencoder.

    Inputs are scaled so that their mean squared norm is their width, and the scale is folded into the result, which
    takes activations as they are. Decoder rows have norm 1 after each step; the output begins with the geometric
    median; latents that fire no more learn what the others leave over, and in the first half of the steps begin anew at
    it. `k` latents fire in a row:

    - "batch_topk": on average, the strongest of a batch, and afterwards those above one threshold, which is set so that
      as many fire on some rows of training;
    - "topk": at most;
    - "matryoshka": as "batch_topk", and the first 1/16, 1/8, 1/4 and 1/2 of the latents reconstruct by themselves too;
    - "jumprelu": begins as "batch_topk"; after two fifths of the steps each latent learns a threshold of its own;
    - "gated": about `k`, as the weight of its penalty follows the number that fire.

    Parameters
    ----------
    source : Recording, or several that are read as one; or array or tensor [row, d]
    layer : int, optional
        Of a recording of several.
    d_sae : int, optional
        Latents; 8 times the width by default.
    k : int, default 32
        Latents that fire in a row.
    architecture : "batch_topk", "topk", "matryoshka", "jumprelu" or "gated", default "batch_topk"
    steps : int, optional
        By default so many that all rows come once, and 4,000 at least.
    batch : int, default 2048
        Rows of a step.
    learning_rate : float, optional
        Of Adam; by default 0.001 for 1,024 latents or fewer, and less by the square root for more. It rises over the
        first steps and falls to 0 over the last fifth.
    seed : int or None, default 0
        Of first weights and the order of rows.
    folder : str or Path, optional
        Where checkpoints go every 1,000 steps and at the end, and the result (SAELens's layout) then. A run that was
        stopped goes on from there, to the same weights bit for bit at the same number of threads; one that has ended is
        returned.
    progress : bool, default True
        Show a bar with loss, L0, variance explained and dead latents.
    device : str or torch.device, optional
        Where it is trained, such as "cuda", and the result is; by default where the rows are.
    fabric : lightning_fabric.Fabric, optional
        Launched: its processes train together, each on its part of every batch, to the weights of one process but for
        rounding. The first one writes to `folder`, and each returns the result. See docs/clusters.md.

    Returns
    -------
    SAE
        Its `history` has the measures of the steps, and `validation_explained`, `validation_l0` on rows of other texts.

    Raises
    ------
    ValueError
        For arguments that are none, rows that are not finite, or a folder with a checkpoint of another run (of other
        rows or arguments), or with an SAE
        that has none.
    TypeError
        For a source that is no recording or array, or a `fabric` that is none.

    References
    ----------
    Gao et al. 2024 (TopK, arXiv 2406.04093); Bussmann et al. 2024 (BatchTopK, arXiv 2412.06410) and 2025 (Matryoshka,
    arXiv 2503.17547); Rajamanoharan et al. 2024 (gated, arXiv 2404.16014; JumpReLU, arXiv 2407.14435).

    Examples
    --------
    >>> sae = features.train(torch.randn(256, 8), d_sae=16, k=2, steps=5)
    >>> sae
    SAE(16 latents of width 8, jumprelu)
    """
    seed = seed_of(seed)
    folder = None if folder is None else check_folder(folder)
    given = as_one(source)
    processes = Processes(fabric)
    rows = TrainingRows(given, layer, seed, device if device is not None or fabric is None else fabric.device)
    batch = min(batch, rows.n) if isinstance(batch, int) and batch > 0 else batch
    d_sae = 8 * rows.d if d_sae is None else d_sae
    settings = Settings(
        d_sae=d_sae,
        k=k,
        architecture=architecture,
        steps=max(4000, rows.n // max(1, batch)) if steps is None else steps,
        batch=batch,
        seed=seed,
        learning_rate=1e-3 / max(1.0, d_sae / 1024) ** 0.5 if learning_rate is None else learning_rate,
    )
    processes.check_batch(settings.batch)
    run = _Run(settings, rows, processes)
    if folder is not None:
        run.go_on_from(folder)
    note = ""
    try:
        with recording_gradients(False):
            run.all_steps(folder, progress)
    except KeyboardInterrupt:
        kept = ": the same call goes on from there" if folder is not None else ""
        note = f"Training was stopped after {run.step_number:,} of {settings.steps:,} steps{kept}."
    if folder is not None and processes.is_first:
        run.checkpoint().write(folder)
    sae = run.result()
    if isinstance(given, (Recording, JoinedRecordings)):
        of = given.manifest
        sae = replace(sae, site=of.site, output_site=of.site, layer=rows.layer, model=of.model)
    if folder is not None and not note and processes.is_first:
        sae.save(folder)
    if not note:
        processes.wait()  # so that each can read what the first has written
    return result_or_interrupt(sae, note)


class _Run:
    """A training run: weights, optimiser, and how far it has come."""

    def __init__(self, settings: Settings, rows: TrainingRows, processes: Processes | None = None) -> None:
        generator = torch.Generator("cpu").manual_seed(settings.seed)
        self._settings, self._rows, self._processes = settings, rows, processes or Processes()
        self.step_number = 0
        self._scale = input_scale(rows.first)
        first = rows.first * self._scale
        self._weights: Weights = first_weights(first, settings.d_sae, generator)
        dead_after = min(10_000_000, max(settings.batch, settings.steps * settings.batch // 30))
        kind = GatedStep if settings.architecture == "gated" else SparseStep
        self._step: Step = kind(settings, dead_after, first.device)
        self._step.life.processes = self._processes
        self._parameters = [*self._weights.all(), *self._step.own]
        self._optimiser = torch.optim.Adam(self._parameters, lr=settings.learning_rate, fused=True)
        self._history: dict[str, list[float]] = {}
        self._digest = ""

    def all_steps(self, folder: Path | None, progress: bool) -> None:
        """Do the steps that are left."""
        total = self._settings.steps
        if self.step_number == total:
            return
        batches = islice(self._rows.batches(self._settings.batch), self.step_number, total)
        quiet = not progress or not self._processes.is_first
        with tqdm(total=total, initial=self.step_number, disable=quiet, leave=False, desc="Training") as bar:
            for x in batches:
                measures = self._one_step(self._processes.part(x).float() * self._scale)
                self.step_number += 1
                if self.step_number == total:
                    self._step.calibrate(self._weights, self._rows.first * self._scale)
                if self.step_number % _VALIDATE == 0 or self.step_number == total:
                    self._note(measures | self._validation())
                    bar.set_postfix({name: f"{value:.3g}" for name, value in measures.items()}, refresh=False)
                bar.update()
                if folder is not None and self.step_number % _SAVE == 0 and self._processes.is_first:
                    self.checkpoint().write(folder)

    def _one_step(self, x: Tensor) -> dict[str, float]:
        gradients, measures = self._step.gradients(self._weights, x)
        self._processes.average(gradients)
        decoder, of_decoder = self._weights.decoder, gradients[1]
        # what would change the norms of rows is taken out: they are 1
        along = torch.einsum("ld,ld->l", of_decoder, decoder)
        of_decoder.addcmul_(along[:, None], decoder, value=-1)
        for one, gradient in zip(self._parameters, gradients, strict=True):
            one.grad = gradient
        torch.nn.utils.clip_grad_norm_(self._parameters, _LONGEST)
        for group in self._optimiser.param_groups:
            group["lr"] = self._settings.rate_at(self.step_number)
        self._optimiser.step()
        self._step.life.begin_anew(self._weights, self._step.own, self._optimiser)
        functional.normalize(decoder, dim=1, out=decoder)
        return measures

    def _validation(self) -> dict[str, float]:
        rows = self._rows.validation
        if len(rows) < 2:
            return {}
        codes = (sae := self.result()).encode(rows)
        return {"validation_explained": explained_variance(rows, sae.decode(codes)), "validation_l0": codes.l0}

    def _note(self, measures: dict[str, float]) -> None:
        for name, value in {"step": float(self.step_number), **measures}.items():
            self._history.setdefault(name, []).append(value)

    # --- stopping and going on --------------------------------------------------------------------------------------

    def _digest_of_rows(self) -> str:
        self._digest = self._digest or self._rows.digest()
        return self._digest

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to go on."""
        about = {
            "settings": self._settings.to_dict(),
            "rows": self._digest_of_rows(),
            "step": self.step_number,
            "state": self._step.state(),
            "history": self._history,
            "versions": versions(),
        }
        tensors = {f"parameter.{at}": one for at, one in enumerate(self._parameters)}
        tensors |= optimiser_state(self._optimiser, self._parameters)
        return Checkpoint(about, {**tensors, "idle": self._step.life.idle})

    def go_on_from(self, folder: Path) -> None:
        """Go on from the checkpoint of a folder, where there is one."""
        known = Checkpoint.read(folder)
        if known is None:
            if (folder / WEIGHTS).exists():
                raise ValueError(
                    f"{str(folder)!r} holds an SAE ({WEIGHTS}) without the checkpoint of its training, and it would be "
                    "replaced: give another folder."
                )
            return
        others = []
        if known.about["settings"] != self._settings.to_dict():
            there, here = known.about["settings"], self._settings.to_dict()
            differ = [
                f"{name}={there.get(name)!r}, not {value!r}" for name, value in here.items() if there.get(name) != value
            ]
            others.append(f"other arguments ({'; '.join(differ)})")
        if known.about["rows"] != self._digest_of_rows():
            others.append("other rows")
        if others:
            raise ValueError(
                f"{str(folder)!r} holds a checkpoint of another run, of {' and '.join(others)}: give another folder, "
                "or the same rows and arguments."
            )
        with reading(f"{str(folder / CHECKPOINT)!r} is no checkpoint of this run"):
            self.step_number = int(known.about["step"])
            self._history = {name: list(values) for name, values in known.about["history"].items()}
            self._step.set_state(known.about["state"])
            self._step.life.idle.copy_(known.tensors["idle"])
            self._step.life.steps = self.step_number
            for at, one in enumerate(self._parameters):
                one.copy_(known.tensors[f"parameter.{at}"])
            set_optimiser_state(self._optimiser, self._parameters, known.tensors)

    def result(self) -> SAE:
        """Return what is trained so far, for activations as they are."""
        w, scale = self._weights, self._scale
        options = self._step.activation()
        if "threshold" in options:
            options["threshold"] = options["threshold"] / scale
        if "gate" in options:
            b_gate, r_mag = options["gate"]
            options["gate"] = torch.stack([b_gate / scale, r_mag])
        return SAE(
            W_enc=w.encoder.T.contiguous(),
            W_dec=w.decoder.clone(),
            b_enc=w.b_enc / scale,
            b_dec=w.b_dec / scale,
            history={name: list(values) for name, values in self._history.items()},
            **options,
        )
