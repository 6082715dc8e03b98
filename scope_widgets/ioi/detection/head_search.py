"""The search for IOI heads, class by class, in the order of Wang et al. 2022."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from tqdm.auto import tqdm

from scope_widgets._provenance import Provenance
from scope_widgets._types import Array, Head
from scope_widgets.experiments.ov_copying import copying_scores
from scope_widgets.experiments.path_patching import Receiver
from scope_widgets.experiments.rounding import levels, noise_floor, rank, settled
from scope_widgets.ioi.dataset.prompt_set import ROLES
from scope_widgets.ioi.detection.ablate_heads import measure_ablated_heads
from scope_widgets.ioi.detection.effect_statistics import Evidence, chance, evidence
from scope_widgets.ioi.detection.result import UNCLASSIFIED, IOIResult
from scope_widgets.ioi.detection.runs import N_VERSIONS, DetectionRuns
from scope_widgets.ioi.published import CLASSES
from scope_widgets.models.execution.cached_run import CachedRun

_NAME_ROLES = ("IO", "S1", "S2")
_RANDOM_DRAWS = 5
#: share of names that a head must write against to be called a suppressor
_MOSTLY = 0.5
#: what rounding alone may make of attention, which sums to 1
_ATTENTION_FLOOR = noise_floor(torch.float32, 1.0)
#: (head, sign of its effect, the role that it attends to most, or None) -> its class, or None
Classifier: TypeAlias = Callable[[Head, int, str | None], str | None]


@dataclass(frozen=True)
class FoundHead:
    """One head with its evidence, before copying is known."""

    head: Head
    name: str
    path: str
    query: str
    key: str
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
        with tqdm(total=self._n_layers, desc="IOI", unit="layer", leave=False) as bar:
            direct = self._evidence("END", None, range(self._n_layers), bar, "direct effects on the logits")
            self.direct = direct.effect
            self._name(direct, "END -> logits", "END", self._direct_class, least=self._min_direct)
            movers = self.heads("name_mover", "subject_suppressor")
            if not movers:
                self.message = "No name mover was found, so the classes that act through them were not looked for."
                return
            into = self._evidence_of_paths(
                "END", [(layer, head, "q") for layer, head in movers], bar, "paths into the name movers"
            )
            self._name(into, "END -> name movers' queries", "END", _when("S2", "s_inhibition"))
            self._before_inhibition(bar)
            self._backups(movers, direct, bar)
            self._ablate(bar)

    def _direct_class(self, head: Head, effect: int, key: str | None) -> str | None:
        """Name a head by what it does to the logits: which name it reads, and whether it writes for it or against."""
        if key == "IO":
            return "name_mover" if effect > 0 else "negative_name_mover"
        against = effect > 0 and key in ("S1", "S2") and _copying(self.runs, [head])[head][1] > _MOSTLY
        return "subject_suppressor" if against else None

    def _before_inhibition(self, bar: tqdm[Any]) -> None:
        inhibition = self.heads("s_inhibition")
        if not inhibition:
            return
        receivers = [(layer, head, site) for layer, head in inhibition for site in ("k", "v")]
        into = self._evidence_of_paths("S2", receivers, bar, "paths into the S-inhibition heads")
        names = {"S1+1": "induction", "S1": "duplicate_token"}
        path = "S2 -> S-inhibition heads' keys and values"
        self._name(
            into, path, "S2", lambda head, effect, key: names.get(key or "") if effect > 0 else None, ("S1", "S1+1")
        )
        induction = self.heads("induction")
        if induction:
            receivers = [(layer, head, "k") for layer, head in induction]
            into = self._evidence_of_paths("S1+1", receivers, bar, "paths into the induction heads")
            self._name(into, "S1+1 -> induction heads' keys", "S1+1", _when("S1", "previous_token"), ("S1",))

    def _backups(self, movers: list[Head], direct: Evidence, bar: tqdm[Any]) -> None:
        """Find heads that have a direct effect only when the movers are gone."""
        ablated = self.runs.run_without(movers, ("z", "attention"))
        layers = range(self._n_layers)
        after = self._evidence("END", None, layers, bar, "direct effects without the name movers", ablated)
        new = after.found(self._min_effect, self._alpha) & ~direct.found(self._min_direct, self._alpha)
        for layer, head in self._by_size(after, new):
            known = any(row.head == (layer, head) and row.name != UNCLASSIFIED for row in self.rows)
            key = self._key(layer, head, "END", _NAME_ROLES)
            if after.effect[layer, head] > 0 and key == "IO" and not known:
                path = "END -> logits, name movers knocked out"
                self._add(FoundHead((layer, head), "backup_name_mover", path, "END", "IO", after))

    def _ablate(self, bar: tqdm[Any]) -> None:
        bar.set_description("IOI: ablating the name movers")
        heads = self.heads("name_mover", "subject_suppressor", "backup_name_mover")
        found = measure_ablated_heads(self.runs, heads, {row.head for row in self.rows}, _RANDOM_DRAWS, self._seed)
        self.lost, self.lost_at_random = found.lost, found.lost_at_random

    def _evidence_of_paths(self, role: str, receivers: Sequence[Receiver], bar: tqdm[Any], what: str) -> Evidence:
        return self._evidence(role, receivers, range(max(one[0] for one in receivers)), bar, what)

    def _evidence(
        self,
        role: str,
        receivers: Sequence[Receiver] | None,
        layers: range,
        bar: tqdm[Any],
        what: str,
        base: CachedRun | None = None,
    ) -> Evidence:
        bar.set_description(f"IOI: {what}")
        bar.reset(total=len(layers))
        effects = self.runs.path_effects(role, receivers, layers, bar, base)
        tested = np.zeros(self.direct.shape, dtype=bool)
        tested[list(layers)] = True
        return evidence(effects, tested, self._seed, self.runs.effect_floor)

    def _by_size(self, at: Evidence, which: Array) -> list[Head]:
        where = np.argwhere(which)
        order = rank(np.abs(at.effect[tuple(where.T)]), self.runs.effect_floor)
        return [(int(layer), int(head)) for layer, head in where[order]]

    def _name(
        self,
        at: Evidence,
        path: str,
        query: str,
        class_of: Classifier,
        keys: tuple[str, ...] = _NAME_ROLES,
        least: float | None = None,
    ) -> None:
        """Name the heads that have an effect by where they attend to."""
        for layer, head in self._by_size(at, at.found(self._min_effect if least is None else least, self._alpha)):
            if any(row.head == (layer, head) and row.name != UNCLASSIFIED for row in self.rows):
                continue
            key = self._key(layer, head, query, keys)
            name = class_of((layer, head), int(np.sign(at.effect[layer, head])), key)
            most = key or self._most(layer, head, query, keys)
            self._add(FoundHead((layer, head), name or UNCLASSIFIED, path, query, most, at))

    def _add(self, found: FoundHead) -> None:
        """Add a head; a class takes the place of "unclassified", and the first path of an unclassified head stays."""
        known = [row for row in self.rows if row.head == found.head]
        if known and found.name == UNCLASSIFIED:
            return
        self.rows = [row for row in self.rows if row.head != found.head] + [found]

    def _attention(self, layer: int, head: int, query: str, key: str) -> float:
        return float(self.runs.attention(layer, query, key)[:, head].mean())

    def _key(self, layer: int, head: int, query: str, keys: tuple[str, ...]) -> str | None:
        """Return the role that a head attends to most; None where that is no more than to positions without a role."""
        most = self._most(layer, head, query, keys)
        difference = self.runs.attention(layer, query, most) - self.runs.attention_elsewhere(layer, query, keys)
        more = settled(difference[:, head], _ATTENTION_FLOOR)
        clear = more.mean() > 0 and float(chance(more)) < self._alpha
        return most if clear else None

    def _most(self, layer: int, head: int, query: str, keys: tuple[str, ...]) -> str:
        """Return the role that a head attends to most; of equal ones the first."""
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


def _when(role: str, name: str) -> Classifier:
    """Return what names a head that supports the behaviour and attends to a role."""
    return lambda head, effect, key: name if effect > 0 and key == role else None


def _copying(runs: DetectionRuns, heads: Sequence[Head]) -> dict[Head, tuple[float, float]]:
    layers = sorted({layer for layer, _ in heads})
    if not layers:
        return {}
    ids = torch.unique(torch.as_tensor(np.concatenate([runs.prompts.io_ids, runs.prompts.subject_ids])))
    scores = copying_scores(runs.scope, ids, layers)
    return {
        (layer, head): (float(scores[0, at, head]), float(scores[1, at, head]))
        for at, layer in enumerate(layers)
        for one, head in heads
        if one == layer
    }
