"""What a run is asked for, checked against the model: token ids, quantities to record, logits to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from scope_widgets._check_choice import check_choice
from scope_widgets.models.architecture.anatomy import Anatomy
from scope_widgets.models.architecture.model_parts import ModelParts
from scope_widgets.models.execution.recorder import recorded_sites
from scope_widgets.traces.trace_data import KeptLogits

#: beyond this, patterns are not stored by default but computed from queries and keys when they are asked for
ATTENTION_BYTES = 512 * 2**20


def check_token_ids(scope: ModelParts, rows: Sequence[Sequence[int]]) -> None:
    """Raise ValueError where a prompt is longer than the model reads, or has an id that it lacks."""
    longest = max(map(len, rows))
    if longest > scope.anatomy.context:
        raise ValueError(
            f"The prompt has {longest} tokens and {scope.model_id} reads at most {scope.anatomy.context}. Shorten it."
        )
    wrong = [i for row in rows for i in row if not 0 <= i < scope.anatomy.d_vocab]
    if wrong:
        raise ValueError(f"Token ids must be 0 to {scope.anatomy.d_vocab - 1} for {scope.model_id}; got {wrong[0]}.")


def wanted_sites(capture: str | Sequence[str] | None, anatomy: Anatomy, ids: Tensor | None = None) -> tuple[str, ...]:
    """Return the quantities that a trace records: those asked for, or all.

    Parameters
    ----------
    capture : str or sequence of str, optional
    anatomy : Anatomy
    ids : Tensor of int [row, position], optional
        Where it is given, patterns are left out of all that would take more than `ATTENTION_BYTES`.
    """
    if capture is not None:
        return (capture,) if isinstance(capture, str) else tuple(capture)
    every = recorded_sites(anatomy)
    if ids is None:
        return every
    keys = {"attention": ids.shape[-1], "cross_attention": anatomy.n_source}
    size = 4 * anatomy.n_layers * anatomy.n_heads * ids.numel()
    return tuple(site for site in every if site not in keys or size * keys[site] <= ATTENTION_BYTES)


def checked_logits(logits: KeptLogits) -> KeptLogits:
    """Return whose logits a trace is to keep; raise ValueError for anything else."""
    if logits is not None:
        check_choice("logits", logits, Literal["all", "last"], "None")
    return logits
