"""`optimise_value`: what an MLP should write at a subject for another answer, found by gradient descent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from scope_widgets._progress import tqdm
from scope_widgets.experiments.check_logits import OVERFLOW, check_logits
from scope_widgets.experiments.metric import divergence
from scope_widgets.models.guards.restore_on_exit import outside_inference_mode, recording_gradients
from scope_widgets.models.microscope import Microscope, loaded

#: step of Adam, in units of the typical size of one number that the MLP writes there
_RATE = 0.1
#: weight of the divergence on the essence prompt
_ESSENCE = 1 / 16
#: weight of the squared norm of the addition, and the most that the norm may be, in units of that of the MLP's output
_DECAY, _LONGEST = 0.05, 4.0
#: the mean probability of the answer at which the descent ends
_ENOUGH = 0.95


@dataclass(frozen=True)
class Contexts:
    """Prompts that contain a subject, as token ids.

    Attributes
    ----------
    rows : list of list of int
    positions : list of int
        The subject's last token in each.
    """

    rows: list[list[int]]
    positions: list[int]

    def __add__(self, other: Contexts) -> Contexts:
        """Join them."""
        return Contexts(self.rows + other.rows, self.positions + other.positions)


def optimise_value(
    scope: Microscope, contexts: Contexts, essence: Contexts, layer: int, answer: int, steps: int
) -> tuple[Tensor, list[float]]:
    """Return what, added to the MLP's output at the subject's last token, makes the answer probable in all contexts.

    Minimises the mean of `-log p(answer)`, plus what the prediction after the essence prompt diverges from the model's
    own, plus the squared norm, each weighted (Meng et al. 2022, arXiv 2202.05262, equation 4).

    Parameters
    ----------
    scope : Microscope
    contexts : Contexts
        They end where the answer is to come. The first is the one whose MLP output gives the units.
    essence : Contexts
        One prompt about what the subject is.
    layer : int
    answer : int
        A token.
    steps : int
        At most.

    Returns
    -------
    addition : Tensor of float32 [d_model]
    losses : list of float
        One a step, in nats.

    Raises
    ------
    ValueError
        When the answer is probable already, or what is written there makes no difference to it.
    """
    with outside_inference_mode():
        return _optimised(scope, contexts, essence, layer, answer, steps)


def _optimised(
    scope: Microscope, contexts: Contexts, essence: Contexts, layer: int, answer: int, steps: int
) -> tuple[Tensor, list[float]]:
    both = contexts + essence
    run = loaded(scope).run(both.rows, capture=("mlp_out",))
    rows = torch.arange(len(run), device=run.last.device)
    at = torch.tensor(both.positions, device=rows.device)
    positions = run.suffix(rows, at)
    at_subject = (positions == at[:, None])[..., None]
    size = run.values["mlp_out"][layer][0, at[0]].float().norm()
    unit = size / scope.d_model**0.5
    check_logits(run.logits, "of the model")
    before = run.logits[-1].float().log_softmax(-1)
    added = torch.zeros(scope.d_model, device=rows.device, requires_grad=True)
    optimiser = torch.optim.Adam([added], lr=_RATE)
    losses: list[float] = []

    def add(value: Tensor) -> Tensor:
        addition: Tensor = (at_subject * unit * added).to(value.dtype)
        return value + addition

    with recording_gradients(True):  # the optimiser turns them off and on, and Ctrl-C may come between
        for _ in tqdm(range(steps), desc="Fact edit", leave=False):
            edits = {("mlp_out", layer): add}
            logits = run.again(edits, rows=rows, positions=positions, layer=layer, gradients=True)
            after = logits.float().log_softmax(-1)
            changed = divergence(before, after[-1])
            norm = added.square().mean()  # squared, in units of `size`
            loss = _ESSENCE * changed - after[:-1, answer].mean() + _DECAY * norm
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise ValueError(
                    f"The loss is {losses[-1]} after {len(losses) - 1} steps, so no value is found. {OVERFLOW}"
                )
            if after[:-1, answer].exp().mean() > _ENOUGH:
                if len(losses) == 1:
                    raise ValueError(f"The model gives this answer already, with a mean probability above {_ENOUGH}.")
                break
            (added.grad,) = torch.autograd.grad(loss, [added])
            optimiser.step()
            with recording_gradients(False):
                added *= (_LONGEST / added.square().mean().sqrt().clamp_min(1e-12)).clamp(max=1.0)
    if not bool(added.any()):
        raise ValueError(
            f"Nothing that the MLP of layer {layer} writes at the subject reaches the answer: take an earlier layer."
        )
    return added.detach() * unit, losses
