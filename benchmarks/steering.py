"""What a slider costs beside a whole steered forward, and whether a direction does what it says."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.figure import Figure, side_by_side

#: (where, layer, tokens, target share)
CASES = (("last", 8, 32, 0.20), ("last", 8, 128, 0.08), ("all", 8, 32, 0.30))
#: no promise is made of these
OTHER_LAYERS = (0, 4, 6, 10)

POSITIVE = [
    "I love this, it is wonderful",
    "What a great and happy day",
    "The film was brilliant, I enjoyed it",
    "She is kind and I adore her",
    "The food was delicious and the service perfect",
    "This is the best news I have heard",
    "They were friendly, warm and generous",
    "A beautiful song, it made me smile",
]
NEGATIVE = [
    "I hate this, it is terrible",
    "What an awful and sad day",
    "The film was dreadful, I suffered",
    "She is cruel and I loathe her",
    "The food was disgusting and the service rude",
    "This is the worst news I have heard",
    "They were hostile, cold and greedy",
    "An ugly song, it made me cry",
]
#: none of them says anything good or bad
NEUTRAL = [
    "I think that this movie is",
    "The weather today is",
    "My opinion of the new restaurant: it is",
    "Last week we stayed at a hotel. The room was",
    "She read the book and said it was",
    "Our trip to the mountains was",
]
LAYER = 20
RANDOM = 20


def measure(quick: bool = False) -> list[Figure]:
    return [*_shares(quick), *_sentiment(quick)]


def _shares(quick: bool) -> list[Figure]:
    import transformers

    from scope_widgets import Microscope

    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=9 if quick else 12)).eval()
    scope = Microscope.for_model(model, Microscope.load("demo").tokenizer, "random GPT-2-small size")
    figures = []
    for at, layer, tokens, target in CASES:
        ids = np.random.default_rng(tokens).integers(5, 700, tokens).tolist()
        times = _side_by_side(scope, ids, layer, at, quick)
        ours, plain = times
        detail: dict[str, Any] = {"ours_ms": 1e3 * ours, "plain_ms": 1e3 * plain, "layer": layer}
        if at == "last" and not quick:
            others = {other: _side_by_side(scope, ids, other, at, quick) for other in OTHER_LAYERS}
            detail["share_from_layer"] = {other: one / whole for other, (one, whole) in others.items()}
        where = "the last position" if at == "last" else "all positions"
        name = f"steering {where} from layer {layer} on, {tokens} tokens, GPT-2-small size: slider message"
        name += " in the kernel / whole steered nnsight forward"
        detail["threads"] = torch.get_num_threads()
        figures.append(Figure(name, ours / plain, "x", target, "lower", detail))
    return figures


def _side_by_side(scope: Any, ids: list[int], layer: int, at: str, quick: bool) -> tuple[float, float]:
    """Time a message to the panel, and the same strength in a plain nnsight forward; gives seconds of each."""
    from scope_widgets import steering, widgets
    from scope_widgets.widgets.core.requests import finished

    direction = steering.direction(scope, layer=layer, vector=torch.randn(scope.d_model), positive=[ids])
    panel = widgets.SteeringPanel(scope, ids, interventions=[steering.AddDirection(direction, positions=at)])
    plain = _plain(scope, ids, direction, at)
    strength = iter(np.linspace(0.1, 0.9, 10_000))

    def ours() -> Any:
        return finished(panel.answer_steer([float(next(strength))]))  # never the same: nothing is remembered

    found = panel.session.at([0.5]).logits
    difference = float((found - plain(0.5)).abs().max())
    if difference > 1e-4:
        raise AssertionError(f"The two disagree by {difference}.")
    ours_seconds, plain_seconds = side_by_side(ours, lambda: plain(float(next(strength))), rounds=5 if quick else 21)
    panel.close()
    return ours_seconds, plain_seconds


def _plain(scope: Any, ids: list[int], direction: Any, at: str) -> Callable[[float], torch.Tensor]:
    """Steer in a whole nnsight forward on the model's own attention, to the next-token distribution."""
    import nnsight
    import transformers

    twin = transformers.GPT2LMHeadModel(scope.model.config).eval()
    twin.load_state_dict(scope.model.state_dict())
    wrapped = nnsight.TransformersModel(twin, tokenizer=scope.tokenizer, task="text-generation")
    tokens = torch.tensor([ids])
    vector, layer = direction.scale * torch.tensor(direction.vector), direction.layer

    def forward(strength: float) -> torch.Tensor:
        added = strength * vector
        with torch.no_grad(), wrapped.trace(tokens):
            stream = wrapped.transformer.h[layer].input
            if at == "last":
                stream[:, -1] += added
            else:
                stream[:] += added
            logits = nnsight.save(wrapped.lm_head.output[0, -1])
        logits.softmax(-1)
        return logits

    return forward


def _sentiment(quick: bool) -> list[Figure]:
    """Measure on a real model, on prompts that the direction was not made of; the random ones have the same length."""
    from scope_widgets import Microscope, steering
    from scripts import get_smollm2

    if not get_smollm2.ready():
        print("SmolLM2 is not here (scripts/get_smollm2.py fetches it): steering by sentiment was not measured.")
        return []
    scope = Microscope.load(get_smollm2.folder())
    found = steering.direction(
        scope, positive=POSITIVE, negative=NEGATIVE, layer=LAYER, positions="mean", name="sentiment"
    )
    prompts = NEUTRAL[:2] if quick else NEUTRAL
    sessions = [_session(scope, prompt, found) for prompt in prompts]
    ranges = [steering.sweep(session).fluent for session in sessions]
    moved = [_moved(session, where) for session, where in zip(sessions, ranges, strict=True)]
    draw = np.random.default_rng(0)
    strays = []
    for _ in range(2 if quick else RANDOM):
        vector = draw.normal(size=scope.d_model)
        stray = steering.direction(scope, vector=vector, layer=LAYER, positive=POSITIVE + NEGATIVE)
        strays.append([_moved(_session(scope, p, stray), where) for p, where in zip(prompts, ranges, strict=True)])
    each = [abs(spearman) for one in strays for spearman, _ in map(_summary, one)]
    pooled = [abs(_pooled(one)) for one in strays]
    changes = [abs(change) for one in strays for _, change in map(_summary, one)]
    detail = {
        "layer": LAYER,
        "prompts": prompts,
        "marked_ranges": ranges,
        "spearman_of_each_prompt": [spearman for spearman, _ in map(_summary, moved)],
        "change_of_logit_difference": [change for _, change in map(_summary, moved)],
        "spearman_over_all_prompts": _pooled(moved),
        "random_directions": len(strays),
        "random_abs_spearman_over_all_prompts": pooled,
        "random_abs_spearman_of_one_prompt_quartiles": np.quantile(each, [0.25, 0.5, 0.75]).tolist(),
        "random_abs_change_median": statistics.median(changes),
    }
    what = f"SmolLM2-135M, sentiment added at layer {LAYER}"
    lowest = min(spearman for spearman, _ in map(_summary, moved))
    size = statistics.median(abs(change) for _, change in map(_summary, moved)) / statistics.median(changes)
    scale = f"over 11 strengths of the marked range, lowest of {len(prompts)} prompts"
    return [
        Figure(f"{what}: Spearman of strength and logit difference {scale}", lowest, "", 0.9, "higher", detail),
        Figure(f"{what}: the same over all prompts together", _pooled(moved), "", 0.9, "higher"),
        Figure(
            "random directions of the same norm: |Spearman| over all prompts, median", statistics.median(pooled), ""
        ),
        Figure("random directions of the same norm: |Spearman| of one prompt, median", statistics.median(each), ""),
        Figure("change of the logit difference over the marked range: sentiment / random direction", size, "x"),
    ]


def _session(scope: Any, prompt: str, direction: Any) -> Any:
    from scope_widgets import steering

    return steering.Session(scope, prompt, [steering.AddDirection(direction)], answer=" great", versus=" terrible")


def _moved(session: Any, where: tuple[float, float]) -> tuple[Any, Any]:
    """Give 11 strengths and the change of the logit difference that each makes."""
    strengths = np.linspace(*where, 11)
    at_rest = session.at(session.neutral).difference
    return strengths, np.array([each.difference - at_rest for each in session.grid([[s] for s in strengths])])


def _summary(moved: tuple[Any, Any]) -> tuple[float, float]:
    """Give the rank correlation, and the change from end to end."""
    from scipy.stats import spearmanr

    return float(spearmanr(*moved).statistic), float(moved[1][-1] - moved[1][0])


def _pooled(moved: list[tuple[Any, Any]]) -> float:
    """Give the rank correlation over all prompts together."""
    from scipy.stats import spearmanr

    return float(spearmanr(*(np.concatenate(part) for part in zip(*moved, strict=True))).statistic)
