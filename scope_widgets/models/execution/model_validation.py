"""What the parts of a model do is measured on a short prompt before anything is computed with them.

What is added to the residual stream, what heads write with, which layers attend, what becomes of the logits: an
`Anatomy` says what was seen, not what the names of modules promise.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import Anatomy, Block, UnsupportedModelError, has_encoder
from scope_widgets.models.architecture.residual_sum import Call, added, followed_by
from scope_widgets.models.architecture.unembedding import agree
from scope_widgets.models.attention.attention_function import active_hook
from scope_widgets.models.encoder_decoder.source import EncodedSource, call_inputs
from scope_widgets.models.execution.call_recorder import recording
from scope_widgets.models.execution.recorder import Recorder, unwrap
from scope_widgets.models.guards.eval_mode import evaluating
from scope_widgets.models.guards.restore_on_exit import putting_back, recording_gradients, with_block
from scope_widgets.models.input_device import input_device

#: transformers' names of the families that the tests compare with the plain Hugging Face forward in every part
TESTED = frozenset(
    "gpt2 gpt_neo gpt_neox llama qwen2 qwen3 mistral gemma2 gemma3_text olmo2 phi phi3 opt".split()  # noqa: SIM905
)
#: who made the modules of a model that nobody has changed; the last quantises matrices, which stay what they are
_MAKERS = ("transformers", "torch", "bitsandbytes")


def is_tested(model: Any) -> bool:
    """Return whether a model is of a family whose parts are known, with no adapter and no parts exchanged."""
    config = model.config.get_text_config()
    if config.model_type not in TESTED or has_encoder(model):
        return False
    if config.model_type == "opt" and not config.do_layer_norm_before:
        return False
    if getattr(model, "peft_config", None) or getattr(model, "_hf_peft_config_loaded", False):
        return False
    return _is_as_built(model)


def _is_as_built(model: Any) -> bool:
    """Return whether a model has the modules that its class makes of its configuration, or quantised ones in place."""
    if any(type(module).__module__.partition(".")[0] not in _MAKERS for module in model.modules()):
        return False
    with torch.device("meta"):
        built = dict(type(model)(copy.deepcopy(model.config)).named_modules())
    modules = dict(model.named_modules())
    return modules.keys() == built.keys() and all(isinstance(one, type(built[name])) for name, one in modules.items())


def measured(model: Any, anatomy: Anatomy, source: EncodedSource | None = None) -> Anatomy:
    """Return the anatomy of a model as it shows on a short prompt; of an encoder-decoder model, with this source.

    Raises
    ------
    UnsupportedModelError
        Where the model cannot be run as this package runs models, or does not give its own logits then.
    """
    if is_tested(model):
        return anatomy
    ids = torch.arange(min(8, anatomy.context, anatomy.d_vocab), device=input_device(model))[None]
    recorder = Recorder(anatomy, ("q", "k", "attention", "z"))
    watch = _Watch(model, anatomy, ids.shape[1])
    times = Counter[nn.Module]()
    inputs: dict[str, Any] = {"input_ids": ids}

    def count(site: str, module: nn.Module, value: Tensor) -> Tensor:
        times[module] += site == "attention"
        return value

    try:
        # outside of inference mode, whose tensors do not know that they were changed
        with torch.inference_mode(False), recording_gradients(False), evaluating(model):
            if source is not None:  # the encoder beside the decoder, as anyone would call it
                plain = {"input_ids": torch.tensor([source.token_ids], device=ids.device), "decoder_input_ids": ids}
            own = model(**(inputs if source is None else plain), use_cache=False).logits
            inputs = call_inputs(source, inputs)
            with active_hook(count), recording(model, recorder), watch.on():
                ours = model(**inputs, use_cache=False).logits
            anatomy = dataclasses.replace(anatomy, **watch.seen())
    except UnsupportedModelError:
        raise
    except Exception as error:
        raise UnsupportedModelError(_sentence(model, f"a forward of it failed: {error}")) from error
    if not agree(own, ours, own.dtype):
        raise UnsupportedModelError(_sentence(model, "its logits under this package's attention function differ"))
    blocks = []
    # a configuration may have the heads of another part of the model under this name (Whisper's encoder)
    n_heads = max((one.shape[1] for one in recorder.values["q"].values()), default=anatomy.n_heads)
    for layer, block in enumerate(anatomy.blocks):
        seen = {site: layers[layer] for site, layers in recorder.values.items() if layer in layers}
        blocks.append(_attends(block, seen, watch.matrix_inputs.get(layer), times, n_heads, ids.shape[1]))
    heads = [recorder.values["k"][layer] for layer, block in enumerate(blocks) if block.attention is not None]
    anatomy = dataclasses.replace(
        anatomy,
        blocks=tuple(blocks),
        n_heads=n_heads,
        n_kv_heads=max((one.shape[1] for one in heads), default=anatomy.n_kv_heads),
        d_head=max((one.shape[3] for one in heads), default=anatomy.d_head),
        n_source=0 if source is None else len(source.token_ids),
    )
    return _with_logits(model, anatomy, watch.last, ours)


class _Watch:
    """The calls of the modules of each block in one forward, read when the block ends."""

    def __init__(self, model: Any, anatomy: Anatomy, n_positions: int) -> None:
        self._model, self._anatomy, self._n = model, anatomy, n_positions
        self._scales = _numbers(model.config.get_text_config().to_dict().values())
        self._calls: list[Call] = []
        self._entering: list[Tensor] = []
        self._versions: list[tuple[Tensor, int]] = []
        self._streams: list[tuple[Tensor, Tensor]] = []
        self._blocks: list[Block] = []
        self._reason = ""
        self._final: list[Tensor] = []
        self.matrix_inputs: dict[int, Tensor] = {}

    @property
    def last(self) -> Tensor:
        """What the last block gave."""
        return self._streams[-1][1]

    @with_block
    def on(self) -> Iterator[None]:
        """Watch the forward in the block."""
        with putting_back() as back:
            for layer, block in enumerate(self._anatomy.blocks):
                parts = (block.attention, block.out, block.cross, block.cross_out, block.mlp, block.down)
                for module in {*block.block.children(), *parts}:
                    if module is None:
                        continue
                    back.hook(module.register_forward_hook, self._called, with_kwargs=True)
                back.hook(block.block.register_forward_pre_hook, self._block_begins, with_kwargs=True)
                back.hook(block.block.register_forward_hook, self._block_ended(layer), with_kwargs=True)
            if (norm := self._anatomy.final_norm) is not None:
                back.hook(norm.register_forward_hook, lambda _, args, out: self._final.append(args[0]))
            yield

    def seen(self) -> dict[str, Any]:
        """Return what was seen, as fields of an `Anatomy`."""
        if len(self._blocks) != self._anatomy.n_layers:
            raise UnsupportedModelError(
                _sentence(
                    self._model, f"its {self._anatomy.n_layers} blocks ran {len(self._blocks)} times in a forward"
                )
            )
        shape = (1, self._n, self._anatomy.d_model)
        for stream in (self._streams[0][0], self.last):
            if (*stream.shape[:2], stream.shape[-1]) != shape:
                raise UnsupportedModelError(
                    _sentence(self._model, f"the residual stream is {list(stream.shape)} and not {list(shape)}")
                )
            if stream.shape != shape:
                self._reason = f"there are {stream.shape[2]} of them side by side"
        for layer, ((_, left), (enters, _)) in enumerate(zip(self._streams, self._streams[1:], strict=False)):
            if not torch.equal(left.to(enters), enters):
                self._reason = self._reason or f"what leaves block {layer} is not what enters the next"
        last = len(self._final) == 1 and torch.equal(self._final[0], self.last)
        return {
            "blocks": tuple(self._blocks),
            "not_a_sum": self._reason,
            "norm_is_last": self._anatomy.final_norm is None or last,
        }

    def _called(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        given = next((x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), None)
        gave = unwrap(output)
        if isinstance(gave, Tensor):
            self._calls.append(Call(module, None if given is None else given.clone(), gave.clone()))
            self._versions.append((gave, gave._version))

    def _block_begins(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        entering = args[0] if args else kwargs["hidden_states"]
        self._calls.clear()
        self._entering = [entering.clone()]
        self._versions = [(entering, entering._version)]

    def _block_ended(self, layer: int) -> Callable[..., None]:
        def ended(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
            entering, leaving = self._entering[0], unwrap(output)
            block = self._anatomy.blocks[layer]
            if layer == len(self._blocks):
                self._blocks.append(self._measured(layer, block, entering, leaving))
                self._streams.append((entering, leaving.clone()))
            else:
                self._blocks.append(block)  # run again: `seen` says so

        return ended

    def _measured(self, layer: int, block: Block, entering: Tensor, leaving: Tensor) -> Block:
        """Return a block as its calls show it."""
        size = leaving.numel()
        written = [call for call in self._calls if call.gave.numel() == size]
        n_calls = Counter(call.module for call in self._calls)
        given = {call.module: call.given for call in self._calls}
        gave = {call.module: call.gave for call in self._calls}
        # under a name of attention there may be an MLP, and the other way round
        mixer = block.attention
        starts = {
            "attention": [one for one in (mixer, block.out) if one is not None and n_calls[one] == 1],
            "mlp": [one for one in (block.mlp, block.down) if one is not None and n_calls[one] == 1],
            "cross": [one for one in (block.cross,) if one is not None and n_calls[one] == 1],
        }
        kinds = [kind for kind, modules in starts.items() if any(one in gave for one in modules)]
        scales = {*self._scales, *_numbers(vars(block.block).values())}
        found = None
        if not self._reason:
            found = added(entering, leaving, [starts[kind] for kind in kinds], written, scales)
        changes: dict[str, Any] = {"overwrites": any(one._version != version for one, version in self._versions)}
        if found is None:
            self._reason = self._reason or (
                f"in layer {layer} it is not what entered the {type(block.block).__name__} plus what its parts wrote"
            )
            found_by: dict[str, Any] = {}
        else:
            found_by = dict(zip(kinds, found, strict=False))
            changes["beside"] = len(found) > len(kinds) or "cross" in kinds
            if len(found) > len(kinds) and "cross" in kinds:
                self._reason = f"in layer {layer} something else is added beside attention, cross-attention and MLP"
        if "cross" in found_by:
            changes["cross_out"], changes["cross_scale"] = found_by["cross"]
        for kind, own in (("attention", (block.attention, block.out)), ("mlp", (block.mlp, block.down))):
            if kind not in kinds:
                changes |= {f"{kind}_out": None, f"{kind}_norm": None}
            elif kind in found_by:
                module, scale = found_by[kind]
                changes |= {
                    f"{kind}_out": module,
                    f"{kind}_scale": scale,
                    f"{kind}_norm": None if module in own else module,
                }
        if block.out is not None:
            if n_calls[block.out] == 1 and _leads_to(
                block.out, mixer, written, changes.get("attention_out", block.attention_out)
            ):
                self.matrix_inputs[layer] = given[block.out]  # type: ignore[assignment]
            else:
                changes["out"] = None
        if block.down is not None and not (
            n_calls[block.down] == 1
            and _leads_to(block.down, block.mlp, written, changes.get("mlp_out", block.mlp_out))
        ):
            changes["down"] = None
        for kind, matrix in (("attention", "out"), ("mlp", "down")):
            norm = changes.get(f"{kind}_norm")
            if norm is not None and not _acts_by_position(norm, given[norm], gave[norm]):
                changes |= {f"{kind}_norm": None, matrix: None}  # what single heads write through it is not to be had
        return dataclasses.replace(block, **changes)


def _acts_by_position(module: nn.Module, given: Tensor | None, gave: Tensor) -> bool:
    """Return whether a module does to each position what it does to it alone, as a norm does, and no convolution."""
    if given is None:
        return False
    try:
        alone = module.forward(given[..., -1:, :])  # not a call: its hooks are not to run
    except Exception:
        return False
    return agree(gave[..., -1:, :], alone, gave.dtype)


def _leads_to(matrix: nn.Module, whole: nn.Module | None, calls: list[Call], written: nn.Module | None) -> bool:
    """Return whether what a matrix gives is what the module around it gives, or what is written."""
    chain = followed_by(matrix, calls)
    gave = {call.module: call.gave for call in calls}
    ends = [gave[one] for one in (whole, written) if one in gave]
    return any(torch.equal(call.gave.flatten(), end.flatten()) for call in chain for end in ends)


def _attends(
    block: Block, seen: dict[str, Tensor], given: Tensor | None, times: Counter[nn.Module], n_heads: int, n: int
) -> Block:
    """Return a block with its attention as it was seen: none where nothing, or more than one pattern, was seen."""
    once = block.attention is not None and times[block.attention] <= 1
    fits = {"q", "k", "attention", "z"} <= set(seen) and seen["attention"].shape == (1, n_heads, n, n)
    if not (once and fits):
        return dataclasses.replace(block, attention=None, out=None)
    if block.out is None or given is None or given.shape[-1] % n_heads:
        return dataclasses.replace(block, out=None)
    return dataclasses.replace(block, gated=not torch.equal(given.flatten(), seen["z"].flatten()))


def _with_logits(model: Any, anatomy: Anatomy, stream: Tensor, logits: Tensor) -> Anatomy:
    """Return the anatomy with the scale and the soft-cap that make these logits of the last residual stream.

    Where none do, the static ones stay: `Unembedding.check` refuses what needs them.
    """
    norm, unembed = anatomy.final_norm, anatomy.unembed
    weight: Any = unembed.weight
    if weight.shape[-1] != anatomy.d_model:
        return anatomy
    with recording_gradients(False):
        normed = stream if norm is None else type(norm).forward(norm, stream)
        raw = type(unembed).forward(unembed, normed.to(weight.dtype)).double()
    config = model.config.get_text_config().to_dict()
    found = logits.double()
    if anatomy.logit_bias:
        found = found - model.get_buffer(anatomy.logit_bias).double()
    if raw.shape != found.shape:
        return anatomy
    known = {1.0, anatomy.d_model**0.5, *_numbers(config.values())}
    known |= {1 / one for one in known if one}
    caps = {value for key, value in config.items() if "cap" in key and "logit" in key and _is_positive(value)}
    near = 1e-4 if logits.dtype == torch.float32 else 1e-2
    best, least = anatomy, float("inf")
    for cap in (None, *caps):
        if cap is not None and not bool((found.abs() < cap).all()):
            continue
        uncapped = found if cap is None else torch.atanh(found / cap) * cap
        fit = float((raw * uncapped).sum() / raw.square().sum().clamp_min(1e-300))
        nearest = min(known, key=lambda one: abs(one - fit))
        scale = nearest if abs(nearest - fit) <= near * abs(nearest) else fit
        ours = raw * scale if cap is None else torch.tanh(raw * scale / cap) * cap
        off = float((found - ours).abs().max())
        if off < least and agree(found, ours, logits.dtype):
            best, least = dataclasses.replace(anatomy, logit_scale=scale, softcap=cap), off
    return best


def _numbers(values: Any) -> set[float]:
    return {float(value) for value in values if isinstance(value, float) and value not in (0.0, float("inf"))}


def _is_positive(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and value > 0


def _sentence(model: Any, what: str) -> str:
    return f"{type(model).__name__} cannot be read by this package: {what}."
