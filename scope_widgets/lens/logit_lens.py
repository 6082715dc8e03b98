"""`logit_lens`: the final norm and unembedding applied to the residual stream at each layer and position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from scope_widgets._aliases import former_options
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import Result, made_with
from scope_widgets._types import Array, Tokens
from scope_widgets.experiments.answer_tokens import answer_ids
from scope_widgets.experiments.check_logits import check_logits
from scope_widgets.experiments.metric import divergence
from scope_widgets.experiments.statistics.rounding import largest, noise_floor
from scope_widgets.experiments.trace_model import scope_of
from scope_widgets.models.architecture.unembedding import Unembedding
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import token_texts
from scope_widgets.traces.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

#: logits that are held at a time
_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False, repr=False)
class LogitLens(Result):
    """What the model would say next if it stopped at each layer.

    Attributes
    ----------
    tokens : list of str
        Of the prompt.
    layers : list of int
        0 to n_layers: residual(l) enters block l, the last enters the final norm and gives the model's own prediction.
    top_ids : ndarray of int [layer, position, n]
    top_probabilities : ndarray [layer, position, n]
        The n likeliest tokens, the likeliest first.
    entropy : ndarray [layer, position]
        Of the distribution, in nats.
    kl : ndarray [layer, position]
        KL(final || layer) in nats, the divergence of the layer's distribution from the model's own.
    texts : dict of str to str
        Token id (as text) -> the token's text with its spaces, for all ids in this result.
    watched : list of int
        Token ids that are followed through the layers.
    watched_ranks : ndarray of int [watched, layer, position]
        Number of tokens that are likelier; 0 is the top.
    watched_probabilities : ndarray [watched, layer, position]
    provenance : Provenance
    """

    view: ClassVar[str] = "scope_widgets.widgets.logit_lens_view:LogitLensView"
    plotted_by: ClassVar[str] = "scope_widgets.plots.lens:logit_lens"

    tokens: list[str]
    layers: list[int]
    top_ids: Array
    top_probabilities: Array
    entropy: Array
    kl: Array
    texts: dict[str, str]
    watched: list[int]
    watched_ranks: Array
    watched_probabilities: Array
    provenance: Provenance

    def __post_init__(self) -> None:
        cells = (len(self.layers), len(self.tokens))
        of_cells = (self.top_ids, self.top_probabilities, self.entropy, self.kl)
        of_watched = (self.watched_ranks, self.watched_probabilities)
        shapes = [one.shape[:2] for one in of_cells] + [one.shape[1:] for one in of_watched]
        if any(shape != cells for shape in shapes) or {len(one) for one in of_watched} != {len(self.watched)}:
            raise ValueError(
                f"A lens of {cells[0]} layers, {cells[1]} tokens and {len(self.watched)} watched ones has arrays of "
                "other lengths: expected [layer, position] of each, and [watched, layer, position] of what is watched."
            )

    @property
    def model_id(self) -> str:
        """Hub id or folder name of the model."""
        return self.provenance.model

    def text(self, token_id: int) -> str:
        """Return the text of a token of this result."""
        return self.texts[str(int(token_id))]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row a layer and position: its token, the top one, entropy, kl, and each watched token."""
        import pandas as pd

        layers, positions = np.indices(self.entropy.shape).reshape(2, -1)
        columns: dict[str, Any] = {
            "layer": np.array(self.layers)[layers],
            "position": positions,
            "token": [self.tokens[at] for at in positions],
            "top_id": self.top_ids[..., 0].ravel(),
            "top_token": [self.text(i) for i in self.top_ids[..., 0].ravel()],
            "probability": self.top_probabilities[..., 0].ravel(),
            "entropy": self.entropy.ravel(),
            "kl": self.kl.ravel(),
        }
        for i, token_id in enumerate(self.watched):
            columns[f"rank of {self.text(token_id)!r}"] = self.watched_ranks[i].ravel()
            columns[f"probability of {self.text(token_id)!r}"] = self.watched_probabilities[i].ravel()
        return pd.DataFrame(columns)

    def ever_on_top(self, position: int = -1) -> pd.DataFrame:
        """Return a table of every token that is on top at some layer, at one position.

        Columns: token (its id), text, first_layer and last_layer where it is on top, n_layers (how often), and
        peak_probability, the largest at those layers. In the order in which they first are on top.

        Raises
        ------
        IndexError
            When the prompt has no such position.
        """
        import pandas as pd

        if not -len(self.tokens) <= position < len(self.tokens):
            raise IndexError(f"Position {position} is out of range: the prompt has {len(self.tokens)} tokens.")
        top, probability = self.top_ids[:, position, 0], self.top_probabilities[:, position, 0]
        rows = []
        for token_id in dict.fromkeys(top.tolist()):
            layers = np.flatnonzero(top == token_id)
            peak = float(probability[layers].max())
            rows.append((token_id, self.text(token_id), int(layers[0]), int(layers[-1]), len(layers), peak))
        names = ["token", "text", "first_layer", "last_layer", "n_layers", "peak_probability"]
        return pd.DataFrame(rows, columns=names)


@former_options(k="n")
@remotable
def logit_lens(trace: Trace, *, n: int = 5, watch: Tokens | None = None, scope: Microscope | None = None) -> LogitLens:
    """Read the residual stream out at every layer and position, as if the model ended there.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "residual".
    n : int, default 5
        How many of the likeliest tokens are recorded at each layer and position.
    watch : str, int, or a sequence of these, optional
        Tokens to follow through the layers, as texts with their space (" Mary") or ids; by default the model's own
        prediction at the last position.
    scope : Microscope, optional
        The model, for a trace that was read from a file.

    Returns
    -------
    LogitLens

    Raises
    ------
    ValueError
        For several prompts, a watched text that is not one token, an n that the vocabulary does not have, or logits
        that are NaN or infinite: the layer is named.
    NotCapturedError
        When the trace did not record the residual stream.
    UnsupportedModelError
        When the final norm and unembedding do not make the trace's logits from its residual stream.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> stream = lens.logit_lens(trace, watch=[" Mary", " John"])
    >>> stream.top_ids.shape  # [layer, position, n]
    (5, 15, 5)
    >>> stream.ever_on_top().iloc[-1]["text"]
    'Mary'
    """
    scope = scope_of(trace, scope)
    if trace.batched:
        raise ValueError(f"The logit lens reads one prompt and this trace has {len(trace)}: choose one with trace[i].")
    unembedding = Unembedding(scope.model, scope.anatomy)
    layers = list(range(trace.n_layers + 1))
    residuals = [trace.residual(layer) for layer in layers]
    n_vocabulary = trace.logits.shape[-1]
    if not 1 <= n <= n_vocabulary:
        raise ValueError(f"n= is how many tokens are recorded at each position, 1 to {n_vocabulary}; got {n}.")
    watched = _watched(scope, watch, unembedding, residuals[-1])

    def empty(*tail: int, dtype: torch.dtype = torch.float) -> Tensor:
        return torch.empty(len(layers), len(trace.tokens), *tail, dtype=dtype)

    # made before the loop: small tensors that stay, between large ones that go, would keep the memory of those
    w = len(watched)
    found = empty(n, dtype=torch.long), empty(n), empty(), empty(), empty(w, dtype=torch.long), empty(w)
    pieces = torch.split(torch.arange(len(trace.tokens)), max(1, _AT_ONCE // n_vocabulary))
    with tqdm(desc="Logit lens", total=len(pieces) * len(layers), leave=False, disable=len(pieces) < 2) as bar:
        for at in pieces:
            unembedding.check(residuals[-1][at], trace.logits[at])
            final = unembedding.logits(residuals[-1][at]).float().log_softmax(-1)
            for layer, residual in enumerate(residuals):
                logits = unembedding.logits(residual[at]).float()
                check_logits(logits, f"of layer {layer}")
                of_layer = _summarise(logits, final, n, watched)
                for whole, part in zip(found, of_layer, strict=True):
                    whole[layer, at] = part.cpu()
                bar.update()
    ids, top_probabilities, entropy, kl, ranks, probabilities = (whole.numpy() for whole in found)
    seen = np.unique([*ids.ravel().tolist(), *watched]).astype(int).tolist()
    cap = "" if unembedding.softcap is None else f", soft-capped at {unembedding.softcap:g}"
    note = f"Logit lens: final norm and unembedding{cap} at every layer."
    found_lens = LogitLens(
        tokens=list(trace.tokens),
        layers=layers,
        top_ids=ids,
        top_probabilities=top_probabilities,
        entropy=entropy,
        kl=kl,
        texts={str(i): text for i, text in zip(seen, token_texts(scope.tokenizer, seen), strict=True)},
        watched=watched,
        watched_ranks=np.moveaxis(ranks, -1, 0),
        watched_probabilities=np.moveaxis(probabilities, -1, 0),
        provenance=trace.provenance.then(
            python_call("lens.logit_lens", "trace", n=n, watch=watch),
            note=" ".join(filter(None, (trace.provenance.note, note))),
        ),
    )
    return made_with(found_lens, scope)


def _watched(scope: Microscope, watch: Tokens | None, unembedding: Unembedding, final: Tensor) -> list[int]:
    if watch is None:
        logits = unembedding.logits(final[-1])
        check_logits(logits, "of the model")
        return [int(largest(logits, 1))]
    listed: Any = watch.tolist() if hasattr(watch, "tolist") else watch
    given = list(listed) if isinstance(listed, Sequence) and not isinstance(listed, str) else [listed]
    return list(dict.fromkeys(answer_ids(scope.tokenizer, given, len(given), "watch").tolist()))


def _summarise(logits: Tensor, final: Tensor, n: int, watched: list[int]) -> tuple[Tensor, ...]:
    """Return top ids and probabilities, entropy, KL, ranks and probabilities of logits `[position, vocabulary]`."""
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    ids = largest(logits, n)
    floor = logits.amax(-1).abs() * noise_floor(torch.float32, 1.0)  # a tie is not likelier
    ranks = torch.empty(len(logits), len(watched), dtype=torch.long)
    for i, token_id in enumerate(watched):
        ranks[:, i] = (logits > (logits[:, token_id] + floor)[:, None]).sum(-1)
    kl = divergence(final, log_p).clamp_min(0.0)
    return ids, p.gather(-1, ids), torch.special.entr(p).sum(-1), kl, ranks, p[:, watched]
