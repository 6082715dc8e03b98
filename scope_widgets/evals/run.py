"""`run`: a model on suites, as it is or changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from scope_widgets._check_choice import checked_count, is_whole
from scope_widgets._partial_result import result_or_interrupt
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._result import made_with
from scope_widgets._seeds import seed_of
from scope_widgets.evals.eval_result import EvalResult, intervals
from scope_widgets.evals.interventions import Intervention, described, inside
from scope_widgets.evals.items import SuiteKind
from scope_widgets.evals.measures import facts, fluency, pairs, perplexity, toxicity
from scope_widgets.evals.measures.options import Options, Scorer
from scope_widgets.evals.measures.outcome import Outcome, Output
from scope_widgets.evals.metrics import TaskScores
from scope_widgets.evals.profanity import PROFANITY_AUC, profanity
from scope_widgets.evals.readers.read import read
from scope_widgets.evals.scoring.score_texts import TextScorer, acts_where_prompts_end, generation_gap
from scope_widgets.evals.scoring.tokenize import Texts
from scope_widgets.evals.suite import Suite, load, names
from scope_widgets.evals.tracked import note_metrics
from scope_widgets.models.microscope import Microscope

#: the name of a suite in the package, the path of a file, or a suite
SuiteLike: TypeAlias = str | Path | Suite

_MEASURES: dict[SuiteKind, ModuleType] = {
    "facts": facts,
    "bias": pairs,
    "pairs": pairs,
    "toxicity": toxicity,
    "perplexity": perplexity,
    "fluency": fluency,
}
#: a text on which it is seen whether an intervention acts where a prompt ends
PROBE = "The dog walked to the store and the cat walked to the river"
#: from this share of unknown tokens on a note says so
_MANY_UNKNOWN = 0.01


def run(
    scope: Microscope,
    suites: SuiteLike | Sequence[SuiteLike] | None = None,
    *,
    intervention: Intervention | None = None,
    n: int | None = None,
    samples: int = 4,
    max_new_tokens: int = 24,
    scorer: Scorer | None = None,
    seed: int = 0,
    progress: bool = True,
) -> EvalResult:
    """Measure a model on suites.

    Log-probabilities are sums over tokens, in nats. A text begins with the tokenizer's beginning-of-sequence token, or
    without one with its end-of-sequence token, so that its first token is predicted too. Where an intervention acts at
    the end of a prompt or on what is generated, continuations are scored as if the model wrote them.

    Parameters
    ----------
    scope : Microscope
    suites : str, Path, Suite, or several, optional
        Names of suites of the package ("facts", "bias", "toxicity", "perplexity", "fluency"), files that `read` reads,
        or suites; all of the package by default.
    intervention : optional
        What changes the model: a steering intervention or several, a patch, any context manager, a function of the
        microscope that returns one, or another `Microscope`. It is on while the model runs, and off when this returns,
        also by an error or Ctrl-C.
    n : int, optional
        So many items of each suite, drawn by the seed; all by default.
    samples : int, default 4
        Continuations of each beginning of toxicity, for the scorer; 0: none.
    max_new_tokens : int, default 24
        Of these continuations; those of fluency have twice as many.
    scorer : callable, optional
        Gives a list of texts a score each, from 0 to 1 (harmful); `evals.profanity` by default.
    seed : int, default 0
        Of the items, of what is sampled, and of the bootstrap.
    progress : bool, default True

    Returns
    -------
    EvalResult
        Its metrics are logged in the run that is open (`with tracking.run(folder):`), where one is.

    Raises
    ------
    TypeError, ValueError
        For a suite or intervention that is none, or a text that is longer than the model reads.
    Interrupted
        By Ctrl-C outside of a notebook, with the metrics of the suites that were finished as its `result`.

    References
    ----------
    docs/decisions/evals.md says why each metric is what it is.

    Examples
    --------
    >>> found = evals.run(scope, ["facts", "bias"], n=5, progress=False)
    >>> [one.metric for one in found.tasks]
    ['efficacy', 'margin', 'wordings', 'neighbours', 'generation', 'stereotyped', 'difference']
    """
    chosen = chosen_suites(suites, n, seed)
    options = options_of(seed, samples, max_new_tokens, scorer)
    found, stopped = measured(scope, chosen, intervention, options, progress)
    note_metrics({one.name: one.value for one in found.tasks})
    return result_or_interrupt(found, stopped)


def chosen_suites(suites: SuiteLike | Sequence[SuiteLike] | None, n: int | None, seed: int) -> list[Suite]:
    """Return the suites that are asked for, of each `n` items.

    Raises
    ------
    TypeError, ValueError
        Where one is none, or two have one name.
    """
    if suites is None:
        suites = names()
    listed = [suites] if isinstance(suites, str | Path | Suite) else list(suites)
    found = [_suite(one) for one in listed]
    if not found:
        raise ValueError(f"suites= is empty; give some of {', '.join(names())}, files, or suites.")
    twice = [one.name for i, one in enumerate(found) if one.name in {other.name for other in found[:i]}]
    if twice:
        raise ValueError(f"Two suites are called {twice[0]!r}: read one with evals.read(path, name=...).")
    return found if n is None else [one.sample(checked_count("n", n), seed=seed_of(seed)) for one in found]


def _suite(given: Any) -> Suite:
    if isinstance(given, Suite):
        return given
    if isinstance(given, str) and given in names():
        return load(given)  # type: ignore[arg-type]
    if isinstance(given, str | Path):
        if isinstance(given, str) and not Path(given).exists() and not Path(given).suffix:
            raise ValueError(f"There is no suite and no file {given[:80]!r}; the package has {', '.join(names())}.")
        return read(given)
    raise TypeError(f"A suite is a name, a path or a Suite; got {type(given).__name__}.")


def options_of(seed: int, samples: int, max_new_tokens: int, scorer: Scorer | None) -> Options:
    """Return what a run was asked for, checked."""
    if not is_whole(samples) or samples < 0:
        raise ValueError(f"samples= is a whole number from 0; got {samples!r}.")
    if scorer is not None and not callable(scorer):
        raise TypeError(f"scorer= is a function of a list of texts; got {type(scorer).__name__}.")
    built_in = scorer is None or scorer is profanity
    return Options(
        seed=seed_of(seed),
        samples=int(samples),
        max_new_tokens=checked_count("max_new_tokens", max_new_tokens),
        scorer=profanity if scorer is None else scorer,
        scorer_name="profanity" if built_in else str(getattr(scorer, "__name__", type(scorer).__name__)).strip("<>"),
        scorer_note=f" (the scorer's AUC on HateCheck: {PROFANITY_AUC:.2f})" if built_in else "",
    )


def measured(
    scope: Microscope,
    suites: Sequence[Suite],
    intervention: Intervention | None,
    options: Options,
    progress: bool,
) -> tuple[EvalResult, str]:
    """Return the result, and where Ctrl-C ended it how far it came, as a sentence."""
    what = described(intervention)
    outcomes: list[Outcome] = []
    tasks: list[TaskScores] = []
    total = sum(_MEASURES[one.kind].work(one, options) for one in suites)
    stopped = ""
    texts = Texts(scope)
    with tqdm(total=total, desc=f"intervention: {what[:40]}", disable=not progress, leave=False, delay=1.0) as bar:
        unedited = TextScorer(scope, texts, bar.update)
        try:
            usual = 0.0 if intervention is None else generation_gap(scope, texts, PROBE)

            def body(model: Microscope) -> None:
                own = texts if model is scope else Texts(model)
                changed = intervention is not None and model is scope
                gap = generation_gap(model, own, PROBE) if changed else 0.0
                runner = TextScorer(model, own, bar.update, acts_where_prompts_end(gap, usual))
                for suite in suites:
                    extra = (unedited,) if suite.kind == "fluency" else ()
                    outcomes.append(_MEASURES[suite.kind].measure(suite, runner, options, *extra))

            inside(scope, intervention, body)
        except KeyboardInterrupt:
            stopped = f"Stopped after {len(outcomes)} of {len(suites)} suites (intervention: {what})."
        try:
            for outcome in outcomes:
                tasks += outcome.tasks
                if outcome.afterwards is not None:
                    tasks += outcome.afterwards()
        except KeyboardInterrupt:
            stopped = stopped or f"Stopped while what was written was scored (intervention: {what})."
    outputs = tuple(one for outcome in outcomes for one in outcome.outputs)
    return _result(scope, what, suites, tuple(tasks), outputs, options, texts, stopped), stopped


def _result(
    scope: Microscope,
    what: str,
    suites: Sequence[Suite],
    tasks: tuple[TaskScores, ...],
    outputs: tuple[Output, ...],
    options: Options,
    texts: Texts,
    stopped: str,
) -> EvalResult:
    unknown = texts.n_unknown / max(1, texts.n_tokens)
    notes = [
        f"Suites: {', '.join(f'{one.name} ({len(one):,} items)' for one in suites)}.",
        f"{unknown:.0%} of the tokens are unknown to this tokenizer: these figures say little of such a model."
        if unknown > _MANY_UNKNOWN
        else "",
        stopped,
    ]
    low, high = intervals(tasks, options.seed)
    provenance = Provenance(
        scope.model_id,
        scope.revision,
        seed=options.seed,
        ablation=None if what == "none" else f"Intervention: {what}",
        note=" ".join(one for one in notes if one),
    )
    return made_with(EvalResult(what, tasks, low, high, outputs, provenance), scope)
