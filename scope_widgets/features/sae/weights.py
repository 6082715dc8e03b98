"""`Weights`: the tensors of a sparse autoencoder, and what they are of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

Activation = Literal["relu", "topk", "jumprelu", "gated"]
Normalisation = Literal["none", "layer_norm", "norm"]


@dataclass(frozen=True, eq=False, repr=False)
class Weights:
    """What an SAE is made of and is saved as; `SAE`, which computes with it, says what each attribute is."""

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
        place = f"{self.site} to {self.output_site}" if self.is_transcoder else self.site
        where = f", {place} of layer {self.layer}" if self.layer is not None else ""
        of = f" of {self.model}" if self.model else ""
        kind = self.activation if self.k is None else f"{self.activation}, k {self.k}"
        return f"SAE({self.d_sae:,} latents of width {self.d_in}, {kind}{where}{of})"


def _check_shapes(sae: Weights) -> None:
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
