"""The panel of a projection: residual streams of the prompt's tokens, or rows of a recording in the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from scope_widgets import features, geometry
from scope_widgets._bar_steps import steps_of_bars
from scope_widgets._job import JobStatus, Steps
from scope_widgets._provenance import Provenance
from scope_widgets.models.tokens import token_texts
from scope_widgets.widgets.core.reproducing_code import load_line
from scope_widgets.widgets.projection_view import ProjectionView
from scope_widgets.widgets.workbench.panels.panel_prompt import Prompt

#: rows of a recording that are drawn, and layers that are projected
MOST_ROWS = 2000
MOST_LAYERS = 64
#: neighbours that are looked for in the plane
_NEIGHBOURS = 10
_WITHOUT_FIRST = (
    "The first token has no point: in most models its stream is many times longer than the others', and would be all "
    "that there is to see."
)


def make_projection(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    """Project each layer's residual streams into the plane, one layer after the other.

    Parameters
    ----------
    prompt : Prompt
    options : dict
        "method"; "recording": the name of a folder in the workspace, "" for the tokens of the prompt.

    Raises
    ------
    ValueError, ImportError
        For a prompt of too few tokens, a folder without a recording, or a method that is not installed.
    """
    name, method = str(options["recording"]).strip(), options["method"]
    if name:
        yield JobStatus("running", "reading the recording")
        rows, layers, shown, provenance, code = _of_recording(prompt.folder(name))
    else:
        if not prompt.scope.interactive:  # one request, which others do not wait for
            yield from steps_of_bars(lambda: prompt.trace.fetch("residual"), "asking the server")
        rows, layers, shown, provenance, code = _of_prompt(prompt)
    n = min(map(_different, rows))  # a token that comes twice is one row before the first block
    k = min(_NEIGHBOURS, (n - 1) // 2)
    options_of: dict[str, Any] = {"perplexity": min(30.0, (n - 2) / 3.0)} if method == "tsne" else {}
    found = []
    for at, x in enumerate(rows):
        yield JobStatus("running", f"layer {layers[at]}", at, len(rows))
        found.append(geometry.project(x, method, k=k, **options_of))
    view = ProjectionView(
        np.stack([one.coordinates for one in found]),
        **shown,
        method=method,
        kept=[one.value for one in found],
        neighbours=k,
        explained=[one.explained for one in found] if method == "pca" else None,
        layers=layers,
        layer=layers[len(layers) // 2],
        selection=prompt.selection,
        provenance=provenance,
    )
    given = "".join(f", {key}={one!r}" for key, one in options_of.items())
    view.made_by = "\n".join([
        *code,
        f"found = [geometry.project(x, {method!r}, k={k}{given}) for x in rows]",
        "points = np.stack([one.coordinates for one in found])",
        "",
    ])  # fmt: skip
    more = ["explained=[one.explained for one in found]"] if method == "pca" else []
    view.arguments = [
        "points",
        *(f"{key}={key}" for key in shown),
        f"method={method!r}",
        "kept=[one.value for one in found]",
        f"neighbours={k}",
        *more,
        f"layers={layers!r}",
        *([] if provenance is None else ["provenance=provenance"]),
    ]
    return view


def _different(x: Any) -> int:
    """Return how many different rows there are."""
    return len({row.tobytes() for row in np.ascontiguousarray(np.asarray(x) + 0)})  # -0 becomes 0


def _of_prompt(prompt: Prompt) -> tuple[list[Any], list[int], dict[str, Any], Provenance, list[str]]:
    """Return rows, layers, what each point is, where it is from, and the lines that make all of that."""
    scope, trace = prompt.scope, prompt.trace
    texts = token_texts(scope.tokenizer, trace.token_ids.tolist())
    if len(texts) < 4:
        raise ValueError(f"A projection takes a prompt of 4 tokens or more; this one has {len(texts)}.")
    layers = list(range(scope.n_layers + 1))[:MOST_LAYERS]
    rows = [trace.residual(layer).float().cpu()[1:] for layer in layers]
    positions = np.arange(1, len(texts))
    norms = torch.stack([one.norm(dim=-1) for one in rows]).mean(0).numpy()
    shown = {
        "texts": [texts],
        "samples": np.zeros(len(positions), int),
        "positions": positions,
        "colours": {"position": positions, "mean norm": norms},
        "left_out": _WITHOUT_FIRST,
    }
    code = [
        "import numpy as np",
        "from scope_widgets import Microscope, geometry",
        "from scope_widgets.widgets import ProjectionView",
        "",
        load_line(scope),
        f"trace = scope.trace({prompt.text!r})",
        f"left_out = {_WITHOUT_FIRST!r}",
        f"rows = [trace.residual(layer).float().cpu()[1:] for layer in range({len(layers)})]",
        "texts = [trace.tokens]",
        "positions = np.arange(1, len(trace.tokens))",
        "samples = np.zeros(len(positions), int)",
        "norms = np.mean([one.norm(dim=-1).numpy() for one in rows], 0)",
        "colours = {'position': positions, 'mean norm': norms}",
        "provenance = trace.provenance",
    ]
    return rows, layers, shown, trace.provenance, code


def _of_recording(folder: Path) -> tuple[list[Any], list[int], dict[str, Any], Provenance, list[str]]:
    recording = features.Recording.load(folder)
    layers = recording.layers[:MOST_LAYERS]
    first = geometry.points(recording, layers[0], n=MOST_ROWS)
    table = recording.table.iloc[first.rows]
    rows = [recording.rows(layer)[first.rows] for layer in layers]
    positions = table["token_pos"].to_numpy()
    shown = {
        "samples": table["sample_id"].to_numpy(),
        "positions": positions,
        "colours": {"position": positions, "split": table["split"].tolist()},
    }
    code = [
        "import numpy as np",
        "from scope_widgets import features, geometry",
        "from scope_widgets.widgets import ProjectionView",
        "",
        f"recording = features.Recording.load({folder.name!r})",
        f"first = geometry.points(recording, {layers[0]}, n={MOST_ROWS})",
        "table = recording.table.iloc[first.rows]",
        f"rows = [recording.rows(layer)[first.rows] for layer in {layers!r}]",
        "samples, positions = table['sample_id'].to_numpy(), table['token_pos'].to_numpy()",
        "colours = {'position': positions, 'split': table['split'].tolist()}",
        "provenance = first.provenance",
    ]
    return rows, layers, shown, first.provenance, code
