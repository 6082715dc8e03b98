"""What heads do: their scores on texts and on repeated tokens, labels, and those of indirect-object identification."""

from __future__ import annotations

from scope_widgets._files import as_csv, write_text
from scope_widgets.heads.label import label
from scope_widgets.heads.score import score, score_repeated_tokens
from scope_widgets.ioi.dataset.draw_prompts import prompts
from scope_widgets.ioi.detection.detect import detect
from scope_widgets.models.tokens import encode
from scope_widgets.report.pipeline.stage import Context, Stage
from scope_widgets.report.pipeline.texts import recorded_texts

#: texts that heads are scored on, and tokens of each
_TEXTS, _TOKENS = 32, 64


def _run(given: Context) -> list[str]:
    scope, seed = given.scope, given.settings.seed
    if not scope.n_heads:
        return [f"{scope.model_id} has no heads."]
    texts, _ = recorded_texts(scope, given.settings)
    some = texts[: given.fewer(_TEXTS, 4)]
    rows = [row[:_TOKENS] for row in encode(scope.tokenizer, list(some), None)[0]]  # type: ignore[arg-type]
    rows = [row for row in rows if len(row) > 1]
    on_texts = score(scope.trace(rows, capture=("attention",), logits=None), seed=seed)
    repeated = score_repeated_tokens(scope, n=4, seed=seed)
    labels = label(repeated)
    results = {"scores": on_texts, "repeated_tokens": repeated, "labels": labels}
    notes = []
    try:
        results["ioi"] = detect(scope, prompts(scope, n=given.fewer(given.settings.pairs, 8), seed=seed), seed=seed)
    except ValueError as error:
        notes.append(f"No heads of indirect-object identification: {error}")
    for name, found in results.items():
        write_text(given.work / f"{name}.json", found.to_json())
        write_text(given.work / f"{name}.csv", as_csv(found.to_dataframe()))
    return notes


STAGE = Stage("heads", _run, options=("num_samples", "texts", "column", "seed"), folder="heads")
