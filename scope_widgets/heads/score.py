"""`score` and `score_repeated_tokens`: every statistic of every head, with a null for each that has one."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from scope_widgets import _kernels
from scope_widgets._aliases import former_options
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import made_with
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.experiments.trace_model import check_trace
from scope_widgets.heads.head_scores import HeadScores
from scope_widgets.heads.null_distribution import (
    SHUFFLED_TOKENS,
    Patterns,
    at_random_keys,
    random_key_draws,
    shared_p,
    shuffled_token_draws,
)
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.traces.not_captured import NotCapturedError
from scope_widgets.traces.trace import Trace


@remotable
def score(trace: Trace, *, null_draws: int = 200, seed: int | None = 0) -> HeadScores:
    """Score every head of a trace by every statistic, averaged over its prompts.

    Parameters
    ----------
    trace : Trace
        Of one prompt or several, with "attention", or with "q" and "k" (from which the statistics are then computed in
        tiles, without a null, never holding a pattern).
    null_draws : int, default 200
        How many draws the null has; 0 for none. Tokens are shuffled for duplicate_token and induction; for
        previous_token, current_token and first_token each query's key is drawn among those that it sees.
    seed : int or None, default 0
        Of the null's draws.

    Returns
    -------
    HeadScores
        Each a mean over queries q, with attention A[q, k]; NaN where a prompt has no such query:

        ================== ===========================================================================================
        entropy            -sum_k A ln A in nats
        normalised_entropy the same over ln(number of keys that q sees), where it sees several
        previous_token     A[q, q - 1], q >= 1 (Wang et al. 2022, appendix H)
        current_token      A[q, q]
        first_token        A[q, 0], q >= 1
        duplicate_token    sum of A to the earlier tokens that equal token q, where there are any (TransformerLens)
        induction          sum of A to the tokens right after those (Olsson et al. 2022)
        sparsity           share of all causal entries with A < 0.01
        ================== ===========================================================================================

        Attention to a sink (gpt-oss) is none of these: there the A of a query sum to less than 1.

    Raises
    ------
    NotCapturedError
        When the trace recorded neither attention nor queries and keys.
    ValueError
        Where attention is not causal.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> scores = heads.score(trace)
    >>> scores["previous_token"].shape  # [layer, head]
    (4, 4)
    >>> scores.top("previous_token", 1)[0][:2]  # (layer, head)
    (2, 0)
    """
    check_trace(trace)
    seed = seed_of(seed)
    if "attention" not in trace.captured and not {"q", "k"} <= set(trace.captured):
        raise NotCapturedError(
            f"Head statistics need attention and this trace captured {', '.join(trace.captured) or 'logits only'}. "
            "Trace again with capture=('attention',) or, for long prompts, capture=('q', 'k')."
        )
    rng = np.random.default_rng(seed)
    prompts = [trace[i] for i in range(len(trace))]
    observed: list[dict[str, Array]] = []
    drawn: list[dict[str, Array]] = []
    for prompt in tqdm(prompts, desc="Scoring heads", leave=False, disable=len(prompts) < 8):
        statistics, draws = _score_prompt(prompt, null_draws, rng)
        observed.append(statistics)
        drawn.append(draws)
    mean, p = _average_over_prompts(observed, drawn)
    call = python_call("heads.score", "trace", null_draws=null_draws, seed=seed)
    provenance = trace.provenance.then(call, seed=seed if p else None)
    return made_with(HeadScores(statistics=mean, null_p=p, n_prompts=len(prompts), provenance=provenance), trace.scope)


def _score_prompt(
    prompt: Trace, null_draws: int, rng: np.random.Generator
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the scores of one prompt: statistics `[layer, head]` and null draws `[draw, layer, head]`."""
    tokens = prompt.token_ids.numpy().astype(np.int64)
    exact = "attention" in prompt.captured
    statistics, draws = [], []
    for layer in range(prompt.n_layers):
        if not exact:
            statistics.append(_from_queries_and_keys(prompt, layer, tokens))
            continue
        attention = pattern(prompt, layer)
        statistics.append(_kernels.head_statistics(attention, tokens, **_seen(prompt, layer)))
        if null_draws and len(tokens) > 1:
            shuffled = shuffled_token_draws(attention, tokens, null_draws, rng, **_seen(prompt, layer))
            draws.append(shuffled | random_key_draws(attention, null_draws, rng, **_seen(prompt, layer)))
    stacked = {name: np.stack([one[name] for one in statistics]) for name in statistics[0]}
    return stacked, {name: np.stack([one[name] for one in draws], axis=1) for name in draws[0]} if draws else {}


def _from_queries_and_keys(prompt: Trace, layer: int, tokens: Array) -> dict[str, Array]:
    scoring = prompt.scoring[layer]
    if not scoring.from_products:  # a head at a time, so that no more than one pattern is held
        seen = _seen(prompt, layer)
        heads = [
            _kernels.head_statistics(_as_kernels_take_it(prompt.head_attention(layer, head)[None]), tokens, **seen)
            for head in range(prompt.n_heads)
        ]
        return {name: np.concatenate([one[name] for one in heads]) for name in heads[0]}
    q, k = (value(layer).float().transpose(0, 1) for value in (prompt.q, prompt.k))
    return _kernels.head_statistics_from_qk(
        q, k, tokens, scaling=scoring.scaling, window=scoring.window, softcap=scoring.softcap
    )


def _seen(trace: Trace, layer: int) -> dict[str, int | None]:
    """Return which keys each query sees, as the kernels take it."""
    scoring = trace.scoring[layer]
    if not scoring.causal:
        raise ValueError(
            f"Head statistics are of causal attention, and in layer {layer} of {trace.model_id} queries see what comes "
            "after them. Patterns are in trace.attention(layer)."
        )
    return {"window": scoring.window, "chunk": scoring.chunk}


@former_options("n")
@remotable
def score_repeated_tokens(
    scope: Microscope, *, n: int = 4, length: int = 100, seed: int | None = 0, null_draws: int = 200
) -> HeadScores:
    """Score heads on uniform random tokens that are repeated once: the test of induction and duplicate-token heads.

    Parameters
    ----------
    scope : Microscope
    n : int, default 4
        Number of sequences.
    length : int, default 100
        Random tokens in each, before they are repeated (shorter where the model's context is); the
        beginning-of-sequence token comes first where the tokenizer has one.
    seed : int or None, default 0
        Of the tokens and of the null.
    null_draws : int, default 200
        How many draws the null has, each query's key drawn among those that it sees; 0 for none.

    Returns
    -------
    HeadScores
        induction is the mean of A[q, q - length + 1] and duplicate_token that of A[q, q - length] over the second
        half (Wang et al. 2022, app. H and I; Olsson et al. 2022); the others are those of `score`.

    Raises
    ------
    ValueError
        For fewer than one sequence, or a length below 2.

    Examples
    --------
    >>> scores = heads.score_repeated_tokens(scope, n=2, length=20)
    >>> sorted(head for *head, score in scores.top("induction", 2))  # [layer, head]
    [[3, 1], [3, 2]]
    """
    seed = seed_of(seed)
    if n < 1 or length < 2:
        raise ValueError(f"Give at least one sequence of at least 2 tokens; got n={n}, length={length}.")
    # two generators, so that how many draws the null has does not change the tokens
    token_rng, null_rng = np.random.default_rng(seed).spawn(2)
    bos = [] if scope.tokenizer.bos_token_id is None else [int(scope.tokenizer.bos_token_id)]
    length = min(length, (scope.anatomy.context - len(bos)) // 2)
    ordinary = np.setdiff1d(np.arange(len(scope.tokenizer)), scope.tokenizer.all_special_ids)
    ordinary = ordinary[ordinary < scope.anatomy.d_vocab]
    half = slice(len(bos) + length, None)
    observed, drawn, losses = [], [], []
    for _ in tqdm(range(n), desc="Repeated random tokens", leave=False):
        random = token_rng.choice(ordinary, length).tolist()
        trace = scope.trace([*bos, *random, *random], capture=("attention",))
        patterns = _patterns(trace)
        statistics, _ = _score_prompt(trace, 0, null_rng)
        queries = np.arange(len(trace.tokens))[half]
        statistics["induction"] = _means_at(patterns, queries, queries - length + 1)
        statistics["duplicate_token"] = _means_at(patterns, queries, queries - length)
        observed.append(statistics)
        if null_draws:
            drawn.append(_null_of_repetition(trace, patterns, queries, null_draws, null_rng))
        losses.append(_losses(trace, len(bos), length))
    mean, p = _average_over_prompts(observed, drawn)
    first, second = np.mean(losses, axis=0)
    after = f" after {scope.tokenizer.bos_token!r}" if bos else ""
    note = (
        f"{n} x {length} uniform random tokens, repeated once{after}; "
        f"cross-entropy {first:.2f} nats per token on the first half, {second:.2f} on the second"
    )
    options = {"n": n, "length": length, "seed": seed, "null_draws": null_draws}
    call = python_call("heads.score_repeated_tokens", "scope", **options)
    provenance = Provenance(
        model=scope.model_id, revision=scope.revision, seed=seed, note=note, calls=(*scope.calls, call)
    )
    return made_with(HeadScores(statistics=mean, null_p=p, n_prompts=n, provenance=provenance), scope)


def _null_of_repetition(
    trace: Trace, patterns: Array | list[Tensor], queries: Array, null_draws: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Return scores `[draw, layer, head]` at random keys; of repetition, at the `queries` of the second half."""
    layers = []
    for layer, attention in enumerate(patterns):
        seen = _seen(trace, layer)
        repetition = at_random_keys(attention, queries, null_draws, rng, **seen)
        layers.append(random_key_draws(attention, null_draws, rng, **seen) | dict.fromkeys(SHUFFLED_TOKENS, repetition))
    return {name: np.stack([one[name] for one in layers], axis=1) for name in layers[0]}


def _average_over_prompts(
    observed: list[dict[str, Array]], drawn: list[dict[str, Array]]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Average the statistics over prompts, and compare each with its averaged null."""
    mean = {name: _mean([one[name] for one in observed]) for name in observed[0]}
    names = dict.fromkeys(name for one in drawn for name in one)  # a prompt of one token has no null
    return mean, {name: shared_p(mean[name], _mean([one[name] for one in drawn if name in one])) for name in names}


def pattern(trace: Trace, layer: int) -> Patterns:
    """Return the patterns `[head, query, key]` of a layer as the kernels take them: tensors on a GPU stay on it."""
    return _as_kernels_take_it(trace.attention(layer))


def _as_kernels_take_it(attention: Tensor) -> Patterns:
    attention = attention.float()
    if _kernels.COMPILED and attention.device.type == "cpu":
        return np.ascontiguousarray(attention.numpy())
    return attention


def _patterns(trace: Trace) -> Array | list[Tensor]:
    """Return the patterns of all layers: an array `[layer, head, query, key]`, on a GPU a list of tensors."""
    layers = [pattern(trace, layer) for layer in range(trace.n_layers)]
    tensors = [layer for layer in layers if isinstance(layer, Tensor)]
    return tensors or np.stack(layers)


def _means_at(patterns: Array | list[Tensor], queries: Array, keys: Array) -> Array:
    """Return the mean attention `[layer, head]` of the queries to their keys."""
    if isinstance(patterns, list):
        return np.stack([_kernels.cell_means(layer, queries, keys) for layer in patterns])
    return _kernels.cell_means(patterns, queries, keys)


def _losses(trace: Trace, start: int, length: int) -> tuple[float, float]:
    logits, ids = trace.logits.float().cpu().log_softmax(-1), trace.token_ids
    nats = -logits[:-1].gather(1, ids[1:, None]).squeeze(1)
    # nats[q] is the loss of token q + 1: the first half's tokens end at start + length, its own first has no context
    return float(nats[start : start + length - 1].mean()), float(nats[start + length : start + 2 * length - 1].mean())


def _mean(arrays: list[Array]) -> Array:
    """Return the mean over prompts, each counting alike; prompts where a statistic is undefined do not count."""
    stacked = np.stack(arrays)
    defined = np.isfinite(stacked)
    with np.errstate(invalid="ignore"):
        total: Array = np.where(defined, stacked, 0.0).sum(0)
        return total / np.where(defined.any(0), defined.sum(0), np.nan)
