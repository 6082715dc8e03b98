"""`TrainingRun`: the steps of a training run, its checkpoints, and what it has found so far; `all_steps` of several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from scope_widgets._progress import tqdm
from scope_widgets._provenance import versions
from scope_widgets._untrusted import check_count, reading
from scope_widgets.features.formats import write_saelens, write_sparsify
from scope_widgets.features.sae.gates import without_gate
from scope_widgets.features.sae.measures import explained_variance
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.training.checkpoint import CHECKPOINT, Checkpoint, optimiser_state, set_optimiser_state
from scope_widgets.features.training.first_weights import first_weights, first_weights_of_transcoder, input_scale
from scope_widgets.features.training.processes import Processes
from scope_widgets.features.training.settings import Settings
from scope_widgets.features.training.steps.dead_latents import Step
from scope_widgets.features.training.steps.gated_step import GatedStep
from scope_widgets.features.training.steps.objective import Weights
from scope_widgets.features.training.steps.sparse_step import SparseStep
from scope_widgets.features.training.tracked import note_measures
from scope_widgets.features.training.training_rows import Pair, TrainingRows

#: steps between two validations, and between two checkpoints
_VALIDATE, _SAVE = 200, 1000
#: gradients are made this long at most
_LONGEST = 1.0


class TrainingRun:
    """A training run: weights, optimiser, and how far it has come.

    Attributes
    ----------
    settings : Settings
    name : str
        What it is called in the run of `tracking` that is open, where one is.
    step_number : int
        Steps done.
    """

    def __init__(
        self, settings: Settings, rows: TrainingRows, processes: Processes | None = None, name: str = "train"
    ) -> None:
        generator = torch.Generator("cpu").manual_seed(settings.seed)
        self.settings, self._rows, self._processes = settings, rows, processes or Processes()
        self.name, self.step_number = name, 0
        self._scales = [input_scale(one) for one in rows.first]
        first, targets = self._scaled(*rows.first)
        self._weights: Weights = (
            first_weights_of_transcoder(first, targets, settings.d_sae, settings.skip, generator)
            if rows.transcodes
            else first_weights(first, settings.d_sae, generator)
        )
        dead_after = min(10_000_000, max(settings.batch, settings.steps * settings.batch // 30))
        kind = GatedStep if settings.architecture == "gated" else SparseStep
        self._step: Step = kind(settings, dead_after, first.device)
        self._step.life.processes = self._processes
        self._parameters = [*self._weights.all(), *self._step.own]
        self._optimiser = torch.optim.Adam(self._parameters, lr=settings.learning_rate, fused=True)
        self._history: dict[str, list[float]] = {}

    @property
    def is_noted(self) -> bool:
        """Whether this step's measures stand in the history."""
        return self.step_number % _VALIDATE == 0 or self.is_done

    @property
    def is_done(self) -> bool:
        """Whether no step is left."""
        return self.step_number == self.settings.steps

    def go_on(self, x: Tensor, y: Tensor, folder: Path | None) -> dict[str, float]:
        """Do a step, note its measures and write a checkpoint where it is time to; return the measures."""
        measures = self.step(x, y)
        if self.is_done:
            self._step.calibrate(self._weights, self._scaled(*self._rows.first)[0])
        if self.is_noted:
            self._note(measures | self._validation())
        if folder is not None and self.step_number % _SAVE == 0 and self._processes.is_first:
            self.checkpoint().write(folder)
        return measures

    def step(self, x: Tensor, y: Tensor) -> dict[str, float]:
        """Do a step on inputs `[row, d]` and what is to be made of them `[row, d_out]`, and return its measures."""
        gradients, measures = self._step.gradients(self._weights, *self._scaled(*self._processes.parts(x, y)))
        self._processes.average(gradients)
        decoder, of_decoder = self._weights.decoder, gradients[1]
        # what would change the norms of rows is taken out: they are 1
        along = torch.einsum("ld,ld->l", of_decoder, decoder)
        of_decoder.addcmul_(along[:, None], decoder, value=-1)
        for one, gradient in zip(self._parameters, gradients, strict=True):
            one.grad = gradient
        torch.nn.utils.clip_grad_norm_(self._parameters, _LONGEST)
        for group in self._optimiser.param_groups:
            group["lr"] = self.settings.rate_at(self.step_number)
        self._optimiser.step()
        self._step.life.begin_anew(self._weights, self._step.own, self._optimiser)
        functional.normalize(decoder, dim=1, out=decoder)
        self.step_number += 1
        return measures

    def _scaled(self, x: Tensor, y: Tensor) -> Pair:
        """Return inputs and targets as they are trained on: of an autoencoder the same."""
        scaled = x.float() * self._scales[0]
        return scaled, scaled if y is x else y.float() * self._scales[1]

    def _validation(self) -> dict[str, float]:
        x, y = self._rows.validation
        if len(x) < 2:
            return {}
        codes = (sae := self.result()).encode(x)
        return {"validation_explained": explained_variance(y, sae.decode(codes, x)), "validation_l0": codes.l0}

    def _note(self, measures: dict[str, float]) -> None:
        for name, value in {"step": float(self.step_number), **measures}.items():
            self._history.setdefault(name, []).append(value)
        if self._processes.is_first:
            note_measures(self.name, measures, self.step_number)

    # --- stopping and going on --------------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to go on."""
        about = {
            "settings": self.settings.to_dict(),
            "rows": self._rows.digest,
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
            for weights in (write_saelens.WEIGHTS, write_sparsify.WEIGHTS):
                if (folder / weights).exists():
                    raise ValueError(
                        f"{str(folder)!r} holds an SAE ({weights}) without the checkpoint of its training, and it "
                        "would be replaced: give another folder."
                    )
            return
        others = []
        if known.about["settings"] != self.settings.to_dict():
            there, here = known.about["settings"], self.settings.to_dict()
            differ = [
                f"{name}={there.get(name)!r}, not {value!r}" for name, value in here.items() if there.get(name) != value
            ]
            others.append(f"other arguments ({'; '.join(differ)})")
        if known.about["rows"] != self._rows.digest:
            others.append("other rows")
        if others:
            raise ValueError(
                f"{str(folder)!r} holds a checkpoint of another run, of {' and '.join(others)}: give another folder, "
                "or the same rows and arguments."
            )
        with reading(f"{str(folder / CHECKPOINT)!r} is no checkpoint of this run"):
            self.step_number = check_count("step", known.about["step"], self.settings.steps)
            history = known.about["history"]
            self._history = {name: [float(one) for one in values] for name, values in history.items()}
            self._step.set_state(known.about["state"])
            self._step.life.idle.copy_(known.like("idle", self._step.life.idle))
            self._step.life.steps = self.step_number
            for at, one in enumerate(self._parameters):
                one.copy_(known.like(f"parameter.{at}", one))
            if self.step_number:
                set_optimiser_state(self._optimiser, self._parameters, known)

    def result(self) -> SAE:
        """Return what is trained so far, for activations as they are; a latent is the length of what it adds."""
        w, scale = self._weights, self._scales[1]
        options = self._step.activation()
        if "threshold" in options:
            options["threshold"] = options["threshold"] / scale
        if "gate" in options:
            b_gate, r_mag = options["gate"]
            options["gate"] = torch.stack([b_gate / scale, r_mag])
        # inputs are multiplied with the one scale, latents and outputs divided by the other
        both = self._scales[0] / scale
        sae = SAE(
            W_enc=(w.encoder.T * both).contiguous(),
            W_dec=w.decoder.clone(),
            b_enc=w.b_enc / scale,
            b_dec=w.b_dec / scale,
            subtracts_b_dec=not w.transcodes,
            W_skip=None if w.skip is None else w.skip * both,
            site=self._rows.sites[0],
            output_site=self._rows.sites[1],
            layer=self._rows.layer,
            model=self._rows.model,
            history={name: list(values) for name, values in self._history.items()},
            **options,
        )
        return without_gate(sae) if w.transcodes else sae


def all_steps(runs: Sequence[TrainingRun], rows: TrainingRows, folders: Sequence[Path | None], progress: bool) -> None:
    """Do the steps that are left to runs of as many steps, each batch read once for all of them.

    The bar shows the measures of the last run.
    """
    settings = runs[0].settings
    begin, total = min(run.step_number for run in runs), settings.steps
    if begin == total:
        return
    left_out = f" without {rows.n_massive:,} massive rows" if rows.n_massive else ""
    named = f"Training {f'{len(runs)} autoencoders' if len(runs) > 1 else ''}".rstrip() + left_out
    with tqdm(total=total, initial=begin, disable=not progress, leave=False, desc=named) as bar:
        for at, (x, y) in enumerate(islice(rows.batches(settings.batch), begin, total), begin):
            for run, folder in zip(runs, folders, strict=True):
                if run.step_number > at:
                    continue  # a checkpoint of it is further on
                measures = run.go_on(x, y, folder)
                if run.is_noted:
                    bar.set_postfix({name: f"{value:.3g}" for name, value in measures.items()}, refresh=False)
            bar.update()
