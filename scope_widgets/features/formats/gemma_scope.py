"""Gemma Scope, 1 (`params.npz`) and 2 (`params.safetensors`): JumpReLU, autoencoders and transcoders."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from scope_widgets._untrusted import reading
from scope_widgets.features.formats.files import names_of, read_archive, read_tensors
from scope_widgets.features.sae.sae import SAE

#: our site by a word in the path
_SITES = {
    "resid_post": "residual",
    "attn_out": "z",
    "mlp_out": "mlp_out",
    "res": "residual",
    "att": "z",
    "mlp": "mlp_out",
}
_MODEL = re.compile(r"gemma-scope-(2-)?(\d+[bm])-(pt|it)")


def holds(path: Path) -> bool:
    """Whether a path is of this layout."""
    file = _file(path)
    return file.suffix == ".npz" or (file.suffix == ".safetensors" and "w_enc" in names_of(file))


def read(path: Path) -> SAE:
    """Return the SAE, or transcoder, of a folder or file; its place is in the names of its folders.

    Raises
    ------
    ValueError
        For a file that is damaged, or another.
    """
    file = _file(path)
    tensors = read_archive(file) if file.suffix == ".npz" else read_tensors(file)
    named = {name.lower(): one for name, one in tensors.items()}
    with reading(f"{str(file)!r} is no SAE of Gemma Scope"):
        said = str(file.resolve())
        # folders around the repository's say nothing of what is in it
        return _sae(named, said[max(0, said.rfind("gemma-scope")) :])


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    return path / ("params.npz" if (path / "params.npz").is_file() else "params.safetensors")


def _sae(tensors: dict[str, Tensor], path: str) -> SAE:
    W_enc, W_dec = tensors["w_enc"], tensors["w_dec"]
    if "/embedding" in path:  # trained on embeddings that were multiplied by it, as the model does afterwards
        W_enc, W_dec = W_enc / W_enc.shape[0] ** 0.5, W_dec * W_enc.shape[0] ** 0.5
    skip = tensors.get("affine_skip_connection")
    site, output_site, layer = _place(path)
    found = _MODEL.search(path)
    return SAE(
        W_enc=W_enc,
        W_dec=W_dec,
        b_enc=tensors["b_enc"],
        b_dec=tensors["b_dec"],
        activation="jumprelu",
        threshold=tensors["threshold"],
        subtracts_b_dec=False,
        W_skip=None if skip is None else skip.T.contiguous(),
        site=site,
        output_site=output_site,
        layer=layer,
        model=f"google/gemma-{'3' if found[1] else '2'}-{found[2]}{_suffix(found)}" if found else "",
    )


def _place(path: str) -> tuple[str, str, int | None]:
    """Return site, output site and layer, from the names of folders."""
    if "/embedding" in path:
        return "residual", "residual", 0
    found = re.search(r"layer_(\d{1,4})", path)
    layer = int(found[1]) if found else None
    if "transcoder" in path:
        return "mlp_in", "mlp_out", layer
    words = re.search(r"(resid_post|attn_out|mlp_out)|-(res|att|mlp)\b", path)
    site = _SITES[words[1] or words[2]] if words else "residual"
    # what leaves a block is what enters the next
    return site, site, layer + 1 if layer is not None and site == "residual" else layer


def _suffix(found: re.Match[str]) -> str:
    """Return what the model's name ends with: the second of them names both, the first only what was tuned."""
    return f"-{found[3]}" if found[3] == "it" or found[1] else ""
