"""lm-evaluation-harness on a model that is steered or patched: its `LM` class, by what this room scores with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from scope_widgets.evals.interventions import Intervention, described, inside
from scope_widgets.evals.run import PROBE
from scope_widgets.evals.scoring.score_texts import TextScorer, acts_where_prompts_end, generation_gap
from scope_widgets.evals.scoring.tokenize import Texts
from scope_widgets.models.microscope import Microscope

T = TypeVar("T")


def harness_model(scope: Microscope, intervention: Intervention | None = None) -> Any:
    """Return a model for lm-evaluation-harness, whose tasks then run with an intervention on.

    The intervention is on while the model answers requests, and off in between. It must be one that can be put on
    several times: a steering intervention, a patch, a function of the microscope; a block that is open once is not.

    Parameters
    ----------
    scope : Microscope
    intervention : optional
        As for `run`.

    Returns
    -------
    lm_eval.api.model.LM
        For `lm_eval.simple_evaluate(model=..., tasks=[...])`.

    Raises
    ------
    ImportError
        Without lm-evaluation-harness, `pip install 'scope-widgets[harness]'`.

    Examples
    --------
    >>> import lm_eval  # doctest: +SKIP
    >>> model = evals.harness_model(scope, steering.AddDirection(direction, 0.2))  # doctest: +SKIP
    >>> lm_eval.simple_evaluate(model=model, tasks=["lambada_openai"], limit=50)["results"]  # doctest: +SKIP
    """
    try:
        from lm_eval.api.model import LM
    except ImportError as error:
        raise ImportError(
            "lm-evaluation-harness is not installed: pip install 'scope-widgets[harness]', or 'lm-eval' alone."
        ) from error

    class ScopeModel(LM):  # type: ignore[misc]
        """A microscope's model, perhaps changed."""

        def __init__(self) -> None:
            super().__init__()
            self._probe = generation_gap(scope, Texts(scope), PROBE)

        @property
        def tokenizer_name(self) -> str:
            return str(scope.model_id)

        def get_model_info(self) -> dict[str, Any]:
            return {"model": scope.model_id, "intervention": described(intervention)}

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            """Return the log-probability of each continuation, and whether it is the likeliest."""
            asked = [one.args for one in requests]

            def answers(runner: TextScorer) -> list[tuple[float, bool]]:
                splits = [runner.texts.split(*one) for one in asked]
                found = runner.of_tokens(splits)
                tokens = [list(tail) for _, tail in splits]
                greedy = runner.greedy([list(head) for head, _ in splits], [len(one) for one in tokens])
                return [(float(log_p.sum()), one == own) for log_p, one, own in zip(found, tokens, greedy, strict=True)]

            return self._on(answers)

        def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
            """Return the log-probability of whole texts."""
            return self._on(lambda runner: [log_p for log_p, _ in runner.documents([one.args[0] for one in requests])])

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            """Return continuations up to the first of the strings that end them."""

            def answers(runner: TextScorer) -> list[str]:
                found = []
                for one in requests:
                    prompt, options = one.args
                    until = options.get("until") or []
                    most = int(options.get("max_gen_toks", options.get("max_new_tokens", 256)))
                    room = scope.anatomy.context - len(runner.texts.ids(prompt))
                    (text,) = runner.continuations([prompt], max_new_tokens=max(1, min(most, room)), seeds=None)
                    for end in [until] if isinstance(until, str) else until:
                        text = text.partition(end)[0] if end else text
                    found.append(text)
                return found

            return self._on(answers)

        def _on(self, answers: Callable[[TextScorer], T]) -> T:
            def body(model: Microscope) -> T:
                texts = Texts(model)
                gap = generation_gap(model, texts, PROBE) if model is scope and intervention is not None else 0.0
                return answers(TextScorer(model, texts, lambda done: None, acts_where_prompts_end(gap, self._probe)))

            return inside(scope, intervention, body)

    return ScopeModel()
