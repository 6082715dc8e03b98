"""`load`: a sparse autoencoder from a folder, whichever library wrote it."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Literal

from scope_widgets._check_choice import check_choice
from scope_widgets._reproducing_calls import python_call
from scope_widgets._untrusted import check_name
from scope_widgets.features.formats import circuit_tracer, gemma_scope, llama_scope, saelens, sparsify
from scope_widgets.features.formats.check_finite import check_finite
from scope_widgets.features.formats.check_rows import check_rows
from scope_widgets.features.sae.check_model import warn_of_another_model
from scope_widgets.features.sae.sae import SAE
from scope_widgets.models.microscope import Microscope

#: the SAE of the demo model, which `scripts/train_demo_sae.py` made
DEMO = Path(__file__).parents[1] / "demo"

Layout = Literal["saelens", "sparsify", "llama_scope", "gemma_scope", "circuit_tracer"]
_READERS = {
    "saelens": saelens,
    "sparsify": sparsify,
    "llama_scope": llama_scope,
    "gemma_scope": gemma_scope,
    "circuit_tracer": circuit_tracer,
}

#: files by which layouts are known that torch.save wrote: they may run code when they are read
_PICKLES = (".pt", ".pth", ".bin", ".pkl", ".ckpt")

#: the call that loaded an SAE, as long as it is there
_calls: weakref.WeakKeyDictionary[SAE, str] = weakref.WeakKeyDictionary()


def call_that_loads(sae: SAE) -> str:
    """Return the call that loaded an SAE; "" of one that was trained here, or changed since."""
    return _calls.get(sae, "")


def load(path: str | Path, *, layout: Layout | None = None, scope: Microscope | None = None) -> SAE:
    """Return the SAE of a folder or file, whichever library wrote it.

    Parameters
    ----------
    path : str or Path
        A folder that SAELens (its version 6, or before), sparsify, Llama Scope, or `SAE.save` wrote; one of Gemma Scope
        (1 or 2), or its file; a file of circuit-tracer's transcoders. "demo" is the SAE of the demo model that is in
        the package.
    layout : str, optional
        "saelens", "sparsify", "llama_scope", "gemma_scope" or "circuit_tracer"; by default what is there says it.

    scope : Microscope, optional
        The model that it is of: a handful of its rows is reconstructed, and a warning says where that does not go well,
        with the likely cause (another layer, a centred stream, a scale), and where the SAE names another model.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such folder, it is damaged, holds nothing that is known, or numbers that are not finite;
        pickles are never read.
    TypeError
        For what is no path.

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
    there = DEMO if str(path) == "demo" else check_name(path)
    if not there.exists():
        raise FileNotFoundError(
            f"There is no folder {str(path)[:200]!r}: an SAE is a folder of a configuration and weights."
        )
    for name, reader in _READERS.items():
        if layout == name or (layout is None and reader.holds(there)):
            sae: SAE = reader.read(there)
            check_finite(sae, str(there))
            options = {} if layout is None else {"layout": layout}
            _calls[sae] = python_call("features.load", ("path", str(path)), **options)
            if scope is not None:
                warn_of_another_model(scope.model_id, sae)
                check_rows(scope, sae)
            return sae
    names = sorted(one.name for one in there.iterdir())[:20] if there.is_dir() else [there.name]
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles:
        raise ValueError(
            f"{str(there)!r} holds {pickles[0]!r}, a pickle, which may run code when it is read and is not: "
            "features.convert(file, folder) writes it anew as safetensors, without running anything of it."
        )
    raise ValueError(
        f"{str(there)!r} holds no SAE that is known: cfg.json with sae_weights.safetensors (SAELens) or "
        "sae.safetensors (sparsify), hyperparams.json (Llama Scope), params.npz or params.safetensors (Gemma Scope) or "
        f"a transcoder's file (circuit-tracer). It holds {', '.join(names) or 'nothing'}."
    )
