"""What kinds of panel there are, and how each is made of a prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scope_widgets import circuits, heads, ioi, lens
from scope_widgets._job import JobStatus, Steps
from scope_widgets._untrusted import opening
from scope_widgets.models.remote_dispatch import submit, submit_aside
from scope_widgets.patching.patching_experiment import Experiment
from scope_widgets.patching.sweeps import Sweep
from scope_widgets.steering import ScaleHead, Session
from scope_widgets.widgets.attention_stack import AttentionStack
from scope_widgets.widgets.attention_view import AttentionView
from scope_widgets.widgets.attribution_view import AttributionView
from scope_widgets.widgets.circuit_graph import CircuitGraph
from scope_widgets.widgets.feature_browser import FeatureBrowser
from scope_widgets.widgets.head_table import HeadTable
from scope_widgets.widgets.logit_lens_view import LogitLensView
from scope_widgets.widgets.patching_map import PatchingMap
from scope_widgets.widgets.steering_panel import SteeringPanel
from scope_widgets.widgets.steering_panel.steering_panel import touched
from scope_widgets.widgets.token_view import TokenView
from scope_widgets.widgets.workbench.panels.folder_panels import DOCUMENT, MEASURE, make_report, make_runs
from scope_widgets.widgets.workbench.panels.panel_prompt import Prompt
from scope_widgets.widgets.workbench.panels.projection import make_projection

#: heads, prompts and pairs that one panel asks for at most
MOST_PROMPTS = 200
MOST_SCALED = 16


@dataclass(frozen=True)
class Kind:
    """A kind of panel: its title, what it is in a few words, its options, and whether it follows the prompt."""

    title: str
    about: str
    make: Callable[[Prompt, dict[str, Any]], Steps[Any]]
    #: name of an option -> (label, default, choices; [] where it is a text or a number)
    options: dict[str, tuple[str, Any, list[str]]] = field(default_factory=dict)
    #: what the button says that has made what is shown, by the option "make"; "" without
    makes: str = ""
    #: of the prompt: it is made anew of another one where its view does not follow by itself
    of_prompt: bool = True
    #: what the view is called with, as Python, after the lines of `made_by`; "" where its `arguments` say it
    subject: str = "result"


def make_panel(kind: str, prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    """Make the view of a panel.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    prompt : Prompt
    options : dict
        Those of the kind; the others are as by default.

    Raises
    ------
    ValueError
        For a kind or an option that there is not, or whatever the analysis does not take.
    """
    return KINDS[kind].make(prompt, options)


def checked(kind: Any, options: Any) -> dict[str, Any]:
    """Return the options of a kind of panel with those that are not given; raise ValueError for others."""
    if kind not in KINDS:
        raise ValueError(f"There is no panel {opening(kind)}: there are {', '.join(KINDS)}.")
    known = KINDS[kind].options | ({"make": (KINDS[kind].makes, False, [])} if KINDS[kind].makes else {})
    if not isinstance(options, dict) or set(options) - set(known):
        raise ValueError(f"The options of {kind!r} are {', '.join(known) or 'none'}; got {opening(options)}.")
    found = {name: options.get(name, default) for name, (_, default, _) in known.items()}
    for name, (label, default, choices) in known.items():
        value = found[name]
        if type(value) is not type(default) or (choices and value not in choices):
            wanted = f"one of {', '.join(choices)}" if choices else f"such as {default!r}"
            raise ValueError(f"{label} is {opening(value)}; it is {wanted}.")
        if type(value) is int and not 1 <= value <= MOST_PROMPTS:
            raise ValueError(f"{label} is {value}; it is 1 to {MOST_PROMPTS}.")
    return found


def suggested(scope: Any, text: str) -> str:
    """Return a corrupted prompt to a text in which a name comes twice: the other name in its second place; "" else."""
    try:
        sentence = ioi.IOISentence.parse(text, scope.tokenizer)
        words = [sentence.token_strings[at].strip() for at in (sentence.s2, sentence.io)]
        before, name, after = text.rpartition(words[0])
        return f"{before}{words[1]}{after}" if name else ""
    except (ValueError, TypeError):
        return ""


def _attention(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    yield JobStatus("running", "drawing the heads")
    return AttentionView(prompt.trace, **prompt.shared)


def _stack(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    yield JobStatus("running", "drawing the heads")
    return AttentionStack(prompt.trace, **prompt.shared)


def _lens(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    found = yield from prompt.lens.of(prompt.trace)
    view = LogitLensView(found, scope=prompt.scope, **prompt.shared)
    view.lens_of = prompt.lens.of
    return view


def _attribution(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    compared = yield from prompt.lens.most_probable(prompt.trace)
    found = yield from submit(lens.direct_logit_attribution, prompt.trace, **compared).follow()
    view = AttributionView(found, trace=prompt.trace, **prompt.shared)
    view.compared_of = prompt.lens.most_probable
    return view


def _heads(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    scores = yield from submit(heads.score, prompt.trace).follow()
    return HeadTable(scores, heads.label(scores), **prompt.shared)


def _tokens(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    losses = yield from submit(lens.token_loss, prompt.trace).follow()
    return TokenView(losses, selection=prompt.selection)


def _patching(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    corrupted = options["corrupted"] or suggested(prompt.scope, prompt.text)
    if not corrupted:
        raise ValueError(
            "Patching compares two prompts: give a corrupted one of as many tokens, such as the same with another name."
        )
    compared = yield from prompt.lens.most_probable(prompt.trace)
    given = {**dict.fromkeys(("metric", "roles", "corrupted_roles")), **compared}
    given |= {"over": options["over"], "positions": "each", "direction": options["direction"]}
    sweep = yield from Sweep.submit_new(Experiment(prompt.scope, prompt.text, corrupted, given)).follow()
    return PatchingMap(sweep, **prompt.shared)


def _steering(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    yield JobStatus("running", "running the model")
    chosen = list(prompt.selection.heads)[:MOST_SCALED]
    sizes = prompt.scope.n_layers, prompt.scope.n_heads
    in_model = [(layer, head) for layer, head in chosen if layer < sizes[0] and head < sizes[1]]
    compared = yield from prompt.lens.most_probable(prompt.trace)
    if prompt.scope.interactive:
        view = SteeringPanel(prompt.scope, prompt.text, heads=in_model, has_latents=True, **compared, **prompt.shared)
    else:  # whose first answers are not waited for here
        given = [*(ScaleHead(*head, 1.0) for head in in_model), *touched(prompt.selection, prompt.scope, prompt.text)]
        session = yield from Session.submit_new(prompt.scope, prompt.text, given, **compared).follow()
        view = SteeringPanel(session=session, has_latents=True, **prompt.shared)
    view.compared_of = prompt.lens.most_probable
    view.index_of = lambda: prompt.index(prompt.scope)
    return view


def _features(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    yield JobStatus("running", "reading the features")
    return FeatureBrowser(prompt.index(prompt.scope), prompt.scope, selection=prompt.selection)


def _circuit(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    scope = prompt.scope
    task = circuits.task(scope, options["task"], n=options["pairs"])
    job = submit_aside(circuits.discover, scope, task, options["method"])
    return CircuitGraph((yield from prompt.in_turn(job.follow())), scope, selection=prompt.selection)


def _ioi(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    scope = prompt.scope
    drawn = ioi.prompts(scope, n=options["prompts"])
    found = yield from prompt.in_turn(submit_aside(ioi.detect, scope, drawn).follow())
    return HeadTable(found, selection=prompt.selection)


#: in the order of the menu
KINDS: dict[str, Kind] = {
    "attention": Kind("Attention", "what each head attends to", _attention, subject="trace"),
    "heads": Kind("Heads", "statistics and classes of all heads", _heads, subject="scores, labels"),
    "stack": Kind("Attention in 3D", "all heads of all layers, one behind the other", _stack, subject="trace"),
    "lens": Kind("Logit lens", "what each layer would predict", _lens),
    "attribution": Kind("Attribution", "what writes the answer's logit", _attribution),
    "tokens": Kind("Tokens", "the loss of each token", _tokens, subject=""),
    "patching": Kind(
        "Patching",
        "which activations carry the answer, between two prompts",
        _patching,
        {
            "corrupted": ("Corrupted prompt", "", []),
            "over": ("Over", "head", ["head", "residual", "attention_out", "mlp_out"]),
            "direction": ("Direction", "denoising", ["denoising", "noising"]),
        },
    ),
    "steering": Kind("Steering", "change heads and directions, and see what comes next", _steering),
    "projection": Kind(
        "Projection",
        "the residual streams of the tokens in the plane, layer by layer",
        make_projection,
        {
            "method": ("Method", "pca", ["pca", "tsne", "umap"]),
            "recording": ("Recording in the workspace, empty: this prompt", "", []),
        },
        subject="",
    ),
    "features": Kind(
        "Features", "latents of the sparse autoencoder", _features, of_prompt=False, subject="index, scope"
    ),
    "circuit": Kind(
        "Circuit",
        "the components that do a task, found by ablation",
        _circuit,
        {
            "task": ("Task", "ioi", ["ioi", "greater_than", "induction", "agreement", "capitals"]),
            "method": ("Method", "eap", ["eap", "eap-ig", "edge-patching", "acdc", "prune", "patching"]),
            "pairs": ("Pairs of prompts", 20, []),
        },
        of_prompt=False,
        subject="circuit, scope",
    ),
    "ioi": Kind(
        "IOI",
        "heads that find the indirect object, by path patching",
        _ioi,
        {"prompts": ("Prompts", 24, [])},
        of_prompt=False,
        subject="scores",
    ),
    "report": Kind(
        "Report",
        "what a model was documented as: score, entries, evidence",
        make_report,
        {"folder": ("Folder in the workspace", "report", [])},
        makes=DOCUMENT,
        of_prompt=False,
    ),
    "runs": Kind(
        "Runs",
        "what was trained or measured, with its last values",
        make_runs,
        {"folder": ("Folder in the workspace, empty: all of it", "", [])},
        makes=MEASURE,
        of_prompt=False,
    ),
}
