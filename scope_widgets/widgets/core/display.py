"""What a notebook is given for a view: the widget, and a still beside it for when there is no kernel."""

from __future__ import annotations

from typing import Any

from IPython.display import publish_display_data


class Displayed:
    """Mixin that shows a widget with its still; stands before the widget among the bases."""

    def _still(self) -> dict[str, str]:
        """Return the still as MIME types."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        shown = self._living(**kwargs)
        if shown is None:
            return None
        data, metadata = shown
        data.update(self._still())
        return data, metadata

    def _ipython_display_(self, text: str | None = None) -> None:
        """Display the view, and a still beside it for when the notebook is opened again.

        `text` is what a host is given that shows text alone (IPython in a terminal); the view's repr by default.
        """
        shown = self._living()
        if shown is None:
            raise NotImplementedError
        data, metadata = shown
        own = data.pop("text/plain")
        # shown where a host knows no widget, or has no state of this one: VS Code would say that it found no renderer
        data["text/html"] = ""
        publish_display_data(data, metadata)  # type: ignore[no-untyped-call,unused-ignore]
        publish_display_data({"text/plain": text or own, **self._still()})  # type: ignore[no-untyped-call,unused-ignore]

    def _living(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return what the widget itself is shown as, with its metadata, which ipywidgets leaves out."""
        shown: Any = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if shown is None:
            return None
        data, metadata = (shown, {}) if isinstance(shown, dict) else shown
        return {**data, "text/plain": repr(self)}, metadata  # ipywidgets cuts it off
