"""`LatentRun`: prompts run with autoencoders in the forward, their errors kept, and nodes taken away or held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from scope_widgets.experiments.circuit.latent_graph import LatentNode
from scope_widgets.experiments.latent_attribution.dictionaries import (
    Dictionary,
    activations_of,
    output_scale,
)
from scope_widgets.models.attention.causality import require_causal
from scope_widgets.models.edges.component_outputs import by_head
from scope_widgets.models.execution.activation_edits import Editor, HookPoint
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.input_device import input_device
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.run_arguments import check_token_ids
from scope_widgets.models.tokens import pad

#: what a head, an MLP or the embeddings write instead of what they wrote
Baseline: TypeAlias = Literal["mean", "zero"]
#: tokens of one forward
_AT_ONCE = 2**12

Edit: TypeAlias = Callable[[Tensor], Tensor]


class LatentRun:
    """Prompts under a model, and what each latent, error, head and MLP writes in them.

    Prompts are padded on the right, which nothing looks at that is earlier.

    Attributes
    ----------
    token_ids : Tensor of int [prompt, position]
    lengths : Tensor of int [prompt]
    saes : dict of (site, layer) to SAE
    clean : dict of (site, layer) to Tensor [prompt, position, d]
        What is there in the model as it is: at the SAEs, what attention and MLPs write, "z" `[..., head, d_head]`.

    Raises
    ------
    ValueError
        For prompts longer than the model reads, and for a model in training mode.
    UnsupportedModelError
        For a model that is not causal.
    """

    def __init__(
        self,
        scope: Microscope,
        saes: Mapping[HookPoint, Dictionary],
        rows: list[list[int]],
        baseline: Baseline = "mean",
    ) -> None:
        check_token_ids(scope, rows)
        self.scope, self.saes, self.baseline = loaded(scope), dict(saes), baseline
        self.anatomy = scope.anatomy
        device = input_device(self.scope.model)
        longest = max(map(len, rows))
        self.token_ids, _ = pad([row + row[-1:] * (longest - len(row)) for row in rows], device)
        self.lengths = torch.tensor([len(row) for row in rows], device=device)
        self.real = torch.arange(longest, device=device) < self.lengths[:, None]
        if len(set(map(len, rows))) > 1:
            with self.scope.wrapped() as wrapped:
                require_causal(self.scope.model, lambda ids: wrapped.logits({"input_ids": ids}))
        self._components = [
            (site, layer)
            for layer, block in enumerate(self.anatomy.blocks)
            for site in ("z", "attention_out", "mlp_out")
            if self.anatomy.has(site, layer) and (site != "z" or block.out is not None)
        ]
        self._errors: dict[HookPoint, Tensor] = {}
        self._codes: dict[HookPoint, tuple[Tensor, Tensor, Tensor]] = {}
        wanted = {("residual", 0), *self._components, *self.saes}
        with torch.no_grad():
            self.clean = self.read(wanted)

    def __len__(self) -> int:
        """Return the number of prompts."""
        return len(self.token_ids)

    # --- forwards -----------------------------------------------------------------------------------------------------

    def read(
        self,
        points: Iterable[HookPoint],
        edits: Callable[[Tensor, Tensor], Mapping[HookPoint, list[Edit]]] | None = None,
        rows: Tensor | None = None,
        variants: Tensor | None = None,
        end: int | None = None,
    ) -> dict[HookPoint, Tensor]:
        """Run rows and return what is at some hook points, `[row, position, d]`.

        Parameters
        ----------
        points : iterable of (site, layer)
        edits : callable, optional
            Of the prompts and variants of the rows that run together, what is done at hook points, one after the other.
        rows : Tensor of int [row], optional
            Prompts to run; one may come several times. All by default.
        variants : Tensor of int [row], optional
            What is told to `edits`; 0 by default.
        end : int, optional
            The layer after which nothing is needed.
        """
        rows = torch.arange(len(self), device=self.token_ids.device) if rows is None else rows
        variants = torch.zeros_like(rows) if variants is None else variants
        points = list(points)
        parts: dict[HookPoint, list[Tensor]] = defaultdict(list)
        at_once = max(1, _AT_ONCE // self.token_ids.shape[1])
        for some, which in zip(torch.split(rows, at_once), torch.split(variants, at_once), strict=True):
            made = edits(some, which) if edits else {}
            seen = self._forward(some, points, made, end, gradients=False)
            for point, value in seen.items():
                parts[point].append(value.detach())
        return {point: torch.cat(found) for point, found in parts.items()}

    def gradients(
        self,
        points: Iterable[HookPoint],
        target: Callable[[dict[HookPoint, Tensor], Tensor, Tensor], Tensor],
        reads: Iterable[HookPoint] = (),
        end: int | None = None,
        edits: Callable[[Tensor], Mapping[HookPoint, list[Edit]]] | None = None,
    ) -> dict[HookPoint, Tensor]:
        """Return the gradient of a number of each prompt at some hook points, 0 where there is none.

        Parameters
        ----------
        points : iterable of (site, layer)
        target : callable
            Of the values at `reads`, the prompts that run together, and the logits of their last positions (where there
            is no `end`), a number each `[prompt]`.
        reads : iterable of (site, layer)
        end : int, optional
            The layer after which nothing is needed.
        edits : callable, optional
            As in `read`, of the prompts alone.
        """
        points = list(points)
        parts: dict[HookPoint, list[Tensor]] = defaultdict(list)
        for rows, seen, logits in self.recorded([*points, *reads], end, edits):
            with recording_gradients(True):
                measured = target(seen, rows, logits).sum()
                given = torch.autograd.grad(measured, [seen[point] for point in points], allow_unused=True)
            for point, one in zip(points, given, strict=True):
                parts[point].append(torch.zeros_like(seen[point]) if one is None else one.detach())
        return {point: torch.cat(found) for point, found in parts.items()}

    def recorded(
        self,
        points: list[HookPoint],
        end: int | None = None,
        edits: Callable[[Tensor], Mapping[HookPoint, list[Edit]]] | None = None,
        entering: dict[HookPoint, Tensor] | None = None,
    ) -> Iterator[tuple[Tensor, dict[HookPoint, Tensor], Tensor]]:
        """Yield forwards that autograd records: their prompts, what is at hook points, the last positions' logits.

        With a dict as `entering` what is at a hook point is a leaf, so that gradients are of paths past all others, and
        the dict has, of the present forward, what came there, with its gradient.
        """
        every = torch.arange(len(self), device=self.token_ids.device)
        for rows in torch.split(every, max(1, _AT_ONCE // self.token_ids.shape[1])):
            made = edits(rows) if edits else {}
            seen = self._forward(rows, points, made, end, gradients=True, entering=entering)
            yield rows, seen, self._logits

    def last_logits(self, edits: Callable[[Tensor], Mapping[HookPoint, list[Edit]]] | None = None) -> Tensor:
        """Return the logits of each prompt's last position `[prompt, vocabulary]`, in float32."""
        every = torch.arange(len(self), device=self.token_ids.device)
        found = []
        for rows in torch.split(every, max(1, _AT_ONCE // self.token_ids.shape[1])):
            self._forward(rows, [], edits(rows) if edits else {}, None, gradients=False)
            found.append(self._logits.detach().float())
        return torch.cat(found)

    def _forward(
        self,
        rows: Tensor,
        points: list[HookPoint],
        made: Mapping[HookPoint, list[Edit]],
        end: int | None,
        gradients: bool,
        entering: dict[HookPoint, Tensor] | None = None,
    ) -> dict[HookPoint, Tensor]:
        seen: dict[HookPoint, Tensor] = {}

        def at(point: HookPoint) -> Edit:
            def edit(value: Tensor) -> Tensor:
                for one in made.get(point, ()):
                    value = one(value)
                if point in wanted:
                    if gradients and entering is not None:
                        entering[point] = value
                    if gradients and (entering is not None or not value.requires_grad):
                        value = value.detach().requires_grad_()
                    elif gradients:
                        value = value.clone()  # a node of autograd's own, after which all is read
                    seen[point] = value
                return value

            return edit

        wanted = set(points)
        with self.scope.wrapped() as wrapped:
            edits = {point: at(point) for point in {*wanted, *made}}
            editor = Editor(wrapped, self.scope.model, self.anatomy, edits)
            editor.end, editor.lengths = end, self.lengths[rows]
            last = self.lengths[rows] - 1 if end is None else None
            logits = editor.logits({"input_ids": self.token_ids[rows]}, gradients=gradients, at=last)
            self._logits = logits[:, 0] if end is None else logits
        return seen

    # --- nodes --------------------------------------------------------------------------------------------------------

    def point(self, node: LatentNode) -> HookPoint:
        """Return where what a node writes is added up, and taken away."""
        if node.kind == "input":
            return "residual", 0
        if node.kind in ("head", "mlp"):
            return ("attention_out" if node.kind == "head" else "mlp_out"), node.layer
        return node.site, node.layer

    def codes(self, point: HookPoint) -> tuple[Tensor, Tensor, Tensor]:
        """Return what fires in the clean run at an SAE: row (`prompt * positions + position`), latent, strength.

        The strength is what its decoder row is multiplied by.
        """
        if point not in self._codes:
            sae, x = self.saes[point], self._rows(point)
            with torch.no_grad():
                codes = sae.encode(x)
                rows = codes.rows
                self._codes[point] = rows, codes.indices, codes.values.to(x.dtype) * output_scale(sae, x)[rows, 0]
        return self._codes[point]

    def error(self, point: HookPoint) -> Tensor:
        """Return what the reconstruction of an SAE leaves over of what is there, `[prompt, position, d]`."""
        if point not in self._errors:
            sae, x = self.saes[point], self._rows(point)
            with torch.no_grad():
                self._errors[point] = (x - sae.decode(sae.encode(x), x)).reshape(self.clean[point].shape)
        return self._errors[point]

    def _rows(self, point: HookPoint) -> Tensor:
        value = self.clean[point]
        return value.reshape(-1, value.shape[-1]).to(self.saes[point].W_enc.dtype)

    def strength(self, node: LatentNode) -> Tensor:
        """Return what a latent's decoder row is multiplied by, `[prompt, position]`."""
        point = self.point(node)
        rows, latents, strengths = self.codes(point)
        found = strengths.new_zeros(self.token_ids.numel())
        mine = latents == node.number
        found[rows[mine]] = strengths[mine]
        return found.reshape(self.token_ids.shape)

    def written(self, node: LatentNode) -> Tensor:
        """Return what an ablation of a node takes away, `[prompt, position, d]`.

        Of a latent what it adds, of an error all that it is, of what else writes its difference from the baseline.
        """
        if node.kind == "latent":
            row = self.saes[self.point(node)].W_dec[node.number]
            return self.strength(node)[..., None] * row
        if node.kind == "error":
            return self.error(self.point(node))
        if node.kind == "head":
            z = self.clean["z", node.layer]
            instead = self.instead(z)
            block = self.anatomy.blocks[node.layer]
            both = [by_head(block, self.anatomy.n_heads, one.flatten(2))[0][node.number] for one in (z, instead)]
            return both[0] - both[1]
        value = self.clean[self.point(node)]
        return value - self.instead(value)

    def instead(self, value: Tensor) -> Tensor:
        """Return the baseline of what a component writes: zero, or its mean over all positions of all prompts."""
        if self.baseline == "zero":
            return torch.zeros_like(value)
        return value[self.real].float().mean(0).to(value.dtype).expand_as(value)

    def held(self, nodes: Iterable[LatentNode], rows: Tensor) -> dict[HookPoint, list[Edit]]:
        """Return edits that keep what nodes write as it is in the clean run of these rows."""
        edits: dict[HookPoint, list[Edit]] = defaultdict(list)
        latents: dict[HookPoint, list[int]] = defaultdict(list)
        for node in nodes:
            if node.kind == "latent":
                latents[self.point(node)].append(node.number)
            elif node.kind == "head":
                edits["z", node.layer].append(self._keep_head(node, rows))
            elif node.kind == "mlp":
                edits["mlp_out", node.layer].append(self._keep(node, rows))
        errors = {self.point(node) for node in nodes if node.kind == "error"}
        for point in {*latents, *errors}:
            edits[point].append(self._keep_latents(point, latents[point], point in errors, rows))
        return edits

    def _keep(self, node: LatentNode, rows: Tensor) -> Edit:
        return lambda value: self.clean[self.point(node)][rows].to(value.dtype)

    def _keep_head(self, node: LatentNode, rows: Tensor) -> Edit:
        def edit(value: Tensor) -> Tensor:
            kept = value.clone()
            kept[:, :, node.number] = self.clean["z", node.layer][rows][:, :, node.number]
            return kept

        return edit

    def _keep_latents(self, point: HookPoint, latents: list[int], error: bool, rows: Tensor) -> Edit:
        """Return what puts the clean strengths of latents, and the clean error, in the place of those that came."""
        sae = self.saes[point]
        clean = (
            torch.stack([self.strength(LatentNode("latent", point[1], one, point[0])) for one in latents], -1)[rows]
            if latents
            else None
        )
        left = self.error(point)[rows] if error else None

        def edit(value: Tensor) -> Tensor:
            x = value.reshape(-1, value.shape[-1]).to(sae.W_enc.dtype)
            changed = torch.zeros_like(x)
            if clean is not None:
                now = activations_of(sae, x, latents) * output_scale(sae, x)
                changed += (clean.reshape(now.shape) - now) @ sae.W_dec[latents]
            if left is not None:
                changed += left.reshape(x.shape) - (x - sae.decode(sae.encode(x), x))
            return value + changed.reshape(value.shape).to(value.dtype)

        return edit
