"""Why a latent fires: what `features.provenance` finds, as the browser gets it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scope_widgets._job import Steps
from scope_widgets._untrusted import opening
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.circuit.latent_graph import LatentNode
from scope_widgets.features import SAE, FeatureIndex, provenance
from scope_widgets.features.labelling.labels import UNLABELLED
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.widgets.core.selection import Selection

#: examples of a latent that are run where no text is typed
EXAMPLES = 8


def checked_saes(saes: Iterable[SAE] | None, own: SAE | None) -> list[SAE]:
    """Return SAEs beside that of the index.

    Raises
    ------
    TypeError
        When one is no SAE.
    """
    given = [saes] if isinstance(saes, SAE) else list(saes or ())
    if wrong := [one for one in given if not isinstance(one, SAE)]:
        raise TypeError(f"saes= are SAEs of earlier layers, as features.load(...) gives; got {opening(wrong[0])}.")
    return [one for one in given if one is not own]


def place_of(index: FeatureIndex) -> str:
    """Return what latents of an index are named after: "3", or "12.mlp_out"."""
    return LatentNode("latent", index.manifest.layer, 0, index.manifest.site).place


class WhyItFires:
    """Asks which earlier latents, heads and MLPs make a latent of an index fire.

    Parameters
    ----------
    index : FeatureIndex
    saes : list of SAE
        Beside that of the index; without any, heads and MLPs alone are parents.
    """

    def __init__(self, index: FeatureIndex, saes: list[SAE]) -> None:
        self._index, self._saes = index, saes
        self.circuit: Circuit | None = None

    def cannot(self) -> str:
        """Say what is missing, "" where nothing is."""
        missing = [name for name in ("scope", "sae") if getattr(self._index, name) is None]
        given = ", ".join(f"{name}={name}" for name in missing)
        what = " and ".join({"scope": "the model", "sae": "its SAE"}[name] for name in missing)
        return f"Why a latent fires needs {what}: FeatureBrowser(index, {given})." if missing else ""

    def ask(self, j: int, text: str) -> Steps[Circuit]:
        """Return the circuit of a latent's parents, on a text, or on its strongest examples where that is "".

        Raises
        ------
        ValueError
            Where the model or the SAE is missing, or the latent does not fire.
        """
        if missing := self.cannot():
            raise ValueError(missing)
        index = self._index
        m = index.manifest
        prompts = [text] if text else index.prompts(j, EXAMPLES)
        if not prompts:
            raise ValueError(f"Latent {j} has no example to explain: type a text on which it fires.")
        scope: Any = index.scope
        saes: Any = [*self._saes, index.sae]
        job = submit(provenance, scope, saes, m.layer, j, prompts, depth=1, site=m.site)
        self.circuit = yield from job.follow()
        return self.circuit

    def code(self, j: int, text: str) -> str:
        """Return the line that makes the same circuit, after those that make the browser."""
        m = self._index.manifest
        saes = "[*saes, index.sae]" if self._saes else "index.sae"
        prompts = repr([text]) if text else f"index.prompts({j}, n={EXAMPLES})"
        site = "" if m.site == "residual" else f", site={m.site!r}"
        return f"circuit = features.provenance(scope, {saes}, {m.layer}, {j}, {prompts}, depth=1{site})\n"


def rows_of(circuit: Circuit, selection: Selection) -> list[dict[str, Any]]:
    """Return the edges that were tried, those that are confirmed first, the largest effects before others.

    Latents of which a browser shares the selection have its words.
    """
    frame = circuit.to_dataframe()
    frame = frame.assign(size=frame["score"].abs())
    frame = frame.sort_values(["included", "size"], ascending=False, kind="stable")
    numbers = {"effect": "score", "estimate": "attribution"} | {
        name: name for name in ("low", "high", "p_null", "null")
    }
    found = []
    for row in frame.to_dict("records"):
        node = LatentNode.of(row["sender"])
        values = {name: None if row[key] != row[key] else float(row[key]) for name, key in numbers.items()}
        found.append(
            {
                "name": node.name,
                "kind": node.kind,
                "layer": node.layer,
                "head": node.number if node.kind == "head" else -1,
                "place": node.place if node.kind == "latent" else "",
                "words": _words(node, selection),
                "confirmed": bool(row["included"]),
                **values,
            }
        )
    return found


def _words(node: LatentNode, selection: Selection) -> str:
    """Return what a browser of that SAE says of a latent."""
    for view in selection.views() if node.kind == "latent" else ():
        index = getattr(view, "index", None)
        if isinstance(index, FeatureIndex) and place_of(index) == node.place and node.number < len(index):
            row = index.rows([node.number]).to_dict("records")[0]
            label = str(row.get("label", ""))
            return label if label not in ("", UNLABELLED) else str(row["top_tokens"])
    return ""
