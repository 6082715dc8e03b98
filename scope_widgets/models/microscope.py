"""`Microscope`: a model that can be traced, watched and run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scope_widgets._result import Provenance
from scope_widgets.models import loading
from scope_widgets.models.anatomy import Anatomy
from scope_widgets.models.capture import Edit, Recorder, forward, named, record, recording
from scope_widgets.models.tokens import encode, pad, token_texts
from scope_widgets.models.wrapped import Wrapped, lock_of
from scope_widgets.traces.scoring import Scoring
from scope_widgets.traces.trace import SITES, Trace
from scope_widgets.traces.watched import Watched

#: beyond this, patterns are not stored by default but computed from queries and keys when they are asked for
ATTENTION_BYTES = 512 * 2**20


class Microscope:
    """A causal language model under the microscope.

    Make one with `Microscope.load` or `Microscope.for_model`. The model is never changed: what a trace needs is put on
    for its duration and taken off again, also after an error.

    Attributes
    ----------
    model : torch.nn.Module
        The Hugging Face model.
    tokenizer
        Its tokenizer.
    model_id : str
        Hub id, folder name, or "local".
    anatomy : Anatomy
        Its parts and sizes under uniform names.
    remote : bool
        Whether it runs on NDIF.
    """

    def __init__(self, model: Any, tokenizer: Any, model_id: str = "local", revision: str | None = None) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.model_id = model_id
        self.revision = revision
        self.remote = False
        self.anatomy = Anatomy.of(model)
        self._wrapped: Wrapped | None = None

    # --- how to get one ---------------------------------------------------------------------------------------------

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        device: str | None = None,
        dtype: Any = None,
        revision: str | None = None,
        remote: bool = False,
    ) -> Microscope:
        """Load a model.

        Parameters
        ----------
        name : str or Path
            "demo" (the small model in this package), a folder, a .gguf file, or a hub id.
        device : str, optional
            Where to put it, such as "cuda"; the CPU where nothing is said.
        dtype : optional
            Such as "float32"; as the weights were saved where nothing is said.
        revision : str, optional
            Commit, tag or branch on the hub.

        Raises
        ------
        ModelNotFoundError
            When there is no such model; says what was tried.
        UnsupportedModelError
            When the model is of a family that this package does not know.
        """
        if remote:
            raise NotImplementedError("Running on NDIF (remote=True) is not built yet; load the model on this machine.")
        model, tokenizer, model_id = loading.load(name, dtype=dtype, revision=revision, device=device)
        commit = getattr(model.config, "_commit_hash", None)
        return cls(model, tokenizer, model_id, commit)

    @classmethod
    def for_model(cls, model: Any, tokenizer: Any, model_id: str | None = None) -> Microscope:
        """Put a model under the microscope that is loaded already."""
        name = model_id or getattr(getattr(model, "config", None), "_name_or_path", "") or "local"
        return cls(model, tokenizer, name)

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return self.anatomy.n_layers

    @property
    def n_heads(self) -> int:
        """Number of query heads of each block."""
        return self.anatomy.n_heads

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.anatomy.d_model

    def __repr__(self) -> str:
        """Say which model it is and its sizes."""
        a = self.anatomy
        kv = "" if a.n_kv_heads == a.n_heads else f" over {a.n_kv_heads} key-value heads"
        return f"Microscope({self.model_id}, {a.n_layers} layers, {a.n_heads} heads{kv}, d_model {a.d_model})"

    # --- what it does -----------------------------------------------------------------------------------------------

    def trace(
        self,
        prompt: str | Sequence[Any] | Tensor,
        *,
        capture: Sequence[str] | None = None,
        modules: Sequence[str] = (),
        prepend_bos: bool | None = None,
    ) -> Trace:
        """Run the model on a prompt, or several, and record what happens inside.

        Parameters
        ----------
        prompt : str, list of str, or token ids (list, list of lists, tensor)
            Several prompts give a trace with a batch axis.
        capture : sequence of str, optional
            Of "residual", "q", "k", "v", "attention", "z", "attention_out", "mlp_out"; all of them where nothing is
            said, but patterns that would take more than 512 MB are then computed only when they are asked for.
        modules : sequence of str, optional
            Names of modules, `*` for anything ("model.layers.*.mlp"), whose outputs are kept in `trace.modules`.
        prepend_bos : bool, optional
            Begin with the beginning-of-sequence token or not; as the tokenizer does where nothing is said.

        Raises
        ------
        ValueError
            For an empty prompt, one that is longer than the context, a token id that the model lacks, or an unknown
            quantity.
        """
        rows, several = encode(self.tokenizer, prompt, prepend_bos)
        self._check(rows)
        ids, mask = pad(rows, self.model.device)
        recorder = Recorder(self.anatomy, self._wanted(capture, ids), named(self.model, modules))
        inputs = {"input_ids": ids, "attention_mask": mask.long()}
        with lock_of(self.model):
            logits = record(self._under_nnsight(), self.model, recorder, inputs)
        return self._trace(recorder, ids, mask, logits, several)

    @contextmanager
    def watch(self, *, capture: Sequence[str] | None = None, modules: Sequence[str] = ()) -> Iterator[Trace]:
        """Record the forward that the user runs inside: `with scope.watch() as trace: model(**inputs)`.

        The first forward of the block is recorded; `trace` is a `Trace` when the block ends. `capture` and `modules`
        are those of `trace`.
        """
        recorder = Recorder(self.anatomy, tuple(SITES if capture is None else capture), named(self.model, modules))
        watched = Watched()
        seen: list[tuple[dict[str, Any], Any]] = []

        def on_forward(inputs: dict[str, Any], output: Any) -> None:
            if not seen:
                seen.append((inputs, output))

        with lock_of(self.model), recording(self.model, recorder, on_forward):
            yield watched
        if not seen:
            raise ValueError("Nothing was recorded: call the model inside `with scope.watch() as trace:`.")
        inputs, output = seen[0]
        ids = inputs.get("input_ids")
        if ids is None:
            raise ValueError("watch() records a call with input_ids; this one had none (inputs_embeds are not text).")
        ids = ids if ids.ndim == 2 else ids[None]
        mask = inputs.get("attention_mask")
        mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
        watched.become(self._trace(recorder, ids, mask, output.logits.detach(), len(ids) > 1))

    def logits(self, token_ids: Tensor, edit: Edit | None = None) -> Tensor:
        """Run token ids `[batch, position]` of equal length, with `edit` applied inside attention.

        Parameters
        ----------
        token_ids : Tensor of int [batch, position]
        edit : callable, optional
            `edit(site, layer, value) -> value`, called for the sites "q", "k", "v" `[batch, head, position, d_head]`,
            "attention" `[batch, head, query, key]` and "z" `[batch, position, head, d_head]` of each layer.

        Returns
        -------
        Tensor [batch, position, vocabulary]
        """
        self._check(token_ids.tolist())
        ids = token_ids.to(self.model.device)
        with lock_of(self.model):
            return forward(self._under_nnsight(), self.model, self.anatomy, {"input_ids": ids}, edit)

    @contextmanager
    def nnsight(self) -> Iterator[Any]:
        """Give the nnsight model for traces of your own: `with scope.nnsight() as model, model.trace(prompt): ...`.

        Its modules have uniform names beside their own: `layers`, `self_attention`, `embed`, `final_norm`, `unembed`.
        """
        wrapped = self._under_nnsight()
        with lock_of(self.model), wrapped.controllers():
            yield wrapped.nnsight

    @torch.no_grad()
    def generate(self, prompt: str, *, max_new_tokens: int = 20, **options: Any) -> str:
        """Continue a prompt, greedily where `do_sample` is not given; gives the new text only."""
        rows, _ = encode(self.tokenizer, prompt, None)
        self._check(rows)
        ids, mask = pad(rows, self.model.device)
        options = {"do_sample": False, "pad_token_id": self.tokenizer.pad_token_id or 0, **options}
        out = self.model.generate(ids, attention_mask=mask.long(), max_new_tokens=max_new_tokens, **options)
        return str(self.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _under_nnsight(self) -> Wrapped:
        if self._wrapped is None:
            self._wrapped = Wrapped(self.model, self.tokenizer)
        return self._wrapped

    def _check(self, rows: list[list[int]]) -> None:
        longest = max(map(len, rows))
        if longest > self.anatomy.context:
            raise ValueError(
                f"The prompt has {longest} tokens and {self.model_id} reads at most {self.anatomy.context}. Shorten it."
            )
        worst = max(max(row) for row in rows)
        if worst >= self.anatomy.d_vocab or min(min(row) for row in rows) < 0:
            raise ValueError(f"Token ids must be 0 to {self.anatomy.d_vocab - 1} for {self.model_id}; got {worst}.")

    def _wanted(self, capture: Sequence[str] | None, ids: Tensor) -> tuple[str, ...]:
        if isinstance(capture, str):
            capture = (capture,)
        if capture is not None:
            return tuple(capture)
        size = 4 * self.n_layers * self.n_heads * ids.numel() * ids.shape[-1]
        return tuple(site for site in SITES if site != "attention" or size <= ATTENTION_BYTES or len(ids) > 1)

    def _trace(self, recorder: Recorder, ids: Tensor, mask: Tensor, logits: Tensor, several: bool) -> Trace:
        rows = [[int(i) for i in row[keep]] for row, keep in zip(ids, mask, strict=True)]
        texts = [token_texts(self.tokenizer, row) for row in rows]
        values = {
            site: [
                _arranged(site, recorder.values[site][layer], mask, several) for layer in sorted(recorder.values[site])
            ]
            for site in recorder.values
        }
        return Trace(
            token_ids=(ids if several else ids[0]).cpu(),
            tokens=texts if several else texts[0],
            logits=_blanked(logits, mask) if several else logits[0],
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            n_kv_heads=self.anatomy.n_kv_heads,
            provenance=Provenance(
                model=self.model_id,
                revision=self.revision,
                prompts=tuple(self.tokenizer.decode(row, skip_special_tokens=True) for row in rows),
            ),
            mask=(mask if several else mask[0]).cpu(),
            scoring=tuple(Scoring(**recorder.scoring[layer]) for layer in sorted(recorder.scoring)),
            values=values,
            modules={name: value if several else value[0] for name, value in recorder.modules.items()},
        )


def _arranged(site: str, value: Tensor, mask: Tensor, several: bool) -> Tensor:
    """Put the axes of a recorded value in the order that a trace promises, and padding to NaN."""
    if site in ("q", "k", "v"):
        value = value.transpose(1, 2)
    elif site == "mlp_out":
        value = value.reshape(*mask.shape, -1)  # OPT runs its MLP over all prompts as one list of positions
    if not several:
        return value[0]
    if site == "attention":
        return _blanked(value.transpose(1, 2), mask).transpose(1, 2)
    return _blanked(value, mask)


def _blanked(value: Tensor, mask: Tensor) -> Tensor:
    """Put NaN where there is padding; `value` is `[batch, position, ...]`."""
    if bool(mask.all()):
        return value
    shape = (*mask.shape, *(1,) * (value.ndim - 2))
    return value.masked_fill(~mask.view(shape), torch.nan)
