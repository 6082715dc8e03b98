"""lm-evaluation-harness itself on a task that is made here, where the library is installed."""

import json

import numpy as np
import pytest

from scope_widgets import evals, steering

WORDS = ("runs", "run")
ROWS = [
    {"prompt": f"the {noun}", "choices": list(WORDS), "gold": int(noun.endswith("s"))}
    for noun in ("dog", "dogs", "cat", "cats", "horse", "horses", "bird", "birds")
]


def test_says_what_is_missing(demo):
    try:
        import lm_eval  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match=r"pip install 'scope-widgets\[harness\]'"):
            evals.harness_model(demo)


@pytest.mark.heavy
def test_a_task_of_the_library(demo, tmp_path):
    lm_eval = pytest.importorskip("lm_eval")
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    common = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path)}},
        "test_split": "test",
        "doc_to_text": "{{prompt}}",
    }
    tasks = [
        common
        | {
            "task": "agreement",
            "output_type": "multiple_choice",
            "doc_to_choice": "choices",
            "doc_to_target": "gold",
        },
        common
        | {
            "task": "surprise",
            "output_type": "loglikelihood_rolling",
            "doc_to_target": "{{prompt}}",
            "metric_list": [{"metric": "bits_per_byte"}],
        },
        common
        | {
            "task": "writes",
            "output_type": "generate_until",
            "doc_to_target": "{{choices[0]}}",
            "generation_kwargs": {"until": ["."], "max_gen_toks": 4},
            "metric_list": [{"metric": "exact_match"}],
        },
    ]
    plural = steering.direction(demo, positive=["the dogs"], negative=["the dog"], layer=2)
    found = {}
    for name, change in (("before", None), ("after", steering.AddDirection(plural, 1.0))):
        model = evals.harness_model(demo, change)
        found[name] = lm_eval.simple_evaluate(model=model, tasks=tasks, log_samples=True, bootstrap_iters=0)
    samples = found["before"]["samples"]
    given = [[answer[0] for answer in one["filtered_resps"]] for one in samples["agreement"]]
    for row, log_p in zip(ROWS, given, strict=True):
        logits = demo.trace(row["prompt"]).logits[-1].log_softmax(-1)
        own = [float(logits[demo.tokenizer(word)["input_ids"][-1]]) for word in WORDS]
        np.testing.assert_allclose(log_p, own, atol=1e-4)
    for one in samples["writes"]:
        written = one["resps"][0][0]
        expected = demo.generate(one["doc"]["prompt"], max_new_tokens=4).partition(".")[0]
        assert written == expected
    changed = [[answer[0] for answer in one["filtered_resps"]] for one in found["after"]["samples"]["agreement"]]
    assert not np.allclose(given, changed, atol=0.01)
    bits = [found[name]["results"]["surprise"]["bits_per_byte,none"] for name in ("before", "after")]
    assert bits[0] != bits[1]
