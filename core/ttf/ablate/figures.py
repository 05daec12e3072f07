"""The figures of a comparison."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from ttf.ablate.table import names
from ttf.aggregate import performance_profile
from ttf.paper import EPISODES as COLOURS
from ttf.paper import GREY, INK, WIDTH, Picture, draw
from ttf.run_dir import read_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ttf.ablate.comparison import CellResult, Comparison
    from ttf.ablate.study import Study
    from ttf.ablate.study_dir import StudyDir
    from ttf.statistics import Interval

_DASHES = ("-", "--", ":", "-.")

_PANELS = {"iqm": "interquartile mean", "mean": "mean", "median": "median"}

_LONGEST = 28
"""Letters on a line of a cell's name."""


def pictures(comparison: Comparison, study: Study, folder: StudyDir) -> list[Picture]:
    """Intervals, performance profiles and learning curves, as far as there is something to show."""
    drawn = [intervals_picture(comparison), profiles_picture(comparison)]
    curves = learning_curves(comparison, study, folder)
    drawn.append(curves_picture(curves, names(comparison).heading) if curves else None)
    return [picture for picture in drawn if picture is not None]


def learning_curves(comparison: Comparison, study: Study, folder: StudyDir) -> dict[str, list[list[tuple[int, float]]]]:
    """Update and loss of every seed, by a label for the cells that share these models."""
    curves = {cell.name: _losses(cell, study, folder) for cell in comparison.cells}
    short = names(comparison).short
    cells: dict[str, list[str]] = {}
    for name, seeds in curves.items():
        if seeds:
            cells.setdefault(repr(seeds), []).append(name)
    if len(cells) == 1 < len(comparison.cells) == sum(map(len, cells.values())):
        return {"all cells": curves[comparison.cells[0].name]}
    return {
        f"{short[first]} and {len(others)} more" if others else short[first]: curves[first]
        for first, *others in cells.values()
    }


def intervals_picture(comparison: Comparison) -> Picture:
    """Every cell's aggregates with their intervals, one below the other."""
    cells, called, scale = comparison.cells, names(comparison), comparison.scale
    base = next((cell for cell in cells if cell.name == comparison.base), None)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(_PANELS), sharey=True, sharex=True)
        for axes, (field, label) in zip(panels, _PANELS.items(), strict=True):
            axes.use_sticky_edges = False  # bars begin beside the axis
            for place, cell in enumerate(cells):
                _bar(axes, place, getattr(cell.aggregates, field), scale, _colour(place))
            if base is not None:
                axes.axvline(scale * getattr(base.aggregates, field).estimate, color=GREY, linewidth=0.8, zorder=0)
            axes.set_yticks(range(len(cells)), [fill(called.short[cell.name], _LONGEST) for cell in cells])
            axes.set_ylim(len(cells) - 0.5, -0.5)
            axes.set_title(label)
            axes.set_xlabel(_axis(comparison))
            axes.grid(axis="y", visible=False)
        panels[0].set_xlim(*_limits(comparison))
        panels[0].xaxis.set_major_locator(MaxNLocator(4))
        panels[0].set_ylabel(_title(called.heading))

    caption = (
        "The line is the estimate, the band its 95 % interval, drawn from seeds and episodes, as far as there is one; "
        "the grey line is the recipe as given."
    )
    return Picture("Scores", caption, draw(WIDTH, 0.8 + 0.3 * max(3, len(cells)), paint))


def profiles_picture(comparison: Comparison) -> Picture | None:
    """The share of episodes above every score; None where it would be a single step.

    A success is 0 or 1; what is profiled then is how many seeds succeed in an episode.
    """
    success = comparison.metric == "success"
    called, scale = names(comparison), comparison.scale
    scores = {cell.name: cell.scores.mean(axis=0) if success else cell.scores for cell in comparison.cells}
    levels = np.unique(np.concatenate([each.ravel() for each in scores.values()]))
    if len(levels) <= len(("all fail", "all succeed")):
        return None
    thresholds = np.linspace(0.0 if success else levels[0], 1.0 if success else levels[-1], 1001)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (name, each) in enumerate(scores.items()):
            shares = 100 * performance_profile(each, thresholds)
            label = fill(called.short[name], _LONGEST)
            axes.plot(scale * thresholds, shares, label=label, color=_colour(place), ls=_dashes(place))
        axes.set_xlabel("seeds that succeed, τ in %" if success else f"{comparison.metric} τ")
        axes.set_ylabel("episodes above τ, %")
        axes.set_ylim(0, 102)
        _legend(figure, called.heading)

    caption = (
        "How many episodes are solved with more than a share τ of the seeds."
        if success
        else "How often a cell scores more than τ, over all its seeds and episodes."
    )
    return Picture("Performance profiles", f"{caption} Higher is better everywhere.", draw(WIDTH, 2.8, paint))


def curves_picture(curves: dict[str, list[list[tuple[int, float]]]], heading: str) -> Picture:
    """Validation losses over the updates, a thin line for every seed."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (name, seeds) in enumerate(curves.items()):
            for number, points in enumerate(seeds):
                label = fill(name, _LONGEST) if number == 0 else None
                axes.plot(*zip(*points, strict=True), label=label, color=_colour(place), ls=_dashes(place), lw=0.9)
        axes.set_xlabel("update")
        axes.set_ylabel("loss, nats per token, weighted")
        _legend(figure, heading)

    caption = (
        "Loss of held-out episodes, or of training where none are held out, a line for every seed. Cells that "
        "share a model share its line. Losses of different discretizers and of different numbers of bins cannot be "
        "compared."
    )
    return Picture("Learning curves", caption, draw(WIDTH, 2.8, paint))


def _losses(cell: CellResult, study: Study, folder: StudyDir) -> list[list[tuple[int, float]]]:
    """Of every seed, update and loss."""
    runs = [folder.run(trial) for trial in study.cells[cell.name] if trial.seed in cell.seeds]
    found = []
    for run in runs:
        records = [r for r in read_lines(run.metrics) if "learner" not in r and r.get("loss") is not None]
        held_out = [r for r in records if r["kind"] == "validation"]
        found.append([(r["step"], r["loss"]) for r in held_out or records])
    return [points for points in found if points]


def _legend(figure: Figure, heading: str) -> None:
    figure.legend(loc="outside right upper", title=_title(heading), title_fontsize=7.5, alignment="left")


def _title(heading: str) -> str:
    return "" if heading == "cell" else fill(heading, _LONGEST)


def _axis(comparison: Comparison) -> str:
    return f"{comparison.metric}, %" if comparison.metric == "success" else comparison.metric


def _limits(comparison: Comparison) -> tuple[float, float]:
    """Of the axis that all aggregates share; some room though all be the same."""
    every = [getattr(cell.aggregates, name) for cell in comparison.cells for name in _PANELS]
    values = [comparison.scale * value for interval in every for value in interval if value is not None]
    low, high = min(values), max(values)
    room = 0.05 * ((high - low) or abs(high) or 1)
    return low - room, high + room


def _bar(axes: Axes, place: int, interval: Interval, scale: float, colour: str) -> None:
    low, high = interval.low, interval.high
    if low is not None and high is not None:
        axes.barh(place, scale * (high - low), left=scale * low, height=0.5, color=colour, alpha=0.45, linewidth=0)
    axes.plot([scale * interval.estimate] * 2, [place - 0.25, place + 0.25], color=INK, linewidth=1.6)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _dashes(place: int) -> str:
    return _DASHES[place // len(COLOURS) % len(_DASHES)]
