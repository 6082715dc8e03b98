"""The search for IOI heads, class by class, in the order of Wang et al. 2022."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch

from scope_widgets._progress import extend, tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._types import Array, Head
from scope_widgets.experiments.qk_ov_circuits.ov_copying import copying_scores
from scope_widgets.experiments.statistics.rounding import levels, noise_floor, rank
from scope_widgets.ioi.dataset.prompt_set import ROLES
from scope_widgets.ioi.detection.ablate_heads import measure_ablated_heads
from scope_widgets.ioi.detection.effect_statistics import Evidence, evidence, prompts_needed
from scope_widgets.ioi.detection.mediation import ELSEWHERE, READ_AT, Cause, find_causes
from scope_widgets.ioi.detection.model_runs import N_VERSIONS, DetectionRuns, Paths
from scope_widgets.ioi.detection.result import UNCLASSIFIED, IOIResult
from scope_widgets.ioi.published import CLASSES

_RANDOM_DRAWS = 5
#: passes over the layers at most: each has its call of `_evidence` or `_into`
_MOST_PASSES = 8
#: what rounding alone may make of attention, which sums to 1
_ATTENTION_FLOOR = noise_floor(torch.float32, 1.0)
#: (sign of a head's effect, what carries it) -> its class, or None
Classifier: TypeAlias = Callable[[int, Cause], str | None]


@dataclass(frozen=True)
class FoundHead:
    """One head with its evidence, before copying is known."""

    head: Head
    name: str
    path: str
    query: str
    key: str
    cause: Cause
    at: Evidence

    @property
    def effect(self) -> float:
        """The mean effect of the head."""
        return float(self.at.effect[self.head])


class HeadSearch:
    """A detection on its way, with the heads found so far."""

    def __init__(self, runs: DetectionRuns, min_effect: float, min_direct: float, alpha: float, seed: int) -> None:
        self.runs = runs
        self.message = ""
        self._min_effect, self._min_direct, self._alpha, self._seed = min_effect, min_direct, alpha, seed
        self._n_layers, self._n_heads = runs.scope.n_layers, runs.scope.n_heads
        self.direct = np.full((self._n_layers, self._n_heads), np.nan)
        self.rows: list[FoundHead] = []
        self.lost, self.lost_at_random = np.nan, np.empty(0)

    def heads(self, *names: str) -> list[Head]:
        """Return the heads of classes."""
        return [row.head for row in self.rows if row.name in names]

    def run(self) -> None:
        """Look for the classes in turn."""
        with tqdm(total=_MOST_PASSES * self._n_layers, desc="IOI", unit="layer", leave=False) as bar:
            logits = Paths("END", None, self.runs.clean)
            direct = self._evidence(logits, bar, "direct effects on the logits", 0.0)
            self.direct = direct.effect
            self._name(direct, logits, "END -> logits", _writer, least=self._min_direct)
            movers = [row for row in self.rows if row.name in ("name_mover", "subject_suppressor")]
            if not movers:
                self.message = self._why_none(direct)
                return
            against = _when("S", (*READ_AT, ELSEWHERE), "s_inhibition")
            self._into("END", movers, "q", "END -> name movers' queries", bar, against)
            self._before_movers(movers, bar)
            self._before_inhibition(bar)
            self._backups([row.head for row in movers], direct, bar)
            self._ablate(bar)

    def _before_movers(self, movers: list[FoundHead], bar: tqdm[Any]) -> None:
        """Where name movers read a name one token after it, find the heads that brought it there."""
        for role, name in (("IO", "IO"), ("S1", "S"), ("S2", "S")):
            there = [row for row in movers if row.cause.position == f"{role}+1"]
            path = f"{role}+1 -> name movers' keys and values"
            self._into(f"{role}+1", there, "kv", path, bar, _when(name, (role,), "previous_token"))

    def _before_inhibition(self, bar: tqdm[Any]) -> None:
        names = {"S1+1": "induction", "S1": "duplicate_token"}
        self._into(
            "S2",
            [row for row in self.rows if row.name == "s_inhibition"],
            "kv",
            "S2 -> S-inhibition heads' keys and values",
            bar,
            lambda effect, cause: names.get(cause.position) if effect > 0 and cause.carries("S") else None,
        )
        induction = [row for row in self.rows if row.name == "induction"]
        self._into("S1+1", induction, "k", "S1+1 -> induction heads' keys", bar, _when("S", ("S1",), "previous_token"))

    def _into(
        self, role: str, readers: Sequence[FoundHead], sites: str, path: str, bar: tqdm[Any], class_of: Classifier
    ) -> None:
        """Find the heads at a role that send to heads that were found."""
        receivers = [(*row.head, site) for row in readers for site in sites]
        if not receivers:
            extend(bar, -self._n_layers)
            return
        paths = Paths(role, receivers, self.runs.clean)
        at = self._evidence(paths, bar, f"paths {path}", self._min_effect)
        self._name(at, paths, path, class_of)

    def _backups(self, movers: list[Head], direct: Evidence, bar: tqdm[Any]) -> None:
        """Find heads that have a direct effect only when the movers are gone."""
        ablated = tuple(movers)
        paths = Paths("END", None, self.runs.run_without(ablated, ("z", "attention")), ablated)
        after = self._evidence(paths, bar, "direct effects without the name movers", self._min_effect)
        new = after.found(self._min_effect, self._alpha) & ~direct.found(self._min_direct, self._alpha)
        classified = [row.head for row in self.rows if row.name != UNCLASSIFIED]
        some = [head for head in self._by_size(after, new & (after.effect > 0)) if head not in classified]
        path = "END -> logits, name movers knocked out"
        self._add(
            [
                FoundHead(head, "backup_name_mover", path, "END", self._most(*head, "END"), cause, after)
                for head, cause in find_causes(self.runs, paths, after, some, frozen=True).items()
                if cause.carries("IO")
            ]
        )

    def _ablate(self, bar: tqdm[Any]) -> None:
        bar.set_description("IOI: ablating the name movers")
        heads = self.heads("name_mover", "subject_suppressor", "backup_name_mover")
        found = measure_ablated_heads(self.runs, heads, {row.head for row in self.rows}, _RANDOM_DRAWS, self._seed)
        self.lost, self.lost_at_random = found.lost, found.lost_at_random

    def _evidence(self, paths: Paths, bar: tqdm[Any], what: str, least: float) -> Evidence:
        """Measure all heads from which the paths can lead; those that do not come near `least` on few prompts."""
        layers = range(self._n_layers if paths.receivers is None else max(one[0] for one in paths.receivers))
        bar.set_description(f"IOI: {what}")
        extend(bar, len(layers) - self._n_layers)
        effects = np.zeros((*self.direct.shape, self.runs.n))
        effects[list(layers)] = np.nan
        try:
            for layer in layers:
                effects[layer] = self.runs.path_effects(paths, layer, least)
                bar.update()
        except KeyboardInterrupt as interrupt:
            if np.isnan(self.direct).all():
                self.direct = effects.mean(-1)
            done = int(np.isfinite(effects[list(layers)]).any((1, 2)).sum())
            raise KeyboardInterrupt(f"in {what}, after {done} of {len(layers)} layers") from interrupt
        tested = np.zeros(self.direct.shape, dtype=bool)
        tested[list(layers)] = True
        return evidence(effects, tested, self._seed, self.runs.effect_floor)

    def _by_size(self, at: Evidence, which: Array) -> list[Head]:
        where = np.argwhere(which)
        order = rank(np.abs(at.effect[tuple(where.T)]), self.runs.effect_floor)
        return [(int(layer), int(head)) for layer, head in where[order]]

    def _name(self, at: Evidence, paths: Paths, path: str, class_of: Classifier, least: float | None = None) -> None:
        """Name the heads that have an effect by what carries it."""
        classified = [row.head for row in self.rows if row.name != UNCLASSIFIED]
        found = self._by_size(at, at.found(self._min_effect if least is None else least, self._alpha))
        some = [head for head in found if head not in classified]
        causes = find_causes(self.runs, paths, at, some, frozen=paths.receivers is None)
        names = [class_of(int(np.sign(at.effect[head])), causes[head]) or UNCLASSIFIED for head in some]
        self._add(
            [
                FoundHead(head, name, path, paths.role, self._most(*head, paths.role), causes[head], at)
                for head, name in zip(some, names, strict=True)
            ]
        )

    def _add(self, found: list[FoundHead]) -> None:
        """Add heads; a class takes the place of "unclassified", and the first path of an unclassified head stays.

        All at once, or none: of an interrupted search no class has a part of its heads.
        """
        known = {row.head for row in self.rows}
        new = [row for row in found if row.name != UNCLASSIFIED or row.head not in known]
        heads = {row.head for row in new}
        self.rows = [row for row in self.rows if row.head not in heads] + new

    def _why_none(self, direct: Evidence) -> str:
        """Say why there is no name mover, and where chance is not ruled out how many prompts would do it."""
        said = "No name mover was found, so the classes that act through them were not looked for."
        large = np.abs(direct.effect) >= self._min_direct
        if not large.any() or direct.found(self._min_direct, self._alpha).any():
            return said
        layer, head = self._by_size(direct, large)[0]
        enough = prompts_needed(direct.effects[layer, head], direct.effect.size, self._alpha)
        return (
            f"{said} The largest direct effect, {direct.effect[layer, head]:.0%} of head {layer}.{head}, may be chance "
            f"on {self.runs.n} prompts (p = {direct.p[layer, head]:.2g}); give about {enough}."
        )

    def _attention(self, layer: int, head: int, query: str, key: str) -> float:
        return float(self.runs.attention(layer, query, key)[:, head].mean())

    def _most(self, layer: int, head: int, query: str) -> str:
        """Return the role that a head attends to most; of equal ones the first."""
        keys = [role for role in ROLES[:-1] if bool((self.runs.at[role] <= self.runs.at[query]).all())]
        return keys[int(rank([self._attention(layer, head, query, one) for one in keys], _ATTENTION_FLOOR)[0])]

    def result(self, p_behaviour: float) -> IOIResult:
        """Return the heads found as a table."""
        order = {name: at for at, name in enumerate((*CLASSES, UNCLASSIFIED))}
        runs, prompts = self.runs, self.runs.prompts
        size = levels([abs(row.effect) for row in self.rows], runs.effect_floor)
        by_class = [(order[row.name], -level, row.head) for row, level in zip(self.rows, size, strict=True)]
        rows = [self.rows[at] for at in sorted(range(len(self.rows)), key=by_class.__getitem__)]
        copying = _copying(runs, [row.head for row in rows if row.path.startswith("END -> logits")])
        undefined = (np.nan, np.nan)
        scores = [copying.get(row.head, undefined) for row in rows]
        queries = [int(runs.at[row.query][0]) for row in rows]
        length = len(prompts[0].tokens)
        strips = np.zeros((len(rows), length), dtype=np.uint8)
        for at, (row, query) in enumerate(zip(rows, queries, strict=True)):
            layer, head = row.head
            pattern = runs.clean.values["attention"][layer][0, head, query, :length].float().cpu().numpy()
            strips[at] = np.rint(255 * pattern)
        return IOIResult(
            layer=np.array([row.head[0] for row in rows], dtype=int),
            head=np.array([row.head[1] for row in rows], dtype=int),
            head_class=[row.name for row in rows],
            path=[row.path for row in rows],
            **{
                name: np.array([float(getattr(row.at, name)[row.head]) for row in rows])
                for name in ("effect", "low", "high", "p")
            },
            reads=[f"{row.cause.name} at {row.cause.position}" for row in rows],
            share=np.array([row.cause.share for row in rows]),
            share_there=np.array([row.cause.share_there for row in rows]),
            signature=[f"{row.query} -> {row.key}" for row in rows],
            attention=np.array([self._attention(*row.head, row.query, row.key) for row in rows]),
            elsewhere=np.array(
                [float(runs.attention_elsewhere(row.head[0], row.query, ROLES)[:, row.head[1]].mean()) for row in rows]
            ),
            copying=np.array([score[0] for score in scores]),
            negative_copying=np.array([score[1] for score in scores]),
            direct=self.direct,
            logit_difference=runs.m_clean,
            logit_difference_abc=runs.m_abc,
            lost=self.lost,
            lost_at_random=self.lost_at_random,
            p_behaviour=p_behaviour,
            message=self.message,
            strips=strips,
            strip_tokens=list(prompts[0].tokens),
            strip_queries=queries,
            n_layers=self._n_layers,
            n_heads=self._n_heads,
            provenance=Provenance(
                model=runs.scope.model_id,
                revision=runs.scope.revision,
                prompts=tuple(prompts.texts),
                seed=self._seed,
                ablation="paths: counterfactual from the ABC version of each prompt; ablated heads: mean over "
                f"{N_VERSIONS} ABC versions of each prompt, END",
                note=f"mean logit difference {runs.m_clean.mean():.3f}, positive on "
                f"{int((runs.m_clean > 0).sum())} of {runs.n}; effects are shares of it less "
                f"{runs.m_abc.mean():.3f} on the ABC prompts; at least {self._min_effect:.0%} "
                f"({self._min_direct:.0%} directly), "
                f"p < {self._alpha} after Holm's correction",
            ),
        )


def _writer(effect: int, cause: Cause) -> str | None:
    """Name a head by what it does to the logits: which name it reads, and whether it writes for it or against."""
    if cause.carries("IO"):
        return "name_mover" if effect > 0 else "negative_name_mover"
    return "subject_suppressor" if effect > 0 and cause.carries("S") else None


def _when(name: str, places: Sequence[str], head_class: str) -> Classifier:
    """Return what names a head that supports the behaviour by reading a name at one of some places."""
    return lambda effect, cause: head_class if effect > 0 and cause.carries(name) and cause.position in places else None


def _copying(runs: DetectionRuns, heads: Sequence[Head]) -> dict[Head, tuple[float, float]]:
    by_layer: dict[int, list[int]] = {}
    for layer, head in heads:
        by_layer.setdefault(layer, []).append(head)
    if not by_layer:
        return {}
    ids = torch.unique(torch.as_tensor(np.concatenate([runs.prompts.io_ids, runs.prompts.subject_ids])))
    scores = copying_scores(runs.scope, ids, list(by_layer), heads=by_layer)
    row = {layer: at for at, layer in enumerate(by_layer)}
    return {(layer, head): (scores[0, row[layer], head], scores[1, row[layer], head]) for layer, head in heads}
