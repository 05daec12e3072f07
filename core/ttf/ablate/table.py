"""A comparison as text, for the terminal and the page alike."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING

from ttf.ablate.names import short_names
from ttf.ablate.swaps import AS_GIVEN
from ttf.aggregate import FEWEST_SEEDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.ablate.comparison import CellResult, Comparison
    from ttf.ablate.names import Names
    from ttf.statistics import Interval

SCORES = ("seeds", "IQM", "mean", "median")
REST = ("difference", "P(improved)", "training", "acting", "tokens")
HEADINGS = ("cell", *SCORES, *REST)


@dataclass(frozen=True)
class Row:
    """A cell of the study in the table."""

    name: str
    label: str
    """The short name, which says whether it is the recipe as given."""

    best: bool
    """Whether its interval lies above that of all others."""

    figures: tuple[str, ...]
    """Under the headings after the first."""


def names(comparison: Comparison) -> Names:
    """Short names of all cells."""
    return short_names([*(cell.name for cell in comparison.cells), *comparison.unfinished])


def rows(comparison: Comparison) -> list[Row]:
    """A row for every cell, those last of which nothing has finished."""
    decimals = _decimals(comparison)
    short = names(comparison).short
    figures = {cell.name: _figures(cell, comparison.scale, decimals) for cell in comparison.cells}
    nothing = ("0", *[""] * (len(HEADINGS) - 2))
    return [
        Row(name, labelled(name, comparison.base, short), name == comparison.best, figures.get(name, nothing))
        for name in short
    ]


def verdict(comparison: Comparison) -> str:
    """Which cell is the best, and why no more can be said."""
    if not comparison.cells:
        return "No trial has finished."
    said = []
    if len(comparison.cells) == 1:
        said.append("A single cell has finished: there is nothing to compare.")
    elif comparison.best:
        said.append(f"{comparison.best} is better than all others: its interval lies above theirs.")
    else:
        said.append("No cell is surely the best: no interval lies above all others.")
    if min(len(cell.seeds) for cell in comparison.cells) < FEWEST_SEEDS:
        said.append(
            f"There is no interval where fewer than {FEWEST_SEEDS} seeds have finished: seeds are the samples of "
            "training, and so few say nothing sure about it."
        )
    return " ".join(said)


def labelled(cell: str, base: str, short: Mapping[str, str]) -> str:
    """A cell's short name, and that it is the recipe as given if it is."""
    return f"{short[cell]} ({AS_GIVEN})" if cell == base and cell != AS_GIVEN else short[cell]


def _figures(cell: CellResult, scale: float, decimals: int) -> tuple[str, ...]:
    scores = (cell.aggregates.iqm, cell.aggregates.mean, cell.aggregates.median)
    return (
        str(len(cell.seeds)),
        *(_interval(score, scale, decimals) for score in scores),
        "" if cell.difference is None else _interval(cell.difference, scale, decimals, signed=True),
        "" if cell.improvement is None else _interval(cell.improvement, 1, 2),
        _seconds(cell.cost.training),
        _seconds(cell.cost.evaluation),
        _count(cell.cost.tokens),
    )


def _decimals(comparison: Comparison) -> int:
    """So many that the widest interval shows two digits."""
    every = [cell.aggregates.mean for cell in comparison.cells]
    widths = [comparison.scale * (x.high - x.low) for x in every if x.low is not None and x.high is not None]
    widest = max(widths, default=0.0)
    return max(0, 1 - floor(log10(widest))) if widest > 0 else 1


def _interval(interval: Interval, scale: float, decimals: int, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    estimate = f"{scale * interval.estimate:{sign}.{decimals}f}"
    if interval.low is None or interval.high is None:
        return estimate
    return f"{estimate} [{scale * interval.low:{sign}.{decimals}f}, {scale * interval.high:{sign}.{decimals}f}]"


def _seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _count(number: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"
