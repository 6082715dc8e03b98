"""`Session`: one prompt under interventions whose strengths change all the time."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from scope_widgets._job import Job, JobStatus, Steps
from scope_widgets._provenance import Provenance
from scope_widgets._seeds import seed_of
from scope_widgets._types import Prompt, Token
from scope_widgets.experiments.answer_tokens import answer_ids, as_answer, check_distinct, warn_of_spelling
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.execution.persistent_edits import generate_with_edits
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.remote_dispatch import remotable, stepwise
from scope_widgets.models.tokens import encode, token_texts
from scope_widgets.steering.apply_interventions import checked_interventions, in_order
from scope_widgets.steering.intervention import Intervention, checked_strength, is_neutral
from scope_widgets.steering.latent_interventions import lines_of_code
from scope_widgets.steering.prompt_activations import known_where_unchanged, measured_on
from scope_widgets.steering.slider_ranges import slider_ranges
from scope_widgets.steering.steer import persistent_edits
from scope_widgets.steering.steered_distribution import Distribution, Steered
from scope_widgets.steering.steered_logits import LOGITS, steered_logits

#: distributions that are remembered, at most
REMEMBERED = 256

#: strengths of all interventions, in their order
Strengths: TypeAlias = tuple[float, ...]
#: the same as they are given: one for each intervention, or by its index; what is left out has its own
StrengthRow: TypeAlias = Sequence[float] | Mapping[int, float]


class CacheInfo(NamedTuple):
    """How often a distribution was remembered, and how often it was computed."""

    hits: int
    misses: int
    size: int


class Session:
    """One prompt, some interventions, and the next-token distribution at any strengths of theirs.

    Positions and layers before the first intervention that does something are not computed again, and only the last
    position is unembedded. By causality that is exact; a model that is not causal is run whole.

    Parameters
    ----------
    scope : Microscope
    prompt : str, chat messages, or token ids
    interventions : sequence of Intervention
        In a forward they act in the order of their layers; those at one layer and site in the order given.
    answer, versus : str or int, optional
        Two tokens whose logits are compared, each with its space (" run"), or its id.

    Attributes
    ----------
    interventions : tuple of Intervention
        In the order in which they act.
    token_ids : list of int
    tokens : list of str
    answers : tuple of int or None
    spans : list of (low, high)
        The range of a slider for each intervention.

    Raises
    ------
    TypeError, ValueError
        For several prompts, an intervention that this model cannot have, or answers that are not single tokens.

    Examples
    --------
    >>> plural = steering.direction(scope, positive=["the dogs"], negative=["the dog"], layer=3, name="plural")
    >>> session = steering.Session(scope, "the horse", [steering.AddDirection(plural)], answer=" run", versus=" runs")
    >>> session.at([0.3]).difference > session.at([0.0]).difference
    True
    """

    def __init__(
        self,
        scope: Microscope,
        prompt: Prompt,
        interventions: Sequence[Intervention] = (),
        *,
        answer: Token | None = None,
        versus: Token | None = None,
    ) -> None:
        self._set(scope, prompt, interventions, answer, versus)
        self._current()
        self.spans = slider_ranges(scope, self.token_ids, self._measured)
        self._check_spelling()

    @classmethod
    def submit_new(
        cls,
        scope: Microscope,
        prompt: Prompt,
        interventions: Sequence[Intervention] = (),
        *,
        answer: Token | None = None,
        versus: Token | None = None,
    ) -> Job[Session]:
        """Return the job that makes a session, for who does not wait for the model's first run.

        Parameters
        ----------
        scope : Microscope
        prompt : str, chat messages, or token ids
        interventions : sequence of Intervention
        answer, versus : str or int, optional
            As for `Session`.

        Raises
        ------
        TypeError, ValueError
            As `Session`.

        Examples
        --------
        >>> steering.Session.submit_new(scope, "the horse").result().tokens[-1]
        'horse'
        """
        made = cls.__new__(cls)
        made._set(scope, prompt, interventions, answer, versus)

        def steps() -> Steps[Session]:
            yield from made._refresh()
            made.spans = yield from scope.submit(slider_ranges, scope, made.token_ids, made._measured).follow()
            made._check_spelling()
            return made

        return Job(steps())

    def submit_changed(self, interventions: Sequence[Intervention]) -> Job[Session]:
        """Return the job that makes a session of the same prompt with other interventions.

        What does not rest on them, as the run of the model as it is, is not computed again.

        Parameters
        ----------
        interventions : sequence of Intervention

        Raises
        ------
        TypeError, ValueError
            For an intervention that this model cannot have.

        Examples
        --------
        >>> session = steering.Session(scope, "the horse")
        >>> session.submit_changed([steering.ScaleHead(3, 1)]).result().at().kl > 0
        True
        """
        listed = checked_interventions(self.scope, interventions)
        made = copy.copy(self)
        made.interventions = tuple(listed[i] for i in in_order(listed))
        same = [_without_strength(one) for one in made.interventions] == [
            _without_strength(one) for one in self.interventions
        ]
        made._known = self._known if same else OrderedDict()
        made._hits = made._misses = 0

        def steps() -> Steps[Session]:
            spans = dict(zip(map(id, self.interventions), self.spans, strict=True))
            new = [one for one in made.interventions if id(one) not in spans]
            measured = yield from measured_on(self.scope, self.token_ids, new)
            if any(one.kind == "clamp" for one in new):  # whose range is measured
                found = yield from self.scope.submit(slider_ranges, self.scope, self.token_ids, measured).follow()
            else:
                found = [one.span for one in new]
            known = dict(zip(map(id, [*self.interventions, *new]), [*self._measured, *measured], strict=True))
            made._measured = tuple(known[id(one)] for one in made.interventions)
            spans |= dict(zip(map(id, new), found, strict=True))
            made.spans = list(self.spans) if same else [spans[id(one)] for one in made.interventions]
            return made

        return Job(steps())

    def _set(
        self,
        scope: Microscope,
        prompt: Prompt,
        interventions: Sequence[Intervention],
        answer: Token | None,
        versus: Token | None,
    ) -> None:
        """Check what is given; nothing is run yet."""
        rows, texts, _ = encode(scope.tokenizer, prompt, None)
        if len(rows) > 1:
            raise ValueError(f"A session steers one prompt; got {len(rows)}.")
        self.scope = scope
        # chat messages become ids: what their template writes is another text to the tokenizer
        self.prompt: str | list[int] = prompt if isinstance(prompt, str) else rows[0]
        self.token_ids = rows[0]
        self.tokens = token_texts(scope.tokenizer, rows[0])
        listed = checked_interventions(scope, interventions)
        self.interventions = tuple(listed[i] for i in in_order(listed))
        self._measured = self.interventions  # see `measured_on`
        self.answers = _answers(scope, answer, versus)
        # logits only: what is made of them takes five times the memory
        self._known: OrderedDict[Strengths, Tensor] = OrderedDict()
        self._continuation: list[int] = []
        self._continued_to = 0
        self._base: CachedRun | None = None
        self._longer: CachedRun | None = None
        self._longer_ids: list[int] = []
        self._hits = self._misses = 0
        self._state = self._base_state = 0
        self._provenance = Provenance(scope.model_id, scope.revision, (texts[0] or str(self.prompt),))

    def _check_spelling(self) -> None:
        for what, one in zip(("answer", "versus"), self.answers or (), strict=False):
            warn_of_spelling(self.scope.tokenizer, torch.tensor([one]), self._unsteered.logits[None], what)

    @property
    def strengths(self) -> Strengths:
        """The interventions' own strengths."""
        return tuple(one.strength for one in self.interventions)

    @property
    def neutral(self) -> Strengths:
        """The strengths at which the model is as it is."""
        return tuple(one.neutral for one in self.interventions)

    def at(self, strengths: StrengthRow | None = None) -> Steered:
        """Return the distribution of the next token.

        Parameters
        ----------
        strengths : sequence of float, or mapping of index to float, optional
            One for each of `interventions`, or by its index; what is left out has its own.

        Raises
        ------
        ValueError
            For another number of strengths than interventions, or one that is not finite.
        """
        return self.grid([self.checked(strengths)])[0]

    def grid(self, rows: Sequence[StrengthRow]) -> list[Steered]:
        """Return the distributions at several strengths, run as one batch.

        Parameters
        ----------
        rows : sequence of strengths
            As `at` takes them.
        """
        return self.submit_grid(rows).result(progress=False)

    def submit_grid(self, rows: Sequence[StrengthRow]) -> Job[list[Steered]]:
        """Return the job of `grid`: what the session does not remember is run as one batch."""
        return Job(self._grid([self.checked(row) for row in rows]))

    def _grid(self, keys: Sequence[Strengths]) -> Steps[list[Steered]]:
        yield from self._refresh()
        known = {key: self._remembered(key) for key in dict.fromkeys(keys)}
        found = {key: distribution for key, distribution in known.items() if distribution is not None}
        unknown = [key for key in known if key not in found]
        if unknown:
            on_prompt = self._with(known_where_unchanged(self.interventions, self._measured))
            rows = yield from self.scope.submit(Session._rows, on_prompt, unknown).follow()
            for key, logits in zip(unknown, rows, strict=True):
                found[key] = self._remember(key, Distribution(logits))
        return [self._steered(key, found[key]) for key in keys]

    def checked(self, strengths: StrengthRow | None) -> Strengths:
        """Return one strength for each intervention, or raise ValueError."""
        own = list(self.strengths)
        if strengths is None or isinstance(strengths, Mapping):
            changed = dict(strengths or {})
        elif isinstance(strengths, Iterable):
            changed = dict(enumerate(strengths))
        else:
            raise ValueError(f"Strengths are a list, one each intervention, or {{index: strength}}; got {strengths!r}.")
        whole = strengths is None or isinstance(strengths, Mapping) or len(changed) == len(own)
        if not whole or not set(changed) <= set(range(len(own))):
            raise ValueError(
                f"There are {len(own)} interventions ({', '.join(one.name for one in self.interventions) or 'none'}) "
                f"and strengths for {list(changed)}."
            )
        return tuple(checked_strength(one, changed.get(i, own[i])) for i, one in enumerate(self.interventions))

    def continuations(
        self,
        rows: Sequence[StrengthRow],
        *,
        max_new_tokens: int = 20,
        temperature: float = 0.0,
        seed: int | None = 0,
    ) -> Iterator[list[str]]:
        """Continue the prompt at several strengths side by side, as it is written.

        Parameters
        ----------
        rows : sequence of strengths
            As `at` takes them.
        temperature : float, default 0.0
            0: the most probable token; else drawn, with the same random numbers for all rows.

        Yields
        ------
        list of str [row]
            What has been written so far; a row that has come to its end stays.
        """
        seed = seed_of(seed)
        job = self.submit_continuations(rows, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
        last = [""] * len(rows)  # nothing is yielded where nothing can be written
        for status in job.wait():
            if status.partial is not None:
                yield (last := status.partial)
        if (texts := job.result()) != last:
            yield texts

    def submit_continuations(
        self,
        rows: Sequence[StrengthRow],
        *,
        max_new_tokens: int = 20,
        temperature: float = 0.0,
        seed: int | None = 0,
    ) -> Job[list[str]]:
        """Return the job of `continuations`, whose statuses carry the texts so far where they come a token at a time.

        Raises
        ------
        ValueError
            For rows or options that `continuations` does not take.
        """
        seed = seed_of(seed)
        if not (math.isfinite(temperature) and temperature >= 0):
            raise ValueError(f"temperature= is 0 or a positive number; got {temperature!r}.")
        if not hasattr(max_new_tokens, "__index__") or max_new_tokens < 0:
            raise ValueError(f"max_new_tokens= is a whole number of tokens; got {max_new_tokens!r}.")
        if len(rows) == 0:
            raise ValueError("continuations() takes one or more rows of strengths; got none.")
        keys = [self.checked(row) for row in rows]
        job = self.scope.submit(
            Session._continued, self, keys, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed
        )
        return Job(self._texts(job))

    def _texts(self, job: Job[list[list[int]]]) -> Steps[list[str]]:
        def decode(tokens: list[list[int]]) -> list[str]:
            return [self.scope.tokenizer.decode(row, skip_special_tokens=True) for row in tokens]

        try:
            for status in job:
                yield status._replace(partial=None if status.partial is None else decode(status.partial))
        finally:
            job.cancel()
        return decode(job.result())

    def unsteered_continuation(self, length: int) -> list[int]:
        """Return the tokens that the model as it is goes on with (greedily), fewer where the text ends."""
        self._current()
        if self._continued_to < length:
            self._continued_to = length
            written = self._continued([self.neutral], max_new_tokens=length)
            self._continuation = written[0] if written else []
        return self._continuation[:length]

    @remotable
    def losses(self, rows: Sequence[StrengthRow], tokens: list[int]) -> list[float]:
        """Return the mean loss on tokens after the prompt, in nats a token, at several strengths `[row]`."""
        keys = [self.checked(row) for row in rows]
        self._current()
        base = self._base_run()
        if not tokens:
            return [math.nan] * len(keys)
        ids = [*self.token_ids, *tokens[:-1]]
        if ids != self._longer_ids:
            self._longer = None if base is None else loaded(self.scope).run(ids)
            self._longer_ids = ids
        target = torch.tensor(tokens)[:, None]
        return [
            -float(row.float().cpu().log_softmax(-1).gather(-1, target).mean())
            for part in self._logits(self._longer, ids, keys, len(tokens))
            for row in part
        ]

    def cache_info(self) -> CacheInfo:
        """Return how many distributions were remembered and computed."""
        return CacheInfo(self._hits, self._misses, len(self._known))

    def clear_cache(self) -> None:
        """Forget all distributions."""
        self._known.clear()
        self._hits = self._misses = 0
        self._state = 0

    def code(self, strengths: Sequence[float] | None = None) -> str:
        """Return Python lines that make this session, at these strengths, again; `scope` is the model."""
        session = f"steering.Session(scope, {', '.join([repr(self.prompt), 'interventions', *self.code_of_answers()])})"
        lines = ["from scope_widgets import steering", "", self.code_of_interventions(strengths)]
        return "\n".join([*lines, f"session = {session}", "session.at()", ""])

    def code_of_interventions(self, strengths: Sequence[float] | None = None) -> str:
        """Return the lines of `code` that make the list `interventions`."""
        moved = zip(self.interventions, self.checked(strengths), strict=True)
        return "\n".join(lines_of_code([one.with_strength(strength) for one, strength in moved]))

    def code_of_answers(self) -> list[str]:
        """Return the arguments `answer=` and `versus=` of `code`, as texts where a text is the token."""
        named = zip(("answer", "versus"), self.answers or (), strict=False)
        return [f"{name}={as_answer(self.scope.tokenizer, token)!r}" for name, token in named]

    # -- inside

    def _remade(self) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """Return the call that makes this session again beside its model."""
        answer, versus = self.answers or (None, None)
        options = {"answer": answer, "versus": versus}
        return Session, (self.scope, self.prompt, list(self.interventions)), options

    @stepwise
    def _continued(self, keys: Sequence[Strengths], max_new_tokens: int = 20, **options: Any) -> Steps[list[list[int]]]:
        """Return the tokens of each row, until all have come to their end; a step a token."""
        ends = _ends(self.scope)
        written: list[list[int]] = [[] for _ in keys]
        steps = generate_with_edits(
            self.scope,
            [self.token_ids] * len(keys),
            persistent_edits(self.scope, self.interventions, keys),
            max_new_tokens=max_new_tokens,
            **options,
        )
        for done, tokens in enumerate(steps, 1):
            for row, token in zip(written, tokens, strict=True):
                if not row or row[-1] not in ends:
                    row.append(token)
            yield JobStatus("running", "writing on", done, max_new_tokens, partial=written)
            if all(row[-1] in ends for row in written):
                break
        return written

    def _refresh(self) -> Steps[None]:
        """Run the prompt anew where the weights have changed since."""
        state = self.scope.weights_version()
        if state == self._state:
            return
        self._known.clear()
        self._continuation, self._continued_to, self._longer, self._longer_ids = [], 0, None, []
        self._base_state = 0
        plain = self._with(())
        unsteered = yield from self.scope.submit(Session._unsteered_logits, plain).follow()
        self._unsteered = Distribution(unsteered)
        self._base, self._base_state = plain._base, plain._base_state
        self._measured = yield from measured_on(self.scope, self.token_ids, self.interventions)
        self._state = state

    def _with(self, interventions: tuple[Intervention, ...]) -> Session:
        """Return this session with other interventions, for one request."""
        made = copy.copy(self)
        made.interventions = interventions
        return made

    def _current(self) -> None:
        Job(self._refresh()).result(progress=False)

    @remotable
    def _unsteered_logits(self) -> Tensor:
        """Return the logits `[vocabulary]` of the last position of the model as it is."""
        base = self._base_run()
        return self.scope.logits(torch.tensor([self.token_ids]))[0, -1] if base is None else base.logits[0]

    def _base_run(self) -> CachedRun | None:
        """Return the run of the prompt as it is, beside the model; None for a family that must be run whole."""
        state = self.scope.weights_version()
        if state != self._base_state:
            self._base = None
            with suppress(UnsupportedModelError):
                self._base = loaded(self.scope).run(self.token_ids)
            self._base_state = state
        return self._base

    def _steered(self, key: Strengths, steered: Distribution) -> Steered:
        return Steered(key, steered, self._unsteered, self.scope.tokenizer, self._provenance, self.answers)

    def _remembered(self, key: Strengths) -> Distribution | None:
        if all(is_neutral(one, strength) for one, strength in zip(self.interventions, key, strict=True)):
            return self._unsteered
        if key not in self._known:
            return None
        self._hits += 1
        self._known.move_to_end(key)
        return Distribution(self._known[key])

    def _remember(self, key: Strengths, found: Distribution) -> Distribution:
        self._misses += 1
        self._known[key] = found.logits
        while len(self._known) > min(REMEMBERED, LOGITS // len(found.logits)):
            self._known.popitem(last=False)
        return found

    @remotable
    def _rows(self, keys: Sequence[Strengths]) -> Tensor:
        """Return the logits of the last position at rows of strengths, `[row, vocabulary]`."""
        return torch.cat([part[:, -1] for part in self._logits(self._base_run(), self.token_ids, keys)])

    def _logits(
        self, base: CachedRun | None, ids: list[int], keys: Sequence[Strengths], keep: int = 1
    ) -> Iterator[Tensor]:
        return steered_logits(
            self.scope, base, ids, self.interventions, keys, prompt_length=len(self.token_ids), keep=keep
        )


def _answers(scope: Microscope, answer: Token | None, versus: Token | None) -> tuple[int, int] | None:
    if answer is None and versus is None:
        return None
    if answer is None or versus is None:
        raise ValueError("answer= and versus= go together: two tokens whose logits are compared.")
    ids, others = answer_ids(scope.tokenizer, answer, 1), answer_ids(scope.tokenizer, versus, 1, "versus")
    check_distinct(scope.tokenizer, ids, others)
    return int(ids[0]), int(others[0])


def _without_strength(one: Intervention) -> tuple[Any, ...]:
    """Return what an intervention is at any strength; arrays are the same only where they are one array."""
    fields = {name: value for name, value in vars(one).items() if name != "strength"}
    return type(one), *(id(value) if hasattr(value, "shape") else value for value in fields.values())


def _ends(scope: Microscope) -> set[int]:
    """Return the tokens that end a text."""
    given = getattr(scope.model.generation_config, "eos_token_id", None)
    several = given if isinstance(given, list) else [given]
    return {token for token in [*several, scope.tokenizer.eos_token_id] if token is not None}
