"""`load`: a sparse autoencoder from a folder, whichever library wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scope_widgets._choices import check_choice
from scope_widgets._untrusted import check_name
from scope_widgets.features.formats import saelens, sparsify
from scope_widgets.features.sae.sae import SAE

#: the SAE of the demo model, which `scripts/train_demo_sae.py` made
DEMO = Path(__file__).parents[1] / "demo"

Layout = Literal["saelens", "sparsify"]

#: files by which layouts are known that torch.save wrote: they may run code when they are read
_PICKLES = (".pt", ".pth", ".bin", ".pkl", ".ckpt")


def load(path: str | Path, *, layout: Layout | None = None) -> SAE:
    """Return the SAE of a folder.

    Parameters
    ----------
    path : str or Path
        A folder that SAELens (its version 6, or before), sparsify, or `SAE.save` wrote; "demo" is the SAE of the demo
        model that is in the package.
    layout : str, optional
        "saelens" or "sparsify"; by default what the folder holds says it.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such folder, it is damaged, or holds nothing that is known; pickles are never read.

    Examples
    --------
    >>> sae = features.train(torch.randn(256, 8), d_sae=16, k=2, steps=5)
    >>> sae.save(folder) == folder
    True
    >>> features.load(folder)
    SAE(16 latents of width 8, jumprelu)
    >>> features.load("demo")
    SAE(512 latents of width 128, jumprelu, residual of layer 3 of demo)
    """
    if layout is not None:
        check_choice("layout", layout, Layout)
    folder = DEMO if str(path) == "demo" else check_name(path)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(path)[:200]!r}: an SAE is a folder of a configuration and weights."
        )
    if layout == "saelens" or (layout is None and saelens.is_saelens(folder)):
        return saelens.read(folder)
    if layout == "sparsify" or (layout is None and sparsify.is_sparsify(folder)):
        return sparsify.read(folder)
    names = sorted(one.name for one in folder.iterdir())[:20]
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles:
        raise ValueError(
            f"{str(folder)!r} holds {pickles[0]!r}, a pickle, which may run code when it is read and is not. Ask for "
            "the weights as safetensors."
        )
    raise ValueError(
        f"{str(folder)!r} holds no SAE that is known: cfg.json with sae_weights.safetensors (SAELens) or "
        f"sae.safetensors (sparsify). It holds {', '.join(names) or 'nothing'}."
    )
