"""The cells of tables that analyses found, rounded for people."""

from __future__ import annotations

import math
from statistics import median_high
from typing import TYPE_CHECKING

from ttf.findings import Estimate
from ttf_plugins.html.results import decimals, exact, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from ttf.findings import Table

    Cell = Estimate | int | float | str | None

HIDDEN = 2
"""Digits that a number may lose for its column's sake."""


def cells(table: Table) -> list[list[Markup | str]]:
    """The cells of a table, rounded for people: alike within a column, where that hides no number."""
    places = [_common(column) for column in zip(*table.rows, strict=True)]
    return [[_cell(value, common) for value, common in zip(row, places, strict=True)] for row in table.rows]


def _common(column: Sequence[Cell]) -> int:
    """Decimal places that most numbers of a column ask for."""
    wanted = [_places(value) for value in column if isinstance(value, Estimate | float) and value != 0]
    return median_high(wanted) if wanted else 0


def _cell(value: Cell, common: int) -> Markup | str:
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, str):
        return value
    own = _places(value)
    places = own if isinstance(value, int) or own - common > HIDDEN else common
    return interval(value, digits=places) if isinstance(value, Estimate) else exact(value, 1, places)


def _places(value: Estimate | float) -> int:
    """Decimal places that show three significant digits, or two of an interval's half width."""
    if isinstance(value, Estimate):
        return decimals([value])
    if isinstance(value, int) or value == 0 or not math.isfinite(value):
        return 0
    return min(max(2 - math.floor(math.log10(abs(value))), 0), 6)
