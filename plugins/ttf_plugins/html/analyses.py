"""Draw what analyses found: lines with bands, bars by name, and maps."""

from __future__ import annotations

import math
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from ttf.paper import BLUE, EPISODES, GREEN, GREY, INK, LIGHT_BLUE, PURPLE, RED, WIDTH, Picture, draw
from ttf_plugins.html.results import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

    from ttf.findings import Axis, BarFigure, Bars, Findings, LineFigure, MapFigure, Series

HUES = (BLUE, RED, GREEN, PURPLE, *EPISODES)
MARKERS = (("o", RED), ("|", INK), ("D", GREEN), ("s", PURPLE))
DASHES = ((0, (4, 2)), (0, (1, 1.5)))
"""Of references, in turn."""

NAMED = 60
"""Names that are written beside bars or rows; more would not be legible."""

_SUPERSCRIPTS = str.maketrans(
    "-0123456789",
    "\N{SUPERSCRIPT MINUS}\N{SUPERSCRIPT ZERO}\N{SUPERSCRIPT ONE}\N{SUPERSCRIPT TWO}\N{SUPERSCRIPT THREE}"
    "\N{SUPERSCRIPT FOUR}\N{SUPERSCRIPT FIVE}\N{SUPERSCRIPT SIX}\N{SUPERSCRIPT SEVEN}\N{SUPERSCRIPT EIGHT}"
    "\N{SUPERSCRIPT NINE}",
)

COLORS = LinearSegmentedColormap.from_list("ttf", ["#FFFFFF", "#BFD3E8", BLUE, "#1F2D50"])


def pictures(findings: Findings) -> list[Picture]:
    """Every figure of an analysis."""
    drawn = [_lines(figure) for figure in findings.lines]
    drawn += [_bars(figure) for figure in findings.bars]
    return drawn + [_maps(figure) for figure in findings.maps]


def _lines(wanted: LineFigure) -> Picture:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        hues, dashes = cycle(HUES), cycle(DASHES)
        for series in wanted.series:
            _line(axes, series, *(("#777777", next(dashes)) if series.dashed else (next(hues), "-")))
        if all(float(x).is_integer() for series in wanted.series for x in series.x):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _scale(axes, wanted)
        axes.set(xlabel=wanted.x_label, ylabel=wanted.y_label)
        axes.margins(x=0.01)
        if wanted.series:
            beside = 5 if len(wanted.series) < 5 else 3  # names
            axes.legend(
                loc="lower left",
                bbox_to_anchor=(0, 1),
                ncols=beside,
                borderaxespad=0.1,
                handlelength=1.6,
                columnspacing=1.4,
            )

    return Picture(wanted.title, wanted.caption, draw(WIDTH, 3.2, paint))


def _line(axes: Axes, series: Series, hue: str, style: str | tuple[float, tuple[float, float]]) -> None:
    x = _numbers(series.x)
    axes.plot(x, _numbers(series.y), label=series.name, color=hue, linestyle=style, linewidth=1.1)
    if series.low is not None and series.high is not None:
        axes.fill_between(x, _numbers(series.low), _numbers(series.high), color=hue, alpha=0.18, linewidth=0)


def _scale(axes: Axes, wanted: LineFigure) -> None:
    """A logarithmic or half logarithmic axis, where that is wanted and possible."""
    drawn = [_numbers([*series.y, *(series.low or []), *(series.high or [])]) for series in wanted.series]
    drawn = [values for some in drawn if len(values := some[np.isfinite(some)])]
    if wanted.y_scale == "log" and any((values > 0).any() for values in drawn):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(lambda value, _: _power(value))
    elif wanted.y_scale == "symlog" and drawn:
        _half_logarithmic(axes, drawn)


def _half_logarithmic(axes: Axes, drawn: list[NDArray[np.float64]]) -> None:
    """Linear as far as the line goes that stays nearest to 0: it is to be seen, and so are the others."""
    decades = [math.ceil(math.log10(max(float(np.abs(values).max()), 1e-3))) for values in drawn]
    linear = 10.0 ** min(decades)
    axes.set_yscale("symlog", linthresh=linear, linscale=2)
    ticks = [0.5 * linear, *(10.0**decade for decade in range(min(decades), max(decades) + 1))]
    axes.set_yticks([-tick for tick in reversed(ticks)] + [0.0, *ticks], minor=False)
    axes.yaxis.set_major_formatter(lambda value, _: _power(value))
    low, high = (1.5 * bound for bound in (min(v.min() for v in drawn), max(v.max() for v in drawn)))
    axes.set_ylim(min(low, -0.1 * linear), max(high, 0.1 * linear))


def _power(value: float) -> str:
    """A tick of a logarithmic axis, as 0.1, 50, 1 000 or 10 to a power."""
    exponent = math.log10(abs(value)) if value else 0.0
    if -4 < exponent < 5:
        return plain(value, max(0, math.ceil(-exponent)))
    sign = "\N{MINUS SIGN}" if value < 0 else ""
    return f"{sign}10" + str(round(exponent)).translate(_SUPERSCRIPTS)


def _bars(wanted: BarFigure) -> Picture:
    rows = np.arange(len(wanted.names))
    shown = min(len(rows), NAMED)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        handles = [_paint_bars(axes, rows, bars, index) for index, bars in enumerate(wanted.bars)]
        if len(rows) <= NAMED:
            axes.set(yticks=rows, yticklabels=wanted.names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(wanted.label)
        axes.grid(visible=False, axis="y")
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.1)

    return Picture(wanted.title, wanted.caption, draw(WIDTH, 0.2 * shown + 0.9, paint))


def _paint_bars(axes: Axes, rows: NDArray[np.int64], bars: Bars, index: int) -> BarContainer | Line2D:
    """The first as bars, the others as marks on them."""
    values = _numbers(bars.values)
    if index == 0:
        return axes.barh(rows, np.nan_to_num(values), color=LIGHT_BLUE, height=0.6, label=bars.name)
    mark, color = MARKERS[(index - 1) % len(MARKERS)]
    size = 9 if mark == "|" else 3.6
    return axes.plot(values, rows, mark, color=color, markersize=size, label=bars.name, clip_on=False)[0]


def _maps(wanted: MapFigure) -> Picture:
    abreast = max(1, min(wanted.abreast, len(wanted.maps)))
    down = max(1, -(-len(wanted.maps) // abreast))
    height = min(max(0.088 * wanted.rows.size, 1.0), 5.0)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(down, abreast, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(wanted.maps) :]:
            axes.set_axis_off()
        norm, image = _norm(wanted), None
        for axes, one in zip(grid.flat, wanted.maps, strict=False):
            image = _map(axes, _numbers(one.values), norm)
            axes.set_title(one.name, fontsize=7)
            _separate(axes, wanted)
        if image is not None:
            _label(grid, wanted)
            bar = figure.colorbar(image, ax=grid, location="bottom", shrink=0.35, aspect=40, pad=0.02)
            bar.set_label(wanted.color_label, fontsize=7)
            bar.locator = MaxNLocator(4)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=6.5)

    return Picture(wanted.title, wanted.caption, draw(WIDTH, down * (height + 0.25) + 0.9, paint))


def _norm(wanted: MapFigure) -> Normalize:
    """From 0, or the least value below it, to the largest of all maps."""
    values = np.concatenate([_numbers(one.values).ravel() for one in wanted.maps] or [np.zeros(1)])
    values = values[np.isfinite(values)]
    low, high = (min(0.0, float(values.min())), float(values.max())) if len(values) else (0.0, 1.0)
    high = high if high > low else low + 1.0
    return PowerNorm(0.5, low, high) if wanted.color_scale == "sqrt" and low >= 0 else Normalize(low, high)


def _map(axes: Axes, values: NDArray[np.float64], norm: Normalize) -> AxesImage:
    image = axes.imshow(values, cmap=COLORS, norm=norm, aspect="auto", interpolation="nearest")
    axes.grid(visible=False)
    axes.tick_params(length=0, which="both")
    axes.spines[["top", "right", "bottom", "left"]].set(visible=True, color=GREY, linewidth=0.5)
    return image


def _separate(axes: Axes, wanted: MapFigure) -> None:
    """Lines between groups of rows and columns."""
    for axis, line in ((wanted.rows, axes.axhline), (wanted.columns, axes.axvline)):
        for end in np.cumsum(axis.groups)[:-1]:
            line(end - 0.5, color="#888888", linewidth=0.5)


def _label(grid: NDArray[np.object_], wanted: MapFigure) -> None:
    """Names at the left and at the bottom."""
    size = 5.5 if wanted.rows.size > 12 else 6.5
    for axes in grid[:, 0]:
        axes.set_yticks(*_ticks(wanted.rows), fontsize=size)
        axes.set_ylabel(wanted.rows.label, fontsize=7)
    for column, axes in enumerate(grid[-1]):
        below = grid[-2, column] if not axes.axison else axes
        below.set_xticks(*_ticks(wanted.columns), fontsize=size, rotation=0 if wanted.columns.groups else 90)
        below.tick_params(labelbottom=True, which="both")
        if wanted.columns.parts:
            _label_parts(below, wanted.columns)
        below.set_xlabel(wanted.columns.label, fontsize=7)


def _label_parts(axes: Axes, axis: Axis) -> None:
    """Names of parts between the map and the names of the groups, with a short line wherever a part ends."""
    axes.xaxis.remove_overlapping_locs = False  # a part may lie in the middle of its group
    axes.set_xticks(_middles(axis.parts), axis.part_names, minor=True)
    axes.tick_params(axis="x", which="minor", labelsize=5)
    axes.tick_params(axis="x", which="major", pad=10)
    ends = np.cumsum(axis.parts)[:-1] - 0.5
    axes.vlines(ends, -0.015, 0, color=GREY, linewidth=0.5, transform=axes.get_xaxis_transform(), clip_on=False)


def _ticks(axis: Axis) -> tuple[list[float], list[str]]:
    """Where names stand: at their row or column, or in the middle of their group."""
    if axis.groups:
        return _middles(axis.groups), axis.names
    if len(axis.names) > NAMED:
        return [], []
    return [float(index) for index in range(len(axis.names))], axis.names


def _middles(sizes: Sequence[int]) -> list[float]:
    """Where the middles of consecutive rows or columns lie."""
    ends = np.cumsum(sizes)
    return [float(end - size / 2 - 0.5) for end, size in zip(ends, sizes, strict=True)]


def _numbers(values: Sequence[object]) -> NDArray[np.float64]:
    """Numbers as an array, None as nan."""
    return np.array(values, dtype=np.float64)
