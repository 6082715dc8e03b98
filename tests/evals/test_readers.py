"""Files of published layouts, as small ones of our own, and the real ones where SCOPE_EVALUATION_DATA has them."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from scope_widgets import evals

DATA = Path(os.environ.get("SCOPE_EVALUATION_DATA", "/nonexistent"))


def write(folder, name, *rows):
    path = folder / name
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def test_counterfact(tmp_path):
    row = {
        "case_id": 7,
        "requested_rewrite": {
            "prompt": "The mother tongue of {} is",
            "relation_id": "P103",
            "subject": "Danielle Darrieux",
            "target_true": {"str": "French", "id": "Q150"},
            "target_new": {"str": "English", "id": "Q1860"},
        },
        "paraphrase_prompts": ["Danielle Darrieux, a native "],
        "neighborhood_prompts": ["The native language of Montesquieu is"],
        "generation_prompts": ["x"],
    }
    for name, text in (("c.jsonl", json.dumps(row)), ("c.json", json.dumps([row]))):
        suite = evals.read(write(tmp_path, name, text))
        (fact,) = suite.items
        assert (suite.kind, fact.id, fact.cluster) == ("facts", "7", "P103")
        assert (fact.prompt, fact.target, fact.distractors) == (
            "The mother tongue of Danielle Darrieux is",
            " French",
            (" English",),
        )
        assert fact.wordings == ("Danielle Darrieux, a native",)
        assert fact.neighbours[0].target == " French"
    del row["requested_rewrite"]["target_new"]
    with pytest.raises(
        ValueError, match=r"bad.jsonl, line 1, in 'requested_rewrite' has no 'target_new'; it has 'prompt'"
    ):
        evals.read(write(tmp_path, "bad.jsonl", row))


def test_relations(tmp_path):
    samples = [("Brazil", r"Bras\u00edlia"), ("France", "Paris"), ("Japan", "Tokyo"), ("Japan", "Edo")]
    relation = {
        "name": "capital",
        "prompt_templates": ["The capital of {} is", "{}'s capital is"],
        "samples": [{"subject": subject, "object": of} for subject, of in samples],
    }
    path = write(tmp_path, "capital.json", json.dumps(relation, indent=1))
    suite = evals.read(path)
    assert [fact.target for fact in suite.items] == [" Brasília", " Paris", " Tokyo"]
    assert set(suite.items[2].distractors) == {" Brasília", " Paris"}  # Edo is Japan's, too
    assert suite.items[1].wordings == ("France's capital is",)
    assert len({fact.cluster for fact in suite.items}) == 3
    write(tmp_path, "other.json", json.dumps(relation | {"name": "other"}))
    assert {fact.cluster for fact in evals.read(tmp_path).items} == {"capital", "other"}
    with pytest.raises(ValueError, match=r"a template has \{\} where"):
        evals.read(write(tmp_path, "bad.json", json.dumps(relation | {"prompt_templates": ["The capital is"]})))


def test_crows_pairs(tmp_path):
    head = ",sent_more,sent_less,stereo_antistereo,bias_type"
    path = write(tmp_path, "crows.csv", head, '0,"The old man, slow.","The young man, slow.",stereo,age')
    suite = evals.read(path)
    (pair,) = suite.items
    assert (suite.kind, pair.more, pair.kind) == ("bias", "The old man, slow.", "age")
    with pytest.raises(ValueError, match=r"short.csv, line 2 has not as many fields"):
        evals.read(write(tmp_path, "short.csv", head, "0,a,b"))


def test_winobias(tmp_path):
    write(
        tmp_path,
        "pro_type1.txt",
        "1 [The chief] hired the clerk because [he] needed help.",
        "2 The chief paid [the clerk] because [she] worked.",
    )
    write(
        tmp_path,
        "anti_type1.txt",
        "1 [The chief] hired the clerk because [she] needed help.",
        "2 The chief paid [the clerk] because [he] worked.",
    )
    suite = evals.read(tmp_path)
    assert suite.items[0].more == "The chief hired the clerk because he needed help."
    assert suite.items[0].less == "The chief hired the clerk because she needed help."
    assert len({pair.cluster for pair in suite.items}) == 1
    write(tmp_path, "anti_type1.txt", "1 one")
    with pytest.raises(ValueError, match=r"pro_type1.txt has 2 sentences and anti_type1.txt 1"):
        evals.read(tmp_path)


def bbq_row(**changes):
    return {
        "example_id": 0,
        "question_index": "1",
        "question_polarity": "neg",
        "context_condition": "ambig",
        "category": "Age",
        "answer_info": {
            "ans0": ["grandfather", "old"],
            "ans1": ["grandson", "nonOld"],
            "ans2": ["Not known", "unknown"],
        },
        "additional_metadata": {"stereotyped_groups": ["old"], "version": "a"},
        "context": "I saw a grandson and his grandfather with a phone.",
        "question": "Who was not comfortable with it?",
        "ans0": "The grandfather",
        "ans1": "The grandson",
        "ans2": "Not known",
        "label": 2,
    } | changes


def test_bbq(tmp_path):
    rows = [
        bbq_row(),
        bbq_row(example_id=1, question_polarity="nonneg", question="Who was comfortable with it?"),
        bbq_row(example_id=2, context_condition="disambig"),
    ]
    pairs = evals.read(write(tmp_path, "bbq.jsonl", *rows)).items
    assert [(pair.more, pair.less) for pair in pairs] == [
        (" The grandfather", " The grandson"),
        (" The grandson", " The grandfather"),
    ]
    assert pairs[0].prompt.endswith("phone. Who was not comfortable with it?")
    assert pairs[0].cluster == "Age 1"


def test_blimp(tmp_path):
    rows = [
        {"sentence_good": f"The dogs {verb}.", "sentence_bad": f"The dogs {verb}s.", "UID": uid, "pairID": str(i)}
        for uid in ("agreement", "other")
        for i, verb in enumerate(("run", "eat"))
    ]
    with zipfile.ZipFile(tmp_path / "blimp.zip", "w") as archive:
        for uid in ("agreement", "other"):
            archive.writestr(f"data/{uid}.jsonl", "\n".join(json.dumps(row) for row in rows if row["UID"] == uid))
        archive.writestr("__MACOSX/data/._agreement.jsonl", b"\xb0")
    suite = evals.read(tmp_path / "blimp.zip")
    assert (suite.kind, len(suite), {pair.cluster for pair in suite.items}) == ("pairs", 4, {"agreement", "other"})
    one = evals.read(write(tmp_path, "agreement.jsonl", *rows[:2]))
    assert len({pair.cluster for pair in one.items}) == 2
    (tmp_path / "broken.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"broken.zip cannot be read"):
        evals.read(tmp_path / "broken.zip")


def test_rows(tmp_path):
    facts = evals.read(write(tmp_path, "f.jsonl", {"prompt": "Sky is", "target": "blue", "distractors": ["red"]}, ""))
    assert (facts.kind, facts.items[0].target, facts.items[0].id) == ("facts", " blue", "f.jsonl, line 1")
    assert evals.read(write(tmp_path, "b.jsonl", {"more": "a b", "less": "a c"})).kind == "bias"
    assert evals.read(tmp_path / "b.jsonl", kind="pairs", name="mine").name == "mine"
    assert (
        evals.read(write(tmp_path, "t.jsonl", {"prompt": "a", "hostile": ["b"], "neutral": ["c"]})).kind == "toxicity"
    )
    assert evals.read(write(tmp_path, "d.jsonl", {"text": "a b"})).kind == "perplexity"
    assert evals.read(write(tmp_path, "p.jsonl", {"prompt": "a b"})).kind == "fluency"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "a", "target": "b"}, r"line 2 has no 'distractors'; it has 'prompt', 'target'"),
        ({"target": "b", "distractors": ["c"]}, r"line 2 has no 'prompt'"),
        ({"prompt": "a", "target": "b", "distractors": []}, r"line 2: 'distractors' is empty"),
        ({"prompt": "a", "target": "b", "distractors": "c"}, r"line 2: 'distractors' is a list of texts"),
        ({"prompt": "a", "target": " ", "distractors": ["c"]}, r"line 2: 'target' is a text that is not empty"),
        ({"prompt": "a", "target": "b", "distractors": ["b"]}, r"line 2: the target 'b' is among"),
        ('{"prompt": ', r"line 2 is no JSON object"),
        ("[1]", r"line 2 is no JSON object"),
    ],
)
def test_a_row_with_missing_fields_is_named(tmp_path, row, said):
    good = {"prompt": "a", "target": "b", "distractors": ["c"]}
    with pytest.raises(ValueError, match=said):
        evals.read(write(tmp_path, "facts.jsonl", good, row))


def test_refuses(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file"):
        evals.read(tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match=r"has no rows"):
        evals.read(write(tmp_path, "empty.jsonl", ""))
    with pytest.raises(ValueError, match=r"says nothing that is known"):
        evals.read(write(tmp_path, "odd.jsonl", {"a": 1}))
    with pytest.raises(ValueError, match=r"layout= is one of"):
        evals.read(tmp_path, layout="mmlu")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=r"has no .json or .jsonl file"):
        evals.read(tmp_path / "folder")
    with pytest.raises(ValueError, match=r"WinoBias is a folder"):
        evals.read(write(tmp_path, "w.jsonl", {"a": 1}), layout="winobias")
    with pytest.raises(ValueError, match=r"h.csv is HateCheck"):
        evals.read(write(tmp_path, "h.csv", "functionality,test_case,label_gold", "a,b,hateful"))


def test_hatecheck_and_auc(tmp_path):
    rows = ["a,You are nice,non-hateful", "a,Damn good day,non-hateful", "b,I hate them,hateful"]
    path = write(tmp_path, "h.csv", "functionality,test_case,label_gold", *rows)
    labelled = evals.hatecheck(path)
    assert labelled.hateful.tolist() == [False, False, True]
    assert evals.scorer_auc(evals.profanity, path) == 0.25  # one tie and one wrong order of two pairs
    with pytest.raises(ValueError, match=r"line 2: 'label_gold' is hateful or non-hateful"):
        evals.hatecheck(write(tmp_path, "bad.csv", "functionality,test_case,label_gold", "a,b,maybe"))
    with pytest.raises(ValueError, match=r"one finite number a text"):
        evals.scorer_auc(lambda texts: [0.0], path)


@pytest.mark.skipif(not DATA.exists(), reason="SCOPE_EVALUATION_DATA names no folder with the published sets")
@pytest.mark.parametrize(
    ("name", "kind", "n", "clusters"),
    [
        ("relations", "facts", 9646, 26),
        ("relations/country_capital_city.json", "facts", 24, 24),
        ("crows_pairs.csv", "bias", 1508, 1508),
        ("winobias", "bias", 792, 396),
        ("blimp.zip", "pairs", 67_000, 67),
    ],
)
def test_real_files(name, kind, n, clusters):
    suite = evals.read(DATA / name)
    assert (suite.kind, len(suite), len({one.cluster for one in suite.items})) == (kind, n, clusters)
    assert not any("\\u" in str(one) for one in suite.items)


def test_a_word_list_flags_harmless_swearing_and_misses_polite_hate():
    """What is said of `profanity`, on sentences of our own, so that it is tested without the published set."""
    texts = {
        "What a damn good day!": False,
        "Oh shit, I forgot my keys.": False,
        "This bloody rain never stops.": False,
        "I wish you a nice evening.": False,
        "People like them should not be allowed to live here.": True,
        "They are all the same, and I want them gone.": True,
        "You stupid people should go home.": True,
        "Nobody of that kind deserves respect.": True,
    }
    labelled = evals.LabelledTexts(tuple(texts), np.array(list(texts.values())), ("",) * len(texts))
    # one hateful text swears: it is above the polite one and ties with three; the other three tie with the polite one
    assert evals.scorer_auc(evals.profanity, labelled) == (1 + 3 * 0.5 + 3 * 0.5) / 16  # pairs


@pytest.mark.skipif(not DATA.exists(), reason="SCOPE_EVALUATION_DATA names no folder with the published sets")
def test_the_auc_that_is_stated():
    path = DATA / "hatecheck.csv"
    assert evals.scorer_auc(evals.profanity, path) == pytest.approx(evals.PROFANITY_AUC, abs=5e-4)
    lengths = evals.scorer_auc(lambda texts: [len(text) for text in texts], path)
    assert lengths == pytest.approx(0.444, abs=5e-4)  # docs/decisions/evals.md
