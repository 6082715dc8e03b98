"""The steering panel within a browser of features: latents that are clamped and scaled on a text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from scope_widgets.features import FeatureIndex
from scope_widgets.features.indexing.examples import BEFORE
from scope_widgets.steering import ClampFeature, Intervention, ScaleFeature
from scope_widgets.widgets.core.selection import Selection
from scope_widgets.widgets.steering_panel import SteeringPanel

Send = Callable[[dict[str, Any], Any], None]


class InnerPanel(SteeringPanel):
    """A steering panel whose messages and traits travel with those of the view that it stands in."""

    _tunnel: Send | None = None

    def __init__(self, tunnel: Send, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tunnel = tunnel

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message to its part of the page."""
        if self._tunnel is not None:
            self._tunnel({"v": 1, "kind": "panel", "message": content}, buffers)

    def send_state(self, key: Any = None) -> None:
        """Send traits to its part of the page."""
        if self._tunnel is not None:
            self._tunnel({"v": 1, "kind": "panel", "traits": self.told(key)}, None)

    def told(self, key: str | Iterable[str] | None = None) -> dict[str, Any]:
        """Return the traits that its part of the page has."""
        hidden = ("layout", "tabbable", "tooltip")
        found = self.get_state(key)
        return {name: value for name, value in found.items() if name[0] != "_" and name not in hidden}


class LatentSteering:
    """The latents that are touched, in a panel that is made with the first of them.

    Parameters
    ----------
    index : FeatureIndex
    selection : Selection
        Of the browser: the interventions are those of other views of the same model and prompt, too.
    tunnel : function
        Sends what the panel says.
    """

    def __init__(self, index: FeatureIndex, selection: Selection, tunnel: Send) -> None:
        self._index, self._selection, self._tunnel = index, selection, tunnel
        self.panel: InnerPanel | None = None
        self._text = ""

    def touch(self, j: int, text: str) -> InnerPanel:
        """Return the panel with sliders for a latent, on a text; without one on the latent's strongest example.

        Raises
        ------
        ValueError
            Where the index has no model or SAE, or the SAE is a transcoder.
        """
        if missing := [name for name in ("scope", "sae") if getattr(self._index, name) is None]:
            given = ", ".join(f"{name}={name}" for name in missing)
            raise ValueError(f"Touching a latent needs the model and its SAE: FeatureBrowser(index, {given}).")
        index: Any = self._index  # so that sliders have labels, and go as far as the latent does
        wanted: list[Intervention] = [ClampFeature(index, j, math.nan), ScaleFeature(index, j, 1.0)]
        panel = self.panel
        if panel is not None and text in ("", self._text):
            held = {(type(one), getattr(one, "latent", None)) for one in panel.session.interventions}
            for one in wanted:
                if (type(one), j) not in held:
                    panel.add(one)
            return panel
        self.close()
        self._text = text
        prompt = text or self._example(j)
        self.panel = InnerPanel(
            self._tunnel, self._index.scope, prompt, interventions=wanted, selection=self._selection
        )
        return self.panel

    def _example(self, j: int) -> list[int]:
        """Return the tokens of the strongest example up to the one that the latent fires on."""
        ids = self._index.arrays["example_window"][j, 0, : BEFORE + 1]
        if not (ids >= 0).any():
            raise ValueError(f"Latent {j} has no example to touch it on: type a text on which it may fire.")
        return [int(one) for one in ids[ids >= 0]]

    def hear(self, message: Any) -> None:
        """Pass on what the panel's part of the page says."""
        if not isinstance(message, dict) or message.get("v") != 1 or message.get("kind") != "panel":
            return
        panel = self.panel
        if panel is not None and isinstance(message.get("set"), dict):
            panel.set_state(message["set"])
        elif panel is not None:
            panel._hear(None, message.get("message"), [])

    def close(self) -> None:
        """Close the panel, and stop what it computes."""
        if self.panel is not None:
            self.panel.close()
            self.panel = None
