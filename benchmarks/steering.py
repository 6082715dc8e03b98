"""What a slider costs beside a whole steered forward, and whether a direction does what it says."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
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
    return [*_shares(quick), *_latents(quick), *_toggles(quick), *_names(quick), *_sentiment(quick)]


def _gpt2_small(quick: bool) -> Any:
    import transformers

    from scope_widgets import Microscope

    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=9 if quick else 12)).eval()
    return Microscope.for_model(model, Microscope.load("demo").tokenizer, "random GPT-2-small size")


def _shares(quick: bool) -> list[Figure]:
    scope = _gpt2_small(quick)
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


def _latents(quick: bool) -> list[Figure]:
    """Clamp a latent of a random autoencoder at layer 8, beside the model's own whole forward under a plain hook."""
    from scope_widgets import features, steering, widgets
    from scope_widgets.widgets.core.requests import finished

    scope = _gpt2_small(quick)
    ids = np.random.default_rng(32).integers(5, 700, 32).tolist()
    figures = []
    for activation in ("jumprelu", "topk"):
        sae = _random_sae(features, 8, scope.d_model, activation)
        added = steering.AddDirection(
            steering.direction(scope, layer=8, vector=sae.W_dec[3], positive=[ids]), 0.0, "last"
        )
        given = [steering.ClampFeature(sae, 17, positions="last"), added]
        panel = widgets.SteeringPanel(scope, ids, interventions=given)
        strength = iter(np.linspace(0.1, 9.9, 10_000))  # never the same: nothing is remembered
        difference = float((panel.session.at([5.0, 0.0]).logits - _clamped(scope, ids, sae, 17, 5.0)).abs().max())
        if difference > 1e-4:
            raise AssertionError(f"The two disagree by {difference}.")

        def ask(*row: Any, panel: Any = panel) -> None:
            finished(panel.answer_steer([next(strength) if one is ... else one for one in row]))  # noqa: B023

        jobs: list[Callable[[], object]] = [partial(ask, ..., 0.0), partial(ask, None, ...)]
        for keep in (0, 1):
            jobs.append(partial(_clamped, scope, ids, sae, 17, 5.0, keep=keep))
        clamped, moved, plain, last = side_by_side(*jobs, rounds=5 if quick else 21)
        panel.close()
        detail = {
            "ours_ms": 1e3 * clamped,
            "plain_ms": 1e3 * plain,
            "beside_a_direction_that_is_added": clamped / moved,
            "beside_a_forward_that_unembeds_the_last_position_alone": clamped / last,
            "threads": torch.get_num_threads(),
        }
        name = (
            f"a latent of {sae.d_sae:,} ({activation}) clamped at the last position of layer 8, 32 tokens, GPT-2-small"
        )
        name += " size: slider message in the kernel / whole plain forward with a hook"
        figures.append(Figure(name, clamped / plain, "x", 0.20, "lower", detail))
    return figures


def _random_sae(features: Any, layer: int, d: int, activation: str) -> Any:
    draw = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(24_576, d, generator=draw), dim=1)
    kinds = {"jumprelu": {"threshold": torch.full((len(rows),), 0.1)}, "topk": {"k": 32}}
    bias = torch.zeros(len(rows))
    return features.SAE(rows.T.contiguous(), rows, bias, torch.zeros(d), activation, layer=layer, **kinds[activation])


def _clamped(scope: Any, ids: list[int], sae: Any, j: int, value: float, keep: int = 0) -> torch.Tensor:
    """Return the last logits of a whole forward of the model, a latent clamped at the last position by a plain hook."""

    def hook(_: Any, args: Any) -> Any:
        stream = args[0].clone()
        own = sae.encode(stream[0, -1:]).to_dense()[0, j]
        stream[0, -1] += (value - own) * sae.W_dec[j]
        return (stream, *args[1:])

    handle = scope.model.transformer.h[sae.layer].register_forward_pre_hook(hook)
    try:
        with torch.no_grad():
            logits: torch.Tensor = scope.model(input_ids=torch.tensor([ids]), logits_to_keep=keep).logits[0, -1]
    finally:
        handle.remove()
    logits.softmax(-1)
    return logits


def _toggles(quick: bool) -> list[Figure]:
    """Toggle a patch of a latent's direction a hundred times, each time to the next distribution."""
    from scope_widgets import editing, features

    scope = _gpt2_small(quick)
    ids = torch.tensor([np.random.default_rng(32).integers(5, 700, 32).tolist()])
    patch = editing.FeaturePatch(scope, _random_sae(features, 8, scope.d_model, "jumprelu").direction(17))

    def forward() -> torch.Tensor:
        with torch.no_grad():
            probabilities: torch.Tensor = scope.model(input_ids=ids).logits[0, -1].softmax(-1)
        return probabilities

    def toggled() -> torch.Tensor:
        patch.toggle()
        return forward()

    own, times, whole = forward(), [], []
    for _ in range(10 if quick else 100):
        for slot, job in ((times, toggled), (whole, forward)):
            start = time.perf_counter()
            job()
            slot.append(time.perf_counter() - start)
    if not torch.equal(forward(), own):
        raise AssertionError("After an even number of toggles the model is another.")
    detail = {"toggle_p95_ms": 1e3 * float(np.quantile(times, 0.95)), "forward_ms": 1e3 * statistics.median(whole)}
    name = f"a FeaturePatch toggled {len(times)} times, GPT-2-small size, 32 tokens: toggle to distribution / forward"
    ratio = statistics.median(times) / statistics.median(whole)
    return [Figure(f"{name}, medians", ratio, "x", None, "none", detail)]


def _names(quick: bool) -> list[Figure]:
    """Clamp latents of names on the demo model's held-out prompts, beside other latents and random directions."""
    from scope_widgets import Microscope
    from tests.support import name_latents as names

    demo = Microscope.load("demo")
    latents = names.name_latents(demo)
    found = names.rises(demo, latents, 30 if quick else 300)
    median = float(np.median(found[:, 0]))
    shares = (found > 0).mean(0)
    detail = {
        "prompts": len(found),
        "names": len(latents[0]),
        "median_rise": np.median(found, 0).tolist(),
        "median_size": np.median(np.abs(found), 0).tolist(),
        "share_that_rises_by_the_median_of_the_latents": (found >= median).mean(0).tolist(),
    }
    what = "the demo's SAE, a name's latent clamped where another name stands: share of prompts in which its logit"
    return [
        Figure(f"{what} rises", float(shares[0]), "", 0.95, "higher", detail),
        Figure("the same with another latent, as long a vector", float(shares[1]), ""),
        Figure("the same with a random direction, as long a vector", float(shares[2]), ""),
    ]


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
