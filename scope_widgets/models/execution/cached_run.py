"""`CachedRun`: a recorded forward that later ones take their beginning from.

What stands before a change, in depth and in the prompt, is not computed again: blocks below the changed layer are
skipped, and positions that the change cannot reach lend their keys and values. By causality that is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import Anatomy, UnsupportedModelError
from scope_widgets.models.architecture.unembedding import Unembedding
from scope_widgets.models.execution.activation_edits import Editor, Edits, HookPoint
from scope_widgets.models.execution.causality import require_causal_masks
from scope_widgets.models.execution.loaded_model import LoadedModel
from scope_widgets.models.execution.nnsight_model import NNsightModel
from scope_widgets.models.input_device import input_device
from scope_widgets.models.locks import lock_of
from scope_widgets.models.tokens import pad

#: what `CachedRun.again` needs of the earlier run, the last two where it goes on by positions
CACHED_SITES = ("residual", "k", "v")
#: what is computed again, see `way_to_go_on`
Way: TypeAlias = Literal["positions", "prompts", "start"]
WAYS: tuple[Way, ...] = ("positions", "prompts", "start")
#: stands for a quantity of a layer that does not have it
_NOTHING = torch.empty(0)


class CachedRun:
    """One forward over prompts, kept so that it can be run again from the middle.

    Parameters
    ----------
    scope : LoadedModel
    rows : list of list of int
    capture : sequence of str
        Quantities to keep beside those that running again needs.
    edits : mapping of (site, layer) to callable
    way : {"positions", "prompts", "start"}
        What a later run computes, see `way_to_go_on`.

    Attributes
    ----------
    token_ids : Tensor of int [prompt, position]
        Padded on the right with each prompt's last token.
    lengths : Tensor of int [prompt]
    logits : Tensor [prompt, vocabulary]
        Of the last position of each prompt.
    values : dict of str to list of Tensor [prompt, position, ...]
        As in a `Trace` (attention `[prompt, head, query, key]`), but padding holds whatever the model made of it.
    """

    def __init__(
        self, scope: LoadedModel, rows: list[list[int]], capture: Sequence[str], edits: Edits, way: Way = "positions"
    ) -> None:
        self._scope, self._way = scope, way
        for site in capture:
            if lacking := [layer for layer in range(scope.n_layers) if not scope.anatomy.has(site, layer)]:
                raise UnsupportedModelError(
                    f"This needs '{site}' of all layers. {scope.anatomy.missing(site, lacking[0])}"
                )
        # To the right: no mask is needed, for nothing attends to what is later. With a token of the prompt, because
        # transformers warns of what looks like padding without a mask.
        longest = max(map(len, rows))
        self.token_ids = ids = pad([row + row[-1:] * (longest - len(row)) for row in rows], input_device(scope.model))[
            0
        ]
        self.lengths = torch.tensor([len(row) for row in rows], device=ids.device)
        wanted = dict.fromkeys((*(CACHED_SITES if way == "positions" else CACHED_SITES[:1]), *capture))
        captured: dict[HookPoint, Tensor] = {}
        captures = {
            (site, layer): _capture_edit(captured, (site, layer), edits.get((site, layer)))
            for site in wanted
            for layer in range(scope.n_layers + (site == "residual"))
            if scope.anatomy.has(site, layer)
        }
        with scope.wrapped() as wrapped:
            editor = Editor(wrapped, scope.model, scope.anatomy, {**edits, **captures})
            editor.lengths = self.lengths
            inputs = {"input_ids": ids} | self._mask(torch.arange(len(ids), device=ids.device))
            self.logits = editor.logits(inputs, at=self.last)[:, 0]
        self.values = {
            site: [captured.get((site, layer), _NOTHING) for layer in range(scope.n_layers + (site == "residual"))]
            for site in wanted
        }
        if way == "positions":
            require_causal_masks(editor.masks, scope.model)
        self._masks, self.in_tuple = editor.masks, editor.in_tuple
        self._unembedding = self._exact_unembedding()

    def __len__(self) -> int:
        """Return the number of prompts."""
        return len(self.token_ids)

    @property
    def last(self) -> Tensor:
        """Index of the last position of each prompt, `[prompt]`."""
        return self.lengths - 1

    def again(
        self,
        edits: Edits,
        *,
        rows: Tensor,
        positions: Tensor,
        layer: int = 0,
        end: int | None = None,
        tokens: Tensor | None = None,
        keep: int = 1,
        gradients: bool = False,
    ) -> Tensor:
        """Run some positions of some prompts again, from a layer on, with changes.

        Exact where the edits change nothing below `layer` and nothing that reaches positions outside `positions`.

        Parameters
        ----------
        edits : mapping of (site, layer) to callable
            Each gets the value of the rows and positions at hand, `[row, position, ...]` as a trace arranges it (scores
            and attention `[row, head, position, key]`, keys being all positions of the prompt) and returns the new one.
        rows : Tensor of int [row]
            The prompt of each row.
        positions : Tensor of int [row, position]
            Not falling; logits are those of the last one.
        layer : int
            The first block that is computed.
        end : int, optional
            The last block that is computed: the residual stream that leaves it is returned instead of logits.
        tokens : Tensor of int [row, k], optional
            The only tokens whose logits are wanted.
        keep : int
            So many of the last positions give logits.
        gradients : bool
            Record the graph of autograd, from the edited values on.

        Returns
        -------
        Tensor [row, vocabulary], or [row, k], or with `keep` above 1 [row, keep, vocabulary], or with `end`
        [row, position, d_model]
        """
        if tokens is not None:
            return self._logits_of_tokens(edits, rows, positions, layer, tokens)
        if self._way != "positions":
            return self._whole_prompts(edits, rows, positions, layer, end, keep, gradients)
        return self._run(edits, rows, positions, layer, end, keep, gradients, narrow=end is None and not gradients)

    def _run(
        self,
        edits: Edits,
        rows: Tensor,
        positions: Tensor,
        layer: int,
        end: int | None,
        keep: int,
        gradients: bool,
        *,
        narrow: bool,
    ) -> Tensor:
        """Run again; `narrow`: of what is returned only the last `keep` positions are wanted."""
        with self._scope.wrapped() as wrapped:
            editor = _PartialForward(wrapped, self, self._scope, edits, rows, positions, layer)
            editor.end, editor.keep, editor.lengths = end, keep if narrow else None, self.lengths[rows]
            inputs = {
                "input_ids": self.token_ids[rows[:, None], positions],
                "position_ids": positions,
                "logits_to_keep": keep,
            }
            logits = editor.logits(inputs, gradients)
            if editor.stream is not None:
                return editor.stream
            return logits[:, -1] if end is None and keep == 1 else logits

    def _whole_prompts(
        self, edits: Edits, rows: Tensor, positions: Tensor, layer: int, end: int | None, keep: int, gradients: bool
    ) -> Tensor:
        """Run all positions again, of which the edits see those at hand."""
        changed = {point: _at_positions(edit, positions, point[0]) for point, edit in edits.items()}
        wanted = positions[:, -keep:]
        kept = torch.unique(wanted)
        with self._scope.wrapped() as wrapped:
            editor = _WholeForward(wrapped, self, self._scope, changed, rows, layer if self._way == "prompts" else 0)
            editor.end, editor.lengths = end, self.lengths[rows]
            inputs = {"input_ids": self.token_ids[rows], "logits_to_keep": kept} | self._mask(rows)
            logits = editor.logits(inputs, gradients)
        if editor.stream is not None:
            return editor.stream[torch.arange(len(rows), device=rows.device)[:, None], positions]
        with torch.set_grad_enabled(gradients):
            found = logits[
                torch.arange(len(rows), device=rows.device)[:, None], torch.searchsorted(kept, wanted.contiguous())
            ]
        return found[:, 0] if keep == 1 else found

    def _mask(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the mask of padding for a model that may look at what is later."""
        if self._way == "positions" or bool((self.lengths == self.token_ids.shape[1]).all()):
            return {}
        each = torch.arange(self.token_ids.shape[1], device=rows.device)
        return {"attention_mask": (each < self.lengths[rows, None]).long()}

    def _logits_of_tokens(self, edits: Edits, rows: Tensor, positions: Tensor, layer: int, tokens: Tensor) -> Tensor:
        """Return the logits of `tokens` alone: unembedding all the others costs as much as several blocks."""
        if self._unembedding is None:
            return self.again(edits, rows=rows, positions=positions, layer=layer).gather(-1, tokens)
        end = self._scope.n_layers
        if self._way == "positions":
            stream = self._run(edits, rows, positions, layer, end, 1, False, narrow=True)
        else:
            stream = self._whole_prompts(edits, rows, positions, layer, end, 1, False)
        with torch.no_grad(), lock_of(self._scope.model):  # another thread's run may have the norm under nnsight
            return self._unembedding.of_tokens(stream[:, -1], tokens)

    def _exact_unembedding(self) -> Unembedding | None:
        """Return the unembedding where it makes this run's logits from its residual stream (some families do more)."""
        try:
            unembedding = Unembedding(self._scope.model, self._scope.anatomy)
            final = self.values["residual"][-1][torch.arange(len(self)), self.last]
            unembedding.check(final[:1], self.logits[:1])
        except UnsupportedModelError:
            return None
        return unembedding

    def suffix(self, rows: Tensor, position: Tensor | int) -> Tensor:
        """Return the positions `[row, position]` from `position` (one, or `[row]`) to the end of each row's prompt.

        Rows with fewer of them begin earlier, and where there is nothing earlier repeat position 0: an edit must find
        its position by comparison, not by counting.
        """
        last = self.last[rows]
        width = int((last - position).max()) + 1
        return (last[:, None] + torch.arange(1 - width, 1, device=last.device)).clamp(min=0)

    def masks(self, layer: int, rows: Tensor, positions: Tensor) -> Tensor:
        """Return what is added to the scores of a layer, `[row, 1 or head, position, key]`."""
        mask = self._masks[layer]
        rows = rows if len(mask) > 1 else torch.zeros_like(rows)
        return mask.transpose(1, 2)[rows[:, None], positions].transpose(1, 2)


class _PartialForward(Editor):
    """A forward of some positions from some layer on."""

    def __init__(
        self,
        wrapped: NNsightModel,
        run: CachedRun,
        scope: LoadedModel,
        edits: Edits,
        rows: Tensor,
        positions: Tensor,
        start: int,
    ) -> None:
        super().__init__(wrapped, scope.model, scope.anatomy, edits)
        self.start, self.in_tuple = start, run.in_tuple
        self._run, self._rows, self._positions = run, rows, positions

    def _block_input(self) -> Tensor | None:
        return self._run.values["residual"][self.start][self._rows[:, None], self._positions]

    def _attention_hook(self, site: str, module: nn.Module, value: Tensor) -> Tensor:
        layer = self._layer_of.get(module)
        if layer is None or layer < self.start:
            return value
        if site == "mask":
            return self._run.masks(layer, self._rows, self._positions)
        value = super()._attention_hook(site, module, value)
        if site in ("k", "v"):
            rows = self._rows[:, None]
            whole = self._run.values[site][layer][self._rows]
            at = torch.arange(len(whole), device=rows.device)[:, None]
            value = whole.index_put((at, self._positions), value.transpose(1, 2)).transpose(1, 2)
        return value


class _WholeForward(Editor):
    """A forward of all positions from some layer on."""

    def __init__(
        self, wrapped: NNsightModel, run: CachedRun, scope: LoadedModel, edits: Edits, rows: Tensor, start: int
    ) -> None:
        super().__init__(wrapped, scope.model, scope.anatomy, edits)
        self.start, self.in_tuple = start, run.in_tuple
        self._run, self._rows = run, rows

    def _block_input(self) -> Tensor | None:
        return self._run.values["residual"][self.start][self._rows] if self.start else None


def _at_positions(edit: Callable[[Tensor], Tensor], positions: Tensor, site: str) -> Callable[[Tensor], Tensor]:
    """Return an edit of all positions that lets `edit` see and change some."""
    axis = 2 if site in ("attention", "scores") else 1

    def changed(value: Tensor) -> Tensor:
        each = torch.arange(len(positions), device=positions.device)[:, None]
        whole = value.movedim(axis, 1)
        new = edit(whole[each, positions].movedim(1, axis)).movedim(axis, 1)
        return whole.index_put((each, positions), new.to(whole)).movedim(1, axis)

    return changed


def way_to_go_on(
    run: Callable[[list[list[int]], Way], CachedRun],
    whole: Callable[[Tensor, Edits], Tensor],
    anatomy: Anatomy,
    name: str,
) -> Way:
    """Return how a model can go on from the middle of a run: the cheapest way that gives what a whole forward gives.

    "positions": single positions run again, with the keys and values of the others; "prompts": whole prompts, from the
    changed layer on (state-space layers, convolutions, attention that looks ahead); "start": whole prompts from the
    first layer on.

    Tried with the residual stream of another prompt, put into block 0 at the one position that differs, and into a
    later block at all positions from there on.

    Parameters
    ----------
    run : callable
        Makes a run of token ids in one of these ways.
    whole : callable
        Gives the logits `[1, position, vocabulary]` of token ids `[1, position]` with edits, all of it computed.
    anatomy : Anatomy
    name : str
        Of the model, for the sentence.

    Raises
    ------
    UnsupportedModelError
        Where none does.
    """
    n = min(6, anatomy.context)
    first = n // 3
    prompt = [(3 + i) % anatomy.d_vocab for i in range(n)]
    other = [*prompt[:first], (11 + first) % anatomy.d_vocab, *prompt[first + 1 :]]
    why: object = "its logits are not those of a whole forward"
    for way in WAYS:
        try:
            base, source = run([prompt], way), run([other], way)
            if all(
                _exact(base, source, whole, *at) for at in ((0, first, first + 1), (anatomy.n_layers // 2, first, n))
            ):
                return way
        except Exception as error:  # whatever a model does not like about it
            why = f"{type(error).__name__}: {error}"
    raise UnsupportedModelError(
        f"{name} cannot go on from the middle of an earlier run, which patching and steering need ({why})."
    )


def _exact(
    base: CachedRun, source: CachedRun, whole: Callable[[Tensor, Edits], Tensor], layer: int, first: int, stop: int
) -> bool:
    """Return whether going on with other residual streams at some positions is a whole forward with them."""
    rows = torch.zeros(1, dtype=torch.long, device=base.token_ids.device)
    there = source.values["residual"][layer]

    def into(positions: Tensor) -> dict[HookPoint, Callable[[Tensor], Tensor]]:
        changed = (positions >= first) & (positions < stop)

        def edit(value: Tensor) -> Tensor:
            shape = (*changed.shape, *(1,) * (value.ndim - 2))
            return torch.where(changed.reshape(shape), there[:, positions[0]], value)

        return {("residual", layer): edit}

    at = base.suffix(rows, first)
    found = base.again(into(at), rows=rows, positions=at, layer=layer)
    every = torch.arange(base.token_ids.shape[1], device=at.device)[None]
    expected = whole(base.token_ids, into(every))[:, -1]
    off, change, size = (float(x.abs().max()) for x in (found - expected, expected - base.logits, expected))
    share, noise = (1e-3, 1e-5) if found.dtype == torch.float32 else (5e-2, 2e-2)
    return off <= max(share * change, noise * size)


def _capture_edit(captured: dict[HookPoint, Tensor], point: HookPoint, edit: Callable[[Tensor], Tensor] | None) -> Any:
    def capture(value: Tensor) -> Tensor:
        value = value if edit is None else edit(value)
        captured[point] = value.detach()
        return value

    return capture
