"""The table of results: what is shown of each policy, and what stands out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttf import findings
    from ttf_plugins.html.documents import EpisodeRecord, Estimate, PolicyResult


@dataclass(frozen=True)
class Row:
    """A policy in the table; a cell is bold if it is surely the best of its column."""

    result: PolicyResult
    best_success: bool
    best_return: bool
    best_steps: bool


def rows(policies: Sequence[PolicyResult]) -> list[Row]:
    """The rows of the table; fewer steps are better where episodes can succeed, and mean nothing elsewhere."""
    success = best([row.success for row in policies])
    returns = best([row.returns for row in policies])
    goals = all(row.success is not None for row in policies)
    steps = best([row.steps if goals else None for row in policies], smallest=True)
    return [Row(row, i == success, i == returns, i == steps) for i, row in enumerate(policies)]


def best(column: Sequence[Estimate | None], *, smallest: bool = False) -> int | None:
    """Index of the best estimate if its interval is clear of all others; None for ties, gaps and single rows."""
    cells = [cell for cell in column if cell is not None]
    if len(cells) < max(2, len(column)):
        return None
    sign = -1 if smallest else 1
    first = max(range(len(cells)), key=lambda i: sign * cells[i].estimate)
    clear = all(_clear(cells[first], cell, sign) for i, cell in enumerate(cells) if i != first)
    return first if clear else None


def _clear(winner: Estimate, other: Estimate, sign: int) -> bool:
    near, far = (winner.low, other.high) if sign > 0 else (winner.high, other.low)
    return near is not None and far is not None and sign * near > sign * far


def interval(cell: Estimate | findings.Estimate, scale: float = 1.0, digits: int | None = None) -> Markup:
    """An estimate and its interval, if it has one, rounded for people to ``digits`` or as :func:`decimals` says."""
    places = decimals([cell]) if digits is None else digits
    estimate = exact(cell.estimate, scale, places)
    if cell.low is None or cell.high is None:
        return estimate
    bounds = exact(cell.low, scale, places), exact(cell.high, scale, places)
    return Markup('{} <span class="interval">[{}, {}]</span>').format(estimate, *bounds)


def decimals(column: Sequence[Estimate | findings.Estimate]) -> int:
    """Decimal places that show two digits of the widest interval's half width."""
    pairs = [(cell.low, cell.high) for cell in column]
    half = max(((high - low) / 2 for low, high in pairs if low is not None and high is not None), default=0.0)
    if half > 0 and math.isfinite(half):
        return min(max(1 - math.floor(math.log10(half)), 0), 6)
    return 0 if all(cell.estimate.is_integer() for cell in column) else 2


def exact(value: float, scale: float = 1.0, digits: int = 0) -> Markup:
    """A rounded number for people, with the number itself in the ``value`` attribute."""
    return Markup('<data value="{}">{}</data>').format(repr(value), plain(value * scale, digits))


def plain(value: float, digits: int = 0) -> str:
    """A number with thousands separated, a real minus sign, and no negative zero."""
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}").replace(",", "\N{NARROW NO-BREAK SPACE}")


@dataclass(frozen=True)
class SeedRow:
    """The same seed under every policy."""

    seed: int
    cells: list[EpisodeRecord | None]


def by_seed(episodes: Sequence[EpisodeRecord], policies: Sequence[str], most: int) -> list[SeedRow]:
    """At most ``most`` rows, one per seed in the order of the episodes; a cell per policy."""
    table: dict[int, dict[str, EpisodeRecord]] = {}
    for record in episodes:
        table.setdefault(record.seed, {})[record.policy] = record
    return [SeedRow(seed, [cells.get(policy) for policy in policies]) for seed, cells in list(table.items())[:most]]
