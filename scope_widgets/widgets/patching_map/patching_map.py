"""A map of effects: what patching each activation does, or what each component adds, layer by layer."""

from __future__ import annotations

import ast
import operator
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import traitlets

from scope_widgets._job import JobStatus, Steps
from scope_widgets._result import scope_behind
from scope_widgets.experiments.statistics.rounding import rank
from scope_widgets.lens.direct_logit_attribution import Attribution, direct_logit_attribution
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.models.tokens import encode, token_texts
from scope_widgets.patching.sweeps import Sweep
from scope_widgets.widgets.core.definitions import defined
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.intervening import Intervening
from scope_widgets.widgets.core.prompt_line import MOST_PROMPTS as MOST_BEFORE
from scope_widgets.widgets.core.prompt_line import Prompted, check_prompt, options_of
from scope_widgets.widgets.core.question import asked, mean_text, question_text
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.core.selection import Head, Selection
from scope_widgets.widgets.core.view import LARGEST, TALLEST, Answer, LongAnswer, View
from scope_widgets.widgets.figures.captions import made_of, origin, quoted
from scope_widgets.widgets.figures.patching import Sheet, draw_effects
from scope_widgets.widgets.patching_map.cells import Effects, as_bytes, code_of, prompts_of_cell, values_of
from scope_widgets.widgets.patching_map.other_pair import made_of_pair, options_for_others

MOST_PROMPTS = 200
SAVED_BYTES = 2_000_000
_LONGEST_PROMPT = 400
_FALLBACK_ROWS = 10
#: between two updates of a running map: seconds at least, bytes a second at most, and the share of time they may take
_PAUSE_S, _RATE, _SHARE = 0.2, 1e6, 0.1


class PatchingMap(Intervening, Prompted):
    """Layers up, positions or heads across, each cell coloured by its signed effect.

    Parameters
    ----------
    source : PatchingResult, Attribution or a sweep
        A sweep is run from the view: it has ``result``, ``total``, ``done`` and ``submit()``, and the map fills in.
    selection : Selection, optional
        Shared with other views: ``selected_heads`` are marked, the last of ``selected_tokens`` is the position whose
        effects a map of heads shows.
    session : Session, optional
        Whose interventions the open cell is ablated, scaled, frozen or patched among; default those of the selection.
    title : str, optional
    start : bool
        Run a sweep as soon as it is shown.
    shows : {"heads", "positions", "selected heads"}
        Of effects [layer, head, position]: each head at its largest (or the selected) position, each layer's strongest
        head at each position, or the selected heads at each position.
    limit : float, optional
        Where the colours end, on both sides of 0; default: what fits.
    threshold : float
        Smaller effects are drawn as 0.
    **traits
        ``selected_heads``, ``selected_tokens``, ``theme``, ``height`` (pixels).

    Raises
    ------
    TypeError
        When `source` is neither a result nor a sweep.
    ValueError
        When its arrays do not fit together, or it is too large to be shown.

    Examples
    --------
    >>> PatchingMap(patching.activations(scope, clean, corrupted, over="head"), shows="positions")  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "patching_map"
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "limit": float | None,
        "threshold": float,
        "shows": str,
    }

    axes = traitlets.List(traitlets.Unicode(), help="layer, head, position; or component").tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    positions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    are_tokens = traitlets.Bool(help="positions are those of the prompt, not roles").tag(sync=True)
    are_heads = traitlets.Bool(help="heads are those of the model, not key-value heads").tag(sync=True)
    components = traitlets.List(traitlets.List(), help="[name, layer, head] a cell of an attribution").tag(sync=True)
    over = traitlets.Unicode().tag(sync=True)
    quantity = traitlets.Unicode().tag(sync=True)
    meaning = traitlets.Unicode().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    prompts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    metric = traitlets.Unicode().tag(sync=True)
    question = traitlets.Dict(help="see `question.asked`").tag(sync=True)
    whole = traitlets.Float(None, allow_none=True, help="of an attribution: the metric that its parts sum to").tag(
        sync=True
    )
    residue = traitlets.Float(None, allow_none=True, help="of an attribution").tag(sync=True)

    corrupted_history = traitlets.List(
        traitlets.Unicode(), help="of patching one pair: the corrupted prompt to each of `prompt_history`"
    ).tag(sync=True)
    values = traitlets.Bytes(help="float64 or float32 a cell, see `_effects.values_of`").tag(sync=True)
    estimates = traitlets.Bytes(help="the same, empty where there are none").tag(sync=True)
    live = traitlets.Bool(help="there is a sweep that can be run").tag(sync=True)
    start = traitlets.Bool(True).tag(sync=True)
    running = traitlets.Bool().tag(sync=True)
    by_construction = traitlets.Bytes(help="uint8 a cell: whether it is 0 by construction and not run; or empty").tag(
        sync=True
    )
    done = traitlets.Int(help="cells that were run").tag(sync=True)
    total = traitlets.Int(help="cells to run: all but those that are 0 by construction").tag(sync=True)
    seconds_left = traitlets.Float(None, allow_none=True).tag(sync=True)
    waiting = traitlets.Unicode(help="what is waited for").tag(sync=True)
    problem = traitlets.Unicode(help="why the last run ended before all was done").tag(sync=True)

    shows = traitlets.Enum(["heads", "positions", "selected heads"], "heads").tag(sync=True)
    limit = traitlets.Float(None, allow_none=True).tag(sync=True)
    threshold = traitlets.Float(0.0, min=0.0, max=LARGEST).tag(sync=True)
    height = traitlets.Int(None, allow_none=True, min=240, max=TALLEST).tag(sync=True)

    def __init__(
        self,
        source: Any,
        *,
        selection: Selection | None = None,
        selected_heads: Iterable[Head] | None = None,
        selected_tokens: Iterable[int] | None = None,
        title: str | None = None,
        **traits: Any,
    ) -> None:
        self._sweep = source if hasattr(source, "submit") and hasattr(source, "result") else None
        self._result = None if self._sweep is not None else source
        self._stopping = self._active = False
        result = self.result
        super().__init__(
            selection=selection,
            selected_heads=selected_heads,
            selected_tokens=selected_tokens,
            title=title or Effects.of(result).title,
            **self._of_result(),
            **traits,
        )
        provenance = result.provenance
        if self.components and len(provenance.prompts) == len(provenance.calls[:1]) == 1:
            self.scope = scope_behind(result)
            self.prompt_history = list(provenance.prompts) if self.scope is not None else []
        self._behind = scope_behind(result)
        own = self.intervenes_on()
        if not self.components and own is not None and own[1] is not None and options_for_others(result) is not None:
            self.scope, clean = own
            self.corrupted_history, self.prompt_history = [str(self.other_prompt())], [str(clean)]
            self.stands_alone = True  # nobody knows what the corrupted prompts to those of other views would be
        self.begin_interventions()

    def _of_result(self) -> dict[str, Any]:
        """Return the traits that say what is shown."""
        result = self.result
        about = Effects.of(result)
        values, estimates = values_of(result)
        whole = result.total if about.components else None  # [prompt]
        zero = getattr(result, "by_construction", None)  # an attribution has none
        return {
            "n_layers": about.n_layers,
            "n_heads": about.n_heads,
            "axes": about.axes,
            "shape": about.shape,
            "positions": about.positions,
            "are_tokens": about.are_tokens,
            "are_heads": about.are_heads,
            "components": about.components,
            "over": getattr(result, "over", ""),
            "quantity": about.quantity,
            "meaning": about.meaning,
            "message": getattr(result, "message", ""),
            "prompts": _prompts(result),
            "made_by": made_by("PatchingMap", result=result),
            "metric": about.metric,
            "question": _asked(result, about.metric),
            "whole": None if whole is None else float(np.mean(whole)),
            "residue": None if whole is None else float(result.residue),
            "values": as_bytes(values),
            "estimates": as_bytes(estimates),
            "live": self._sweep is not None,
            "by_construction": b"" if zero is None or not zero.any() else zero.astype("u1").tobytes(),
            "done": self._done(values),
            "total": len(values) if zero is None else int((~zero).sum()),
        }

    # -- interventions

    def intervenes_on(self) -> tuple[Any, str | None] | None:
        """Return the model, and the prompt: of patching one pair, the clean one."""
        if self.prompt_history and self.components:
            return self.scope, self.prompt
        question = self.result.question if not self.components else None
        if self._behind is None or question is None:
            return None
        prompts = self.result.provenance.prompts
        # what was given as token ids need not be the tokens of its text
        same = len(prompts) == 2 and self._tokens_of(prompts) == [question.clean, question.corrupted]
        return self._behind, prompts[0] if same else None

    def _tokens_of(self, prompts: Iterable[str]) -> list[list[str]]:
        tokenizer = self._behind.tokenizer
        return [token_texts(tokenizer, encode(tokenizer, prompt, None)[0][0]) for prompt in prompts]

    def other_prompt(self) -> str | None:
        """Return the corrupted prompt."""
        own = self.intervenes_on()
        if self.components or own is None or own[1] is None:
            return None
        _, corrupted = self.result.provenance.prompts
        return str(corrupted)

    def compared(self) -> dict[str, Any]:
        """Return the two tokens whose logits are compared, where there are two."""
        if self.components:
            sides: list[Any] = [getattr(self.result, name, ()) for name in ("answer_ids", "versus_ids")]
            return dict(zip(("answer", "versus"), (int(side[0]) for side in sides), strict=True)) if all(sides) else {}
        calls = self.result.provenance.calls
        given = ast.parse(calls[-1], mode="eval").body if calls else None
        options = options_of(calls, ast.unparse(given.func)) if isinstance(given, ast.Call) else {}
        two = [options.get(name) for name in ("answer", "versus")]
        return (
            dict(zip(("answer", "versus"), two, strict=True)) if all(isinstance(one, str | int) for one in two) else {}
        )

    # -- another pair of prompts

    def change_prompt(self, prompt: str, corrupted: str | None = None) -> None:
        """Show the map of another prompt; of patching, of another pair, whose exact effects are then still to be run.

        Parameters
        ----------
        prompt : str
            Of patching, the clean one.
        corrupted : str, optional
            Of as many tokens; default the one on show.

        Raises
        ------
        TypeError
            For whatever is no text.
        ValueError
            Where the view has no model to run, or the prompts do not fit together or the answers.
        """
        finished(self.answer_prompt(prompt, None, corrupted))

    def answer_prompt(self, text: str, at: int | None = None, corrupted: str | None = None) -> LongAnswer:
        """Show another prompt, or pair, with `at` one of those before; nothing changes before the new is there."""
        if not self.stands_alone:
            return (yield from super().answer_prompt(text, at))
        corrupted = self.corrupted_history[self.prompt_at] if corrupted is None else corrupted
        check_prompt(text)
        check_prompt(corrupted)
        self._check_rests()
        number = self.ask_anew()
        yield JobStatus("running", "running the model")
        made = yield from made_of_pair(self.scope, self.result, text, corrupted)
        self._check_rests()
        if not self.waits_for(number):
            return {}, []
        with self.hold_sync():
            own_title = self.title != Effects.of(self.result).title
            self._sweep = made if isinstance(made, Sweep) else None
            self._result = None if isinstance(made, Sweep) else made
            self._show_result(own_title)
            self.problem, self.seconds_left = "", None
            history = list(zip(self.prompt_history, self.corrupted_history, strict=True))
            if at is None or not 0 <= at < len(history) or history[at] != (text, corrupted):
                history = [*history[: self.prompt_at + 1], (text, corrupted)][-MOST_BEFORE:]
                at = len(history) - 1
            self.corrupted_history, self.prompt_history = [one[1] for one in history], [one[0] for one in history]
            self.prompt_at = at
            self.shown += 1
        self.begin_interventions()
        return {}, []

    def _check_rests(self) -> None:
        if self._active:
            raise ValueError("The map is still being run: stop it, or wait, before its prompts are changed.")

    # -- another prompt, of an attribution

    def traced_with(self) -> dict[str, Any]:
        """Return the options that the trace of the attribution was made with."""
        return options_of(self.result.provenance.calls, "scope.trace")

    def made_of(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make the same attribution of the trace of another prompt."""
        options = options_of(self.result.provenance.calls, "lens.direct_logit_attribution")
        result = yield from submit(direct_logit_attribution, trace, **options).follow()
        return lambda: self._put(result)

    def _put(self, result: Attribution) -> None:
        own_title = self.title != Effects.of(self.result).title
        self._result = result
        self._show_result(own_title)

    def _show_result(self, own_title: bool) -> None:
        for name, value in self._of_result().items():
            setattr(self, name, value)
        self.origin = self._origin()
        if not own_title:
            self.title = Effects.of(self.result).title

    @property
    def result(self) -> Any:
        """The result as it stands: of a sweep, what has been run so far."""
        return self._result if self._sweep is None else self._sweep.result

    @traitlets.validate("limit")
    def _check_limit(self, proposal: Any) -> float | None:
        limit: float | None = proposal["value"]
        if limit is not None and not 0 < limit < np.inf:
            raise traitlets.TraitError(f"The limit of the colours is a number above 0, not {limit}.")
        return limit

    # -- running a sweep

    def _done(self, values: npt.NDArray[Any]) -> int:
        zero = getattr(self.result, "by_construction", None)
        return int((~np.isnan(values) & (True if zero is None else ~zero.ravel())).sum())

    def answer_run(self) -> LongAnswer:
        """Run the cells that are left, batch by batch; after each the kernel may do something else, or stop it."""
        if self._sweep is None:
            raise ValueError("There is nothing to run: this map shows a result that is complete.")
        if self._active:
            return {}, []
        self._active, self._stopping, self.problem = True, False, ""
        job = self._sweep.submit()
        try:
            self.running = True
            began, before = time.monotonic(), int(self._sweep.done)
            due = 0.0
            for status in job:
                now = time.monotonic()
                self.waiting = status.text if status.pause else ""
                if status.partial is not None and now >= due:
                    self._publish((now - began) / max(1, int(self._sweep.done) - before))
                    cost = time.monotonic() - now
                    due = now + max(_PAUSE_S, cost / _SHARE, len(self.values) / _RATE)
                yield JobStatus(status.state, pause=status.pause)
                if self._stopping:
                    break
        except RuntimeError as failure:  # what had come stays, and asking again goes on
            self.problem = str(failure)
        finally:
            self._active = False
            job.cancel()
            self._publish()
            self.waiting, self.running = "", False
        return {}, []

    def answer_stop(self) -> Answer:
        """Stop a run, whichever page asked for it; what is done stays."""
        self._stopping = True
        self._hurry()
        return {}, []

    def _publish(self, seconds_each: float | None = None) -> None:
        """Send what the sweep has now; `seconds_each` is the time a cell takes."""
        result = self.result
        values, estimates = values_of(result)
        left = self.total - self._done(values)
        with self.hold_sync():
            self.values, self.estimates = as_bytes(values), as_bytes(estimates)
            self.message = getattr(result, "message", "")
            self.done = self._done(values)
            self.seconds_left = None if seconds_each is None else left * seconds_each

    # -- one cell

    def answer_cell(self, cell: int) -> Answer:
        """Return one flat cell: its value for each prompt, float64, and the code that reproduces it."""
        cell, count = operator.index(cell), int(np.prod(self.shape))
        if not 0 <= cell < count:
            raise ValueError(f"There is no cell {cell}: they are counted from 0 to {count - 1}.")
        return _cell(self.result, cell)

    # -- without a kernel

    def saved_answers(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return the prompts of all cells while they are small, else of the largest cells."""
        result = self.result
        for cell in self._saved_cells():
            yield "cell", {"cell": cell}, *_cell(result, cell)

    def _saved_cells(self) -> list[int]:
        size = 160 + len(self.made_by) + 11 * len(self.result.per_prompt)  # a cell in the page, in bytes
        order = self._by_size()
        return sorted(order[: SAVED_BYTES // size])

    def _by_size(self) -> list[int]:
        """Return the flat cells that are known, the largest first."""
        values, estimates = values_of(self.result)
        known = values if estimates is None else np.where(np.isfinite(values), values, estimates)
        size = np.where(np.isfinite(known), np.abs(known), -1)
        order = rank(size, getattr(self.result, "floor", None))  # an attribution has none
        return [int(cell) for cell in order if size[cell] >= 0]

    def provenance_lines(self) -> list[str]:
        """Return where the result came from, and what a saved page does not hold."""
        result = self.result
        lines = list(result.provenance.lines())
        lines += [line] if (line := self._run_line()) else []
        known, held = len(self._by_size()), len(self._saved_cells())
        if held < known:
            lines.append(f"The page holds the single prompts of the {held:,} largest of {known:,} cells.")
        return lines

    def _run_line(self) -> str:
        zero = len(self.by_construction) and int(np.frombuffer(self.by_construction, np.uint8).sum())
        beside = f"; {zero:,} more are 0 by construction: nothing that differs reaches them" if zero else ""
        if self.done < self.total or zero:
            return f"{self.done:,} of {self.total:,} cells were run{beside}."
        return ""

    def still_table(self) -> tuple[list[str], list[list[str]]]:
        """Return the cells with the largest absolute effect."""
        table = self.result.to_dataframe()
        rows = table.iloc[self._by_size()[:_FALLBACK_ROWS]]
        return [str(name).replace("_", " ") for name in table.columns], [
            [_written(value) for value in row] for row in rows.itertuples(index=False)
        ]

    def still_lines(self) -> str:
        """Return the prompts and what is compared."""
        return question_text(self.question)

    def still_image(self) -> npt.NDArray[Any]:
        """Return the map in blue, white and red, the deepest layer on top, uint8 [row, column, 3]."""
        sheet = Sheet.of(self)
        return sheet.picture(sheet.limit(self.limit))

    # -- for papers

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the map with its columns, its scale, and which cells are the gradient's estimate."""
        draw_effects(paper, self)

    @traitlets.default("definitions")
    def _explained(self) -> list[list[str]]:
        of_patching = ("patching", "estimate", "undefined") if not self.components else ("contribution",)
        return defined((*of_patching, "logit_difference", "sums", "intervention", "orders_of_heads"))

    @traitlets.default("origin")
    def _origin(self) -> str:
        provenance, pairs = self.result.provenance, len(self.result.per_prompt)
        if self.components or len(provenance.prompts) != 2 * pairs:
            return origin(provenance.model, provenance.prompts)
        first = f"clean {quoted(provenance.prompts[0])}, corrupted {quoted(provenance.prompts[pairs])}"
        several = f"{pairs:,} pairs of prompts, the first " if pairs > 1 else ""
        return f"Model {provenance.model}; {several}{first}."

    def caption(self) -> str:
        """Say what a cell holds, which cells these are, of which model and prompts."""
        shows = Sheet.of(self).shows
        provenance = self.result.provenance
        lines = [self.meaning, f"Shown is {shows}." if shows else "", self.origin]
        lines += made_of(provenance) if self.components else []
        lines.append(self._run_line())
        if self.message:
            lines.append(self.message)
        return " ".join(line for line in lines if line) + (self.notes_said() if self.are_heads else "")


def _cell(result: Any, cell: int) -> Answer:
    return {"code": code_of(result, cell)}, [prompts_of_cell(result, cell).tobytes()]


def _prompts(result: Any) -> list[str]:
    """Return the prompts of the first values of each cell, as far as they are known; of patching, both."""
    prompts = [str(prompt)[:_LONGEST_PROMPT] for prompt in getattr(result.provenance, "prompts", ())]
    n = len(result.per_prompt)
    if len(prompts) == 2 * n:
        prompts = [f"clean: {clean}\ncorrupted: {other}" for clean, other in zip(prompts, prompts[n:], strict=False)]
    return prompts[:MOST_PROMPTS] if len(prompts) == n else []


def _asked(result: Any, metric: str) -> dict[str, Any]:
    """Return the trait `question` of patching; an attribution says its answers in its own sentence."""
    question = getattr(result, "question", None)
    if question is None:
        return {}
    sides = (("clean", result.clean), ("corrupted", result.corrupted))
    n_pairs = len(result.per_prompt)
    facts = ", ".join(f"{name} {mean_text(values)}" for name, values in sides)
    return asked(question, metric, n_pairs, facts + (" (means, 95 %)" if n_pairs > 1 else ""))


def _written(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.3g}".replace("-", "−")
    return str(value)
