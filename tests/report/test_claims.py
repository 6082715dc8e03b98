"""Claims are data in a closed language; what cannot be run is refused with a sentence."""

import numpy as np
import pytest

from scope_widgets import Microscope, circuits, ioi, report
from scope_widgets.report.claims.claim import read_claim
from scope_widgets.report.claims.donors import donors
from scope_widgets.report.claims.roles import positions, value, values
from scope_widgets.report.entries.components import taken_out
from scope_widgets.report.verification.claims import Donated, _agree, _logit
from tests.support.planted_documentation import REPEATED
from tests.support.planted_induction_model import planted


@pytest.mark.parametrize(
    "claim",
    [
        "moves names",
        "__import__('os').system('true')",
        {},
        {"all": []},
        {"depends_on": []},
        {"depends_on": ["nowhere"]},
        {"depends_on": ["END+99"]},
        {"attends": ["END"]},
        {"attends": ["END", "IO"], "least": 2},
        {"least": 0.5},
        {"eval": "1"},
        {"fires_on": [1]},
        {"all": [{"all": [{"all": [{"all": [{"copies": "IO"}]}]}]}]},
        {"all": [{"fires_on": ["a"]}, {"copies": "IO"}]},
        None,
    ],
)
def test_what_cannot_be_run_is_refused(claim):
    with pytest.raises(ValueError, match="This claim cannot be run"):
        report.Entry("head", ("a0.h0",), "ioi", claim)


@pytest.mark.parametrize(
    ("kind", "components", "claim"),
    [
        ("head", ["m0"], {"copies": "IO"}),
        ("mlp", ["a0.h0"], {"copies": "IO"}),
        ("mlp", ["m0"], {"attends": ["END", "IO"]}),
        ("edge", ["a0.h0->a1.h1"], {"copies": "IO"}),
        ("edge", ["input->m0", "m0->logits"], {"copies": "IO"}),
        ("feature", ["3.1"], {"copies": "IO"}),
        ("head", ["a0.h0"], {"fires_on": ["a"]}),
        ("head", [], {"copies": "IO"}),
        ("head", "a0.h0", {"copies": "IO"}),
        ("neuron", ["1.1"], {"copies": "IO"}),
    ],
)
def test_entries_that_do_not_fit_together_are_refused(kind, components, claim):
    with pytest.raises(ValueError):
        report.Entry(kind, components, "ioi", claim)


def test_free_text_and_the_order_of_names_do_not_count():
    one = report.Entry("circuit", ("input->m0", "m0->logits"), "ioi", {"copies": "IO"}, note="a")
    other = report.Entry("circuit", ("m0->logits", "input->m0"), "ioi", {"copies": "IO"}, id="x", note="b")
    assert one.digest == other.digest
    parts = {"all": [{"copies": "IO"}, {"depends_on": ["S", "IO"]}]}
    one = report.Entry("mlp", ("m0",), "ioi", parts)
    other = report.Entry("mlp", ("m0",), "ioi", {"depends_on": ["IO", "S"], "copies": "IO"})
    assert one.digest == other.digest
    assert one.digest != report.Entry("mlp", ("m0",), "ioi", {"depends_on": ["IO", "S"]}).digest


def test_roles_of_ioi():
    scope = Microscope.load("demo")
    prompts = ioi.prompts(scope, n=10, seed=1)
    task = prompts.task()
    for pair in range(10):
        for role in ("IO", "S1", "S2", "END"):
            assert positions(task, pair, role) == [int(prompts.positions[role][pair])]
        assert positions(task, pair, "S1+1") == [int(prompts.positions["S1"][pair]) + 1]
        assert positions(task, pair, "clue") == positions(task, pair, "S2")
        assert value(task, pair, "IO")[1] == (int(prompts.io_ids[pair]),)
        row = task.clean[pair]
        earlier = [at for at in range(len(row) - 1) if row[at] == row[-1]]
        assert positions(task, pair, "echo") == earlier[-1:]


@pytest.mark.parametrize("roles", [("IO",), ("S",), ("IO", "S"), ("S2",), ("END",)])
def test_donors_agree_or_do_not(roles):
    scope = Microscope.load("demo")
    pool = circuits.task(scope, "ioi", n=200, seed=2)
    agree, other = (donors(pool, 20, roles, agree=which, seed=0) for which in (True, False))
    assert len(agree) >= 18
    for pair, (row, _) in agree.items():
        assert row != pool.clean[pair]
        made = pool.only([pair])
        made.clean[0] = row
        assert values(made, 0, roles) == values(pool, pair, roles)
    for pair, (row, at) in other.items():
        assert row == pool.clean[at]
        mine, its = values(pool, pair, roles), values(pool, at, roles)
        assert all(a[0] == b[0] and a[1] != b[1] for a, b in zip(mine, its, strict=True))


def test_a_claim_that_fixes_all_that_varies_has_no_donors():
    """Else a claim that says nothing would hold."""
    pool = REPEATED.make(planted(), n=60, seed=0)
    everything = ("S1", "END", *(f"END-{back}" for back in range(1, 10)))
    assert donors(pool, 20, everything, agree=True, seed=0) == {}


@pytest.mark.parametrize("role", ["S", "S1", "S2"])
def test_the_logit_of_a_token_that_stands_twice_is_measured(role):
    """ "S" is two positions of one token: what is said of its logit can hold as that of S1 can."""
    scope = Microscope.load("demo")
    pool = circuits.task(scope, "ioi", n=120, seed=2)
    donated = Donated(scope, pool, 16, (role,), 0)
    out = report.Entry("head", ("a2.h2",), "ioi", {"depends_on": [role]})
    kept_in = ~taken_out(donated.agree.graph, "head", out.components)
    assert _logit(donated, kept_in, role, 1, 0).effect != 0


def test_what_cancels_over_prompts_is_not_kept():
    """Activations that move the metric up here and down there as far as the whole effect keep nothing of it."""
    effect = np.full(16, 2.0)
    moved = np.resize([2.0, -2.0], 16)
    found = _agree(moved, effect, "IO", 0)
    assert found.effect == found.low == found.high == 0.0
    assert not found.passed
    assert _agree(0.1 * moved, effect, "IO", 0).effect == pytest.approx(0.9)


@pytest.mark.parametrize("field", ["effect", "low", "p", "null", "prompts", "seed"])
def test_a_number_beyond_any_float_is_refused_with_a_sentence(field):
    given = {"test": "ablation", "effect": 0.5, "low": 0.4, "high": 0.6, "p": 0.01, "q": None, "null": 0.1}
    given |= {"prompts": 8, "seed": 1, "ablation": "", "passed": True}
    data = {"kind": "head", "components": ["a0.h0"], "behaviour": "ioi", "claim": {"depends_on": ["IO"]}}
    assert report.Entry.from_data(data | {"evidence": [given]}).evidence[0].effect == 0.5
    with pytest.raises(ValueError, match="of evidence is"):
        report.Entry.from_data(data | {"evidence": [given | {field: 10**400}]})


def test_said():
    assert read_claim({"attends": ["END", "IO"]}).attends == (("END", "IO", 0.2),)
