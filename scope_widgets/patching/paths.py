"""Path patching over senders and receivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index
from typing import Any, Literal

import numpy as np

from scope_widgets._partial_result import result_or_interrupt
from scope_widgets._progress import tqdm
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import made_with
from scope_widgets._types import Head, Position, Prompts, Roles, Tokens
from scope_widgets.experiments.check_components import check_head, check_heads
from scope_widgets.experiments.metric import MetricFunction, MetricName
from scope_widgets.experiments.path_patching import Receiver, patch_paths, reaches
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.patching.clean_corrupted_runs import PatchingDirection, run_pair
from scope_widgets.patching.result import PatchingResult


@remotable
def paths(
    scope: Microscope,
    clean: Prompts,
    corrupted: Prompts,
    *,
    answer: Tokens | None = None,
    versus: Tokens | None = None,
    senders: Literal["heads", "mlps"] | Sequence[Head] = "heads",
    receivers: Literal["logits"] | Sequence[Receiver] = "logits",
    positions: Position = "all",
    direction: PatchingDirection = "noising",
    metric: MetricName | MetricFunction | None = None,
    roles: Roles | None = None,
) -> PatchingResult:
    """Patch only what a sender tells the receivers directly, by Wang et al.'s path patching: exact.

    The sender's output comes from the other run; all other heads are frozen, so that it travels by the residual stream
    and through MLPs only; what then arrives at the receivers is put into the base run, which goes on freely.

    Parameters
    ----------
    scope : Microscope
    clean, corrupted : str, list of str, or token ids
        The prompt that shows the behaviour and the one that does not, or as many of each; a pair has one length.
    answer, versus : str, token id, or list of these, one a prompt
        Tokens; the metric is `logit(answer) - logit(versus)` at the last position.
    senders : "heads", "mlps", or list of (layer, head), default "heads"
        Each by itself.
    receivers : "logits", or list of (layer, head, "q" | "k" | "v") and ("mlp", layer), default "logits"
        All of them together. Under grouped-query attention k and v are those of the head's whole group.
    positions : "all", an int, or a role, default "all"
        Where the sender is patched, and so where something arrives.
    direction : {"noising", "denoising"}, default "noising"
        Corrupted into clean, as in the paper, or clean into corrupted.
    metric : str or callable, optional
        "logit_difference", "logit", "probability", "log_probability", "kl" (from the clean run), or a function that
        takes the logits [vocabulary] of a prompt's last position and gives one number.
    roles : mapping of role to position of each prompt, optional

    Returns
    -------
    PatchingResult
        values [layer, head] for heads, [layer] for MLPs; 0 where no path leads from the sender to a receiver, NaN where
        not run (also where interrupted).

    Raises
    ------
    ValueError
        For prompts that do not fit together, a position or role that is not there, answers that are not one token, a
        metric that is not one finite number, a sender or receiver that the model lacks.

    References
    ----------
    Wang et al. 2022 (arXiv 2211.00593), appendix B.

    Examples
    --------
    >>> clean = "When Mary and John went to the store, John gave a drink to"
    >>> corrupted = "When Mary and John went to the store, Mary gave a drink to"
    >>> result = patching.paths(scope, clean, corrupted, answer=" Mary", versus=" John", positions=-1)
    >>> result.values.shape  # [layer, head]
    (4, 4)
    """
    if not isinstance(positions, str) and not hasattr(positions, "__index__"):
        raise ValueError(
            f"positions= is 'all', one position or one role, where senders are patched; got {positions!r}."
        )
    single = isinstance(positions, str) and positions == "all"
    pair = run_pair(
        scope,
        clean,
        corrupted,
        answer=answer,
        versus=versus,
        metric=metric,
        direction=direction,
        positions="all" if single else [positions],
        roles=roles,
        corrupted_roles=None,
        capture=("z", "q", "mlp_out"),
    )
    by_layer = _senders(scope, senders)
    into = None if isinstance(receivers, str) and receivers == "logits" else _receivers(scope, receivers)
    from_mlps = isinstance(senders, str) and senders == "mlps"
    shape = (scope.n_layers,) if from_mlps else (scope.n_layers, scope.n_heads)
    per_prompt = np.full((pair.n, *shape), np.nan)
    rows = sum(1 if heads is None else len(heads) for heads in by_layer.values()) * pair.n
    zero = np.zeros(shape, dtype=bool)
    interrupted = ""
    with tqdm(total=rows, desc="Patching paths", unit="row", leave=False) as bar:
        try:
            for layer, heads in by_layer.items():
                if into is not None and not any(reaches(layer, from_mlps, one) for one in into):
                    effects = np.zeros((pair.n, 1 if heads is None else len(heads))) / pair.scale
                    zero[(layer,) if heads is None else (layer, heads)] = np.isfinite(pair.scale)
                    bar.update(effects.size)
                else:
                    measured = patch_paths(
                        pair.base,
                        pair.source,
                        layer,
                        heads,
                        into,
                        None if pair.at is None else pair.at[:, 0],
                        pair.metric,
                        n_layers=scope.n_layers,
                        group=scope.n_heads // scope.anatomy.n_kv_heads,
                        on_rows=bar.update,
                    )
                    effects = (measured.T - pair.m_base[:, None]).numpy() / pair.scale
                if heads is None:
                    per_prompt[:, layer] = effects[:, 0]
                else:
                    per_prompt[:, layer, heads] = effects
        except KeyboardInterrupt:
            done = int((np.isfinite(per_prompt).all(0) & ~zero).sum())
            interrupted = f"Interrupted: {done:,} of {rows // pair.n:,} cells were run; the others are NaN."
    measured_runs = pair.measured
    options: dict[str, Any] = {
        "answer": answer,
        "versus": versus,
        "senders": senders,
        "receivers": receivers,
        "positions": positions,
    }
    options |= {"direction": direction, "metric": metric, "roles": roles}
    call = python_call("patching.paths", "scope", ("clean", clean), ("corrupted", corrupted), **options)
    result = PatchingResult(
        values=per_prompt.mean(0),
        per_prompt=per_prompt,
        estimate=None,
        over="mlp_out" if from_mlps else "head",
        direction=direction,
        metric=pair.metric.name,
        positions=[],
        clean=measured_runs[0].numpy(),
        corrupted=measured_runs[1].numpy(),
        exact=True,
        message=f"{interrupted} {pair.message}".strip(),
        provenance=pair.provenance.then(call),
        floor=pair.effect_floor,
        by_construction=zero,
        question=pair.question,
    )
    return result_or_interrupt(made_with(result, scope), interrupted)


def _senders(scope: Microscope, senders: Any) -> Mapping[int, list[int] | None]:
    if isinstance(senders, str) and senders == "heads":
        return {layer: list(range(scope.n_heads)) for layer in range(scope.n_layers)}
    if isinstance(senders, str) and senders == "mlps":
        return dict.fromkeys(range(scope.n_layers))
    by_layer: dict[int, list[int]] = {}
    for layer, head in check_heads(scope, senders, "senders= is 'heads', 'mlps' or a list of (layer, head)"):
        by_layer.setdefault(layer, []).append(head)
    return dict(sorted(by_layer.items()))


def _receivers(scope: Microscope, receivers: Any) -> list[Receiver]:
    sentence = (
        f"receivers= is 'logits' or a list of (layer, head, 'q' | 'k' | 'v') and ('mlp', layer); got {receivers!r}."
    )
    try:
        given = [_receiver(tuple(one)) for one in receivers]
    except (TypeError, ValueError):
        given = []
    if not given:
        raise ValueError(sentence)
    for one in given:
        if one[0] != "mlp":
            check_head(scope, one[0], one[1])
        elif not 0 <= one[1] < scope.n_layers:
            raise ValueError(f"There is no MLP of layer {one[1]}: the model has layers 0 to {scope.n_layers - 1}.")
    return given


def _receiver(one: tuple[Any, ...]) -> Receiver:
    if len(one) == 2 and isinstance(one[0], str) and one[0] == "mlp":
        return "mlp", index(one[1])
    if len(one) == 3 and one[2] in ("q", "k", "v"):
        return index(one[0]), index(one[1]), one[2]
    raise ValueError
