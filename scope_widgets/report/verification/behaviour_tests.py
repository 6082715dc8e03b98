"""`BehaviourTests`: the tests of the entries of one behaviour, on one set of held-out pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.experiments.statistics.t_test import t_test
from scope_widgets.experiments.task import Task
from scope_widgets.models.edges.find_edges import graph_of
from scope_widgets.models.edges.graph import Graph
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.entries.components import documented_edges
from scope_widgets.report.entries.entry import Entry, Evidence, Status
from scope_widgets.report.scoring.recovery import RecoveryRun
from scope_widgets.report.suite import Behaviour, pairs_of
from scope_widgets.report.verification.claims import FEWEST, KEPT, Donated, claim_evidence
from scope_widgets.report.verification.effects import Effects, ablation_evidence
from scope_widgets.report.verification.finished_steps import FinishedSteps
from scope_widgets.report.verification.leave_one_out import leave_one_out_evidence

#: ablations under which an effect may show: counterfactual and resample
TRIED = 2
#: pairs beside those of the test, from which donors are taken
SPARE = 8


class BehaviourTests:
    """The tests of the entries of one behaviour.

    Parameters
    ----------
    scope : Microscope
    behaviour : Behaviour
    n : int
        Number of held-out pairs.
    seed : int
        Of the pairs.
    seen : sequence of str
        Digests of the prompts that entries were found on.
    steps : FinishedSteps
        What is finished.
    draws : int
        Of "resample", see `RecoveryRun`.

    Attributes
    ----------
    missing : str
        Why the behaviour cannot be tested; else empty.
    """

    def __init__(
        self,
        scope: Microscope,
        behaviour: Behaviour,
        n: int,
        seed: int,
        seen: Sequence[str],
        steps: FinishedSteps,
        draws: int,
    ) -> None:
        self.scope, self.behaviour, self.n, self.seed = scope, behaviour, n, seed
        self._steps, self._draws = steps, draws
        #: of the roles that were asked for last: what two runs of all pairs write is much of a large model
        self._donated: dict[tuple[str, ...], Donated] = {}
        self.missing = ""
        try:
            self.pool = pairs_of(scope, behaviour, n=n, seed=seed, seen=seen, spare=SPARE * n)
        except ValueError as error:
            self.missing = f"{behaviour.name} cannot be tested with this model: {error}"

    @cached_property
    def task(self) -> Task:
        """The pairs that are tested."""
        return self.pool[: self.n]

    @cached_property
    def effects(self) -> list[Effects]:
        """What is lost without components, under each ablation that is tried."""
        return [Effects(run, self._keep, self.seed) for run in self.recovery.runs[:TRIED]]

    @cached_property
    def recovery(self) -> RecoveryRun:
        """The model on the pairs, with each of three ablations."""
        return RecoveryRun(self.scope, self.task, self.seed, self._draws)

    @cached_property
    def graph(self) -> Graph:
        """The edges of the model."""
        return graph_of(self.scope)

    @cached_property
    def absent(self) -> str:
        """Why there is nothing to explain; else empty."""
        return absent(self.recovery.runs[0])

    def ablation(self, entry: Entry) -> Entry:
        """Return an entry with what taking it out does; rejected where it cannot be taken out."""
        if self.missing:
            return entry.tested("untested", self.missing)
        try:
            documented_edges(self.graph, entry.components)
        except ValueError as error:
            return entry.tested("rejected", f"The model has no such component: {error}")
        if why := self._keep("absent", lambda: self.absent):
            return entry.tested("untested", why)
        known = self._keep(f"ablation {entry.digest}", lambda: self._ablation(entry))
        return entry.tested("untested", "", [Evidence(**known["evidence"])])

    def claim(self, entry: Entry) -> Entry:
        """Return an entry with whether its claim holds; rejected where it does not."""
        said = self._keep(f"claim {entry.digest}", lambda: self._claim(entry))
        evidence = [Evidence(**one) for one in said["evidence"]]
        return entry.tested(said["status"], said["reason"], evidence)

    def leave_one_out(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return entries with whether they are missed: verified, or rejected.

        The smallest effect is first, so that of entries that say the same the one with the most stays.
        """
        order = sorted(entries, key=lambda one: (abs(one.evidence[0].effect), one.digest))
        left, done = list(order), []
        for entry in order:
            # what is still in is a part of the name: it decides what is measured
            name = f"without {entry.digest} of {' '.join(one.digest for one in left)}"

            def test(entry: Entry = entry, left: Sequence[Entry] = tuple(left)) -> list[Any]:
                found = [leave_one_out_evidence(self.recovery, left, [entry], self.seed)]
                group = [one for one in left if entry.group and one.group == entry.group]
                if not found[0].passed and len(group) > 1:
                    found.append(leave_one_out_evidence(self.recovery, left, group, self.seed))
                return [_data(one) for one in found]

            evidence = [Evidence(**one) for one in self._keep(name, test)]
            if any(one.passed for one in evidence):
                done.append(entry.tested("verified", "", evidence))
            else:
                left.remove(entry)
                last = evidence[-1]
                reason = (
                    f"It is not missed: without it R falls by {last.effect:.3g} [{last.low:.3g}, {last.high:.3g}]"
                    + (f", {last.ablation}." if last.effect == 0 else ".")
                )
                done.append(entry.tested("rejected", reason, evidence))
        return done

    def _ablation(self, entry: Entry) -> dict[str, Any]:
        evidence, which = ablation_evidence(self.effects, entry, self.seed)
        return {"evidence": _data(evidence), "which": which}

    def _claim(self, entry: Entry) -> dict[str, Any]:
        roles = entry.parsed.roles
        if roles not in self._donated:
            self._donated.clear()
            self._donated[roles] = Donated(self.scope, self.pool, self.n, roles, self.seed)
        donated = self._donated[roles]
        status: Status = "untested"
        if not donated.enough:
            reason = (
                f"Its claim cannot be tested: {len(donated.pairs)} of {len(self.task)} prompts, and {FEWEST} are "
                f"needed, have others of their kind with the same {', '.join(roles)} and something else that differs, "
                "and others without."
            )
            return {"status": status, "reason": reason, "evidence": []}
        which = self._keep(f"ablation {entry.digest}", lambda: self._ablation(entry))["which"]
        found = claim_evidence(donated, entry, self.effects[which].of(entry), self.seed)
        reason = _why_not(found)
        status = "rejected" if reason else "untested"
        return {"status": status, "reason": reason, "evidence": [_data(one) for one in found]}

    def _keep(self, name: str, compute: Callable[[], Any]) -> Any:
        return self._steps.get(f"{self.behaviour.name} {name}", compute, self.behaviour.name)


def absent(run: CircuitRun) -> str:
    """Return why a model does nothing on some pairs that could be explained; else empty.

    Its metric is not above that of no edges by more than chance, or, of a difference, not above 0.
    """
    if run.message:
        return run.message
    name = run.task.name
    for values, what in ((run.full - run.empty, "that of no edges"), (run.full, "0")):
        if what == "0" and run.task.metric_name not in ("logit_difference", "probability_difference"):
            continue
        p = float(t_test(values, "greater"))
        if not p < 0.05 and not (p != p and values.mean() > 0):
            return (
                f"The model does not do {name} on these prompts: its mean {run.metric.name} is {run.full.mean():.3g}, "
                f"not above {what} by more than chance (p = {p:.2g}), so that there is nothing to explain."
            )
    return ""


def _why_not(found: Sequence[Evidence]) -> str:
    for one in found:
        if one.passed:
            continue
        return {
            "agree": f"Its claim does not hold: activations of prompts that agree on it keep {one.effect:.0%} of the "
            f"effect, and {KEPT:.0%} are needed.",
            "disagree": f"Its claim does not hold: activations of prompts that do not agree on it move the metric by "
            f"{one.effect:.0%} of the effect, and no further than those that agree (p = {one.p:.2g}).",
            "attention": f"Its claim does not hold: it attends {one.effect:.2f}, and even attention is {one.null:.2f}.",
            "logit": f"Its claim does not hold: the logit moves by {one.effect:.3g} (p = {one.p:.2g}).",
        }[one.test]
    return ""


def _data(evidence: Evidence) -> dict[str, Any]:
    """Return evidence as the fields that it is made of again."""
    return dict(vars(evidence))
