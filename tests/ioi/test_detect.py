"""IOI heads: planted ones are found, random weights have none, and the demo model's are the same on other prompts."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from tqdm import tqdm

from scope_widgets import Microscope, ioi
from scope_widgets.ioi.detection import head_search, mediation
from scope_widgets.ioi.detection.effect_statistics import evidence, holm
from scope_widgets.ioi.detection.model_runs import DetectionRuns, Paths
from scope_widgets.ioi.detection.result import IOIResult
from tests.support import reference_patching as plain
from tests.support.moved_demo_model import moved, planted_model
from tests.support.planted_ioi_model import HEADS, planted_circuit
from tests.support.tiny_models import tiny_model, tiny_tokenizer

pytestmark = pytest.mark.numeric


def path_effects(runs, receivers, layers, least=0.0):
    """Effects of END's heads, `[layer, head, prompt]`; 0 for the other layers."""
    paths = Paths("END", receivers, runs.clean)
    effects = np.zeros((runs.scope.n_layers, runs.scope.n_heads, runs.n))
    for layer in layers:
        effects[layer] = runs.path_effects(paths, layer, least)
    return effects


@pytest.fixture(scope="module")
def prompts(demo):
    return ioi.prompts(demo, n=50, seed=0)


@pytest.fixture(scope="module")
def found(demo, prompts):
    return ioi.detect(demo, prompts)


def test_the_demo_models_heads_are_found_by_their_effect(found):
    """The model's card: 3.1 moves names, 2.2 inhibits the subject, 3.0 attends to the name and hardly matters.

    1.0 attends to the second subject hardly at all, and all of its small effect is carried by what it reads there.
    """
    assert found.of("name_mover") == [(3, 1)]
    assert found.of("s_inhibition") == [(2, 2), (1, 0)]
    assert found.heads.set_index(["layer", "head"]).loc[(1, 0), "effect"] < 0.03
    assert found.of("backup_name_mover") == [(3, 0)]
    assert found.of("induction") == found.of("duplicate_token") == found.of("previous_token") == []
    table = found.heads
    assert list(table)[:7] == ["layer", "head", "class", "effect", "low", "high", "p"]
    mover = table.iloc[0]
    assert mover["low"] < mover["effect"] < mover["high"]
    assert mover["signature"] == "END -> IO"
    assert mover["reads"] == "IO at IO"
    assert set(found.heads["reads"]) == {"IO at IO", "S at S2"}
    assert (found.share > 0.9).all()
    assert mover["copying"] > 0.95
    assert mover["attention"] > 0.5 > mover["elsewhere"]


def test_knocking_them_out_takes_the_behaviour_away_and_others_do_not(demo, prompts, found):
    assert found.lost >= 0.5
    assert (np.abs(found.lost_at_random) < 0.15).all()
    again = ioi.ablate_heads(demo, prompts, [(3, 1)], draws=3)
    assert 0.4 < again.lost <= found.lost + 0.05
    assert len(again.lost_at_random) == 3


def test_the_heads_found_do_the_task_at_the_end(demo, prompts, found):
    """With zeros for what they write there hardly anything is left; without as many others nearly all."""
    heads = list(zip(found.layer, found.head, strict=True))
    others = [(layer, head) for layer in range(4) for head in range(4) if (layer, head) not in heads]
    rows, end = torch.arange(len(prompts)), torch.as_tensor(prompts.positions["END"])

    def lost(some):
        def zeroed(layer):
            def edit(value):
                new = value.clone()
                for head in (head for one, head in some if one == layer):
                    new[rows, end, head] = 0
                return new

            return edit

        logits = demo.run(prompts.token_ids, edits={("z", layer): zeroed(layer) for layer in range(4)}).logits
        difference = logits[rows, torch.as_tensor(prompts.io_ids)] - logits[rows, torch.as_tensor(prompts.subject_ids)]
        return 1 - float(difference.mean()) / found.logit_difference.mean()

    assert lost(heads) >= 0.8
    rng = np.random.default_rng(0)
    assert max(abs(lost([others[at] for at in rng.permutation(len(others))[: len(heads)]])) for _ in range(5)) <= 0.3
    assert "unclassified" not in found.head_class


def test_the_logit_difference_is_positive_on_98_of_100(demo):
    for seed in (0, 1, 2):
        prompts = ioi.prompts(demo, n=100, seed=seed)
        logits = demo.run(prompts.token_ids).logits
        rows = torch.arange(100)
        difference = logits[rows, torch.as_tensor(prompts.io_ids)] - logits[rows, torch.as_tensor(prompts.subject_ids)]
        assert int((difference > 0).sum()) >= 98


def test_two_disjoint_sets_of_100_prompts_give_the_same_movers(demo):
    both = ioi.prompts(demo, n=200, seed=5)
    first, second = (set(ioi.detect(demo, half).of("name_mover")) for half in (both[:100], both[100:]))
    assert len(first & second) / len(first | second) >= 0.6


def test_the_effects_are_those_of_path_patching_by_hand(demo, prompts):
    """One direct effect and one path into queries, against plain hooks."""
    few = prompts[:8]
    runs = DetectionRuns(demo, few, 0)

    direct = path_effects(runs, None, [2, 3])
    into = path_effects(runs, [(3, 1, "q")], [2])
    other = few.corrupted("abc", 0)
    for at in (0, 5):
        ids = few.token_ids[at], other.token_ids[at]
        end = few[at].positions["END"]
        answer, subject = int(few.io_ids[at]), int(few.subject_ids[at])
        for effects, sender, receivers in ((direct, (3, 1), None), (into, (2, 2), [(3, 1, "q")])):
            after = plain.path(demo.model, 4, *ids, sender, receivers, answer, subject, end)
            assert effects[(*sender, at)] == pytest.approx((runs.m_clean[at] - after) / runs.scale, abs=1e-4)


@pytest.mark.parametrize("spread", [1.0, 6.0])
def test_random_weights_have_no_ioi_heads(demo, spread):
    """In at least 95 % of seeds; 20 seeds a spread here."""
    prompts = ioi.prompts(demo, n=30, seed=0)
    with_heads = 0
    for seed in range(20):
        torch.manual_seed(seed)
        model = type(demo.model)(demo.model.config).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim == 2 and "embed" not in name:
                    parameter.mul_(spread)
        result = ioi.detect(Microscope.for_model(model, demo.tokenizer, demo.model_id), prompts)
        with_heads += bool(result.classes)
    assert with_heads <= 1


def test_planted_heads_are_found_at_their_places_under_grouped_queries(demo):
    scope = planted_model(demo)
    result = ioi.detect(scope, ioi.prompts(scope, n=50, seed=0))
    assert result.of("name_mover") == [moved(3, 1)]
    assert result.of("s_inhibition") == [moved(2, 2), moved(1, 0)]
    assert set(result.of("backup_name_mover")) <= {moved(3, 0)}
    assert result.lost >= 0.5


def test_a_circuit_set_by_hand_is_found_whole(demo):
    many = ioi.prompts(demo, n=1000, seed=3)
    names = torch.as_tensor(np.union1d(many.io_ids, many.subject_ids))
    result = ioi.detect(planted_circuit(demo, names), ioi.prompts(demo, n=20, seed=0))
    table = result.compare({name: [head] for name, head in HEADS.items()}).to_dataframe().set_index("class")
    assert (table.loc[list(HEADS), ["precision", "recall"]] == 1).all(axis=None)
    assert len(result.head_class) == len(HEADS)
    assert result.lost > 0.99
    assert abs(result.lost_at_random).max() < 0.01
    reads = {row["class"]: row["reads"] for _, row in result.heads.iterrows()}
    assert reads == {
        "name_mover": "IO at IO",
        "subject_suppressor": "S at S2",
        "s_inhibition": "S at S2",
        "induction": "S at S1+1",
        "duplicate_token": "S at S1",
        "previous_token": "S at S1",
    }
    assert (result.share_there > 0.8).all()


def test_a_name_mover_that_reads_the_name_one_token_further_is_found(demo):
    many = ioi.prompts(demo, n=1000, seed=3)
    names = torch.as_tensor(np.union1d(many.io_ids, many.subject_ids))
    result = ioi.detect(planted_circuit(demo, names, one_further=True), ioi.prompts(demo, n=20, seed=0))
    assert result.classes == {name: [head] for name, head in HEADS.items()}
    rows = result.heads.set_index("class")
    assert rows.loc["name_mover", "reads"] == "IO at IO+1"
    assert rows.loc["name_mover", "share_there"] > 0.9
    assert rows.loc["previous_token", "reads"] == "IO at IO"
    assert rows.loc["previous_token", "path"] == "IO+1 -> name movers' keys and values"


def test_what_a_head_reads_is_what_a_plain_forward_loses(demo, prompts):
    """Values of one key taken from the prompt with another name, with plain hooks, in each row of the result."""
    few = prompts[:12]
    runs = DetectionRuns(demo, few, 0)
    paths = Paths("END", None, runs.clean)
    effects = path_effects(runs, None, [3])
    weighed = evidence(effects, np.ones(effects.shape[:2], dtype=bool), 0)
    cause = mediation.find_causes(runs, paths, weighed, [(3, 1)], frozen=True)[3, 1]
    assert (cause.name, cause.position) == ("IO", "IO")
    other, width = few.corrupted("io", 0), demo.anatomy.d_head
    columns, lost = slice(width, 2 * width), []
    for at, prompt in enumerate(few):
        ids, end, key = list(prompt.token_ids), prompt.positions["END"], prompt.positions["IO"]
        theirs, ours = (plain.values(demo.model, list(one), [("v", 3), ("z", 3)]) for one in (other[at].token_ids, ids))
        pattern = demo.trace(ids, capture=("attention",)).attention(3)[1, end, key]
        new = ours["z", 3].clone()
        new[end, columns] += float(pattern) * (theirs["v", 3] - ours["v", 3])[key, columns]
        logits = plain.forward(demo.model, ids, {("z", 3): lambda value, new=new: new})
        after = plain.difference(logits, int(few.io_ids[at]), int(few.subject_ids[at]))
        lost.append((runs.m_clean[at] - after) / runs.scale)
    assert cause.share_there == pytest.approx(np.mean(lost) / effects[3, 1].mean(), abs=1e-4)


@pytest.mark.parametrize("frozen", [True, False])
def test_what_is_read_at_all_places_is_all_that_changes(demo, prompts, frozen):
    """With attention changing too, the parts add up to the head's output in the other run; else values alone move."""
    few = prompts[:6]
    runs = DetectionRuns(demo, few, 0)
    paths = Paths("END", None, runs.clean)
    moved = mediation._moved(runs, paths, "s", 2, [2, 0], frozen).sum(0).numpy()
    for at, prompt in enumerate(few):
        clean, other = (demo.trace(list(one.token_ids)) for one in (prompt, few.corrupted("s", 0)[at]))
        end = prompt.positions["END"]
        for i, head in enumerate((2, 0)):
            if frozen:
                expected = clean.attention(2)[head, end] @ (other.v(2) - clean.v(2))[:, head]
            else:
                expected = (other.z(2) - clean.z(2))[end, head]
            np.testing.assert_allclose(moved[i, at], expected, atol=1e-5)


def test_what_few_prompts_rule_out_is_small_on_all(demo, prompts):
    runs = DetectionRuns(demo, prompts, 0)
    receivers, layers = [(3, 1, "q")], range(3)
    everything = path_effects(runs, receivers, layers)
    screened = path_effects(runs, receivers, layers, 0.02)
    measured = np.isfinite(screened)
    assert measured[..., runs.shuffled[:8]].all()
    assert 0 < (~measured[:3].all(-1)).sum() < measured[:3].all(-1).size
    np.testing.assert_allclose(screened[measured], everything[measured], atol=1e-6)
    assert np.abs(everything.mean(-1)[~measured.all(-1)]).max() < 0.02
    tested = np.arange(4)[:, None].repeat(4, 1) < 3
    found = [evidence(effects, tested, 0).found(0.02, 0.05).tolist() for effects in (everything, screened)]
    assert found[0] == found[1]


def test_too_few_prompts_for_the_spread_of_their_effects_are_said_to_be(demo):
    result = ioi.detect(demo, ioi.prompts(demo, n=8, seed=0))
    assert result.classes == {}
    said = re.search(r"of head 3\.1, may be chance on 8 prompts \(p = 0\.17\); give about (\d+)", result.message)
    enough = ioi.detect(demo, ioi.prompts(demo, n=int(said[1]), seed=0))
    assert enough.of("name_mover") == [(3, 1)]


def test_evidence_corrects_for_the_number_of_heads():
    rng = np.random.default_rng(0)
    effects = rng.normal(size=(12, 12, 50)) * 0.1
    effects[3, 4] += 0.2
    tested = np.ones((12, 12), dtype=bool)
    weighed = evidence(effects, tested, seed=0)
    assert np.argwhere(weighed.found(0.02, 0.05)).tolist() == [[3, 4]]
    assert weighed.low[3, 4] < weighed.effect[3, 4] < weighed.high[3, 4]
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])


def test_comparison_and_drawing_are_of_the_heads_found(found):
    table = found.compare({"name_mover": [(3, 1), (3, 3)], "s_inhibition": [(2, 2)]}).to_dataframe().set_index("class")
    assert table.loc["name_mover", "precision"] == 1
    assert table.loc["name_mover", "recall"] == 0.5
    assert found.compare("gpt2").to_dataframe() is not None
    dot = found.to_dot()
    assert all(f"{layer}.{head}" in dot for heads in found.classes.values() for layer, head in heads)
    with pytest.raises(ValueError, match="no class 'movers'; the classes are name_mover"):
        found.of("movers")


def test_results_travel(found):
    back = ioi.IOIResult.from_json(found.to_json())
    assert back.heads.equals(found.heads)
    assert back.strips.dtype == np.uint8
    np.testing.assert_array_equal(back.direct, found.direct)


def test_bad_input_gets_a_sentence(demo, prompts):
    with pytest.raises(TypeError, match="takes the prompts of ioi.prompts"):
        ioi.detect(demo, ["When Mary"])
    with pytest.raises(ValueError, match="corrupted .abc."):
        ioi.detect(demo, prompts.corrupted("abc"))
    with pytest.raises(ValueError, match="3 prompts are too few"):
        ioi.detect(demo, prompts[:3])
    with pytest.raises(ValueError, match="no head 9.9"):
        ioi.ablate_heads(demo, prompts, [(9, 9)])
    other = Microscope.for_model(demo.model, demo.tokenizer, "another")
    with pytest.raises(ValueError, match="were made for demo"):
        ioi.detect(other, prompts)


@pytest.mark.parametrize("call", [3, 6])
def test_ctrl_c_keeps_what_is_done(demo, prompts, found, monkeypatch, call):
    plain, calls = DetectionRuns.path_effects, []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return plain(self, *args)

    monkeypatch.setattr(DetectionRuns, "path_effects", interrupted)
    with pytest.raises(KeyboardInterrupt) as raised:
        ioi.detect(demo, prompts)
    result = raised.value.result
    done = min(call - 1, demo.n_layers)
    np.testing.assert_allclose(result.direct[:done], found.direct[:done], atol=1e-6)
    assert np.isnan(result.direct[done:]).all()
    if call == 3:
        assert "Interrupted in direct effects on the logits, after 2 of 4 layers" in result.message
    else:
        assert result.of("name_mover") == [(3, 1)]
        assert "Interrupted in paths END -> name movers' queries, after 1 of 3 layers" in result.message


def test_one_bar_goes_over_all_stages(demo, prompts, monkeypatch):
    bars = []

    class Bar(tqdm):
        def close(self):
            bars.append((self.n, self.total))
            super().close()

    monkeypatch.setattr(head_search, "tqdm", Bar)
    ioi.detect(demo, prompts[:20])
    assert len(set(bars)) == 1
    assert bars[0][0] == bars[0][1] > 2 * demo.n_layers


@pytest.fixture
def scope():
    return Microscope.for_model(tiny_model("llama"), tiny_tokenizer(), "tiny llama")


def test_attention_elsewhere_is_that_to_places_without_a_role(demo):
    """The induction heads of a planted circuit look at S1+1: that is no place without a role."""
    prompts = ioi.prompts(demo, n=12, seed=0)
    scope = planted_circuit(demo, torch.as_tensor([one.id for one in prompts.names]))
    rows = ioi.detect(scope, prompts).heads
    traces = [scope.trace(ids, capture=("attention",)) for ids in prompts.token_ids]
    assert "induction" in set(rows["class"])
    for row in rows.itertuples():
        found = []
        for prompt, trace in zip(prompts, traces, strict=True):
            query = prompt.positions[row.signature.split(" -> ")[0]]
            pattern = trace.attention(row.layer)[row.head, query]
            others = set(range(1, query + 1)) - set(prompt.positions.values())
            found.append(float(pattern[sorted(others)].mean()) if others else 0.0)
        assert row.elsewhere == pytest.approx(np.mean(found), abs=1e-5)


def test_a_result_without_name_movers_travels(demo):
    result = ioi.detect(demo, ioi.prompts(demo, n=8, seed=1))
    result = dataclasses.replace(result, lost=float("nan"))
    back = IOIResult.from_json(result.to_json())
    assert np.isnan(back.lost)
    assert back.classes == result.classes


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda s, p: ioi.ablate_heads(s, p, (3, 1)),
            ValueError,
            r"heads= is a list of \(layer, head\) .* got \(3, 1\)",
        ),
        (
            lambda s, p: ioi.ablate_heads(s, p.texts, [(3, 1)]),
            TypeError,
            r"ablate_heads\(\) takes the prompts of ioi.prompts",
        ),
        (lambda s, p: ioi.ablate_heads(s, p[:0], [(3, 1)]), ValueError, "an empty set of prompts: make some"),
        (lambda s, p: ioi.ablate_heads(s, p.corrupted("abc"), [(3, 1)]), ValueError, "corrupted"),
        (lambda s, p: ioi.detect(s, p[:0]), ValueError, "an empty set of prompts: make some"),
    ],
)
def test_bad_knock_outs_get_a_sentence(demo, call, error, message):
    with pytest.raises(error, match=message):
        call(demo, ioi.prompts(demo, n=8))


def test_a_knock_out_refuses_the_prompts_of_another_model(demo):
    other = Microscope.for_model(demo.model, demo.tokenizer, "other")
    with pytest.raises(ValueError, match="These prompts were made for demo"):
        ioi.ablate_heads(other, ioi.prompts(demo, n=8), [(3, 1)])
