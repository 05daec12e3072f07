"""How every figure looks, and how it gets into the page: drawn by matplotlib, embedded as SVG."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.typing import RcKeyType

#: Paul Tol's "bright" and "muted" hues that stay apart for colour-blind readers.
BLUE, RED, GREEN, PURPLE, GREY, INK = "#4477AA", "#EE6677", "#228833", "#AA3377", "#BBBBBB", "#222222"
LIGHT_BLUE = "#7FA8D1"
EPISODES = ("#332288", "#CC6677", "#117733", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499", "#DDCC77")

WIDTH = 7.2
"""Inches; the page shows a figure of this width over its whole column."""

_STYLE: dict[RcKeyType, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.3,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "savefig.dpi": 300,  # of images inside the figure
    "svg.hashsalt": "ttf",  # the same run gives the same bytes
    "text.parse_math": False,  # a name with dollar signs is a name
}


@dataclass(frozen=True)
class Picture:
    """A figure of the report."""

    title: str
    caption: str
    source: str
    """A data URI."""


def draw(width: float, height: float, paint: Callable[[Figure], None]) -> str:
    """A data URI of the figure, ``width`` x ``height`` inches, that ``paint`` fills."""
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def page_style() -> Markup:
    """The style sheet of a page."""
    return Markup(files("ttf").joinpath("page.css").read_text(encoding="utf-8"))  # noqa: S704  (our own file)
