"""The figures of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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

_BINARY = 2
"""Different scores below which a profile would be a single step."""


def pictures(comparison: Comparison, study: Study, folder: StudyDir) -> list[Picture]:
    """Intervals, performance profiles and learning curves, as far as there is something to show."""
    drawn = [intervals_picture(comparison)]
    if len(np.unique(np.concatenate([cell.scores.ravel() for cell in comparison.cells]))) > _BINARY:
        drawn.append(profiles_picture(comparison))
    curves = learning_curves(comparison, study, folder)
    return [*drawn, curves_picture(curves)] if curves else drawn


def learning_curves(comparison: Comparison, study: Study, folder: StudyDir) -> dict[str, list[list[tuple[int, float]]]]:
    """Update and loss of every seed, by a label for the cells that share these models."""
    curves = {cell.name: _losses(cell, study, folder) for cell in comparison.cells}
    cells: dict[str, list[str]] = {}
    for name, seeds in curves.items():
        if seeds:
            cells.setdefault(repr(seeds), []).append(name)
    return {f"{first} and {len(others)} more" if others else first: curves[first] for first, *others in cells.values()}


def intervals_picture(comparison: Comparison) -> Picture:
    """Every cell's aggregates with their intervals, one below the other."""
    cells = comparison.cells
    base = next((cell for cell in cells if cell.name == comparison.base), None)
    panels = (("iqm", "interquartile mean"), ("mean", "mean"), ("median", "median"))

    def paint(figure: Figure) -> None:
        for axes, (field, label) in zip(figure.subplots(1, 3, sharey=True), panels, strict=True):
            axes.use_sticky_edges = False  # bars begin beside the axis
            for place, cell in enumerate(cells):
                _bar(axes, place, getattr(cell.aggregates, field), _colour(place))
            if base is not None:
                axes.axvline(getattr(base.aggregates, field).estimate, color=GREY, linewidth=0.8, zorder=0)
            axes.set_yticks(range(len(cells)), [cell.name for cell in cells])
            axes.set_ylim(len(cells) - 0.5, -0.5)
            axes.set_title(label)
            axes.set_xlabel(comparison.metric)
            axes.grid(axis="y", visible=False)

    caption = (
        "The line is the estimate, the band its 95 % interval, drawn from seeds and episodes; the grey line is the "
        "recipe as given."
    )
    return Picture("Scores", caption, draw(WIDTH, 0.8 + 0.3 * len(cells), paint))


def profiles_picture(comparison: Comparison) -> Picture:
    """The share of episodes above every score."""
    every = np.concatenate([cell.scores.ravel() for cell in comparison.cells])
    thresholds = np.linspace(every.min(), every.max(), 201)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for place, cell in enumerate(comparison.cells):
            shares = performance_profile(cell.scores, thresholds)
            axes.plot(thresholds, shares, label=cell.name, color=_colour(place), ls=_dashes(place))
        axes.set_xlabel(f"{comparison.metric} τ")
        axes.set_ylabel(f"share of episodes with {comparison.metric} > τ")
        axes.set_ylim(0, 1.02)
        figure.legend(loc="outside right upper")

    caption = "How often a cell scores more than τ, over all its seeds and episodes. Higher is better everywhere."
    return Picture("Performance profiles", caption, draw(WIDTH, 2.8, paint))


def curves_picture(curves: dict[str, list[list[tuple[int, float]]]]) -> Picture:
    """Validation losses over the updates, a thin line for every seed."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (name, seeds) in enumerate(curves.items()):
            for number, points in enumerate(seeds):
                label = name if number == 0 else None
                axes.plot(*zip(*points, strict=True), label=label, color=_colour(place), ls=_dashes(place), lw=0.9)
        axes.set_xlabel("update")
        axes.set_ylabel("loss, nats per token, weighted")
        figure.legend(loc="outside right upper")

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


def _bar(axes: Axes, place: int, interval: Interval, colour: str) -> None:
    low, high = interval.low, interval.high
    if low is not None and high is not None:
        axes.barh(place, high - low, left=low, height=0.5, color=colour, alpha=0.45, linewidth=0)
    axes.plot([interval.estimate] * 2, [place - 0.25, place + 0.25], color=INK, linewidth=1.6)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _dashes(place: int) -> str:
    return _DASHES[place // len(COLOURS) % len(_DASHES)]
