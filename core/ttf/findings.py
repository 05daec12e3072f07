"""Findings: what an analysis found, as plain data that any reporter can draw without knowing the analysis."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Axis", "BarFigure", "Bars", "Estimate", "Findings", "LineFigure", "Map", "MapFigure", "Series", "Table"]

SIGNIFICANT_DIGITS = 4
"""Digits of every stored number that is not whole, so that a map of thousands of weights stays small."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, where it has one."""

    estimate: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Table:
    """Rows of cells below named columns; the first cell of a row is its heading."""

    title: str
    caption: str
    columns: list[str]
    rows: list[list[Estimate | int | float | str | None]]

    def __post_init__(self) -> None:
        _same_length(f"rows of table {self.title!r}", [len(self.columns), *map(len, self.rows)])


@dataclass(frozen=True)
class Series:
    """A line, perhaps within a band; None leaves a gap."""

    name: str
    x: list[float]
    y: list[float | None]
    low: list[float | None] | None = None
    high: list[float | None] | None = None
    dashed: bool = False
    """Whether it is a reference that others are compared with."""

    def __post_init__(self) -> None:
        columns = (self.x, self.y, self.low, self.high)
        _same_length(f"x, y, low and high of series {self.name!r}", [len(c) for c in columns if c is not None])


@dataclass(frozen=True)
class LineFigure:
    """Lines over a common axis."""

    title: str
    caption: str
    x_label: str
    y_label: str
    series: list[Series]
    y_scale: str = "linear"
    """``linear``, ``log``, or ``symlog``: logarithmic on both sides of a linear stretch about 0."""


@dataclass(frozen=True)
class Bars:
    """A number for each name of a bar figure."""

    name: str
    values: list[float | None]


@dataclass(frozen=True)
class BarFigure:
    """Numbers by name, such as one for each column of a transition."""

    title: str
    caption: str
    label: str
    """What the numbers are, with their unit."""

    names: list[str]
    bars: list[Bars]

    def __post_init__(self) -> None:
        _same_length(f"names and bars of figure {self.title!r}", [len(self.names), *(len(b.values) for b in self.bars)])


@dataclass(frozen=True)
class Axis:
    """What the rows or the columns of a map are."""

    label: str
    names: list[str]
    """One for each row or column; or one for each group of them, where there are groups."""

    groups: list[int] = field(default_factory=list)
    """Sizes of consecutive groups that lines separate; none if empty."""

    parts: list[int] = field(default_factory=list)
    """Sizes of consecutive parts of the groups, which are named as well; none if empty."""

    part_names: list[str] = field(default_factory=list)
    """One for each part."""

    @property
    def size(self) -> int:
        """Rows or columns."""
        return sum(self.groups) if self.groups else len(self.names)


@dataclass(frozen=True)
class Map:
    """A matrix."""

    name: str
    values: list[list[float | None]]


@dataclass(frozen=True)
class MapFigure:
    """Matrices over the same axes, on the same scale of colours."""

    title: str
    caption: str
    rows: Axis
    columns: Axis
    color_label: str
    maps: list[Map]
    abreast: int = 4
    """Maps beside one another."""

    color_scale: str = "linear"
    """``linear`` or ``sqrt``, which shows small weights beside large ones."""

    def __post_init__(self) -> None:
        for axis in (self.rows, self.columns):
            _same_length(f"names and groups of axis {axis.label!r}", [len(axis.names), len(axis.groups or axis.names)])
            _same_length(f"names and parts of axis {axis.label!r}", [len(axis.part_names), len(axis.parts)])
            _same_length(f"axis {axis.label!r} and its parts", [axis.size, sum(axis.parts) or axis.size])
        for one in self.maps:
            _same_length(f"rows of map {one.name!r}", [self.rows.size, len(one.values)])
            _same_length(f"columns of map {one.name!r}", [self.columns.size, *map(len, one.values)])


@dataclass(frozen=True)
class Findings:
    """What an analysis found."""

    title: str
    text: str
    """A paragraph that says what was asked and what came out."""

    tables: list[Table] = field(default_factory=list)
    lines: list[LineFigure] = field(default_factory=list)
    bars: list[BarFigure] = field(default_factory=list)
    maps: list[MapFigure] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The findings as JSON, numbers rounded to ``SIGNIFICANT_DIGITS``; what is not finite is null."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded


def _rounded(value: Any) -> Any:  # noqa: ANN401  (plain data)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    return value


def _same_length(what: str, lengths: list[int]) -> None:
    if len(set(lengths)) > 1:
        message = f"{what} must have one length, found {sorted(set(lengths))}"
        raise ValueError(message)
