"""Detection of the IOI heads of a model, class by class, by what they cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from scope_widgets._provenance import Provenance
from scope_widgets.experiments.ov_copying import copying_scores
from scope_widgets.experiments.path_patching import Receiver
from scope_widgets.ioi.ablate_heads import knocked_out
from scope_widgets.ioi.detection_runs import Head, Stages, check_prompts
from scope_widgets.ioi.effect_statistics import Evidence, chance, evidence
from scope_widgets.ioi.prompts import ROLES, IOIPrompts
from scope_widgets.ioi.published import CLASSES
from scope_widgets.ioi.result import UNCLASSIFIED, IOIResult
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

Array = np.ndarray[Any, Any]
_NAMES = ("IO", "S1", "S2")
_RANDOM_DRAWS = 5
#: share of names that a head must write against to be called a suppressor
_MOSTLY = 0.5
#: prompts below which neither an interval nor a test says much
_FEWEST = 8


@dataclass(frozen=True)
class _Found:
    """One head with its evidence, before copying is known."""

    head: Head
    name: str
    path: str
    query: str
    key: str
    at: Evidence

    @property
    def effect(self) -> float:
        return float(self.at.effect[self.head])


@remotable
def detect(
    scope: Microscope,
    prompts: IOIPrompts,
    *,
    min_effect: float = 0.02,
    min_direct: float = 0.05,
    alpha: float = 0.05,
    seed: int = 0,
) -> IOIResult:
    """Find the heads of the IOI circuit in the order of Wang et al. 2022, by path patching with the ABC prompts.

    1. Direct effect on the logits from the last position: name movers, and with the other sign negative ones; also
       subject suppressors, which the paper does not have: they attend to the subject and write against it.
    2. Paths into the queries of name movers and suppressors: S-inhibition heads.
    3. Paths from the second subject into the S-inhibition heads' keys and values: induction and duplicate-token heads.
    4. Paths from the token after the first subject into the induction heads' keys: previous-token heads.
    5. Direct effect that appears only when those of 1 with a positive effect are knocked out: backup name movers.

    A head counts where its effect is at least `min_effect` of the logit difference (`min_direct` in 1) and chance is
    ruled out at `alpha` after Holm's correction. It gets the class's name only where it attends as the class does:
    among the places named, most to the one in the class's signature, and more than to places without a role. Otherwise
    it is "unclassified".

    Parameters
    ----------
    scope : Microscope
    prompts : IOIPrompts
        Clean ones, of `ioi.prompts`; 50 are enough for clear heads.
    min_effect : float
        The paper's 2 % for backups, here for all classes but the first.
    min_direct : float
        Of the first: what does less by itself is told apart from backups by chance, another way on other prompts.
    alpha : float
    seed : int
        Of the ABC names, the bootstrap and the random knock-outs.

    Returns
    -------
    IOIResult
        Without heads, with a message, where the model does not prefer the indirect object. Interrupted (Ctrl-C): with
        the classes that were finished.

    Raises
    ------
    ValueError
        For prompts that are corrupted, made for another model, or too few.
    """
    _check(scope, prompts)
    stages = Stages(scope, prompts, seed)
    p_behaviour = _one_sided(stages.m_clean)
    draft = _Draft(stages, min_effect, min_direct, alpha, seed)
    if p_behaviour >= 0.01 or stages.scale <= 0:
        draft.message = (
            f"This model does not do IOI on these prompts: its mean logit difference is {stages.m_clean.mean():.2f} "
            f"(p = {p_behaviour:.2g} that it is not above 0), and {stages.m_abc.mean():.2f} on ABC prompts. There is "
            "nothing whose share a head could have, so no head was looked for."
        )
        return draft.result(p_behaviour)
    try:
        draft.search()
    except KeyboardInterrupt:
        draft.message = "Interrupted: classes after those in the table were not looked for."
        tqdm.write(draft.message)
    return draft.result(p_behaviour)


class _Draft:
    """A detection on its way: the heads found so far."""

    def __init__(self, stages: Stages, min_effect: float, min_direct: float, alpha: float, seed: int) -> None:
        self.stages = stages
        self.message = ""
        self._min_effect, self._min_direct, self._alpha, self._seed = min_effect, min_direct, alpha, seed
        self._n_layers, self._n_heads = stages.scope.n_layers, stages.scope.n_heads
        self.direct = np.full((self._n_layers, self._n_heads), np.nan)
        self.rows: list[_Found] = []
        self.lost, self.lost_at_random = np.nan, np.empty(0)

    def heads(self, *names: str) -> list[Head]:
        """Give the heads of classes."""
        return [row.head for row in self.rows if row.name in names]

    def search(self) -> None:
        """Look for the classes in turn."""
        with tqdm(total=self._n_layers, desc="IOI", unit="layer", leave=False) as bar:
            direct = self._weigh("END", None, range(self._n_layers), bar, "direct effects on the logits")
            self.direct = direct.effect
            self._name(direct, "END -> logits", "END", self._direct_class, least=self._min_direct)
            movers = self.heads("name_mover", "subject_suppressor")
            if not movers:
                self.message = "No name mover was found, so the classes that act through them were not looked for."
                return
            into = self._into("END", [(layer, head, "q") for layer, head in movers], bar, "paths into the name movers")
            self._name(into, "END -> name movers' queries", "END", _when("S2", "s_inhibition"))
            self._before_inhibition(bar)
            self._backups(movers, direct, bar)
            self._knock_out(bar)

    def _direct_class(self, head: Head, effect: int, key: str | None) -> str | None:
        """Name a head by what it does to the logits: which name it reads, and whether it writes for it or against."""
        if key == "IO":
            return "name_mover" if effect > 0 else "negative_name_mover"
        against = effect > 0 and key in ("S1", "S2") and _copying(self.stages, [head])[head][1] > _MOSTLY
        return "subject_suppressor" if against else None

    def _before_inhibition(self, bar: tqdm[Any]) -> None:
        inhibition = self.heads("s_inhibition")
        if not inhibition:
            return
        receivers = [(layer, head, site) for layer, head in inhibition for site in ("k", "v")]
        into = self._into("S2", receivers, bar, "paths into the S-inhibition heads")
        names = {"S1+1": "induction", "S1": "duplicate_token"}
        path = "S2 -> S-inhibition heads' keys and values"
        self._name(into, path, "S2", lambda head, effect, key: names.get(key) if effect > 0 else None, ("S1", "S1+1"))
        induction = self.heads("induction")
        if induction:
            receivers = [(layer, head, "k") for layer, head in induction]
            into = self._into("S1+1", receivers, bar, "paths into the induction heads")
            self._name(into, "S1+1 -> induction heads' keys", "S1+1", _when("S1", "previous_token"), ("S1",))

    def _backups(self, movers: list[Head], direct: Evidence, bar: tqdm[Any]) -> None:
        """Find heads that have a direct effect only when the movers are gone."""
        knocked = self.stages.without(movers, ("z", "attention"))
        layers = range(self._n_layers)
        after = self._weigh("END", None, layers, bar, "direct effects without the name movers", knocked)
        new = after.found(self._min_effect, self._alpha) & ~direct.found(self._min_direct, self._alpha)
        for layer, head in self._by_size(after, new):
            known = any(row.head == (layer, head) and row.name != UNCLASSIFIED for row in self.rows)
            key = self._key(layer, head, "END", _NAMES)
            if after.effect[layer, head] > 0 and key == "IO" and not known:
                path = "END -> logits, name movers knocked out"
                self._add(_Found((layer, head), "backup_name_mover", path, "END", "IO", after))

    def _knock_out(self, bar: tqdm[Any]) -> None:
        bar.set_description("IOI: knocking out the name movers")
        heads = self.heads("name_mover", "subject_suppressor", "backup_name_mover")
        found = knocked_out(self.stages, heads, {row.head for row in self.rows}, _RANDOM_DRAWS, self._seed)
        self.lost, self.lost_at_random = found.lost, found.lost_at_random

    def _into(self, role: str, receivers: Sequence[Receiver], bar: tqdm[Any], what: str) -> Evidence:
        return self._weigh(role, receivers, range(max(one[0] for one in receivers)), bar, what)

    def _weigh(
        self,
        role: str,
        receivers: Sequence[Receiver] | None,
        layers: range,
        bar: tqdm[Any],
        what: str,
        base: Any = None,
    ) -> Evidence:
        bar.set_description(f"IOI: {what}")
        bar.reset(total=len(layers))
        effects = self.stages.lost(role, receivers, layers, bar, base)
        tested = np.zeros(self.direct.shape, dtype=bool)
        tested[list(layers)] = True
        return evidence(effects, tested, self._seed)

    def _by_size(self, at: Evidence, which: Array) -> list[Head]:
        where = np.argwhere(which)
        order = np.argsort(-np.abs(at.effect[tuple(where.T)]), kind="stable")
        return [(int(layer), int(head)) for layer, head in where[order]]

    def _name(
        self,
        at: Evidence,
        path: str,
        query: str,
        class_of: Any,
        keys: tuple[str, ...] = _NAMES,
        least: float | None = None,
    ) -> None:
        """Name the heads that have an effect by where they attend to."""
        for layer, head in self._by_size(at, at.found(self._min_effect if least is None else least, self._alpha)):
            if any(row.head == (layer, head) and row.name != UNCLASSIFIED for row in self.rows):
                continue
            key = self._key(layer, head, query, keys)
            name = class_of((layer, head), int(np.sign(at.effect[layer, head])), key)
            most = key or max(keys, key=lambda one: self._attention(layer, head, query, one))
            self._add(_Found((layer, head), name or UNCLASSIFIED, path, query, most, at))

    def _add(self, found: _Found) -> None:
        """Add a head; a class takes the place of "unclassified", and the first path of an unclassified head stays."""
        known = [row for row in self.rows if row.head == found.head]
        if known and found.name == UNCLASSIFIED:
            return
        self.rows = [row for row in self.rows if row.head != found.head] + [found]

    def _attention(self, layer: int, head: int, query: str, key: str) -> float:
        return float(self.stages.attention(layer, query, key)[:, head].mean())

    def _key(self, layer: int, head: int, query: str, keys: tuple[str, ...]) -> str | None:
        """Give the place that a head attends to most, where that is more than to places without a role."""
        most = max(keys, key=lambda one: self._attention(layer, head, query, one))
        difference = self.stages.attention(layer, query, most) - self.stages.elsewhere(layer, query, keys)
        clear = difference[:, head].mean() > 0 and float(chance(difference[:, head])) < self._alpha
        return most if clear else None

    def result(self, p_behaviour: float) -> IOIResult:
        """Put the table together."""
        order = {name: at for at, name in enumerate((*CLASSES, UNCLASSIFIED))}
        rows = sorted(self.rows, key=lambda row: (order[row.name], -abs(row.effect)))
        stages, prompts = self.stages, self.stages.prompts
        copying = _copying(stages, [row.head for row in rows if row.path.startswith("END -> logits")])
        undefined = (np.nan, np.nan)
        scores = [copying.get(row.head, undefined) for row in rows]
        queries = [int(stages.at[row.query][0]) for row in rows]
        length = len(prompts[0].tokens)
        strips = np.zeros((len(rows), length), dtype=np.uint8)
        for at, (row, query) in enumerate(zip(rows, queries, strict=True)):
            layer, head = row.head
            pattern = stages.clean.values["attention"][layer][0, head, query, :length].float().cpu().numpy()
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
                [float(stages.elsewhere(row.head[0], row.query, ROLES)[:, row.head[1]].mean()) for row in rows]
            ),
            copying=np.array([score[0] for score in scores]),
            negative_copying=np.array([score[1] for score in scores]),
            direct=self.direct,
            logit_difference=stages.m_clean,
            logit_difference_abc=stages.m_abc,
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
                model=stages.scope.model_id,
                revision=stages.scope.revision,
                prompts=tuple(prompts.texts),
                seed=self._seed,
                ablation="paths patched with the ABC version of each prompt; knock-outs at END: mean of 4 ABC versions",
                note=f"mean logit difference {stages.m_clean.mean():.3f}, positive on "
                f"{int((stages.m_clean > 0).sum())} of {stages.n}; effects are shares of it less "
                f"{stages.m_abc.mean():.3f} on the ABC prompts; at least {self._min_effect:.0%} "
                f"({self._min_direct:.0%} directly), "
                f"p < {self._alpha} after Holm's correction",
            ),
        )


def _when(wanted: str, name: str) -> Any:
    """Name a head that supports the behaviour and attends to the wanted place."""
    return lambda head, effect, key: name if effect > 0 and key == wanted else None


def _copying(stages: Stages, heads: Sequence[Head]) -> dict[Head, tuple[float, float]]:
    layers = sorted({layer for layer, _ in heads})
    if not layers:
        return {}
    ids = torch.unique(torch.as_tensor(np.concatenate([stages.prompts.io_ids, stages.prompts.subject_ids])))
    scores = copying_scores(stages.scope, ids, layers)
    return {
        (layer, head): (float(scores[0, at, head]), float(scores[1, at, head]))
        for at, layer in enumerate(layers)
        for one, head in heads
        if one == layer
    }


def _one_sided(values: Array) -> float:
    """P of a mean of 0 or less."""
    p = float(chance(values))
    return p / 2 if values.mean() > 0 else 1 - p / 2


def _check(scope: Microscope, prompts: IOIPrompts) -> None:
    check_prompts(scope, prompts, "detect()")
    if len(prompts) < _FEWEST:
        raise ValueError(
            f"{len(prompts)} prompts are too few to tell an effect from chance: give {_FEWEST} at least, better 50."
        )
