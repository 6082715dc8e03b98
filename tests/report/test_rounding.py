"""What rounding alone does to a recovery is no effect: nothing is missed by it, and no share is of it."""

from types import SimpleNamespace

import numpy as np
import pytest

from scope_widgets.models.edges.find_edges import graph_of
from scope_widgets.report.scoring.behaviour_score import above_chance
from scope_widgets.report.scoring.recovery import Recovered
from scope_widgets.report.verification.leave_one_out import leave_one_out_evidence
from tests.support.planted_documentation import entries
from tests.support.planted_induction_model import planted

PAIRS = 6


def recovered(metric, divergence=0.0, full=1.0, none=1.0):
    """What sets of edges recover, of which each has one metric and one divergence on all pairs."""
    metric = np.broadcast_to(np.asarray(metric, float)[:, None, None], (len(metric), 3, PAIRS))
    empty = np.zeros((3, 2, PAIRS))
    empty[:, 1] = none
    return Recovered(metric, np.full(metric.shape, divergence), np.full(PAIRS, full), empty, 1e-5, 1e-6)


@pytest.mark.parametrize(("drop", "missed"), [(5e-9, False), (-5e-9, False), (0.1, True)])
def test_what_rounding_takes_from_r_is_not_missed(drop, missed):
    def measure(masks):
        return recovered([0.9, 0.9 - drop])

    run = SimpleNamespace(graph=graph_of(planted(three=True)), task=range(PAIRS), measure=measure)
    some = entries()
    found = leave_one_out_evidence(run, some, some[:1], 0)
    assert found.passed is missed
    assert found.effect == (pytest.approx(drop) if missed else 0.0)
    assert (found.p < 0.05) is missed
    if not missed:
        assert (found.low, found.high) == (0.0, 0.0)


def test_nothing_is_above_random_ones_that_recover_all():
    random = np.full((1, 21), 1 - 2e-9)
    random[:, 0] = 1.0
    assert above_chance(random, 1e-6)[2] == 0.0
    random[:, 1:] = 0.5
    assert above_chance(random, 1e-6)[2] == 1.0


def test_a_share_of_no_divergence_is_none():
    done = recovered([0.5], divergence=1e-9, none=1e-8)
    assert np.isnan(done.h()).all()
    assert (done.R() == 0).all()
    assert (recovered([0.5], divergence=0.25).h() == 0.75).all()
