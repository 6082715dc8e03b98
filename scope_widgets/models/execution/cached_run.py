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
from scope_widgets.models.attention.causality import require_causal_masks
from scope_widgets.models.execution.activation_edits import Editor, Edits, HookPoint
from scope_widgets.models.execution.loaded_model import LoadedModel
from scope_widgets.models.execution.nnsight_model import NNsightModel
from scope_widgets.models.guards.locks import held
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.input_device import input_device
from scope_widgets.models.tokens import pad

#: what `CachedRun.again` needs of the earlier run, the last two where it goes on by positions
CACHED_SITES = ("residual", "k", "v")
#: what is computed again, see `models/execution/resume_mode.py`
ResumeMode: TypeAlias = Literal["positions", "prompts", "start"]
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
    mode : {"positions", "prompts", "start"}
        What a later run computes, see `ResumeMode`.

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
        self,
        scope: LoadedModel,
        rows: list[list[int]],
        capture: Sequence[str],
        edits: Edits,
        mode: ResumeMode = "positions",
    ) -> None:
        self._scope, self._mode = scope, mode
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
        wanted = dict.fromkeys((*(CACHED_SITES if mode == "positions" else CACHED_SITES[:1]), *capture))
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
        if mode == "positions":
            require_causal_masks(editor.masks, scope.model)
        self._masks, self.in_tuple = editor.masks, editor.in_tuple
        self._unembedding = self._exact_unembedding()

    def __len__(self) -> int:
        """Return the number of prompts."""
        return len(self.token_ids)

    @property
    def anatomy(self) -> Anatomy:
        """The parts of the model."""
        return self._scope.anatomy

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
        layer : int, default 0
            The first block that is computed.
        end : int, optional
            The last block that is computed: the residual stream that leaves it is returned instead of logits.
        tokens : Tensor of int [row, k], optional
            The only tokens whose logits are wanted.
        keep : int, default 1
            So many of the last positions give logits.
        gradients : bool, default False
            Record the graph of autograd, from the edited values on.

        Returns
        -------
        Tensor [row, vocabulary], or [row, k], or with `keep` above 1 [row, keep, vocabulary], or with `end`
        [row, position, d_model]
        """
        if tokens is not None:
            return self._logits_of_tokens(edits, rows, positions, layer, tokens)
        if self._mode != "positions":
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
            with recording_gradients(gradients):  # they may be off where it was called
                return logits[:, -1] if end is None and keep == 1 else logits

    def _whole_prompts(
        self, edits: Edits, rows: Tensor, positions: Tensor, layer: int, end: int | None, keep: int, gradients: bool
    ) -> Tensor:
        """Run all positions again, of which the edits see those at hand."""
        changed = {point: _at_positions(edit, positions, point[0]) for point, edit in edits.items()}
        wanted = positions[:, -keep:]
        kept = torch.unique(wanted)
        with self._scope.wrapped() as wrapped:
            editor = _WholeForward(wrapped, self, self._scope, changed, rows, layer if self._mode == "prompts" else 0)
            editor.end, editor.lengths = end, self.lengths[rows]
            inputs = {"input_ids": self.token_ids[rows], "logits_to_keep": kept} | self._mask(rows)
            logits = editor.logits(inputs, gradients)
        if editor.stream is not None:
            return editor.stream[torch.arange(len(rows), device=rows.device)[:, None], positions]
        with recording_gradients(gradients):
            found = logits[
                torch.arange(len(rows), device=rows.device)[:, None], torch.searchsorted(kept, wanted.contiguous())
            ]
        return found[:, 0] if keep == 1 else found

    def _mask(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the mask of padding for a model that may look at what is later."""
        if self._mode == "positions" or bool((self.lengths == self.token_ids.shape[1]).all()):
            return {}
        each = torch.arange(self.token_ids.shape[1], device=rows.device)
        return {"attention_mask": (each < self.lengths[rows, None]).long()}

    def _logits_of_tokens(self, edits: Edits, rows: Tensor, positions: Tensor, layer: int, tokens: Tensor) -> Tensor:
        """Return the logits of `tokens` alone: unembedding all the others costs as much as several blocks."""
        if self._unembedding is None:
            return self.again(edits, rows=rows, positions=positions, layer=layer).gather(-1, tokens)
        end = self._scope.n_layers
        if self._mode == "positions":
            stream = self._run(edits, rows, positions, layer, end, 1, False, narrow=True)
        else:
            stream = self._whole_prompts(edits, rows, positions, layer, end, 1, False)
        with (
            recording_gradients(False),
            held(self._scope.model),
        ):  # another thread's run may have the norm under nnsight
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

    def masks(self, layer: int, rows: Tensor, positions: Tensor, span: tuple[int, int] | None = None) -> Tensor:
        """Return what is added to the scores of a layer, `[row or 1, 1 or head, position, key]`.

        `span` are first and last position plus one, where `positions` are the same of all rows and one after the other.
        """
        mask = self._masks[layer]
        if span is not None:
            return (mask[rows] if len(mask) > 1 else mask)[:, :, slice(*span)]
        rows = rows if len(mask) > 1 else torch.zeros_like(rows)
        return mask.transpose(1, 2)[rows[:, None], positions].transpose(1, 2)


class _PartialForward(Editor):
    """A forward of some positions from some layer on."""

    encode = False

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
        self._span = _one_span(positions)

    def _block_input(self) -> Tensor | None:
        return self._run.values["residual"][self.start][self._rows[:, None], self._positions]

    def _attention_hook(self, site: str, module: nn.Module, value: Tensor) -> Tensor:
        layer = self._layer_of.get(module)
        if layer is None or layer < self.start:
            return value
        if site == "mask":
            return self._run.masks(layer, self._rows, self._positions, self._span)
        value = super()._attention_hook(site, module, value)
        return self._with_the_others(site, layer, value) if site in ("k", "v") else value

    def _with_the_others(self, site: str, layer: int, value: Tensor) -> Tensor:
        """Return keys or values `[row, kv_head, key, d_head]` of all positions: the others as they were."""
        before = self._run.values[site][layer]
        if self._span is None:
            whole = before[self._rows]
            at = torch.arange(len(whole), device=whole.device)[:, None]
            return whole.index_put((at, self._positions), value.transpose(1, 2)).transpose(1, 2)
        start, stop = self._span
        others = (before[:, :start], before[:, stop:])
        # of one prompt nothing is copied for each row
        first, last = (
            (one.expand(len(value), -1, -1, -1) if len(before) == 1 else one[self._rows]).transpose(1, 2)
            for one in others
        )
        parts = [part for part in (first, value, last) if part.shape[2]]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


class _WholeForward(Editor):
    """A forward of all positions from some layer on."""

    encode = False

    def __init__(
        self, wrapped: NNsightModel, run: CachedRun, scope: LoadedModel, edits: Edits, rows: Tensor, start: int
    ) -> None:
        super().__init__(wrapped, scope.model, scope.anatomy, edits)
        self.start, self.in_tuple = start, run.in_tuple
        self._run, self._rows = run, rows

    def _block_input(self) -> Tensor | None:
        return self._run.values["residual"][self.start][self._rows] if self.start else None


def _one_span(positions: Tensor) -> tuple[int, int] | None:
    """Return first and last plus one of positions `[row, position]` that are the same of all rows and have no gap."""
    if not positions.numel():
        return None
    start, n = int(positions[0, 0]), positions.shape[1]
    wanted = torch.arange(start, start + n, device=positions.device)
    return (start, start + n) if bool((positions == wanted).all()) else None


def _at_positions(edit: Callable[[Tensor], Tensor], positions: Tensor, site: str) -> Callable[[Tensor], Tensor]:
    """Return an edit of all positions that lets `edit` see and change some."""
    axis = 2 if site in ("attention", "scores") else 1

    def changed(value: Tensor) -> Tensor:
        each = torch.arange(len(positions), device=positions.device)[:, None]
        whole = value.movedim(axis, 1)
        new = edit(whole[each, positions].movedim(1, axis)).movedim(axis, 1)
        return whole.index_put((each, positions), new.to(whole)).movedim(1, axis)

    return changed


def _capture_edit(captured: dict[HookPoint, Tensor], point: HookPoint, edit: Callable[[Tensor], Tensor] | None) -> Any:
    def capture(value: Tensor) -> Tensor:
        value = value if edit is None else edit(value)
        captured[point] = value.detach()
        return value

    return capture
