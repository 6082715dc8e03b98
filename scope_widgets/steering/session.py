"""`Session`: one prompt under interventions whose strengths change all the time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from scope_widgets.models.answers import answer_ids, check_distinct
from scope_widgets.models.attention import shows_attention
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.parameters import state_of
from scope_widgets.models.run import Run
from scope_widgets.models.tokens import encode, token_texts
from scope_widgets.steering.interventions import Intervention, checked_strength, edits_of, in_order, is_neutral, within
from scope_widgets.steering.steered import Steered

#: rows times positions that are run at once
BUDGET = 4096
#: distributions that are remembered
REMEMBERED = 256

#: strengths of all interventions, in their order
Strengths = tuple[float, ...]


class CacheInfo(NamedTuple):
    """How often a distribution was remembered, and how often it was computed."""

    hits: int
    misses: int
    size: int


class Session:
    """One prompt, some interventions, and the next-token distribution at any strengths of theirs.

    Positions and layers before the first intervention that does something are not computed again, and only the last
    position is unembedded. By causality that is exact; a model that hides its attention (GPT-Neo) is run whole.

    Parameters
    ----------
    scope : Microscope
    prompt : str or list of token ids
    interventions : sequence of Intervention
        In a forward they act in the order of their layers; those at one place in the order given.
    answer, versus : str or int, optional
        Two tokens whose logits are compared.

    Attributes
    ----------
    interventions : tuple of Intervention
        In the order in which they act.
    token_ids : list of int
    tokens : list of str
    answers : tuple of int or None

    Raises
    ------
    TypeError, ValueError
        For several prompts, an intervention that this model cannot have, or answers that are not single tokens.
    """

    def __init__(
        self,
        scope: Microscope,
        prompt: Any,
        interventions: Sequence[Intervention] = (),
        *,
        answer: Any = None,
        versus: Any = None,
    ) -> None:
        rows, texts, several = encode(scope.tokenizer, prompt, None)
        if several:
            raise ValueError(f"A session steers one prompt; got {len(rows)}.")
        self.scope = scope
        self.prompt: Any = texts[0] if texts[0] is not None else rows[0]
        self.token_ids = rows[0]
        self.tokens = token_texts(scope.tokenizer, rows[0])
        for one in interventions:
            if not isinstance(one, Intervention):
                raise TypeError(f"Expected interventions such as steering.AddDirection(...), got {one!r}.")
            one.check(scope)
        self.interventions = tuple(interventions[i] for i in in_order(interventions))
        self.answers = _answers(scope, answer, versus)
        self._known: OrderedDict[Strengths, Tensor] = OrderedDict()
        self._hits = self._misses = 0
        self._state = 0
        self._current()

    @property
    def strengths(self) -> Strengths:
        """The interventions' own strengths."""
        return tuple(one.strength for one in self.interventions)

    @property
    def neutral(self) -> Strengths:
        """The strengths at which the model is as it is."""
        return tuple(one.neutral for one in self.interventions)

    def at(self, strengths: Sequence[float] | Mapping[int, float] | None = None) -> Steered:
        """Give the next-token distribution.

        Parameters
        ----------
        strengths : sequence of float, or mapping of index to float, optional
            One for each of `interventions`; what is left out has its own.

        Raises
        ------
        ValueError
            For another number of strengths than interventions, or one that is not finite.
        """
        key = self.checked(strengths)
        self._current()
        logits = self._remembered(key)
        return self._steered(key, self._kept(key, self._run([key])[0]) if logits is None else logits)

    def grid(self, rows: Sequence[Sequence[float] | Mapping[int, float]]) -> list[Steered]:
        """Give the distributions at several strengths, run as one batch."""
        keys = [self.checked(row) for row in rows]
        self._current()
        found = {key: self._remembered(key) for key in dict.fromkeys(keys)}
        unknown = [key for key, logits in found.items() if logits is None]
        for key, logits in zip(unknown, self._run(unknown), strict=True):
            found[key] = self._kept(key, logits)
        return [self._steered(key, found[key]) for key in keys]

    def checked(self, strengths: Sequence[float] | Mapping[int, float] | None) -> Strengths:
        """Give one strength for each intervention, or raise ValueError."""
        own = list(self.strengths)
        if strengths is None or isinstance(strengths, Mapping):
            changed = dict(strengths or {})
        else:
            changed = dict(enumerate(strengths))
        whole = strengths is None or isinstance(strengths, Mapping) or len(changed) == len(own)
        if not whole or not set(changed) <= set(range(len(own))):
            raise ValueError(
                f"There are {len(own)} interventions ({', '.join(one.name for one in self.interventions) or 'none'}) "
                f"and strengths for {list(changed)}."
            )
        return tuple(checked_strength(one, changed.get(i, own[i])) for i, one in enumerate(self.interventions))

    def cache_info(self) -> CacheInfo:
        """Say how many distributions were remembered and computed."""
        return CacheInfo(self._hits, self._misses, len(self._known))

    def clear_cache(self) -> None:
        """Forget all distributions."""
        self._known.clear()
        self._hits = self._misses = 0
        self._state = 0

    def code(self, strengths: Sequence[float] | None = None) -> str:
        """Give Python lines that make this session, at these strengths, again; `scope` is the model."""
        made = [
            one.with_strength(strength).code()
            for one, strength in zip(self.interventions, self.checked(strengths), strict=True)
        ]
        ends = "".join(f", {name}={id_}" for name, id_ in zip(("answer", "versus"), self.answers or (), strict=False))
        lines = ["from scope_widgets import steering", "", "interventions = ["]
        lines += [f"    {one}," for one in made]
        lines += ["]", f"session = steering.Session(scope, {self.prompt!r}, interventions{ends})", "session.at()", ""]
        return "\n".join(lines)

    # -- inside

    def _current(self) -> None:
        """Run the prompt anew where the weights have changed since."""
        state = state_of(self.scope.model)
        if state == self._state:
            return
        self._known.clear()
        if shows_attention(self.scope.model):
            self._base: Run | None = self.scope.run(self.token_ids)
            self._unsteered = self._base.logits[0].float().cpu()
        else:
            self._base = None
            self._unsteered = self.scope.logits(torch.tensor([self.token_ids]))[0, -1].float().cpu()
        self._state = state

    def _steered(self, key: Strengths, logits: Any) -> Steered:
        return Steered(key, logits, self._unsteered, self.scope.tokenizer, self.answers)

    def _remembered(self, key: Strengths) -> Tensor | None:
        if all(is_neutral(one, strength) for one, strength in zip(self.interventions, key, strict=True)):
            return self._unsteered
        found = self._known.get(key)
        self._hits += found is not None
        return found

    def _kept(self, key: Strengths, logits: Tensor) -> Tensor:
        self._misses += 1
        self._known[key] = logits
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return logits

    def _run(self, keys: Sequence[Strengths]) -> list[Tensor]:
        """Run rows of strengths; gives the logits `[vocabulary]` of each."""
        if not keys:
            return []
        device = self.scope.model.device
        active = [i for i, one in enumerate(self.interventions) if not all(is_neutral(one, key[i]) for key in keys)]
        chosen = [self.interventions[i] for i in active]
        strengths = torch.tensor([[key[i] for i in active] for key in keys], device=device)
        length = torch.tensor([len(self.token_ids)], device=device)
        every = torch.arange(len(self.token_ids), device=device)[None]
        reached = torch.stack([within(one.at, every, length)[0] for one in chosen]).any(0)
        if not bool(reached.any()):
            return [self._unsteered] * len(keys)
        first = 0 if self._base is None else int(reached.nonzero()[0])
        found: list[Tensor] = []
        at_once = max(1, BUDGET // (len(self.token_ids) - first))
        for part in torch.split(strengths, at_once):
            n = len(part)
            positions = every[:, first:].expand(n, -1)
            edits = edits_of(chosen, part, positions, length.expand(n))
            if self._base is None:
                logits = self.scope.logits(torch.tensor([self.token_ids] * n), edits)[:, -1]
            else:
                rows = torch.zeros(n, dtype=torch.long, device=device)
                logits = self._base.again(edits, rows=rows, positions=positions, layer=min(one.layer for one in chosen))
            found.extend(logits.float().cpu())
        return found


def _answers(scope: Microscope, answer: Any, versus: Any) -> tuple[int, int] | None:
    if answer is None and versus is None:
        return None
    if answer is None or versus is None:
        raise ValueError("answer= and versus= go together: two tokens whose logits are compared.")
    ids, others = answer_ids(scope.tokenizer, answer, 1), answer_ids(scope.tokenizer, versus, 1, "versus")
    check_distinct(scope.tokenizer, ids, others)
    return int(ids[0]), int(others[0])
