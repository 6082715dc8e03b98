"""Every format that is read: a whole example of each, how one is damaged, and how it is read and then used."""

from __future__ import annotations

import ast
import json
import random
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from scope_widgets._result import Result
from tests.support.mutations import damaged_bytes, damaged_json, damaged_text
from tests.support.paths import ROOT


class Format(NamedTuple):
    """A format: its name, `damage(draw)` that returns one damaged example, and `use(example)` that reads it."""

    name: str
    damage: Callable[[random.Random], Any]
    use: Callable[[Any], object]


def of_text(name: str, whole: str, use: Callable[[Any], object]) -> Format:
    """Return the format of a JSON text."""
    return Format(name, lambda draw: damaged_json(whole, draw), use)


def of_file(name: str, path: Path, use: Callable[[Path], object], damage: Callable[..., Any] | None = None) -> Format:
    """Return the format of one file; the others in its folder stay whole."""
    whole = path.read_bytes()

    def write(changed: Any) -> object:
        put(path, changed if isinstance(changed, bytes) else changed.encode("utf-8", "surrogatepass"))
        try:
            return use(path)
        finally:
            put(path, whole)

    if damage is None:
        return Format(name, lambda draw: damaged_bytes(whole, draw), write)
    return Format(name, lambda draw: damage(whole.decode(), draw), write)


def put(path: Path, content: bytes) -> None:
    """Write a new file in the place of one that may still be mapped into memory."""
    path.unlink()
    path.write_bytes(content)


def of_safetensors(name: str, path: Path, use: Callable[[Path], object]) -> Format:
    """Return the format of a safetensors file whose header is damaged as JSON and whose length fits it."""
    whole = path.read_bytes()
    n = int.from_bytes(whole[:8], "little")

    def damage(draw: random.Random) -> bytes:
        if draw.random() < 0.4:
            return damaged_bytes(whole, draw)
        header = damaged_json(whole[8 : 8 + n].decode(), draw)
        if "__metadata__" in header and draw.random() < 0.5:
            made = json.loads(whole[8 : 8 + n])
            for key, text in made.get("__metadata__", {}).items():
                if text.startswith("{"):
                    made["__metadata__"][key] = damaged_json(text, draw)
            header = json.dumps(made)
        raw = header.encode("utf-8", "surrogatepass")
        return len(raw).to_bytes(8, "little") + raw + whole[8 + n :]

    def write(changed: bytes) -> object:
        put(path, changed)
        try:
            return use(path)
        finally:
            put(path, whole)

    return Format(name, damage, write)


def shown(result: Any) -> None:
    """Use what was read as a person would: its repr, its table, its JSON, its view."""
    repr(result)
    if isinstance(result, Result):
        result.to_dataframe()
        result.to_json()
        if result.view:
            result.widget().close()


def _use(kind: type[Result], text: str) -> None:
    shown(kind.from_json(text))


def results(makers: dict[str, Callable[[Any], Result]], scope: Any) -> Iterator[Format]:
    """Yield the JSON of results."""
    for name, make in makers.items():
        made = make(scope)
        yield of_text(f"{name}.from_json", made.to_json(), partial(_use, type(made)))


def traces(scope: Any, folder: Path) -> Iterator[Format]:
    """Yield the three formats of traces."""
    from scope_widgets import Trace

    def use(trace: Any) -> None:
        repr(trace)
        trace.attention(0), trace.residual(-1), trace.tokens, trace.provenance.lines()
        trace.widget().close()

    for name, prompts in (("one", "Mary and John went to"), ("two", ["Mary and John went to", "Mary and"])):
        trace = scope.trace(prompts)
        yield of_text(f"Trace.from_json {name}", trace.to_json(), lambda text: use(Trace.from_json(text)))
        trace.to_npz(folder / f"{name}.npz")
        yield of_file(f"Trace.from_npz {name}", folder / f"{name}.npz", lambda path: use(Trace.from_npz(path)))
        trace.save(folder / name)
        (tensors,) = (folder / name).glob("*.safetensors")
        load = lambda path: use(Trace.load(path.parent))  # noqa: E731
        yield of_file(f"Trace.load header {name}", folder / name / "trace.json", load, damaged_text)
        shutil.copytree(folder / name, folder / f"{name} former")
        former = folder / f"{name} former"
        (former / tensors.name).rename(former / "tensors.safetensors")
        header = json.loads((former / "trace.json").read_text())
        del header["digest"]
        (former / "trace.json").write_text(json.dumps(header))
        yield of_safetensors(f"Trace.load tensors {name}", former / "tensors.safetensors", load)


def others(scope: Any, folder: Path) -> Iterator[Format]:
    """Yield sets of facts and prompts, directions, patches, presets, tasks, evaluation sets, runs."""
    yield from suites(folder)
    from scope_widgets import editing, heads, ioi, steering, tracking, widgets
    from scope_widgets.cli.circuits import _task

    facts = heads.FactSet([heads.Fact("Mary", "gift", "drink")], {"gift": "{subject} gave a"})
    yield of_text("FactSet.from_json", facts.to_json(), lambda text: heads.FactSet.from_json(text).to_dataframe())
    facts.save(folder / "facts.json")
    yield of_file("FactSet.load", folder / "facts.json", lambda path: heads.FactSet.load(path).prompts(), damaged_text)
    prompts = ioi.prompts(scope, n=4)
    yield of_text("IOIPrompts.from_json", prompts.to_json(), lambda text: ioi.IOIPrompts.from_json(text).to_dataframe())
    direction = steering.direction(scope, positive=["the dogs"], negative=["the dog"], layer=3, name="plural")
    direction.save(folder / "direction.safetensors")
    read = lambda path: shown(steering.Direction.load(path))  # noqa: E731
    yield of_safetensors("Direction.load", folder / "direction.safetensors", read)
    given = replace(direction, recipe={}).code()
    code = ast.literal_eval(given.removeprefix("steering.Direction.from_code(").removesuffix(")"))
    yield of_text("Direction.from_code", code, lambda text: shown(steering.Direction.from_code(text)))
    with editing.FeaturePatch(scope, direction) as patch:
        patch.export(folder / "patch")
    load = lambda path: editing.FeaturePatch.load(scope, path.parent)  # noqa: E731
    yield of_safetensors("FeaturePatch weights", folder / "patch" / "adapter_model.safetensors", load)
    yield of_file("FeaturePatch config", folder / "patch" / "adapter_config.json", load, damaged_text)
    yield of_safetensors("FeaturePatch direction", folder / "patch" / "direction.safetensors", load)
    session = steering.Session(scope, "the horse", [steering.AddDirection(direction, 0.1)], answer=" run", versus=5)
    panel = widgets.SteeringPanel(session=session)
    key = panel.interventions[0]["key"]
    panel.presets = {"one": {"strengths": {key: 0.2}, "enabled": {key: True}}}
    text = panel.presets_json()
    (folder / "presets.json").write_text(text)
    yield of_text("presets text", text, lambda given: panel.load_presets(given))
    yield of_file("presets file", folder / "presets.json", lambda path: panel.load_presets(path), damaged_text)
    task = {"clean": ["Mary and John", "Mary and Paul"], "corrupted": ["John and Mary", "Paul and Mary"],
            "answer": [" Mary", " John"], "versus": [" John", " Mary"], "metric": "logit_difference"}  # fmt: skip
    (folder / "task.json").write_text(json.dumps(task))
    yield of_file("task file", folder / "task.json", lambda path: repr(_task(scope, str(path), 2, 0)), damaged_text)
    with tracking.run(folder / "run", config={"rate": 0.5}) as run:
        for loss in (0.5, float("nan")):
            run.log({"loss": loss, "rows": [1, 2]})
        run.table("table", {"a": [1, 2]})
        run.figure("figure", direction)
        run.file(folder / "task.json")
    yield of_file("run.json", folder / "run" / "run.json", lambda path: used_run(path.parent), damaged_text)
    yield of_file("events.jsonl", folder / "run" / "events.jsonl", lambda path: used_run(path.parent), damaged_line)
    (table,) = (folder / "run" / "tables").iterdir()
    yield of_file("table of a run", table, lambda path: used_run(path.parent.parent))


def damaged_line(text: str, draw: random.Random) -> Any:
    """Return lines of JSON, one of them damaged."""
    lines = text.splitlines()
    at = draw.randrange(len(lines))
    changed = damaged_text(lines[at], draw)
    whole = changed if isinstance(changed, bytes) else changed.encode("utf-8", "surrogatepass")
    return b"\n".join([*(one.encode() for one in lines[:at]), whole, *(one.encode() for one in lines[at + 1 :])])


def used_run(folder: Path) -> object:
    """Read a run and all that it has; a table or file that it names and has not is said."""
    from scope_widgets import tracking

    run = tracking.load(folder)
    with suppress(KeyError, FileNotFoundError):
        return run.history, run.seconds, run.last, run.figures, *map(run.table, run.tables), *map(run.file, run.files)
    return tracking.runs(folder)


def suites(folder: Path) -> Iterator[Format]:
    """Yield evaluation sets, of which `damaged_text` takes JSON of one line."""
    from scope_widgets import evals

    relation = {"name": "capital", "prompt_templates": ["The capital of {} is"]} | {
        "samples": [{"subject": "France", "object": "Paris"}, {"subject": "Peru", "object": "Lima"}]
    }
    rewrite = {"prompt": "The tongue of {} is", "subject": "Marie", "relation_id": "P103"} | {
        f"target_{which}": {"str": name} for which, name in (("true", "French"), ("new", "Dutch"))
    }
    counterfact = {"requested_rewrite": rewrite, "paraphrase_prompts": ["Marie, a"], "neighborhood_prompts": ["Jean"]}
    bbq = {"context": "A and B.", "question": "Who?", "ans0": "A", "ans1": "B", "ans2": "?", "question_polarity": "neg",
           "context_condition": "ambig", "additional_metadata": {"stereotyped_groups": ["old"]},
           "answer_info": {"ans0": ["A", "old"], "ans1": ["B", "young"], "ans2": ["?", "unknown"]}}  # fmt: skip
    examples: dict[str, Any] = {
        "relation.json": relation,
        "counterfact.jsonl": counterfact,
        "bbq.jsonl": bbq,
        "blimp.jsonl": {"sentence_good": "The dogs run.", "sentence_bad": "The dogs runs.", "UID": "agreement"},
        "facts.jsonl": {"prompt": "Sky is", "target": "blue", "distractors": ["red"], "neighbours": [], "id": "a"},
        "toxicity.jsonl": {"prompt": "He said:", "hostile": [" Fool."], "neutral": [" Well."]},
    }
    for name, content in examples.items():
        (folder / name).write_text(json.dumps(content))
        yield of_file(f"evals {name}", folder / name, lambda path: repr(evals.read(path)), damaged_text)
    (folder / "crows.csv").write_text(',sent_more,sent_less,bias_type\n0,"The old, one",The young one,age\n')
    yield of_file("evals CSV", folder / "crows.csv", lambda path: repr(evals.read(path)))
    (folder / "hate.csv").write_text("functionality,test_case,label_gold\na,Damn,hateful\nb,Hello,non-hateful\n")
    yield of_file("HateCheck", folder / "hate.csv", lambda path: evals.scorer_auc(evals.profanity, path))
    with zipfile.ZipFile(folder / "blimp.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "blimp.jsonl", "data/blimp.jsonl")
    yield of_file("evals zip", folder / "blimp.zip", lambda path: repr(evals.read(path)))


def result_makers() -> dict[str, Callable[[Any], Result]]:
    """Return how each class of results is made."""
    from tests.package.test_results import MAKERS

    return MAKERS


def remote(scope: Any, folder: Path) -> Iterator[Format]:
    """Yield what comes from a server, and what is kept of it."""
    import zstandard

    from scope_widgets import heads
    from scope_widgets.remote import serialization
    from scope_widgets.remote.client import request, response_cache
    from scope_widgets.remote.client.check_received import load_answer
    from tests.support.fake_transport import fake_remote

    far = fake_remote(scope)
    plain = serialization.pack(heads.score(scope.trace("Mary and John went to"), null_draws=3), scope)
    answer = {"result": plain, "warnings": ["one"]}

    def take(found: Any) -> None:
        shown(far._result(found, ()))

    whole = _saved({"answer": answer})
    packed = zstandard.compress(whole)

    def received(data: bytes, compressed: bool) -> None:
        with request.understanding("http://127.0.0.1:1"):
            found = load_answer(data, 10**9, compressed=compressed)["answer"]
        take(found)

    yield Format("answer", lambda draw: damaged_bytes(whole, draw), lambda data: received(data, False))
    yield Format("answer, packed", lambda draw: damaged_bytes(packed, draw), lambda data: received(data, True))
    tensors: list[Any] = []
    header = json.dumps(response_cache._apart(answer, tensors))

    def apart(text: str) -> None:
        with request.understanding("http://127.0.0.1:1"):
            found = response_cache._whole(json.loads(text), tensors)
        take(found)

    yield of_text("answer, its parts", header, apart)
    status = {"id": "a", "status": "COMPLETED", "description": "", "data": "http://127.0.0.1:1/x"}
    parse = lambda text: request._status(request._parse(text, "http://127.0.0.1:1"))  # noqa: E731
    yield of_text("status", json.dumps(status), parse)
    raw = _saved({**status, "data": b"x" * 50})
    yield Format("status, packed", lambda draw: damaged_bytes(raw, draw), parse)
    cache = response_cache.ResponseCache(folder / "cache")
    cache.keep("a", answer)
    cache.keep_job("b", "job")
    yield of_safetensors("cache", folder / "cache" / "a.safetensors", lambda path: cache.find("a"))
    yield of_file("job", folder / "cache" / "b.job", lambda path: cache.job("b"), damaged_text)


def _of_wire(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None  # no host passes that on


def _saved(value: Any) -> bytes:
    import io

    import torch

    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def models(folder: Path) -> Iterator[Format]:
    """Yield the files of a model's folder, and a GGUF file."""
    from scope_widgets import Microscope
    from tests.support.tiny_gguf import write_tiny_gguf
    from tests.support.tiny_models import tiny_model, tiny_tokenizer

    for family in ("gpt2", "llama"):
        where = folder / family
        tiny_model(family).save_pretrained(where)
        tiny_tokenizer().save_pretrained(where)
        load = lambda path: Microscope.load(path.parent).trace([3, 4, 5])  # noqa: E731
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
            yield of_file(f"{family} {name}", where / name, load, damaged_text)
        yield of_safetensors(f"{family} weights", where / "model.safetensors", load)
    write_tiny_gguf(folder / "tiny.gguf")
    yield of_file("GGUF", folder / "tiny.gguf", lambda path: Microscope.load(path).trace([3, 4, 5]))


def saes(scope: Any, folder: Path) -> Iterator[Format]:
    """Yield autoencoders of every layout, a recording, an index, and the checkpoint of a training run."""
    import torch

    from scope_widgets import features
    from scope_widgets.features.formats.pickled import read_pickle
    from scope_widgets.features.training.checkpoint import CHECKPOINT
    from scope_widgets.features.training.run import TrainingRun

    def use_it(path: Path) -> None:
        sae = features.load(path)
        x = torch.ones(3, sae.W_enc.shape[0])
        sae.decode(sae.encode(x), x)

    def use(path: Path) -> None:
        use_it(path.parent)

    kinds = ("gated", "jumprelu", "jumpreluskiptranscoder", "standard_layer_norm", "topk_True", "sparsify_True_True")
    for kind in kinds:
        where = shutil.copytree(ROOT / "tests" / "fixtures" / "saes" / kind, folder / "saes" / kind)
        weights = next(path for path in where.glob("sae*.safetensors"))
        yield of_file(f"{kind} cfg.json", where / "cfg.json", use, damaged_text)
        yield of_safetensors(f"{kind} weights", weights, use)

    published = shutil.copytree(ROOT / "tests" / "fixtures" / "published_saes", folder / "published")
    gemma = "google/gemma-scope-2-1b-pt/transcoder/layer_7_width_16k_l0_small_affine/params.safetensors"
    llama = published / "fnlp/Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L15R-8x"
    npz = published / "google/gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz"
    yield of_file("Gemma Scope", npz, use)
    yield of_safetensors("Gemma Scope 2", published / gemma, use)
    yield of_file("hyperparams.json", llama / "hyperparams.json", use, damaged_text)
    yield of_safetensors("Llama Scope", llama / "checkpoints/final.safetensors", lambda path: use(path.parent))
    of_tracer = published / "circuit_tracer/jumprelu/layer_6.safetensors"
    yield of_safetensors("circuit-tracer", of_tracer, use_it)

    conversion = sys.modules[features.convert.__module__]

    def converted(path: Path) -> None:
        # the process of its own is not what is damaged
        with patch.object(conversion, "_rewrite", lambda one, other: read_pickle.main(str(one), str(other))):
            sae = features.convert(path.parent / "ae.pt", folder / "converted")
        sae.decode(sae.encode(torch.ones(3, sae.W_enc.shape[0])))

    def rewritten(path: Path) -> None:
        # as the process of `convert` does, which ends in an error of its own for whatever is raised
        with suppress(Exception):
            read_pickle.main(str(path), str(folder / "rewritten.safetensors"))

    pickle = published / "dictionary_learning/BatchTopKSAE/ae.pt"
    yield of_file("pickle", pickle, rewritten)
    yield of_file("config.json of a pickle", pickle.with_name("config.json"), converted, damaged_text)

    texts = [f"{name} went to the store" for name in ("Mary", "John", "Paul")] * 4
    recording = features.record(scope, texts, layers=[1], folder=folder / "recording")

    def read(path: Path) -> None:
        for _ in features.Recording.load(path.parent).batches(1, batch=8):
            pass

    yield of_file("manifest of a recording", recording.folder / "manifest.json", read, damaged_text)
    yield of_safetensors("shard of a recording", next(recording.folder.glob("*.safetensors")), read)

    both = features.record(scope, texts, layers=[1], site="mlp_in", target="mlp_out", folder=folder / "both")

    def train_both(path: Path) -> None:
        rec = features.Recording.load(path.parent)
        features.train(rec, target="mlp_out", d_sae=8, k=2, steps=1, batch=8, progress=False)

    yield of_file("manifest of a recording of two sites", both.folder / "manifest.json", train_both, damaged_text)

    sae = features.train(recording, layer=1, d_sae=32, k=4, steps=3, batch=32)
    indexed = features.index(scope, sae, recording, folder=folder / "index")
    features.label(indexed)
    features.annotate(indexed, 1, label="a name", note="of a person")

    def look(path: Path) -> None:
        index = features.FeatureIndex.load(path.parent)
        for one in (index.top, index.quantiles, index.tokens, index.logits, index.neighbours, index.coactivation,
                    index.histogram, index.lines):  # fmt: skip
            one(1)
        features.annotate(index, 1, note="")
        features.neuronpedia(index, [1])
        index.search(rate=(0, 1), text="Mary")
        index.search(label="a")
        features.label(index, latents=[3])

    for name in ("index.json", "tokens.json", "labels.json", "notes.json"):
        yield of_file(f"{name} of an index", folder / "index" / name, look, damaged_text)
    for name in ("latents", "contexts"):
        yield of_safetensors(f"{name} of an index", folder / "index" / f"{name}.safetensors", look)

    rows = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
    train = partial(features.train, rows, d_sae=16, k=2, steps=3)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with patch.object(TrainingRun, "step", interrupted), suppress(KeyboardInterrupt):
        train(folder=folder / "run")
    yield of_safetensors("checkpoint", folder / "run" / CHECKPOINT, lambda path: train(folder=path.parent))


def views(scope: Any) -> Iterator[Format]:
    """Yield the messages and the traits of every view, as a browser sends them."""
    from ipywidgets import Widget

    from scope_widgets import circuits, features, heads, lens, patching, steering, widgets

    trace = scope.trace("Mary and John went to the store")
    pair = ("Mary and John went to", "John and Mary went to")
    direction = steering.direction(scope, positive=["the dogs"], negative=["the dog"], layer=3, name="plural")
    session = steering.Session(
        scope, "the horse", [steering.AddDirection(direction, 0.1)], answer=" run", versus=" dog"
    )
    circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(30)
    index = features.FeatureIndex.load("demo", scope=scope)
    if index.labels is not None:
        index.folder = None  # what is asked for in a fuzz is not to be written beside the demo
    made = [
        widgets.FeatureBrowser(index),
        widgets.AttentionView(trace),
        widgets.HeadTable(heads.score(trace, null_draws=3)),
        widgets.LogitLensView(lens.logit_lens(trace, watch=[" Mary"])),
        widgets.PatchingMap(patching.sweep(scope, *pair, answer=" Mary", versus=" John", over="head")),
        widgets.SteeringPanel(session=session),
        widgets.CircuitGraph(circuit, scope),
    ]
    whole = {
        "thumbnails": {"layer": 1}, "head": {"layer": 1, "head": 2, "side": "a"},
        "rows": {"layer": 1, "head": 2, "side": "a", "first": 0, "last": 2}, "steer": {"strengths": [0.1]},
        "sweep": {"which": 0, "strengths": [0.1]}, "grid": {"which": 0, "strengths": [0.1]},
        "continue": {"strengths": [0.1], "max_new_tokens": 2, "temperature": 0.5, "seed": 1},
        "code": {"strengths": [0.1]}, "add_head": {"layer": 1, "head": 1}, "remove": {"key": "0"},
        "watched": {"token": 5}, "cell": {"cell": 3}, "measure": {"kept": 5, "removed": ["m0"], "added": []},
        "attention": {"layer": 1, "head": 1}, "words": {"latents": [27]}, "latent": {"latent": 27},
        "find": {"by": "token", "what": "Lily"}, "fires": {"text": "Mary and John"}, "json": {"latents": [27]},
        "annotate": {"latent": 27, "label": "a", "note": ""}, "touch": {"latent": 27, "text": "Mary and John"},
    }  # fmt: skip
    for view in made:
        sent: list[Any] = []
        view.send = lambda content, buffers=None, sent=sent: sent.append(content)  # type: ignore[method-assign]
        names = [name.removeprefix("answer_") for name in dir(view) if name.startswith("answer_")]
        for name in names:
            message = {"v": 1, "id": "a", "kind": "req", "name": name, "args": whole.get(name, {})}

            def hear(text: str, view: Widget = view, sent: list[Any] = sent) -> None:
                sent.clear()
                view._handle_custom_msg(_of_wire(text), [])
                for one in sent:
                    json.dumps(one, allow_nan=False)
                    said = str(one.get("message", "."))
                    if not said.endswith((".", "?")) or "did not expect" in said or "Error:" in said:
                        raise AssertionError(said[:200])

            yield of_text(f"{type(view).__name__} {name}", json.dumps(message), hear)
        for name in sorted(view.keys):
            if name.startswith("_"):
                continue
            value = view.get_state(name)[name]
            if isinstance(value, (bytes, memoryview)) or not isinstance(
                value, (str, int, float, list, dict, type(None))
            ):
                continue

            def take(text: str, view: Widget = view, name: str = name, seen: set[str] = set()) -> None:  # noqa: B006
                view.set_state({name: _of_wire(text)})
                plain = {key: one for key, one in view.get_state().items() if not isinstance(one, bytes)}
                state = f"{name} {json.dumps(plain, allow_nan=False, default=lambda one: None)}"
                if state in seen:  # most is refused, and the view was shown in this state
                    return
                seen.add(state)
                view._repr_mimebundle_()
                if name in view.set_in_browser:
                    view.answer_html()

            yield of_text(f"{type(view).__name__}.{name}", json.dumps(value), take)
