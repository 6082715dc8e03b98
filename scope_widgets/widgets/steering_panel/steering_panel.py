"""Sliders over interventions, and what the model says next at once beside what it would have said."""

from __future__ import annotations

import json
import math
import operator
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import traitlets

from scope_widgets._job import JobStatus, Steps
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import literal
from scope_widgets.steering import ClampNeuron, Intervention, ScaleHead, Session, Steered, sweep
from scope_widgets.steering.apply_interventions import checked_interventions
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.intervening import Intervening, SharesInterventions, share_lists
from scope_widgets.widgets.core.intervention_names import at_words, named, number
from scope_widgets.widgets.core.intervention_names import strength as read_strength
from scope_widgets.widgets.core.prompt_line import Prompted
from scope_widgets.widgets.core.reproducing_code import load_line
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.core.selection import Head, Selection
from scope_widgets.widgets.core.shared_interventions import Row, SharedInterventions, without
from scope_widgets.widgets.core.view import TALLEST, Answer, LongAnswer, View
from scope_widgets.widgets.figures.captions import origin
from scope_widgets.widgets.figures.steering import draw_steering
from scope_widgets.widgets.steering_panel import additions, presets, sliders
from scope_widgets.widgets.steering_panel.next_token_reader import SHOWN, Reader

#: strengths of a slider that a saved page knows
POINTS = 11
#: tokens that a continuation may have
LONGEST = 200

Strengths = Sequence[float | None]


class SteeringPanel(SharesInterventions, Prompted):
    """A slider for each intervention, and the next tokens, steered beside unsteered, while a slider moves.

    Where an answer takes longer than a slider may wait, one request brings what the slider does over its span; while it
    moves, the browser interpolates between those strengths, and when it is let go the exact distribution is asked for.

    Parameters
    ----------
    scope : Microscope
    prompt : str or list of token ids
    directions : list of Direction
        Each is added to the residual stream, at first with strength 0.
    heads : list of (layer, head)
        What each puts out is scaled, at first by 1.
    neurons : list of (layer, neuron)
        Each is held at a value; at first it is free.
    interventions : list of Intervention
        As they are, with their strengths.
    answer, versus : str or int, optional
        Two tokens whose logits are compared.
    at : "all", "last" or (start, stop)
        Positions at which `directions`, `heads` and `neurons` act, as in `steering.Intervention`.
    session : Session, optional
        Used instead of all these.
    selection : Selection, optional
        Shared with other views: a head that is selected there can be added here.
    title : str, optional
    strengths : list of float or None
        One for each slider, in the order in which they act (`interventions`); None: the model as it is.
    enabled : list of bool
        A slider that is off keeps its strength and does nothing.
    presets : dict
        Name to {"strengths": {key: strength}, "enabled": {key: bool}}.
    **traits
        ``max_new_tokens``, ``temperature``, ``seed`` and ``continue_on_release`` (at first only for a
        model that is interactive) of the continuations, ``selected_heads``, ``theme``, ``height`` (pixels).

    Raises
    ------
    TypeError, ValueError
        When an intervention is none, or not one of this model; or `session` comes with what it is instead of.

    Examples
    --------
    >>> panel = SteeringPanel(scope, "I think that", directions=[sentiment], heads=[(3, 1)])  # doctest: +SKIP
    >>> panel.strengths = [0.4, 1.0]  # doctest: +SKIP
    >>> panel.steered.to_dataframe()  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "steering_panel"
    is_panel = True
    ignores_steering = False
    explains = ("strength", "typical", "kl", "fluent", "logit_difference", "orders_of_heads")
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "strengths": list[float | None],
        "enabled": list[bool],
        "presets": dict[str, dict[str, Any]],
        "max_new_tokens": int,
        "temperature": float,
        "seed": int,
        "continue_on_release": bool,
    }

    #: returns the `FeatureIndex` whose latents can be added, where there is one
    index_of: Callable[[], Any] | None = None

    interactive = traitlets.Bool(True, help="answers come soon enough to follow a slider").tag(sync=True)
    model_name = traitlets.Unicode().tag(sync=True)
    prompt_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    answers = traitlets.List(traitlets.Unicode(), help="texts of the two tokens; empty without").tag(sync=True)
    interventions = traitlets.List(traitlets.Dict(), help="what each slider is, in their order").tag(sync=True)
    strengths: Any = traitlets.TraitType().tag(sync=True)
    enabled: Any = traitlets.TraitType().tag(sync=True)
    start = traitlets.Dict(help="the answer of `steer` at the present strengths").tag(sync=True)
    can_undo = traitlets.Bool(help="an intervention came, went or was set, and can be taken back").tag(sync=True)
    fluent = traitlets.Dict(help="key to [low, high], for sliders that were swept").tag(sync=True)
    presets: Any = traitlets.TraitType().tag(sync=True)
    max_new_tokens = traitlets.Int(20, min=1, max=LONGEST).tag(sync=True)
    temperature = traitlets.Float(0.0, min=0.0, max=10.0).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=2**53 - 1).tag(sync=True)
    continue_on_release = traitlets.Bool(True).tag(sync=True)
    has_latents = traitlets.Bool(help="latents of an autoencoder can be added by their number").tag(sync=True)
    height = traitlets.Int(None, allow_none=True, min=240, max=TALLEST).tag(sync=True)

    def __init__(
        self,
        scope: Any = None,
        prompt: Any = None,
        *,
        directions: Any = (),
        heads: Any = (),
        neurons: Any = (),
        interventions: Any = (),
        answer: Any = None,
        versus: Any = None,
        at: Any = "all",
        session: Any = None,
        selection: Selection | None = None,
        selected_heads: Iterable[Head] | None = None,
        title: str | None = None,
        **traits: Any,
    ) -> None:
        if session is None:
            if scope is None or prompt is None:
                raise TypeError("SteeringPanel takes a Microscope and a prompt: SteeringPanel(scope, 'The film was').")
            given = sliders.made(directions, heads, neurons, interventions, at)
            given += touched(selection, scope, prompt)
            session = Session(scope, prompt, given, answer=answer, versus=versus)
        elif not (scope is prompt is answer is versus is None and not any((directions, heads, neurons, interventions))):
            raise TypeError("session= brings its own model, prompt and interventions: give it alone.")
        self._reader = Reader(session.scope.tokenizer)
        self._written: tuple[str, dict[str, Any]] | None = None
        self._sweeps: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._list: SharedInterventions = SharedInterventions.of(session)
        self._given_list, self._follows_list = True, False
        model = str(session.scope.model_id)
        traits.setdefault("continue_on_release", session.scope.interactive)
        super().__init__(
            selection=selection,
            selected_heads=selected_heads,
            title=title or _title(session),
            n_layers=session.scope.n_layers,
            n_heads=session.scope.n_heads,
            interactive=session.scope.interactive,
            model_name=model,
            prompt_tokens=list(session.tokens),
            answers=self._answer_texts(),
            interventions=self._described(),
            **traits,
        )
        self._move()
        self._begin()
        self.scope, self.prompt_history = session.scope, _prompts(session)
        self._list.join(self)
        share_lists(self.selection)

    # -- another prompt

    def traced_with(self) -> dict[str, Any] | None:
        """Return None: a session runs the prompt itself; a trace is for what finds the tokens that are compared."""
        return None if self.compared_of is None else {}

    def made_of(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make a session of another prompt with the same sliders, and ask it for where they stand."""
        old = self._session
        compared = dict(zip(("answer", "versus"), old.answers or (None, None), strict=True))
        if self.compared_of is not None:
            compared = yield from self.compared_of(trace)
        yield JobStatus("running", "running the model")
        job = type(old).submit_new(old.scope, text, old.interventions, **compared)
        session = yield from job.follow()
        # so that nothing is run when it is shown, but where sliders came or went meanwhile
        if self.interactive and session.interventions == self._session.interventions:
            yield from session.submit_grid([self._effective()]).follow()
        return lambda: self._put(session)

    def _put(self, session: Any) -> None:
        own_title, old = self.title != _title(self._session), self._session
        if session.interventions != old.interventions:  # a slider came or went meanwhile
            answer, versus = session.answers or (None, None)
            session = type(old)(old.scope, session.prompt, old.interventions, answer=answer, versus=versus)
        self._list.move_to(session)
        self.answers = self._answer_texts()
        self._sweeps, self._written, self.fluent = {}, None, {}
        self.prompt_tokens, self.interventions = list(session.tokens), self._described()
        self.origin = self._origin()
        if not own_title:
            self.title = _title(session)
        self._begin()

    def take(self, *args: Any) -> None:
        """Show what was made of a prompt; views that share the interventions find them again."""
        super().take(*args)
        share_lists(self.selection)

    def intervenes_on(self) -> tuple[Any, str | None] | None:
        """Return the model and the prompt."""
        return self._session.scope, self._session.prompt

    # -- what is steered

    @property
    def session(self) -> Any:
        """The `Session` that is asked, whose interventions stand where the sliders do."""
        return self._list.as_it_stands()

    @property
    def _session(self) -> Any:
        return self._list.session

    @property
    def _keys(self) -> list[str]:
        return self._list.keys

    @property
    def steered(self) -> Steered:
        """What comes next at the present strengths."""
        found: Steered = self._session.at(self._effective())
        return found

    def add(self, intervention: Intervention) -> str:
        """Add a slider; gives its key.

        Raises
        ------
        TypeError, ValueError
            When it is no intervention, or not one of this model.
        """
        checked_interventions(self._session.scope, [intervention])
        key = named([intervention], [(row.intervention, row.key) for row in self._list.rows])[0]
        self._list.put_now(lambda rows: [*rows, Row(intervention, key, intervention.strength)])
        return key

    def remove(self, key: str) -> None:
        """Take a slider away, by its key or its name.

        Raises
        ------
        ValueError
            Where there is none.
        """
        self._list.put_now(without(self._keys[self._index(key)]))

    def follow_interventions(self) -> None:
        """Show the list as it is now."""
        rows = self._list.rows
        others = [row.key for row in rows] != [one["key"] for one in self.interventions]
        self._follows_list = True
        try:
            # all at once, so that no view sees lists of different lengths
            with self.hold_sync():
                if others:
                    self.interventions = self._described()
                self.set_trait("strengths", [number(row.strength) for row in rows])
                self.set_trait("enabled", [row.on for row in rows])
                self.can_undo = self._list.can_undo
                if others:
                    self._sweeps = {key: found for key, found in self._sweeps.items() if key in self._keys}
                    self.fluent = {key: fluent for key, fluent in self.fluent.items() if key in self._keys}
                if others or self.interactive:
                    self._begin()
        finally:
            self._follows_list = False

    def _move(self, change: Any = None) -> None:
        """Tell the others where the sliders stand."""
        if not self._follows_list and len(self.strengths) == len(self.enabled) == len(self._keys):
            self._list.set([read_strength(one) for one in self.strengths], self.enabled)

    def _described(self) -> list[dict[str, Any]]:
        return sliders.described(self._session.interventions, self._keys, self._session.spans)

    def _answer_texts(self) -> list[str]:
        return [one["text"] for one in self._reader.texts(self._session.answers or ())]

    def _index(self, key: str) -> int:
        for names in (self._keys, [one.name for one in self._session.interventions]):
            if key in names:
                return names.index(key)
        raise ValueError(f"There is no slider {key!r}; there are {', '.join(self._keys) or 'none'}.")

    def _effective(self) -> list[float]:
        return list(self._list.effective)

    # -- traits

    @traitlets.default("strengths")
    def _own_strengths(self) -> list[float | None]:
        return [number(row.strength) for row in self._list.rows]

    @traitlets.default("enabled")
    def _own_switches(self) -> list[bool]:
        return [row.on for row in self._list.rows]

    @traitlets.default("presets")
    def _no_presets(self) -> dict[str, Any]:
        return {}

    @traitlets.validate("strengths")
    def _check_strengths(self, proposal: Any) -> list[float | None]:
        given = proposal["value"]
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise traitlets.TraitError(f"strengths= is a list of numbers, one for each slider, not {given!r}.")
        # for a slider that has a neutral strength, None is that
        filled = [
            neutral if strength is None else strength
            for strength, neutral in zip(given, self._session.neutral, strict=False)
        ]
        try:
            checked = self._session.checked([*filled, *given[len(filled) :]])
        except ValueError as problem:
            raise traitlets.TraitError(str(problem)) from None
        return [number(strength) for strength in checked]

    @traitlets.validate("enabled")
    def _check_enabled(self, proposal: Any) -> list[bool]:
        given = proposal["value"]
        if not isinstance(given, (list, tuple)) or len(given) != len(self._keys):
            raise traitlets.TraitError(f"enabled= is a list of {len(self._keys)} bools, one a slider, not {given!r}.")
        return [bool(on) for on in given]

    @traitlets.validate("presets")
    def _check_presets(self, proposal: Any) -> dict[str, Any]:
        given = proposal["value"]
        shape = "presets= is a dict of name to {'strengths': {key: strength}, 'enabled': {key: bool}}"
        try:
            return {
                str(name): {
                    "strengths": {str(key): _finite(strength) for key, strength in preset["strengths"].items()},
                    "enabled": {str(key): bool(on) for key, on in preset["enabled"].items()},
                }
                for name, preset in given.items()
            }
        except (AttributeError, KeyError, TypeError, ValueError):
            raise traitlets.TraitError(f"{shape}, not {given!r}.") from None

    @traitlets.observe("strengths", "enabled")
    def _moved(self, change: Any) -> None:
        if self._follows_list:
            return
        self._move()
        self._begin(change)

    def _begin(self, change: Any = None) -> None:
        """Answer before a view asks; the session remembers what it has just been asked."""
        if not self._session.scope.interactive:  # what is known at once is the model as it is
            if change is None:
                self._answer(self._session.neutral)
        elif len(self.strengths) == len(self.enabled) == len(self._keys):
            self._answer(self._effective())

    def _answer(self, row: Sequence[float]) -> None:
        strengths = [number(strength) for strength in row]
        self.start = {"strengths": strengths, **self._steer(strengths)}

    # -- presets

    def presets_json(self) -> str:
        """Return the presets as JSON, which a panel on the same model with the same sliders can load."""
        return presets.text_of(self.presets, self.interventions, self.model_name)

    def load_presets(self, text_or_path: str | Path) -> None:
        """Add the presets of a JSON text or file, also one that the browser saved.

        Raises
        ------
        FileNotFoundError, ValueError
            Where there is no such file, or its presets are of another model or of sliders that are not here.
        """
        self.presets = {**self.presets, **presets.read(text_or_path, self.interventions, self.model_name)}

    # -- what the model is asked

    def _steer(self, strengths: Strengths) -> dict[str, Any]:
        began = time.perf_counter()
        steered = self._session.at([read_strength(one) for one in strengths])
        self._list.know(self._session, steered)
        found = self._reader.read(steered)
        return {**found, "ms": round((time.perf_counter() - began) * 1000, 3)}

    def answer_steer(self, strengths: Strengths) -> LongAnswer:
        """Return what comes next at these strengths."""
        began, session = time.perf_counter(), self._session
        job = session.submit_grid([[read_strength(one) for one in strengths]])
        (found,) = yield from job.follow()
        self._list.know(session, found)
        data = {**self._reader.read(found), "ms": round((time.perf_counter() - began) * 1000, 3)}
        if (
            session is self._session
            and not self.interactive
            and list(strengths) == [number(strength) for strength in self._effective()]
        ):
            self.start = {"strengths": list(strengths), **data}
        return data, []

    def answer_sweep(self, which: int, strengths: Strengths) -> LongAnswer:
        """Move one slider over its span, the others held."""
        which = operator.index(which)
        others = [read_strength(one) for one in strengths]
        keys, session = self._keys, self._session  # a slider may come or go meanwhile, or another prompt be shown
        found = yield from session.scope.submit(sweep, session, which, others=others).follow()
        key = keys[which]
        data = {
            "which": which,
            "name": found.what,
            "strengths": found.strengths.tolist(),
            "kl": _plain(found.kl),
            "difference": None if session.answers is None else _plain(found.difference),
            "loss": _plain(found.loss),
            "fluent": None if found.fluent is None else list(found.fluent),
            "limit": found.limit,
            "spearman": number(found.spearman),
        }
        if session.prompt != self._session.prompt:
            return data, []
        self._sweeps[key] = ([*strengths[:which], *strengths[which + 1 :]], data)
        span = {} if found.fluent is None else {key: list(found.fluent)}
        self.fluent = {**{name: known for name, known in self.fluent.items() if name != key}, **span}
        return data, []

    def answer_continue(self, strengths: Strengths, max_new_tokens: int, temperature: float, seed: int) -> LongAnswer:
        """Continue the prompt unsteered and steered, a token at a time."""
        wanted = operator.index(max_new_tokens)
        if not 1 <= wanted <= LONGEST:
            raise ValueError(f"A continuation has 1 to {LONGEST} tokens; got {wanted}.")
        rows = [self._session.neutral, [read_strength(one) for one in strengths]]
        texts = {"unsteered": "", "steered": ""}
        yield JobStatus("waiting", json.dumps(texts), 0, wanted)
        options = {"max_new_tokens": wanted, "temperature": temperature, "seed": seed}
        session = self._session
        job = session.submit_continuations(rows, **options)
        for status in job:
            if status.partial is not None:
                texts = dict(zip(texts, status.partial, strict=True))
                status = status._replace(text=json.dumps(texts))
            yield status
        texts = dict(zip(texts, job.result(), strict=True))
        asked = {"strengths": list(strengths), **options}
        if session.prompt == self._session.prompt:
            self._written = repr(asked), texts
        return dict(texts), []

    def answer_grid(self, which: int, strengths: Strengths) -> LongAnswer:
        """Return the next tokens at strengths over one slider's span, and at its own; the others held.

        Buffers: probabilities as float32 [point, token], then unsteered ones [token].
        """
        which = operator.index(which)
        held = [read_strength(one) for one in strengths]
        if not 0 <= which < len(held):
            raise ValueError(f"There is no slider {which}: there are {len(held)}.")
        low, high = self._session.spans[which]
        points = sorted({*np.linspace(low, high, POINTS).tolist()} | {held[which]} - {math.nan})
        if math.isnan(self._session.neutral[which]):
            points.append(math.nan)  # free
        rows = [[*held[:which], point, *held[which + 1 :]] for point in points]
        found = yield from self._session.submit_grid(rows).follow()
        return self._grid_answer(which, points, found)

    def _grid_answer(self, which: int, points: list[float], found: list[Steered]) -> Answer:
        ids = list(dict.fromkeys(id_ for one in found for id_ in one.top(SHOWN)))
        data = {
            "which": which,
            "strengths": [number(point) for point in points],
            "tokens": self._reader.texts(ids),
            "kl": [one.kl for one in found],
            "difference": None if found[0].answers is None else [one.difference for one in found],
        }
        probabilities = np.stack([one.steered.log_probabilities[ids].exp().numpy() for one in found])
        unsteered = found[0].unsteered.probabilities[ids].numpy()
        return data, [probabilities.astype("<f4").tobytes(), unsteered.astype("<f4").tobytes()]

    def answer_code(self, strengths: Strengths) -> Answer:
        """Return Python lines that make the panel again at these strengths, in a kernel that knows nothing."""
        if len(strengths) != len(self.strengths):
            self._session.checked(strengths)  # raises a sentence
        now = zip(strengths, self.strengths, self.enabled, strict=True)
        held = [read_strength(moved if on else own) for moved, own, on in now]  # what is off keeps its own
        settings = {
            name: getattr(self, name)
            for name in ("enabled", "presets", "selected_heads", "max_new_tokens", "temperature", "seed")
            if getattr(self, name) not in ([], {}, [True] * len(held), self.traits()[name].default_value)
        }
        if self.continue_on_release != self.interactive:
            settings["continue_on_release"] = self.continue_on_release
        session = self._session
        args = ["scope", repr(session.prompt), "interventions=interventions", *session.code_of_answers()]
        call = ", ".join([*args, *(f"{name}={literal(value)}" for name, value in settings.items())])
        lines = ["from scope_widgets.widgets import SteeringPanel", "", load_line(session.scope)]
        lines += [session.code_of_interventions(held), f"SteeringPanel({call})", ""]
        return {"text": "\n".join(["from scope_widgets import Microscope, steering", *lines])}, []

    def answer_add_head(self, layer: int, head: int) -> Answer:
        """Add a slider for a head."""
        return {"key": self.add(ScaleHead(operator.index(layer), operator.index(head), 1.0))}, []

    def answer_add_words(self, word: str, versus: str, layer: int) -> LongAnswer:
        """Add a slider for the direction from one word to another."""
        intervention = yield from additions.between_words(self._session.scope, word, versus, layer)
        return {"key": self.add(intervention)}, []

    def answer_add_texts(self, positive: str, negative: str, layer: int) -> LongAnswer:
        """Add a slider for the direction from some texts to others, each a line."""
        intervention = yield from additions.between_texts(self._session.scope, positive, negative, layer)
        return {"key": self.add(intervention)}, []

    def answer_add_neuron(self, layer: int, neuron: int) -> Answer:
        """Add a slider for a neuron."""
        return {"key": self.add(ClampNeuron(operator.index(layer), operator.index(neuron), math.nan))}, []

    def answer_add_latent(self, latent: int) -> Answer:
        """Add a slider for a latent of the autoencoder that the panel has."""
        if self.index_of is None:
            raise ValueError("This panel has no autoencoder: give interventions=[steering.ClampFeature(sae, latent)].")
        return {"key": self.add(additions.of_latent(self.index_of(), operator.index(latent)))}, []

    def answer_remove(self, key: str) -> Answer:
        """Take a slider away."""
        self.remove(key)
        return {}, []

    def answer_undo(self) -> LongAnswer:
        """Take back the last change of the list: what came or went, here or in another view."""
        yield from self._list.undo(measure=False)
        return {}, []

    def close(self) -> None:
        """Remove the view from the notebook."""
        if getattr(self, "_list", None) is not None:
            self._list.leave(self)
        super().close()

    # -- without a kernel

    def saved_answers(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return a grid for each slider, the sweeps that still hold, a continuation, and the code."""
        now = [number(strength) for strength in self._effective()]
        finished(self.answer_steer(now))  # so that `start` is of these strengths
        for which, key in enumerate(self._keys):
            args: dict[str, Any] = {"which": which, "strengths": now}
            yield "grid", args, *finished(self.answer_grid(**args))
            held, data = self._sweeps.get(key, (None, {}))
            if held == [*now[:which], *now[which + 1 :]]:
                yield "sweep", args, {**data, "which": which}, []
        asked: dict[str, Any] = {"strengths": now, "max_new_tokens": self.max_new_tokens}
        asked |= {"temperature": self.temperature, "seed": self.seed}
        if self._written is None or self._written[0] != repr(asked):
            finished(self.answer_continue(**asked))
        yield "continue", asked, self._written[1] if self._written else {}, []
        yield "code", {"strengths": now}, *self.answer_code(now)

    def provenance_lines(self) -> list[str]:
        """Return the model, the prompt, and the strength of each slider."""
        scope = self._session.scope
        moved = zip(self._session.interventions, self._effective(), strict=True)
        note = "; ".join(
            f"{one.name}, layer {one.layer}, {at_words(one.at)}: {'free' if math.isnan(strength) else f'{strength:g}'}"
            for one, strength in moved
        )
        origin = Provenance(scope.model_id, scope.revision, (str(self._session.prompt),), note=note)
        return origin.lines()

    def still_table(self) -> tuple[list[str], list[list[str]]]:
        """Return the most probable next tokens, steered and unsteered."""
        rows = [[one["text"], f"{one['p0']:.3f}", f"{one['p']:.3f}"] for one in self.start["tokens"][:SHOWN]]
        return ["next token", "unsteered", "steered"], rows

    # -- for papers

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the sliders, the next tokens steered beside unsteered, and a continuation of these strengths."""
        now = [number(strength) for strength in self._effective()]
        if whole and self.start["strengths"] != now:
            finished(self.answer_steer(now))
        rows = [
            (
                about["name"],
                f"layer {about['layer']}, {about['at']}",
                (about["low"], about["high"]),
                about["neutral"],
                strength,
                on,
            )
            for about, strength, on in zip(self.interventions, self.strengths, self.enabled, strict=True)
        ]
        asked: dict[str, Any] = {"strengths": now, "max_new_tokens": self.max_new_tokens}
        asked |= {"temperature": self.temperature, "seed": self.seed}
        known = self._written is not None and self._written[0] == repr(asked)
        draw_steering(paper, rows, self.start, self.answers, self._written[1] if self._written and known else None)

    def caption(self) -> str:
        """Say what is moved and what is compared, of which model and prompt."""
        said = (
            "Next tokens of the model as it is (unsteered) and under the interventions whose strengths the sliders "
            "give (steered). A direction's strength is in units of the typical norm of its layer's residual stream; a "
            "head's is the factor of its output; a neuron's is its value; a latent's is its activation, or (scale) the "
            "factor of that."
        )
        return f"{said} {self.origin}"

    @traitlets.default("origin")
    def _origin(self) -> str:
        prompt = self._session.prompt
        return origin(self.model_name, [prompt if isinstance(prompt, str) else "".join(self.prompt_tokens)])


def _finite(strength: Any) -> float | None:
    if strength is None:
        return None
    if not math.isfinite(number := float(strength)):
        raise ValueError
    return number


def _plain(values: Any) -> list[float | None]:
    return [number(float(value)) for value in np.asarray(values, dtype=float)]


def touched(selection: Selection | None, scope: Any, prompt: Any) -> list[Intervention]:
    """Return what was intervened on in views of the selection, where no panel shows it yet."""
    found: dict[str, Intervention] = {}
    for view in [] if selection is None else selection.views():
        own = view._list if isinstance(view, Intervening) else None
        if own is None or own.session.scope is not scope or own.session.prompt != prompt:
            continue
        if not own.in_panel:
            found |= {row.key: row.intervention.with_strength(row.effective) for row in own.rows}
    return list(found.values())


def _title(session: Any) -> str:
    model = str(session.scope.model_id)
    return f"Steering, {model.rstrip('/').rsplit('/', 1)[-1]}, {len(session.tokens)} tokens"


def _prompts(session: Any) -> list[str]:
    """Return the text of the prompt; none where it is known as token ids only."""
    return [session.prompt] if isinstance(session.prompt, str) else []
