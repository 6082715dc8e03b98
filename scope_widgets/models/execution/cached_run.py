"""`CachedRun`: a recorded forward that later ones take their beginning from.

What stands before a change, in depth and in the prompt, is not computed again: blocks below the changed layer are
skipped, and positions that the change cannot reach lend their keys and values. By causality that is exact.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import Unembedding
from scope_widgets.models.execution.activation_edits import Editor, Edits, HookPoint
from scope_widgets.models.execution.causality import require_causal, require_causal_masks
from scope_widgets.models.execution.loaded_model import LoadedModel
from scope_widgets.models.execution.nnsight_model import NNsightModel
from scope_widgets.models.locks import lock_of
from scope_widgets.models.tokens import pad

#: what `CachedRun.again` needs of the earlier run
CACHED_SITES = ("residual", "k", "v")


class CachedRun:
    """One forward over prompts, kept so that it can be run again from the middle.

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

    def __init__(self, scope: LoadedModel, rows: list[list[int]], capture: Sequence[str], edits: Edits) -> None:
        self._scope = scope
        # To the right: no mask is needed, for nothing attends to what is later. With a token of the prompt, because
        # transformers warns of what looks like padding without a mask.
        longest = max(map(len, rows))
        self.token_ids = ids = pad([row + row[-1:] * (longest - len(row)) for row in rows], scope.model.device)[0]
        self.lengths = torch.tensor([len(row) for row in rows], device=ids.device)
        wanted = dict.fromkeys((*CACHED_SITES, *capture))
        captured: dict[HookPoint, Tensor] = {}
        captures = {
            (site, layer): _capture_edit(captured, (site, layer), edits.get((site, layer)))
            for site in wanted
            for layer in range(scope.n_layers + (site == "residual"))
        }
        with scope.wrapped() as wrapped:
            require_causal(wrapped, scope.model)
            editor = Editor(wrapped, scope.model, scope.anatomy, {**edits, **captures})
            editor.lengths = self.lengths
            logits = editor.logits({"input_ids": ids, "logits_to_keep": torch.unique(self.last)})
        at = torch.searchsorted(torch.unique(self.last), self.last)
        self.logits = logits[torch.arange(len(ids), device=ids.device), at]
        self.values = {site: [captured[site, layer] for s, layer in captures if s == site] for site in wanted}
        require_causal_masks(editor.masks, scope.model)
        self._masks = [editor.masks[layer] for layer in range(scope.n_layers)]
        self._unembedding = self._exact_unembedding()
        self._takes_positions = "position_ids" in inspect.signature(scope.model.forward).parameters
        if not self._takes_positions and not edits:
            self._check_positions()

    def _check_positions(self) -> None:
        """Raise UnsupportedModelError where a model that is not told its positions goes by how many there are."""
        row = self.lengths.argmax()[None]
        last = self.last[row][:, None]
        found = self.again({}, rows=row, positions=last)
        off, size = ((self.logits[row] - found).abs().max(), self.logits[row].abs().max())
        if off > (1e-3 if found.dtype == torch.float32 else 5e-2) * size:
            raise UnsupportedModelError(
                f"{type(self._scope.model).__name__} cannot be told which position of a prompt it runs, so no run of it "
                "can be gone on from the middle. Traces and scope.logits(ids, edits) run it whole."
            )

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
            The last block that is computed; there are no logits then.
        tokens : Tensor of int [row, k], optional
            The only tokens whose logits are wanted.
        keep : int
            So many of the last positions give logits.
        gradients : bool
            Record the graph of autograd, from the edited values on.

        Returns
        -------
        Tensor [row, vocabulary], or [row, k], or with `keep` above 1 [row, keep, vocabulary]
        """
        if tokens is not None:
            return self._logits_of_tokens(edits, rows, positions, layer, tokens)
        with self._scope.wrapped() as wrapped:
            editor = _PartialForward(wrapped, self, self._scope, edits, rows, positions, layer)
            editor.end, editor.keep, editor.lengths = end, None if gradients else keep, self.lengths[rows]
            inputs = {"input_ids": self.token_ids[rows[:, None], positions], "logits_to_keep": keep}
            if self._takes_positions:
                inputs["position_ids"] = positions
            logits = editor.logits(inputs, gradients)
            return logits[:, -1] if end is None and keep == 1 else logits

    def _logits_of_tokens(self, edits: Edits, rows: Tensor, positions: Tensor, layer: int, tokens: Tensor) -> Tensor:
        """Return the logits of `tokens` alone: unembedding all the others costs as much as several blocks."""
        if self._unembedding is None:
            return self.again(edits, rows=rows, positions=positions, layer=layer).gather(-1, tokens)
        point, captured = ("residual", self._scope.n_layers), dict[HookPoint, Tensor]()
        capturing = {**edits, point: _capture_edit(captured, point, edits.get(point))}
        self.again(capturing, rows=rows, positions=positions, layer=layer, end=self._scope.n_layers)
        with torch.no_grad(), lock_of(self._scope.model):  # another thread's run may have the norm under nnsight
            return self._unembedding.of_tokens(captured[point][:, -1], tokens)

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
        self.start = start
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


def _capture_edit(captured: dict[HookPoint, Tensor], point: HookPoint, edit: Callable[[Tensor], Tensor] | None) -> Any:
    def capture(value: Tensor) -> Tensor:
        value = value if edit is None else edit(value)
        captured[point] = value.detach()
        return value

    return capture
