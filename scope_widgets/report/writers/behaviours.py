"""The built-in writers: entries about a behaviour from what the package finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from scope_widgets.circuits.discovery.discover import discover
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.heads.score import score_repeated_tokens
from scope_widgets.ioi.dataset.draw_prompts import prompts
from scope_widgets.ioi.detection.detect import detect
from scope_widgets.models.edges.find_edges import graph_of
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.entries.components import documented_edges
from scope_widgets.report.figures import Figure
from scope_widgets.report.scoring.recovery import DONORS, LARGE, RecoveryRun, at_once
from scope_widgets.report.suite import Behaviour, digest_of, pairs_of
from scope_widgets.report.verification.behaviour_tests import absent
from scope_widgets.report.writers.nodes import worthwhile, write_nodes
from scope_widgets.report.writers.wiring import write_wiring
from scope_widgets.report.writers.written import Writer, Written

#: pairs beside those that are looked at, which give activations; verification has its own
_SPARE = 4
#: prompts of `ioi.detect`: with fewer weak classes are not found
_DETECT = 50
#: the customary threshold of an induction head
_INDUCTION = 0.4


def write_behaviour(
    scope: Microscope,
    behaviour: Behaviour,
    *,
    n: int = 40,
    seed: int = 0,
    notes: dict[str, str] | None = None,
    groups: dict[str, str] | None = None,
) -> Written:
    """Return entries about any behaviour: the heads and MLPs that matter, and the edges that are needed beside them.

    Parameters
    ----------
    scope : Microscope
    behaviour : Behaviour
    n : int, default 40
        Number of pairs that are looked at.
    seed : int, default 0
        Of the pairs.
    notes, groups : dict of str to str, optional
        By component: what is known of it, and its group.

    Returns
    -------
    Written
        Without entries, and with a reason, where the model does not do it or lacks its words.

    Examples
    --------
    >>> from scope_widgets import report
    >>> report.write_behaviour(scope, report.SUITE["capitals"]).reason[:48]
    "The task 'capitals' needs the words of a sentenc"
    """
    try:
        pool = pairs_of(scope, behaviour, n=n, seed=seed, spare=_SPARE * n)
    except ValueError as error:
        return Written(reason=str(error))
    if len(pool) < (1 + _SPARE) * n:  # there are no more: half of them are left for the tests
        pool = pool[: max(1, len(pool) // 2)]
    task = pool[:n]
    seen = tuple(dict.fromkeys(digest_of(row) for row in pool.clean))
    looked_at = CircuitRun(scope, task, "counterfactual", seed, at_once=at_once(scope))
    if why := absent(looked_at):
        return Written(seen=seen, reason=why)
    nodes = write_nodes(looked_at, pool, behaviour.dependences, seed=seed, notes=notes, groups=groups)
    large = looked_at.graph.n_edges > LARGE
    # twice as many: of a template with one pair resampling would put the pair's own corrupted prompt in
    more = n if large else min(2 * n, len(pool))
    run = RecoveryRun(scope, pool[:more], seed, 1 if large else DONORS)
    nodes = worthwhile(run, nodes)
    if large:  # single edges are not written: each does too little beside those between its nodes
        circuit = discover(scope, task, "eap-ig", seed=seed)
        shown = documented_edges(run.graph, [name for entry in nodes for name in entry.components])
        return Written(nodes, seen, (_circuit_figure(behaviour, circuit.keep(n_edges=max(1, int(shown.sum())))),))
    names = [name for entry in nodes for name in entry.components]
    wiring, circuit = write_wiring(scope, pool, more, names, behaviour.dependences[-1], seed=seed, run=run)
    return Written((*nodes, *wiring), seen, (_circuit_figure(behaviour, circuit),))


def write_ioi(scope: Microscope, behaviour: Behaviour, *, n: int = 40, seed: int = 0) -> Written:
    """Return entries about indirect-object identification, with the classes that `ioi.detect` finds.

    Name movers and their backups are a group. Of a large model classes are not looked for, which takes longer than all
    else. Parameters and what is returned are those of `write_behaviour`.
    """
    if graph_of(scope).n_edges > LARGE:
        return write_behaviour(scope, behaviour, n=n, seed=seed)
    try:
        drawn = prompts(scope, n=max(n, _DETECT), seed=seed)
    except ValueError as error:
        return Written(reason=str(error))
    found = detect(scope, drawn, seed=seed)
    notes, groups = {}, {}
    for name, layer, head, effect, path in zip(
        found.head_class, found.layer, found.head, found.effect, found.path, strict=True
    ):
        component = f"a{int(layer)}.h{int(head)}"
        notes[component] = f"{name.replace('_', ' ')}: {effect:+.0%} of the logit difference, {path}"
        if name in ("name_mover", "backup_name_mover"):
            groups[component] = "name movers and their backups"
    written = write_behaviour(scope, behaviour, n=n, seed=seed, notes=notes, groups=groups)
    text = "Heads found by what they cause when single paths are patched, named by what carries the effect."
    figure = Figure("Heads of indirect-object identification", text, found)
    seen = tuple(dict.fromkeys((*written.seen, *(digest_of(row) for row in drawn.token_ids))))
    return replace(written, seen=seen, figures=(figure, *written.figures))


def write_induction(scope: Microscope, behaviour: Behaviour, *, n: int = 40, seed: int = 0) -> Written:
    """Return entries about induction, with the scores of heads on repeated random tokens.

    Parameters and what is returned are those of `write_behaviour`.
    """
    scores = score_repeated_tokens(scope, n=4, seed=seed)
    table = scores.to_dataframe()
    notes = {
        f"a{int(row.layer)}.h{int(row.head)}": f"induction head: score {row.induction:.2f} on repeated random tokens"
        for row in table.itertuples()
        if row.induction >= _INDUCTION
    }
    written = write_behaviour(scope, behaviour, n=n, seed=seed, notes=notes)
    text = "Scores of heads on random tokens that come again: what attends to the token after an earlier copy."
    return replace(written, figures=(Figure("Heads on repeated tokens", text, scores), *written.figures))


#: the built-in writers by behaviour; what a model does on any text has none, and counts 0
WRITERS: Final[dict[str, Writer]] = {
    "ioi": write_ioi,
    "greater_than": write_behaviour,
    "induction": write_induction,
    "agreement": write_behaviour,
    "capitals": write_behaviour,
}


def _circuit_figure(behaviour: Behaviour, circuit: Circuit) -> Figure:
    text = (
        f"The {circuit.n_edges:,} edges with the largest scores of {circuit.graph.n_edges:,}, on the prompts that "
        "entries were found on; which of them are documented stands in the entries."
    )
    return Figure(f"Edges of {behaviour.name}", text, circuit)
