"""A model under nnsight that is untouched between two runs."""

from __future__ import annotations

import inspect
import threading
import types
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import Anatomy, UnsupportedModelError, has_encoder
from scope_widgets.models.architecture.rotary_types import rotary_by_length
from scope_widgets.models.attention.attention_function import AttentionHook, ScoringHook
from scope_widgets.models.attention.rotary_frequencies import own_frequencies
from scope_widgets.models.encoder_decoder.source import EncodedSource, call_inputs
from scope_widgets.models.execution.nnsight_trace import Controller, TransformersModel, run
from scope_widgets.models.guards.defer_interrupt import defer_interrupt, end_if_interrupted
from scope_widgets.models.guards.restore_on_exit import PutBack, putting_back, recording_gradients, with_block
from scope_widgets.models.guards.uncompiled import uncompiled
from scope_widgets.models.input_device import input_device


class NNsightModel:
    """`model` in an nnsight `TransformersModel`.

    nnsight leaves a controller on every module for good, and a padding token and side on the tokenizer. Here they are
    taken off after each run and put back before the next, so that the user's model carries nothing of ours in between.
    """

    #: whether we compute attention in the block of the trace, see `attend`, instead of the model with our function
    by_source = False
    #: what the decoder of an encoder-decoder model reads beside the inputs
    source: EncodedSource | None = None

    def __init__(self, model: nn.Module, tokenizer: Any, anatomy: Anatomy, source: EncodedSource | None = None) -> None:
        self._model, self._unembed, self.source = model, anatomy.unembed, source
        before = [(module, dict(vars(module))) for module in model.modules()]
        names = anatomy.nnsight_names(model)
        with warnings.catch_warnings(), _inputs_where_they_go(model), putting_back() as back:
            for name in ("pad_token", "padding_side"):
                back.later(setattr, tokenizer, name, getattr(tokenizer, name))
            for module, values in before:
                back.later(_restore_all, module, values)
            # of BERT's modules named "output", which nnsight gives another name
            warnings.filterwarnings("ignore", message=".* has a submodule named .*, which nnsight already serves")
            self.nnsight = _Placed(model, tokenizer=tokenizer, task=_task(model), rename=names)
            self._controllers = [
                (module, {name: value for name, value in vars(module).items() if old.get(name, _ABSENT) is not value})
                for module, old in before
            ]
        self._without_controllers = [
            (module, {name: old.get(name, _ABSENT) for name in ours})
            for (module, ours), (_, old) in zip(self._controllers, before, strict=True)
        ]
        #: the thread whose forwards go through the controllers
        self._thread: int | None = None
        for module, ours in self._controllers:
            if "forward" in ours:
                ours["forward"] = _InThread(self, module, ours["forward"])
        self._checks = [
            (vars(module), name, value) for module, own in self._without_controllers for name, value in own.items()
        ]
        self._index_of = {module: at for at, (module, _) in enumerate(self._without_controllers)}
        self._depth = 0
        self._whole = True

    @property
    def current(self) -> bool:
        """Whether the model's modules and their own forwards are those that were wrapped."""
        if not self._whole:
            return False  # a trace was broken off, and nnsight may believe that it still runs
        if self._depth:
            return True  # the controllers are on: what stands there is theirs
        modules = list(self._model.modules())
        same = len(modules) == len(self._without_controllers) and all(map(is_, modules, self._index_of))
        return same and all(found.get(name, _ABSENT) is value for found, name, value in self._checks)

    @cached_property
    def _takes_logits_to_keep(self) -> bool:
        """Whether the model can be asked for the logits of some positions alone."""
        model: Any = self._model
        model = model.get_base_model() if hasattr(model, "get_base_model") else model
        return "logits_to_keep" in inspect.signature(type(model).forward).parameters

    @staticmethod
    def _restore(state: list[tuple[nn.Module, dict[str, Any]]]) -> None:
        for module, values in state:
            for name, value in values.items():
                if value is _ABSENT:
                    vars(module).pop(name, None)
                else:
                    vars(module)[name] = value

    @with_block
    def controllers(self, touched: Iterable[nn.Module] | None = None) -> Iterator[None]:
        """Put nnsight's controllers on the model for a `with` block; with `touched` on these modules only.

        Each controller costs some microseconds a forward, which a short run from the middle feels. What is compiled
        runs uncompiled meanwhile.
        """
        with putting_back() as back:
            back.later(setattr, self, "_depth", self._depth)
            if self._depth == 0:
                self._put_on(back, touched)
            self._depth += 1
            with uncompiled():
                yield

    def _put_on(self, back: PutBack, touched: Iterable[nn.Module] | None) -> None:
        every = range(len(self._without_controllers))
        at = every if touched is None else [self._index_of[module] for module in {*touched}]
        back.later(self._restore, [self._without_controllers[i] for i in at])
        self._thread = threading.get_ident()
        self._restore([self._controllers[i] for i in at])

    def envoy(self, module: nn.Module | None) -> Any:
        """Return nnsight's envoy of a module of the model, which the caller knows to be there.

        Where Ctrl-C waits, the forward ends here.
        """
        end_if_interrupted()
        return self.nnsight.interleaver.envoys[id(module)]

    def attend(self, module: nn.Module, hook: AttentionHook, scoring_hook: ScoringHook | None = None) -> None:
        """Compute the attention of a module in the block of a trace: only where `by_source` says so."""
        raise NotImplementedError

    def logits(
        self,
        inputs: dict[str, Any],
        body: Callable[[], bool | None] | None = None,
        *,
        gradients: bool = False,
        touched: Iterable[nn.Module] | None = None,
        at: Tensor | None = None,
        lengths: Tensor | None = None,
        encode: bool = True,
    ) -> Tensor:
        """Run the model on `inputs`, with `body` in the block of the trace, and return the logits.

        Where `body` returns True the forward ends there, and there are no logits (an empty tensor). `touched` are the
        modules whose envoys the body may ask for, by default all. `at` [batch] is the one position of each prompt that
        is unembedded, by default all: of many prompts `logits_to_keep` would take the positions of all for each.
        `lengths` `[row]` are those of the rows' prompts, where they are not those of the inputs. Without `encode` an
        encoder does not run again: what it made of the source for an earlier run stays.
        """
        if lengths is None and "attention_mask" in inputs:
            lengths = inputs["attention_mask"].sum(-1)
        if (
            self.by_source
            and rotary_by_length(self._model.config)
            and lengths is not None
            and bool((lengths != lengths[0]).any())
        ):
            raise UnsupportedModelError(
                f"The rotary frequencies of {type(self._model).__name__} depend on the length of a prompt, and on this "
                "server prompts of several lengths cannot be told apart: run prompts of one length at a time."
            )
        logits: list[Tensor] = []
        unembed = None if at is None else self._unembed

        def block() -> bool:
            if body is not None and body():
                return not self.by_source  # a forward in another process cannot be broken off: its logits are left
            if at is not None:
                envoy = self.envoy(unembed)
                envoy.input = envoy.input[torch.arange(len(at), device=at.device), at][:, None]
            logits.append(self.nnsight.output.logits)
            return False

        keep = inputs.get("logits_to_keep")
        if keep is not None and not self._takes_logits_to_keep:
            inputs = {name: value for name, value in inputs.items() if name != "logits_to_keep"}
        on = None if touched is None else [self._model, *touched, *([] if unembed is None else [unembed])]
        inputs = call_inputs(self.source, inputs, anew=encode)
        frequencies = own_frequencies(self._model, lengths)
        with defer_interrupt(), recording_gradients(gradients), self.controllers(on), frequencies:
            self._whole = False
            run(self.nnsight, block, **inputs, use_cache=False)
            self._whole = True
        if not logits:
            return torch.empty(0)
        if keep is None or self._takes_logits_to_keep:
            return logits[0]
        with recording_gradients(gradients):
            return logits[0][:, -keep:] if isinstance(keep, int) else logits[0][:, keep]


def _task(model: Any) -> str:
    """Return the task of a transformers pipeline that takes the model: nnsight makes one of it."""
    generates = getattr(model, "can_generate", lambda: True)() and not has_encoder(model)
    return "text-generation" if generates else "feature-extraction"


class _Placed(TransformersModel):  # type: ignore[misc]
    """nnsight's model, which sends its inputs where the embeddings run, not where the first weight is kept."""

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return input_device(self._module)


@with_block
def _inputs_where_they_go(model: Any) -> Iterator[None]:
    """Say of a model that accelerate has dispatched that it is where its inputs go.

    transformers' pipeline, which nnsight makes, takes the first place of the map, which may be "disk".
    """
    places = getattr(model, "hf_device_map", None)
    if places is None:
        yield
        return
    with putting_back() as back:
        back.set(vars(model), "hf_device_map", {"": input_device(model)})
        yield


class _InThread(Controller):  # type: ignore[misc]
    """nnsight's controller of a module in the thread of the run; in others the module's own forward."""

    def __init__(self, wrapped: NNsightModel, module: nn.Module, controller: Any) -> None:
        super().__init__(module, controller.state)
        self._wrapped = weakref.ref(wrapped)
        self._own = vars(module).get("forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        wrapped = self._wrapped()
        if wrapped is not None and wrapped._thread == threading.get_ident():
            return super().__call__(*args, **kwargs)
        return self._without()(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        """Of the forward without nnsight, for whoever asks in another thread."""
        return inspect.signature(self._without())

    def _without(self) -> Any:
        module = self.module_ref()
        return types.MethodType(type(module).forward, module) if self._own is None else self._own


def _restore_all(module: nn.Module, values: dict[str, Any]) -> None:
    """Give a module exactly the attributes that it had."""
    for name in set(vars(module)) - set(values):
        del vars(module)[name]
    vars(module).update(values)


_ABSENT = object()
