"""`SAE`: a sparse autoencoder, or a transcoder, of one place of a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from scope_widgets.features.formats.write_saelens import write
from scope_widgets.features.sae.sparse_codes import SparseCodes

Activation = Literal["relu", "topk", "jumprelu", "gated"]
Normalisation = Literal["none", "layer_norm", "norm"]
#: numbers of pre-activations that are made at once
_AT_ONCE = 2**25
#: added to the standard deviation of a row, as SAELens does
_EPSILON = 1e-5


@dataclass(frozen=True, eq=False, repr=False)
class SAE:
    """A sparse autoencoder: `x` is encoded to few latents, and decoded to about `x` (of a transcoder: another place).

    With `p = (x - b_dec) W_enc + b_enc` (without `- b_dec` where `subtracts_b_dec` is false) a latent is `max(p, 0)`
    ("relu"), that of the `k` largest of a row ("topk"), where `p` is above its threshold ("jumprelu"), or where its
    gate is open ("gated"); the output is `latents W_dec + b_dec`.

    Attributes
    ----------
    W_enc : Tensor [d, latent]
    W_dec : Tensor [latent, d_out]
    b_enc : Tensor [latent]
    b_dec : Tensor [d_out]
    activation : "relu", "topk", "jumprelu" or "gated"
    k : int or None
        Of "topk".
    threshold : Tensor [latent] or None
        Of "jumprelu".
    gate : Tensor [2, latent] or None
        Of "gated": `b_gate` and `r_mag`; `b_enc` is then `b_mag`.
    subtracts_b_dec : bool
    W_skip : Tensor [d_out, d] or None
        Of a transcoder with a linear path beside its latents.
    normalisation : "none", "layer_norm" or "norm"
        What is done to each row before, and undone after: mean 0 and standard deviation 1, or a norm of `sqrt(d)`.
    layer : int or None
        The block, as a trace counts; `site` of it is what is encoded.
    site : str
    output_site : str
        What the output is compared with; of an autoencoder `site`.
    model : str
        The model that it is of.
    history : dict of str to list of float
        The measures of its training by step, where it was trained here.
    metadata : dict
        What else its file says.

    Examples
    --------
    >>> sae = features.train(torch.randn(256, 8), d_sae=16, k=2, steps=5)
    >>> codes = sae.encode(torch.randn(3, 8))
    >>> sae.decode(codes).shape
    torch.Size([3, 8])
    """

    W_enc: Tensor
    W_dec: Tensor
    b_enc: Tensor
    b_dec: Tensor
    activation: Activation = "relu"
    k: int | None = None
    threshold: Tensor | None = None
    gate: Tensor | None = None
    subtracts_b_dec: bool = True
    W_skip: Tensor | None = None
    normalisation: Normalisation = "none"
    layer: int | None = None
    site: str = "residual"
    output_site: str = ""
    model: str = ""
    history: dict[str, list[float]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "output_site", self.output_site or self.site)
        _check_shapes(self)

    @property
    def d_in(self) -> int:
        """The width of what is encoded."""
        return self.W_enc.shape[0]

    @property
    def d_sae(self) -> int:
        """The number of latents."""
        return self.W_enc.shape[1]

    @property
    def is_transcoder(self) -> bool:
        """Whether its output is another place than its input."""
        return self.output_site != self.site

    def __repr__(self) -> str:
        """Say what it is and where."""
        where = f", {self.site} of layer {self.layer}" if self.layer is not None else ""
        of = f" of {self.model}" if self.model else ""
        kind = self.activation if self.k is None else f"{self.activation}, k {self.k}"
        return f"SAE({self.d_sae:,} latents of width {self.d_in}, {kind}{where}{of})"

    def to(self, *args: Any) -> SAE:
        """Return it on another device, or in another dtype, as `Tensor.to` takes them."""
        tensors: dict[str, Any] = {name: one.to(*args) for name, one in vars(self).items() if isinstance(one, Tensor)}
        return replace(self, **tensors)

    def save(self, folder: str | Path) -> Path:
        """Write it to a folder in SAELens's layout, which `features.load` and SAELens read, and return the folder."""
        write(self, Path(folder))
        return Path(folder)

    # --- what it computes -------------------------------------------------------------------------------------------

    def encode(self, x: Tensor) -> SparseCodes:
        """Return the latents that fire in each row of `x` `[row, d]`; nothing dense of all rows is made.

        Raises
        ------
        ValueError
            For rows of another width.
        """
        return SparseCodes.joined([self._codes(part) for part in _parts(self._checked(x), self.d_sae)])

    def pre_activations(self, x: Tensor) -> Tensor:
        """Return what the activation function gets, dense `[row, latent]`."""
        x = self._checked(x)
        x = self._normalised(x)
        return (x - self.b_dec if self.subtracts_b_dec else x) @ self.W_enc + self.b_enc

    def decode(self, codes: SparseCodes, x: Tensor | None = None) -> Tensor:
        """Return what the latents stand for `[row, d_out]`.

        `x` `[row, d]`, what they were encoded from, is needed where there is a skip path, or rows are normalised.
        """
        if x is None and (self.W_skip is not None or self.normalisation != "none"):
            raise ValueError(f"{self!r} does not reconstruct from its latents alone: give decode() the input as x=.")
        values = codes.values.to(self.W_dec.dtype)
        sums = functional.embedding_bag(
            codes.indices,
            self.W_dec,
            codes.indptr[:-1],
            mode="sum",
            per_sample_weights=values,
        )
        sums = sums + self.b_dec
        if x is None:
            return sums
        x = self._checked(x)
        if self.W_skip is not None:
            sums = sums + self._normalised(x) @ self.W_skip.T
        if self.normalisation == "none":
            return sums
        shift, scale = self._shift_and_scale(x)
        return sums * scale + shift

    def __call__(self, x: Tensor) -> Tensor:
        """Return the reconstruction of rows `[row, d]`, or with more axes before the last."""
        rows = x.reshape(-1, x.shape[-1])
        return self.decode(self.encode(rows), rows).reshape(*x.shape[:-1], -1).to(x.dtype)

    def _normalised(self, x: Tensor) -> Tensor:
        if self.normalisation == "none":
            return x
        shift, scale = self._shift_and_scale(x)
        return (x - shift) / (scale + _EPSILON if self.normalisation == "layer_norm" else scale)

    def _shift_and_scale(self, x: Tensor) -> tuple[Tensor | float, Tensor]:
        if self.normalisation == "layer_norm":
            return x.mean(1, keepdim=True), x.std(1, keepdim=True)
        return 0.0, x.norm(dim=1, keepdim=True) / self.d_in**0.5

    def _codes(self, x: Tensor) -> SparseCodes:
        p = self.pre_activations(x)
        if self.activation == "topk":
            assert self.k is not None
            values, indices = p.topk(self.k, dim=1)
            return SparseCodes.of_equal_rows(indices, values.relu(), self.d_sae)
        if self.activation == "jumprelu":
            assert self.threshold is not None
            return _codes_where((p > self.threshold) & (p > 0), p)
        if self.activation == "gated":
            assert self.gate is not None
            plain = p - self.b_enc
            b_gate, r_mag = self.gate
            magnitude = (plain * r_mag.exp() + self.b_enc).relu()
            return _codes_where((plain + b_gate > 0) & (magnitude > 0), magnitude)
        return _codes_where(p > 0, p)

    def _checked(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.d_in:
            raise ValueError(
                f"{self!r} encodes rows of width {self.d_in}, [row, {self.d_in}]; got a tensor of shape "
                f"{tuple(x.shape)}. Is it of another model or place?"
            )
        return x.to(self.W_enc.device, self.W_enc.dtype)


def _codes_where(fires: Tensor, values: Tensor) -> SparseCodes:
    return SparseCodes.from_dense(torch.where(fires, values, 0.0))


def _parts(x: Tensor, n_latents: int) -> Iterator[Tensor]:
    rows = max(1, _AT_ONCE // n_latents)
    yield from torch.split(x, rows) if len(x) else [x]


def _check_shapes(sae: SAE) -> None:
    """Raise ValueError where the tensors are not those of one autoencoder."""
    d, n = sae.W_enc.shape if sae.W_enc.ndim == 2 else (-1, -1)
    d_out = sae.W_dec.shape[-1]
    wanted = {
        "W_enc": (d, n),
        "W_dec": (n, d_out),
        "b_enc": (n,),
        "b_dec": (d_out,),
        "threshold": (n,),
        "gate": (2, n),
        "W_skip": (d_out, d),
    }
    for name, shape in wanted.items():
        value = getattr(sae, name)
        if value is not None and tuple(value.shape) != shape:
            raise ValueError(
                f"{name} of an SAE with W_enc {tuple(sae.W_enc.shape)} and W_dec {tuple(sae.W_dec.shape)} has shape "
                f"{tuple(value.shape)}; expected {shape}."
            )
    if min(d, n) < 1 or (sae.subtracts_b_dec and d != d_out):
        raise ValueError(f"An SAE has W_enc [d, latent] and W_dec [latent, d]; got {(d, n)} and {(n, d_out)}.")
    needs = {"topk": "k", "jumprelu": "threshold", "gated": "gate"}.get(sae.activation)
    if sae.activation not in ("relu", "topk", "jumprelu", "gated"):
        raise ValueError(f"An SAE's activation is relu, topk, jumprelu or gated; got {sae.activation!r}.")
    if needs and getattr(sae, needs) is None:
        raise ValueError(f"An SAE with the activation {sae.activation!r} needs {needs}=.")
    if sae.k is not None and not 1 <= sae.k <= n:
        raise ValueError(f"k of an SAE of {n} latents is 1 to {n}; got {sae.k}.")
