"""Quantile binning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

import torch
from torch import Tensor

from ttf.binning import Bins, EdgeDiscretizer, grouped_bins, midpoints

if TYPE_CHECKING:
    from ttf.layout import Layout


@final
class QuantileDiscretizer(EdgeDiscretizer):
    """Bins of about equal counts.

    By default, a value that is worth two bins or more gets one of its own and the others share the rest, so that
    edges increase strictly. With a ``rule`` the edges are the published ones, duplicates included.
    """

    def __init__(self, layout: Layout, bins: int, rule: Literal["original", "percentile"] | None = None) -> None:
        super().__init__(layout, bins, nudge=rule == "percentile")
        self.rule = rule

    def column(self, values: Tensor) -> Bins:
        """Bins of about equal counts for values (N,)."""
        ordered = values.sort().values
        if self.rule is None:
            distinct, counts = torch.unique_consecutive(ordered, return_counts=True)
            return grouped_bins(distinct, _groups(counts, self.bins))
        edges = _original(ordered, self.bins) if self.rule == "original" else _percentiles(ordered, self.bins)
        return Bins(edges, midpoints(edges[:-1], edges[1:]))


def _groups(counts: Tensor, bins: int) -> Tensor:
    """Split values that occur counts (M,) times into at most ``bins`` groups (M,) of about equal counts.

    A value that counts as much as two groups is alone in its own: its middle is a group away from its neighbours'.
    """
    if len(counts) <= bins:
        return torch.arange(len(counts))
    weights = counts.double().clamp(max=_cap(counts, bins))
    middles = weights.cumsum(0) - weights / 2
    return (middles * (bins / weights.sum())).long()


def _cap(counts: Tensor, bins: int) -> float:
    """What a count is cut down to so that it fills two groups: cap = 2 / bins * sum(min(counts, cap))."""
    cap = 2 * int(counts.sum()) / bins
    while True:
        light = counts[counts <= cap]
        smaller = 2 * int(light.sum()) / (bins - 2 * (len(counts) - len(light)))
        if smaller >= cap:
            return cap
        cap = smaller


def _original(ordered: Tensor, bins: int) -> Tensor:
    """Every ceil(N / bins)-th of the ordered values (N,), and the largest.

    With few rows these are fewer than ``bins`` + 1 edges; the published code then fails on the largest values,
    which here fall into the last bin there is.
    """
    step = -(-len(ordered) // bins)
    return torch.cat([ordered[::step], ordered[-1:]])


def _percentiles(ordered: Tensor, bins: int) -> Tensor:
    """Percentiles 0 .. 100 of the ordered values (N,), interpolated."""
    ranks = torch.linspace(0, len(ordered) - 1, bins + 1, dtype=torch.float64)
    below = ordered[ranks.floor().long()].double()
    above = ordered[ranks.ceil().long()].double()
    return torch.lerp(below, above, ranks.frac()).float()
