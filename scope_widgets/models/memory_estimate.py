"""Memory estimates: what a trace takes before it is run, by quantity and at its peak, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from scope_widgets.models.architecture.anatomy import Anatomy
from scope_widgets.models.architecture.unembedding import n_inputs
from scope_widgets.models.attention.attention_function import uses_attention_interface
from scope_widgets.models.input_device import input_device
from scope_widgets.traces.trace import CROSS_SITES, TRACE_SITES
from scope_widgets.traces.trace_data import KeptLogits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: what is worth downloading of a remote model by default: minutes over a home connection
DOWNLOAD_BYTES = 10**9
#: share of the memory left by weights and forward that a trace may take: analysing it needs memory as well
COMFORTABLE = 0.5
#: patterns leave the softmax in float32, whatever the model computes in
ATTENTION_ITEMSIZE = 4


@dataclass(frozen=True)
class Shape:
    """The sizes of a model that its memory depends on.

    Attributes
    ----------
    n_layers, n_heads, n_kv_heads, d_model, d_head, d_vocab : int
        As in `Anatomy`.
    d_mlp : int
        Neurons of one MLP.
    weights : int
        Bytes of all parameters and buffers.
    itemsize : int
        Bytes of one number that the model computes with.
    qk_itemsize : int
        The same of queries and keys: families that compute attention themselves may do so in float32.
    n_source : int
        Tokens that cross-attention reads; 0: there is none.
    """

    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    d_head: int
    d_vocab: int
    d_mlp: int
    weights: int
    itemsize: int
    qk_itemsize: int
    n_source: int = 0

    @classmethod
    def of(cls, model: PreTrainedModel, anatomy: Anatomy) -> Shape:
        """Return the sizes of a Hugging Face model, which may be on the meta device."""
        down = [n_inputs(block.down) for block in anatomy.blocks if block.down is not None]
        return cls(
            n_layers=anatomy.n_layers,
            n_heads=anatomy.n_heads,
            n_kv_heads=anatomy.n_kv_heads,
            d_model=anatomy.d_model,
            d_head=anatomy.d_head,
            d_vocab=anatomy.d_vocab,
            d_mlp=max(down, default=4 * anatomy.d_model),  # experts: what they take of a token is about as much
            weights=sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers())),
            itemsize=model.dtype.itemsize,
            qk_itemsize=model.dtype.itemsize if uses_attention_interface(model) else max(4, model.dtype.itemsize),
            n_source=anatomy.n_source,
        )


@dataclass(frozen=True, repr=False)
class Estimate:
    """The memory that a trace will take.

    Attributes
    ----------
    captured : mapping of str to int
        Bytes of each quantity, over all layers and prompts.
    logits, weights : int
        Bytes of the logits, and of the model's parameters and buffers.
    peak : int
        The most bytes that the machine of the model holds at once: weights, activations and what is captured.
    available : int
        Bytes that these may take; of a remote model, bytes that may be downloaded.
    strategy : "in_memory", "selective" or "streaming"
        Whether all of it fits comfortably (beside the weights and a forward it leaves as much free as it takes),
        only some of its quantities do, or not even one does in all layers at once.
    recommended : tuple of str
        The quantities that do fit.
    layers_at_once : int
        In how many layers all that was asked for fits.
    n_layers, n_tokens, n_prompts : int
        Of the model; of the longest prompt; and how many prompts there are.
    remote : bool
        Whether the model runs on a server.
    """

    captured: Mapping[str, int]
    logits: int
    weights: int
    peak: int
    available: int
    strategy: Literal["in_memory", "selective", "streaming"]
    recommended: tuple[str, ...]
    layers_at_once: int
    n_layers: int
    n_tokens: int
    n_prompts: int
    remote: bool

    @property
    def total(self) -> int:
        """Bytes that the trace will hold, all of which would be downloaded from a remote model."""
        return sum(self.captured.values()) + self.logits

    @property
    def advice(self) -> str:
        """What to do, as a sentence."""
        room = f"the {format_bytes(self.available)} {'to download' if self.remote else 'of memory'}"
        if self.strategy == "in_memory":
            return f"It fits into {room}: trace it as it is."
        layers = f"{self.layers_at_once} of the {self.n_layers} layers"
        if self.strategy == "selective":
            also = f", or all of it in {layers}" if self.layers_at_once else ""
            return f"It does not all fit well into {room}: capture={self.recommended!r} does{also}."
        if self.layers_at_once:
            return f"It does not fit into {room}: take {layers} at a time, or only statistics, in tiles."
        if self.remote:
            return f"Not one layer of it fits into {room}: take fewer tokens, or only statistics."
        return (
            f"Not one layer of it fits into {room} beside the weights and a forward: take fewer tokens, "
            "a smaller dtype or a remote model, or go through the layers one by one and keep only statistics."
        )

    def __repr__(self) -> str:
        """Say it in sentences, the largest quantity first."""
        parts = {**self.captured, "logits": self.logits}
        listed = ", ".join(
            f"{name} {format_bytes(parts[name])}" for name in sorted(parts, key=lambda name: -parts[name])
        )
        prompts = f"{self.n_prompts} prompts of up to" if self.n_prompts > 1 else "a prompt of"
        return (
            f"{format_bytes(self.total)} in all: {listed}; for {prompts} {self.n_tokens} tokens. "
            f"The model takes {format_bytes(self.peak)} at the most, {format_bytes(self.weights)} of them its weights. "
            f"Strategy {self.strategy}: {self.advice}"
        )


def estimate(
    shape: Shape,
    n_tokens: int,
    n_prompts: int = 1,
    *,
    available: int,
    capture: Sequence[str] = TRACE_SITES,
    logits: KeptLogits = "all",
    padded: bool = False,
    remote: bool = False,
) -> Estimate:
    """Estimate the memory that a trace takes.

    Parameters
    ----------
    shape : Shape
    n_tokens, n_prompts : int
        Length of the longest prompt, and how many there are.
    available : int
        Bytes that weights, activations and trace may take together; of a remote model, bytes to download.
    capture : sequence of str
        Quantities, as in `Microscope.trace`.
    logits : "all", "last" or None, default "all"
        Whose logits are kept, as there.
    padded : bool, default False
        Whether prompts differ in length: then the padding of each quantity is blanked in a copy.
    remote : bool, default False
        Whether the model runs on a server, so that only the trace has to fit into this machine's memory.

    Raises
    ------
    ValueError
        For a number below 1 or an unknown quantity.
    """
    if min(n_tokens, n_prompts) < 1:
        raise ValueError(f"Expected one prompt or more of one token or more; got {n_prompts} of {n_tokens} tokens.")
    sites = (*TRACE_SITES, *CROSS_SITES) if shape.n_source else TRACE_SITES
    unknown = set(capture) - set(sites)
    if unknown:
        raise ValueError(
            f"capture= got {', '.join(sorted(map(repr, unknown)))}; the quantities known are {', '.join(sites)}."
        )
    positions = n_prompts * n_tokens
    captured = {site: _layers(shape, site) * _bytes(shape, site, positions, n_tokens) for site in sites}
    captured = {site: size for site, size in captured.items() if site in capture}
    unembedded = (positions if logits == "all" else n_prompts) * shape.d_vocab * shape.itemsize
    kept = 0 if logits is None else unembedded
    total = sum(captured.values())
    forward = max(_block_bytes(shape, positions, n_tokens), unembedded)
    room = available - kept if remote else int(COMFORTABLE * (available - shape.weights - forward))
    recommended = _fitting(captured, room)
    fits = total <= room
    return Estimate(
        captured=captured,
        logits=kept,
        weights=shape.weights,
        peak=shape.weights + max(total + forward, 2 * (total + kept) if padded else 0),
        available=available,
        strategy="in_memory" if fits else "selective" if recommended else "streaming",
        recommended=recommended,
        layers_at_once=shape.n_layers if fits else max(0, room * shape.n_layers // max(total, 1)),
        n_layers=shape.n_layers,
        n_tokens=n_tokens,
        n_prompts=n_prompts,
        remote=remote,
    )


def estimate_for(
    model: PreTrainedModel,
    anatomy: Anatomy,
    lengths: Sequence[int],
    capture: Sequence[str],
    logits: KeptLogits,
    available: int | None,
) -> Estimate:
    """Estimate a trace of a Hugging Face `model` on prompts of these `lengths`, in tokens.

    On the meta device it counts as remote. What is `available` is looked up by default: the free memory of
    the model's devices and what its weights take of it already, or `DOWNLOAD_BYTES`.
    """
    shape = Shape.of(model, anatomy)
    remote = input_device(model).type == "meta"
    if available is None:
        available = DOWNLOAD_BYTES if remote else shape.weights + _free_memory(model)
    padded = min(lengths) < max(lengths)
    return estimate(
        shape,
        max(lengths),
        len(lengths),
        available=available,
        capture=capture,
        logits=logits,
        padded=padded,
        remote=remote,
    )


def format_bytes(n_bytes: int) -> str:
    """Return a number of bytes as text, such as "1.3 GB"."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            digits = 1 if n_bytes < 10 * size else 0
            return f"{n_bytes / size:.{digits}f}".removesuffix(".0") + f" {unit}"
    return f"{n_bytes} bytes"


def _layers(shape: Shape, site: str) -> int:
    return shape.n_layers + (site == "residual")  # also what enters the final norm


def _bytes(shape: Shape, site: str, positions: int, n_tokens: int) -> int:
    """Return the bytes of a quantity in one layer."""
    if site == "attention":
        return positions * n_tokens * shape.n_heads * ATTENTION_ITEMSIZE
    if site == "cross_attention":
        return positions * shape.n_source * shape.n_heads * ATTENTION_ITEMSIZE
    heads = {"q": shape.n_heads, "z": shape.n_heads, "k": shape.n_kv_heads, "v": shape.n_kv_heads}
    width = heads[site] * shape.d_head if site in heads else shape.d_model
    return positions * width * (shape.qk_itemsize if site in ("q", "k") else shape.itemsize)


def _block_bytes(shape: Shape, positions: int, n_tokens: int) -> int:
    """Return the bytes that a block holds at once while it computes, at its attention or at its MLP."""
    stream = 3 * positions * shape.d_model  # what enters, its norm, what has been added
    projections = positions * shape.d_head * (4 * shape.n_heads + 2 * shape.n_kv_heads)  # q, k, v; k and v repeated
    cells = positions * n_tokens * shape.n_heads
    cast = 0 if shape.itemsize == ATTENTION_ITEMSIZE else shape.itemsize
    scores = cells * (shape.itemsize + ATTENTION_ITEMSIZE + cast)  # scores, patterns, patterns as the model computes
    mask = positions * n_tokens * shape.itemsize
    neurons = 3 * positions * shape.d_mlp  # gate, up, and their product
    return shape.itemsize * stream + max(shape.itemsize * projections + scores + mask, shape.itemsize * neurons)


def _fitting(captured: Mapping[str, int], room: int) -> tuple[str, ...]:
    """Return as many quantities as fit into `room`, the smallest first, in the order of `captured`."""
    chosen = set()
    for site in sorted(captured, key=lambda site: captured[site]):
        room -= captured[site]
        if room < 0:
            break
        chosen.add(site)
    return tuple(site for site in captured if site in chosen)


def _free_memory(model: PreTrainedModel) -> int:
    """Return the free bytes of the devices that `model` is on."""
    if model.device.type == "cuda":
        devices = {parameter.device for parameter in model.parameters() if parameter.is_cuda}
        return sum(torch.cuda.mem_get_info(device)[0] for device in devices)
    return free_host_memory()


def free_host_memory() -> int:
    """Return the free bytes of this machine's memory."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    try:  # macOS does not say what is free
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError) as error:
        raise ValueError("This system does not say how much memory is free: give it, available=<bytes>.") from error
