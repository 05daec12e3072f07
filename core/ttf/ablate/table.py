"""A comparison as text, for the terminal and the page alike."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING

from ttf.ablate.swaps import AS_GIVEN

if TYPE_CHECKING:
    from ttf.ablate.comparison import CellResult, Comparison
    from ttf.statistics import Interval

HEADINGS = ("cell", "seeds", "IQM", "mean", "median", "difference", "P(improved)", "training", "acting", "tokens")


@dataclass(frozen=True)
class Row:
    """A cell of the study in the table."""

    name: str
    label: str
    """The name, which says whether it is the recipe as given."""

    best: bool
    """Whether its interval lies above that of all others."""

    figures: tuple[str, ...]
    """Under the headings after the first."""


def rows(comparison: Comparison) -> list[Row]:
    """A row for every cell."""
    scale = 100 if comparison.metric == "success" else 1
    decimals = _decimals(comparison, scale)
    return [
        Row(
            cell.name,
            labelled(cell.name, comparison.base),
            cell.name == comparison.best,
            _figures(cell, scale, decimals),
        )
        for cell in comparison.cells
    ]


def labelled(cell: str, base: str) -> str:
    """A cell's name, and that it is the recipe as given if it is."""
    return f"{cell} ({AS_GIVEN})" if cell == base and cell != AS_GIVEN else cell


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


def _decimals(comparison: Comparison, scale: float) -> int:
    """So many that the widest interval shows two digits."""
    every = [cell.aggregates.mean for cell in comparison.cells]
    widths = [scale * (x.high - x.low) for x in every if x.low is not None and x.high is not None]
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
