"""circuit-tracer's transcoders: one file of tensors a layer."""

from __future__ import annotations

import re
from pathlib import Path

from scope_widgets._untrusted import read_text, reading
from scope_widgets.features.formats.files import names_of, read_tensors
from scope_widgets.features.formats.hook_names import place_of
from scope_widgets.features.sae.sae import SAE

_THRESHOLD = "activation_function.threshold"
#: bytes of the configuration beside the files
_LONGEST = 100_000


def holds(path: Path) -> bool:
    """Whether a path is of this layout."""
    return path.is_file() and {"W_enc", "W_dec", "b_enc", "b_dec"} <= names_of(path)


def read(path: Path) -> SAE:
    """Return the transcoder of a file; its layer is in the name, its places in `config.yaml` beside it.

    Raises
    ------
    ValueError
        For a file that is damaged, or another.
    """
    tensors = read_tensors(path)
    with reading(f"{str(path)!r} is no transcoder of circuit-tracer"):
        found = re.search(r"layer_(\d{1,4})", path.name)
        layer = int(found[1]) if found else 0
        about = _config(path.parent / "config.yaml")
        into, out_of = about.get("feature_input_hook", "mlp.hook_in"), about.get("feature_output_hook", "hook_mlp_out")
        place, output_place = place_of(f"blocks.{layer}.{into}"), place_of(f"blocks.{layer}.{out_of}")
        known = place is not None and output_place is not None and found is not None
        return SAE(
            W_enc=tensors["W_enc"].T.contiguous(),
            W_dec=tensors["W_dec"],
            b_enc=tensors["b_enc"],
            b_dec=tensors["b_dec"],
            activation="jumprelu" if _THRESHOLD in tensors else "relu",
            threshold=tensors.get(_THRESHOLD),
            subtracts_b_dec=False,
            W_skip=tensors.get("W_skip"),
            site=place[0] if place else into,
            output_site=output_place[0] if output_place else out_of,
            layer=layer if known else None,
            model=about.get("model_name", ""),
        )


def _config(path: Path) -> dict[str, str]:
    """Return the names of its places and model."""
    if not path.is_file():
        return {}
    text = read_text(path, _LONGEST)
    return dict(
        re.findall(r"(?m)^(feature_input_hook|feature_output_hook|model_name):[ ]*[\"']?([\w./-]{1,200})", text)
    )
