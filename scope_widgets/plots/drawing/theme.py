"""The light and the dark ground: colours, fonts and axes of all figures, those of the views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from scope_widgets._check_choice import check_choice
from scope_widgets._colours import CLASS_HUES, SIGNED_DARK, SIGNED_LIGHT, Floats, along, magnitude
from scope_widgets._provenance import Provenance
from scope_widgets.plots.drawing.labels import literal, prompts_line, shortened, wrapped

#: which ground a figure stands on
ThemeName: TypeAlias = Literal["light", "dark"]
Colourscale: TypeAlias = list[tuple[float, str]]

MONO = "Menlo, Consolas, 'Liberation Mono', 'DejaVu Sans Mono', monospace"
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
#: steps of a colour scale: enough that none is seen
_STEPS = 33
#: Okabe and Ito's hues for lines and groups, told apart under deuteranopia
_LIGHT_HUES = ("#0072b2", "#c46b00", "#0a874e", "#af538f", "#62666d", "#2f9ad0", "#8a6d00", "#a93b00")
_DARK_HUES = ("#5fb4ee", "#e69f00", "#2fc79a", "#ff9ad0", "#9aa0a8", "#9ad7ff", "#f1e441", "#ff8a5c")
#: what a repeated line is told apart by where hues come to an end
DASHES = ("solid", "dash", "dot")
SYMBOLS = ("circle", "diamond", "square", "cross", "triangle-up", "x", "star", "hexagon")


def _css(colour: Any) -> str:
    r, g, b = (round(float(one)) for one in colour)
    return f"rgb({r},{g},{b})"


def _scale(colours: Floats) -> Colourscale:
    return [(at / (len(colours) - 1), _css(one)) for at, one in enumerate(colours)]


@dataclass(frozen=True)
class Theme:
    """Colours of a ground.

    Attributes
    ----------
    dark : bool
    ground, ink, dim, line, grid : str
        The ground, text, text that matters less, lines of axes, lines of grids.
    accent, positive, negative, not_run : str
    hues : tuple of str
        For groups.
    magnitude, signed : list of (float, str)
        Colour scales of what is 0 or more, and of what is on both sides of 0.
    """

    dark: bool
    ground: str
    ink: str
    dim: str
    line: str
    grid: str
    accent: str
    positive: str
    negative: str
    not_run: str
    hues: tuple[str, ...]
    magnitude: Colourscale
    signed: Colourscale

    def class_hue(self, letter: str) -> str:
        """Return the hue of a class of heads by its letter; of an unknown one grey."""
        return CLASS_HUES.get(letter, CLASS_HUES["U"])[self.dark]

    def sign(self, value: float) -> str:
        """Return the colour of what is above 0 or below."""
        return self.negative if value < 0 else self.positive

    def faint(self, share: float) -> str:
        """Return the ink at a share of its strength, for bands and rests."""
        return f"rgba({'228,230,234' if self.dark else '28,30,33'},{share})"


_THEMES: dict[str, Theme] = {
    "light": Theme(
        dark=False,
        ground="#ffffff",
        ink="#1c1e21",
        dim="#62666d",
        line="#c9ccd1",
        grid="#eceef0",
        accent="#0b62c4",
        positive="#b2182b",
        negative="#2166ac",
        not_run="rgb(236,236,236)",
        hues=_LIGHT_HUES,
        magnitude=_scale(magnitude(np.full(3, 255.0), dark=False, n=_STEPS)),
        signed=_scale(along(SIGNED_LIGHT, _STEPS)),
    ),
    "dark": Theme(
        dark=True,
        ground="#111317",
        ink="#e4e6ea",
        dim="#9aa0a8",
        line="#444950",
        grid="#22262c",
        accent="#6cb2ff",
        positive="#e6664a",
        negative="#3f92e6",
        not_run="rgb(43,46,52)",
        hues=_DARK_HUES,
        magnitude=_scale(magnitude(np.array([17.0, 19.0, 23.0]), dark=True, n=_STEPS)),
        signed=_scale(along(SIGNED_DARK, _STEPS)),
    ),
}


def theme_of(name: ThemeName) -> Theme:
    """Return the colours of a ground; raise ValueError for a name that is none."""
    check_choice("theme", name, ThemeName)
    return _THEMES[name]


def template_of(theme: Theme) -> go.layout.Template:
    """Return the plotly template of a ground."""
    axis = {
        "gridcolor": theme.grid,
        "linecolor": theme.line,
        "zerolinecolor": theme.line,
        "tickcolor": theme.line,
        "zerolinewidth": 1,
        "gridwidth": 1,
        "ticks": "",
        "title": {"font": {"size": 12, "color": theme.ink}, "standoff": 8},
        "tickfont": {"size": 11, "color": theme.dim},
        "automargin": True,
    }
    bar = {"outlinewidth": 0, "thickness": 10, "ticks": "", "tickfont": {"size": 11, "color": theme.dim}}
    return go.layout.Template(
        layout={
            "font": {"family": SANS, "size": 12, "color": theme.ink},
            "paper_bgcolor": theme.ground,
            "plot_bgcolor": theme.ground,
            "colorway": list(theme.hues),
            "colorscale": {"sequential": theme.magnitude, "diverging": theme.signed},
            "coloraxis": {"colorbar": bar},
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {
                "bgcolor": theme.ground,
                "bordercolor": theme.line,
                "font": {"family": SANS, "size": 12, "color": theme.ink},
                "align": "left",
            },
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "yref": "container",
                "yanchor": "top",
                "font": {"size": 11, "color": theme.ink},
                "bgcolor": "rgba(0,0,0,0)",
                "itemsizing": "constant",
            },
            "margin": {"l": 56, "r": 24, "t": 64, "b": 48},
            "hovermode": "closest",
        }
    )


def new_figure(
    theme: Theme,
    title: str,
    provenance: Provenance | None = None,
    *,
    height: float = 360,
    said: str = "",
    into: go.Figure | None = None,
) -> go.Figure:
    """Return an empty figure, or give a title and a ground to `into`, what `panels` made.

    Parameters
    ----------
    theme : Theme
    title : str
        What is shown; literal already. The model is added.
    provenance : Provenance, optional
        Its prompts stand below the title, all of it in `layout.meta`, which `save` writes below the figure.
    height : float
        In pixels.
    said : str
        Stands below the title in the place of the prompts; literal already.
    into : Figure, optional
    """
    model = f", {shortened(provenance.model)}" if provenance is not None and provenance.model else ""
    below = said or (prompts_line(provenance.prompts) if provenance is not None else "")
    text = f"{title}{model}"
    lines = wrapped(below) if below else []
    for line in lines:
        text += f'<br><span style="font-size:11px;color:{theme.dim}">{line}</span>'
    below_title = 40 + 14 * len(lines)
    high = round(height + 14 * max(0, len(lines) - 1) + (18 if into is not None else 0))
    caption = [literal(one) for one in provenance.lines()] if provenance is not None else []
    figure = go.Figure() if into is None else into
    figure.update_layout(
        template=template_of(theme),
        title={
            "text": text,
            "font": {"size": 14, "color": theme.ink},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 14, "l": 16},
        },
        height=high,
        margin={"t": below_title + (44 if into is not None else 26)},
        legend={"y": 1 - below_title / high},
        meta={"title": f"{title}{model}", "caption": caption},
    )
    return figure


def panels(
    theme: Theme,
    rows: int,
    cols: int,
    titles: Sequence[str],
    *,
    across: float = 0.08,
    down: float = 0.1,
    **options: Any,
) -> go.Figure:
    """Return a figure of panels with their titles, literal already, for `new_figure`."""
    made = make_subplots(
        rows, cols, subplot_titles=list(titles), horizontal_spacing=across, vertical_spacing=down, **options
    )
    made.update_annotations(font={"size": 11, "color": theme.dim})
    return made
